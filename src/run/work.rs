//! One term of office: all flows, under one token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{GRACE, RunError, Shared, lanes, leader, repair, repeat};
use crate::capture::{Capture, Observer};
use crate::config::OnMaxWal;
use crate::console::{Flow, Vital};
use crate::deliver::Deliverer;
use crate::files::SiteFiles;
use crate::model::{Seen, TroubleKind, clock};
use crate::postgres::catalog;
use crate::resolve::Resolver;
use crate::store::{HoldKind, Meta, StoreError};
use crate::sweep::Sweeper;
use crate::writeback::WriteBack;

/// How often the WAL that our slot holds, and the publications, are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// The variable that makes the watch look more often, in milliseconds, so that a test need not wait.
const WATCH_VARIABLE: &str = "DESKIE_CDC_WATCH_MS";

/// How often past things are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

struct StreamObserver {
    vital: Arc<Vital>,
    drop_slot: Arc<AtomicBool>,
}

impl Observer for StreamObserver {
    fn streaming(&self) {
        self.vital.set_stream_connected(true);
        self.vital.moved(Flow::Capture);
    }

    fn stopped(&self, why: &str) {
        self.vital.set_stream_connected(false);
        self.vital.set_error(why);
    }

    fn stuck(&self) {
        self.drop_slot.store(true, Ordering::SeqCst);
    }
}

/// Leads until `stop` or until the lead is lost.
pub async fn work(
    shared: &Shared,
    vital: &Arc<Vital>,
    connection: tokio_postgres::Client,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let store = shared.store.clone();
    let config = shared.config.clone();
    // What the last term was cut off from nobody brings back.
    shared.meter.budget().forget_in_flight(clock::monotonic());
    let begun = tokio::select! {
        begun = begin_renewing(shared) => begun,
        // What it was at is done or undone in the database, and begun again at the next start.
        () = stop.cancelled() => {
            leader::give_back(shared, connection).await;
            return Ok(());
        }
    };
    let Begun { meta, adopted, held } = match begun {
        Ok(begun) => begun,
        Err(error) => {
            // `status` tells it as well, wherever it is asked.
            if let Err(unsaid) = shared.store.hold_set(HoldKind::Start, &error).await {
                tracing::debug!("the refused start could not be noted: {unsaid}");
            }
            vital.set_held(Some(error.clone()));
            // Told once, not at each attempt.
            if vital.snapshot().last_error.as_ref() != Some(&error) {
                tracing::error!("nothing is sent, and it is tried again: {error}");
            }
            vital.set_error(&error);
            leader::give_back(shared, connection).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(Duration::from_secs(2)) => {}
            }
            return Ok(());
        }
    };
    vital.clear_error();
    vital.set_held(held.clone());
    if let Some(reason) = &held {
        tracing::error!("held: {reason}");
    }
    if adopted > 0 {
        tracing::warn!("{adopted} calls were cut off by the last stop; they are looked for in Deskie");
    }
    let Some(slot) = meta.slot else {
        return Err(RunError::NotSetUp);
    };
    let publications = match publications(shared).await {
        Ok(publications) => publications,
        Err(error) => {
            tracing::warn!("the publications could not be read: {error}");
            return Ok(());
        }
    };
    let term = stop.child_token();
    let capture = Capture::new(
        store.clone(),
        shared.url.clone(),
        &config,
        slot.clone(),
        publications,
        &shared.instance,
    );
    let resolver = Resolver::new(store.clone(), shared.reading.clone(), config.clone());
    let site_files = SiteFiles::new(shared.reading.clone(), config.clone(), shared.downloader.clone());
    let site_files = Arc::new(site_files);
    let deliverer = Arc::new(Deliverer::new(
        store.clone(),
        shared.client.clone(),
        shared.meter.clone(),
        config.clone(),
        site_files,
        meta.created_at_kept,
    ));
    let writeback = Arc::new(WriteBack::new(
        store.clone(),
        shared.writing.clone(),
        shared.client.clone(),
        shared.meter.clone(),
        config.clone(),
        shared.downloader.clone(),
    ));
    let sweeper = Sweeper::new(
        store.clone(),
        shared.client.clone(),
        shared.meter.clone(),
        config.clone(),
    );
    let asked = CancellationToken::new();
    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    {
        let observer = StreamObserver {
            vital: vital.clone(),
            drop_slot: shared.drop_slot.clone(),
        };
        let (term, observer) = (term.clone(), Arc::new(observer));
        tasks.spawn(async move {
            capture.run(term, observer).await;
            "capture"
        });
    }
    // A gap is repaired before anything is resolved; all else goes on meanwhile. What is held resolves nothing: which rows
    // of the gap are new depends on it.
    let repaired = Arc::new(AtomicBool::new(false));
    {
        let (term, vital, shared) = (term.clone(), vital.clone(), shared.clone());
        let (repaired, is_held) = (repaired.clone(), held.is_some());
        tasks.spawn(async move {
            if is_held {
                term.cancelled().await;
            } else if repair::until_repaired(&shared, &term).await {
                repaired.store(true, Ordering::SeqCst);
                resolver.run(term, || vital.moved(Flow::Resolve)).await;
            }
            "resolve"
        });
    }
    {
        let (term, asked, shared) = (term.clone(), asked.clone(), shared.clone());
        let (writeback, vital) = (writeback.clone(), vital.clone());
        tasks.spawn(async move {
            lanes::run(shared, deliverer, writeback, vital, asked, term).await;
            "lanes"
        });
    }
    {
        let (term, store, writeback) = (term.clone(), store.clone(), writeback.clone());
        tasks.spawn(async move {
            let round = || async {
                let moved = writeback.inbox_round().await?;
                Ok(writeback.birth_round().await? || moved)
            };
            repeat(
                "the inbox",
                term,
                &store.wake.inbox,
                Duration::from_secs(1),
                round,
            )
            .await;
            "inbox"
        });
    }
    if writeback.fetches_files() {
        let (term, writeback) = (term.clone(), writeback.clone());
        tasks.spawn(async move {
            // The bell is the write-back's.
            let no_bell = tokio::sync::Notify::new();
            let pause = Duration::from_millis(500);
            repeat("the write-back of files", term, &no_bell, pause, || {
                writeback.file_round()
            })
            .await;
            "files"
        });
    }
    {
        let (term, store, vital) = (term.clone(), store.clone(), vital.clone());
        tasks.spawn(async move {
            let round = || async {
                vital.moved(Flow::Writeback);
                let replies = writeback.write_round().await?;
                Ok(writeback.status_round().await? || replies)
            };
            repeat(
                "the write-back",
                term,
                &store.wake.remotes,
                Duration::from_secs(1),
                round,
            )
            .await;
            "write-back"
        });
    }
    if held.is_none() {
        let term = term.clone();
        tasks.spawn(async move {
            sweeper.run(term, asked).await;
            "sweep"
        });
    } else if store
        .hold_reason(HoldKind::Account)
        .await
        .ok()
        .flatten()
        .is_some()
    {
        let term = term.clone();
        tasks.spawn(async move {
            sweeper.prove_account(term).await;
            "the proof of Deskie's account"
        });
    }
    {
        let (term, store, retain) = (term.clone(), store.clone(), config.capture.retain);
        tasks.spawn(async move {
            let bell = tokio::sync::Notify::new();
            let round = || async { store.prune(retain).await.map(|()| false) };
            repeat("pruning", term, &bell, PRUNE_EVERY, round).await;
            "pruning"
        });
    }
    {
        let (term, shared, vital) = (term.clone(), shared.clone(), vital.clone());
        tasks.spawn(async move {
            watch(shared, vital, slot, BegunWith { repaired, held }, term).await;
            "the watch over slot and publications"
        });
    }
    // The lease outlives the work: it is renewed until the last call has ended, and only then given back.
    let over = CancellationToken::new();
    let mut lease = JoinSet::new();
    {
        let (term, over) = (term.clone(), over.clone());
        let (shared, vital) = (shared.clone(), vital.clone());
        lease.spawn(async move { leader::keep_lease(shared, connection, vital, term, over).await });
    }
    leader::end_together(tasks, &term, GRACE).await;
    over.cancel();
    lease.join_all().await;
    Ok(())
}

/// What a term begins with.
struct Begun {
    meta: Meta,
    /// Calls that the last stop cut off.
    adopted: u64,
    /// Why nothing but capture may work.
    held: Option<String>,
}

/// [`begin`], with the lease renewed meanwhile: a look through large tables takes its time.
async fn begin_renewing(shared: &Shared) -> Result<Begun, String> {
    let begun = begin(shared);
    tokio::pin!(begun);
    loop {
        tokio::select! {
            begun = &mut begun => return begun,
            () = tokio::time::sleep(leader::RENEW_EVERY) => {
                match shared.store.lease_renew().await {
                    Ok(true) => {}
                    Ok(false) => return Err("another instance has taken over".into()),
                    Err(error) => tracing::warn!("the lease could not be renewed: {error}"),
                }
            }
        }
    }
}

/// How often something is looked at: so often, or as a test wants it.
pub fn watch_every(usual: Duration) -> Duration {
    crate::config::process_env(WATCH_VARIABLE)
        .and_then(|text| text.parse().ok())
        .map_or(usual, Duration::from_millis)
}

/// Watches the WAL that our slot holds (rule 3) and the publications. Ends, and with it the term, where the slot is to be
/// dropped, or where a gap is open: the next term makes what is missing and repairs the gap. One whose repair is being
/// tried (not `repaired`) ends no term. It ends as well where something came to be held, or is held no more: then it is
/// told, and the next term does what may be done.
async fn watch(shared: Shared, vital: Arc<Vital>, slot: String, begun: BegunWith, term: CancellationToken) {
    let watch_every = watch_every(WATCH_EVERY);
    let mut told = Told::default();
    while !term.is_cancelled() {
        tokio::select! {
            () = term.cancelled() => return,
            () = tokio::time::sleep(watch_every) => {}
            () = shared.store.wake.hold.notified() => {}
        }
        if let Err(error) = crate::setup::note_keys(&shared.config, &shared.store).await {
            tracing::debug!("the keys could not be compared: {error}");
        }
        match shared.store.holds().await {
            Ok(holds) if holds.is_empty() == begun.held.is_some() => return,
            // What is learned of it meanwhile is told as well.
            Ok(holds) if !holds.is_empty() => vital.set_held(Some(holds.join("; "))),
            Ok(_) => {}
            Err(error) => tracing::debug!("what is held could not be read: {error}"),
        }
        if wal_is_too_much(&shared, &vital, &slot, &mut told.wal).await {
            return;
        }
        match watch_publications(&shared, &vital, &mut told.publications).await {
            Ok(Watched::Gap) if begun.repaired.load(Ordering::SeqCst) && begun.held.is_none() => {
                tracing::warn!("rows were not streamed for a while: the gap is repaired");
                return;
            }
            Ok(Watched::Renamed) => {
                tracing::warn!(
                    "a mapped table was moved to where the config means it as well: it goes on there"
                );
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!("the publications could not be looked at: {error}"),
        }
    }
}

/// What a term was begun with.
struct BegunWith {
    repaired: Arc<AtomicBool>,
    held: Option<String>,
}

/// What was told already.
#[derive(Default)]
struct Told {
    wal: bool,
    publications: Option<String>,
}

/// True where the slot is to be dropped.
async fn wal_is_too_much(shared: &Shared, vital: &Vital, slot: &str, told: &mut bool) -> bool {
    let limit = i64::try_from(shared.config.capture.max_wal).unwrap_or(i64::MAX);
    let Ok(client) = shared.store.client().await else {
        return false;
    };
    let Ok(Some(state)) = catalog::slot(&**client, slot).await else {
        return false;
    };
    let held = state.held_bytes.unwrap_or_default();
    if held <= limit {
        if std::mem::take(told) {
            note(
                shared
                    .store
                    .trouble_over(TroubleKind::WalHeld, "")
                    .await
                    .map(drop),
            );
        }
        return false;
    }
    let text = format!("the slot {slot} holds {held} bytes of WAL, more than [capture] max_wal");
    vital.set_error(&text);
    let trouble = Seen::new(TroubleKind::WalHeld, &text);
    note(shared.store.trouble_seen(&trouble).await.map(drop));
    if shared.config.capture.on_max_wal == OnMaxWal::DropSlot {
        tracing::error!("{text}: it is dropped, the site's disk comes first; the gap is repaired");
        shared.drop_slot.store(true, Ordering::SeqCst);
        return true;
    }
    if !std::mem::replace(told, true) {
        tracing::error!("{text}; see why capture does not get on: `deskie-cdc status`");
    }
    false
}

/// What a look at the publications asks for.
enum Watched {
    Well,
    /// A gap is open: somebody has put a table back, or `setup` has made the slot anew beside us.
    Gap,
    /// What we have of a table is to go on under another name.
    Renamed,
}

async fn watch_publications(
    shared: &Shared,
    vital: &Vital,
    told: &mut Option<String>,
) -> Result<Watched, crate::store::StoreError> {
    let found = crate::setup::look_at_publications(&shared.config, &shared.store, false).await?;
    let trouble = found.trouble();
    if trouble != *told {
        match &trouble {
            Some(text) => {
                tracing::error!("{text}");
                vital.set_error(text);
            }
            None => tracing::info!("all mapped tables are published again"),
        }
        note_unpublished(shared, trouble.as_deref()).await?;
        *told = trouble;
    }
    let is_gap = shared.store.meta_gap().await?.is_some();
    Ok(match (found.renamed, is_gap) {
        (true, _) => Watched::Renamed,
        (false, true) => Watched::Gap,
        (false, false) => Watched::Well,
    })
}

/// A trouble that could not be written down is told all the same, and written down at the next look.
fn note(noted: Result<(), StoreError>) {
    if let Err(error) = noted {
        tracing::debug!("a trouble could not be noted: {error}");
    }
}

async fn note_unpublished(shared: &Shared, trouble: Option<&str>) -> Result<(), StoreError> {
    match trouble {
        Some(text) => {
            let trouble = Seen::new(TroubleKind::Unpublished, text);
            shared.store.trouble_seen(&trouble).await.map(drop)
        }
        None => shared
            .store
            .trouble_over(TroubleKind::Unpublished, "")
            .await
            .map(drop),
    }
}

/// Drops our slot, once capture has let go of it.
async fn drop_slot(shared: &Shared) -> Result<(), String> {
    let meta = shared.store.meta().await.map_err(|error| error.to_string())?;
    let client = shared.store.client().await.map_err(|error| error.to_string())?;
    if let Some(slot) = meta.slot {
        catalog::slot_drop(&**client, &slot)
            .await
            .map_err(|error| crate::postgres::describe(&error))?;
    }
    shared.drop_slot.store(false, Ordering::SeqCst);
    Ok(())
}

/// What comes before the first piece of work: is this our server (rule 11), is the slot there, is a gap to be repaired
/// (rule 12), which calls were cut off.
async fn begin(shared: &Shared) -> Result<Begun, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    if shared.drop_slot.load(Ordering::SeqCst) {
        drop_slot(shared).await?;
    }
    let mut said = Vec::new();
    let kept = crate::setup::keep_slot(&shared.config, &shared.url, &mut |line| {
        said.push(line.to_owned())
    })
    .await;
    for line in said.iter().filter(|line| {
        ["gap:", "failover:", "renamed:"]
            .iter()
            .any(|word| line.starts_with(word))
    }) {
        tracing::warn!("{line}");
    }
    kept.map_err(|error| text(&error))?;
    let published = crate::setup::look_at_publications(&shared.config, &shared.store, true)
        .await
        .map_err(|error| text(&error))?;
    note_unpublished(shared, published.trouble().as_deref())
        .await
        .map_err(|error| text(&error))?;
    // What the last term met, this one meets again if it is still so.
    let met = [
        TroubleKind::ResolvingStopped,
        TroubleKind::WritingStopped,
        TroubleKind::WalHeld,
    ];
    shared
        .store
        .trouble_compare(&met, &[])
        .await
        .map_err(|error| text(&error))?;
    shared
        .store
        .hold_lift(HoldKind::Start)
        .await
        .map_err(|error| text(&error))?;
    compare_account(shared).await.map_err(|error| text(&error))?;
    crate::setup::note_keys(&shared.config, &shared.store)
        .await
        .map_err(|error| text(&error))?;
    let holds = shared.store.holds().await.map_err(|error| text(&error))?;
    let held = (!holds.is_empty()).then(|| holds.join("; "));
    shared.store.gap_reserve().await.map_err(|error| text(&error))?;
    let meta = shared.store.meta().await.map_err(|error| text(&error))?;
    let adopted = shared
        .store
        .delivery_adopt(shared.config.deskie.timeout)
        .await
        .map_err(|error| text(&error))?;
    Ok(Begun { meta, adopted, held })
}

/// Where Deskie is at another address than before, nothing is sent until its cases have proved the account (rule 11).
async fn compare_account(shared: &Shared) -> Result<(), StoreError> {
    let (store, here) = (&shared.store, shared.config.deskie.account());
    match store.account().await? {
        Some(noted) if noted == here => {}
        noted if !store.account_matters().await? => {
            store.account_note(&here).await?;
            if noted.is_some() {
                store.hold_lift(HoldKind::Account).await?;
            }
        }
        None => {}
        Some(noted) if store.hold_reason(HoldKind::Account).await?.is_none() => {
            let reason = format!(
                "[deskie] url leads to {here}, and the connector's cases are of {noted}: nothing is sent or written until \
                 one of those cases has proved that this is the same account. If it is another one that is to take over, \
                 run `deskie-cdc setup --adopt`"
            );
            store.hold_set(HoldKind::Account, &reason).await?;
        }
        Some(_) => {}
    }
    Ok(())
}

/// The publications that are there: that of tables with a replica identity, and that of the others. One that is
/// missing altogether is streamed all the same, so that the server says so.
async fn publications(shared: &Shared) -> Result<Vec<String>, crate::store::StoreError> {
    let client = shared.store.client().await?;
    let [main, insert_only] = crate::setup::publications(&shared.config);
    let has_insert_only = catalog::publication(&**client, &insert_only).await?.is_some();
    let has_main = catalog::publication(&**client, &main).await?.is_some();
    Ok(match (has_main, has_insert_only) {
        (false, true) => vec![insert_only],
        (_, true) => vec![main, insert_only],
        (_, false) => vec![main],
    })
}
