//! One term of office: all flows, under one token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::beat::repeat;
use super::shared::{GRACE, RENEW_EVERY, RunError, Shared};
use super::watch::{BegunWith, note_unpublished, watch};
use super::{beat, lease, repair, turns};
use crate::capture::{Capture, Observer};
use crate::cases::Cases;
use crate::console::{Flow, Vital};
use crate::deliver::Deliverer;
use crate::files::SiteFiles;
use crate::model::{TroubleKind, clock};
use crate::postgres::{SessionOptions, catalog, connect};
use crate::resolve::Resolver;
use crate::store::{HoldKind, Meta, Store, StoreError};
use crate::writeback::WriteBack;

/// How often past things are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// How often what stands behind something parked is marked.
const MARK_EVERY: Duration = Duration::from_secs(60);

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
    // What the last term was cut off from nobody brings back.
    shared.meter.budget().forget_in_flight(clock::monotonic());
    let begun = tokio::select! {
        begun = begin_renewing(shared) => begun,
        // What it was at is done or undone in the database, and begun again at the next start.
        () = stop.cancelled() => {
            lease::give_back(shared, connection).await;
            return Ok(());
        }
    };
    let Begun { meta, adopted, held } = match begun {
        Ok(begun) => begun,
        Err(refused) => {
            let pause = tell_refused(shared, vital, &refused).await;
            lease::give_back(shared, connection).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            return Ok(());
        }
    };
    shared.refused_starts.store(0, Ordering::SeqCst);
    vital.set_start_refused(None);
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
    let proves_account = held.is_some() && is_account_held(&store).await;
    let term = stop.child_token();
    let flows = Flows::of(shared, &slot, publications, meta.created_at_kept);
    // The first beat of the term is news.
    shared.seen.send_replace(crate::store::Watched::default());
    let tasks = flows.begin(shared, vital, &slot, (held, proves_account), &term);
    // The lease outlives the work: it is renewed until the last call has ended, and only then given back.
    let over = CancellationToken::new();
    let mut lease = JoinSet::new();
    {
        let (term, over) = (term.clone(), over.clone());
        let (shared, vital) = (shared.clone(), vital.clone());
        let beat = beat::beat_of(&shared, &slot);
        lease.spawn(async move {
            let seen = shared.seen.clone();
            beat::keep(&shared, &connection, &vital, (&beat, &seen), (&term, &over)).await;
            lease::give_back(&shared, connection).await;
        });
    }
    end_together(tasks, &term, GRACE).await;
    over.cancel();
    lease.join_all().await;
    Ok(())
}

async fn is_account_held(store: &Store) -> bool {
    let reason = store.holds().reason(HoldKind::Account).await;
    reason.ok().flatten().is_some()
}

/// What works during a term.
struct Flows {
    capture: Capture,
    resolver: Resolver,
    deliverer: Arc<Deliverer>,
    cases: Arc<Cases>,
    writeback: Arc<WriteBack>,
}

impl Flows {
    fn of(shared: &Shared, slot: &str, publications: Vec<String>, created_at_kept: Option<bool>) -> Flows {
        let (store, config) = (&shared.store, &shared.config);
        let (client, meter) = (&shared.client, &shared.meter);
        let site_files = SiteFiles::new(shared.reading.clone(), config.clone(), shared.downloader.clone());
        Flows {
            capture: Capture::new(
                shared.flow.clone(),
                shared.streaming.clone(),
                config,
                slot.to_owned(),
                publications,
                (&shared.instance, shared.seen.subscribe()),
            ),
            resolver: Resolver::new(shared.flow.clone(), shared.reading.clone(), config.clone()),
            deliverer: Arc::new(Deliverer::new(
                store.clone(),
                client.clone(),
                meter.clone(),
                config.clone(),
                Arc::new(site_files),
                created_at_kept,
            )),
            cases: Arc::new(Cases::new(
                shared.flow.clone(),
                client.clone(),
                meter.clone(),
                config.clone(),
                shared.reading.clone(),
            )),
            writeback: Arc::new(WriteBack::new(
                store.clone(),
                shared.writing.clone(),
                client.clone(),
                meter.clone(),
                config.clone(),
                shared.downloader.clone(),
            )),
        }
    }

    /// Begins the tasks of the term, which end together. `held`: why nothing but capture and the receivers may work, and
    /// whether Deskie's account has to be proved first.
    fn begin(
        self,
        shared: &Shared,
        vital: &Arc<Vital>,
        slot: &str,
        (held, proves_account): (Option<String>, bool),
        term: &CancellationToken,
    ) -> JoinSet<&'static str> {
        let Flows {
            capture,
            resolver,
            deliverer,
            cases,
            writeback,
        } = self;
        let mut tasks = Tasks::default();
        // Cancelled once Deskie was asked what it has: nothing is sent before (rule 11).
        let asked = CancellationToken::new();
        // A gap is repaired before anything is resolved; all else goes on meanwhile. What is held resolves nothing: which
        // rows of the gap are new depends on it.
        let repaired = Arc::new(AtomicBool::new(false));
        let is_held = held.is_some();

        let observer = Arc::new(StreamObserver {
            vital: vital.clone(),
            drop_slot: shared.drop_slot.clone(),
        });
        let until = term.clone();
        tasks.begin("capture", async move { capture.run(until, observer).await });
        tasks.begin(
            "resolve",
            resolve(
                resolver,
                shared.clone(),
                vital.clone(),
                (is_held, repaired.clone()),
                term.clone(),
            ),
        );
        tasks.begin(
            "the lanes",
            turns::run(
                shared.clone(),
                (deliverer, cases.clone()),
                vital.clone(),
                asked.clone(),
                term.clone(),
            ),
        );
        tasks.begin(
            "the inbox",
            inbox(
                shared.store.clone(),
                cases.clone(),
                writeback.clone(),
                term.clone(),
            ),
        );
        if writeback.fetches_files() {
            tasks.begin(
                "the write-back of files",
                files(shared.store.clone(), writeback.clone(), term.clone()),
            );
        }
        tasks.begin(
            "what comes before a write-back",
            sights(shared.store.clone(), writeback.clone(), term.clone()),
        );
        tasks.begin(
            "the write-back",
            write_back(shared.store.clone(), writeback, vital.clone(), term.clone()),
        );
        let until = term.clone();
        if !is_held {
            tasks.begin("the sweep", async move { cases.sweep(until, asked).await });
        } else if proves_account {
            tasks.begin("the proof of Deskie's account", async move {
                cases.prove_account(until).await;
            });
        }
        let retain = shared.config.capture.retain;
        tasks.begin("pruning", prune(shared.store.clone(), retain, term.clone()));
        tasks.begin(
            "the marks of what waits for a person",
            mark(shared.store.clone(), term.clone()),
        );
        let begun_with = BegunWith { repaired, held };
        tasks.begin(
            "the watch over slot and publications",
            watch(
                shared.clone(),
                vital.clone(),
                slot.to_owned(),
                begun_with,
                term.clone(),
            ),
        );
        tasks.0
    }
}

/// Tasks that end together, by their names.
#[derive(Default)]
struct Tasks(JoinSet<&'static str>);

impl Tasks {
    fn begin(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            task.await;
            name
        });
    }
}

/// The tasks of one term of office, ended together.
async fn end_together(mut tasks: JoinSet<&'static str>, term: &CancellationToken, grace: Duration) {
    // Whichever ends first, but for the signal, ends the term: none of them ends by itself otherwise.
    if let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(name) => tracing::debug!("{name} ended"),
            Err(error) => tracing::error!("a task ended badly: {error}"),
        }
    }
    term.cancel();
    let finished = tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!("some work was cut off after {grace:?}; it is durable and goes on at the next start");
        tasks.abort_all();
    }
}

async fn resolve(
    resolver: Resolver,
    shared: Shared,
    vital: Arc<Vital>,
    (is_held, repaired): (bool, Arc<AtomicBool>),
    term: CancellationToken,
) {
    if is_held {
        term.cancelled().await;
    } else if repair::until_repaired(&shared, &term).await {
        repaired.store(true, Ordering::SeqCst);
        resolver.run(term, || vital.moved(Flow::Resolve)).await;
    }
}

async fn inbox(store: Store, cases: Arc<Cases>, writeback: Arc<WriteBack>, term: CancellationToken) {
    let round = || async {
        let moved = cases.inbox_round().await?;
        Ok(writeback.birth_round().await? || moved)
    };
    repeat("the inbox", term, &store.wake.inbox, || {}, round).await;
}

async fn files(store: Store, writeback: Arc<WriteBack>, term: CancellationToken) {
    let round = || writeback.file_round();
    repeat("the write-back of files", term, &store.wake.files, || {}, round).await;
}

async fn sights(store: Store, writeback: Arc<WriteBack>, term: CancellationToken) {
    loop {
        tokio::select! {
            () = term.cancelled() => return,
            () = store.wake.expected.notified() => writeback.sight_ahead().await,
        }
    }
}

async fn write_back(store: Store, writeback: Arc<WriteBack>, vital: Arc<Vital>, term: CancellationToken) {
    let turned = || vital.moved(Flow::Writeback);
    let round = || async {
        let replies = writeback.write_round().await?;
        Ok(writeback.status_round().await? || replies)
    };
    tokio::select! {
        () = repeat("the write-back", term, &store.wake.remotes, turned, round) => {}
        () = writeback.rings_again() => {}
    }
}

/// Prunes what is past, now and then.
async fn prune(store: Store, retain: Duration, term: CancellationToken) {
    loop {
        match store.prune(retain).await {
            Ok(()) => {}
            Err(error) if error.lost_leadership() => return,
            Err(error) => tracing::warn!("past things could not be pruned, which is tried again: {error}"),
        }
        tokio::select! {
            () = term.cancelled() => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
    }
}

/// Marks what stands behind something parked, now and then.
async fn mark(store: Store, term: CancellationToken) {
    loop {
        if let Err(error) = store.deliveries().mark_behind().await {
            tracing::debug!("what waits for a person could not be marked, which is tried again: {error}");
        }
        tokio::select! {
            () = term.cancelled() => return,
            () = tokio::time::sleep(MARK_EVERY) => {}
        }
    }
}

/// What a term begins with.
struct Begun {
    meta: Meta,
    /// Calls that the last stop cut off.
    adopted: u64,
    /// Why nothing but capture may work.
    held: Option<String>,
}

/// Why a term cannot begin.
struct Refused {
    why: String,
    /// A person has to decide or mend something; else it is about whoever answers, and ends with that.
    needs_a_person: bool,
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        Refused {
            why,
            needs_a_person: false,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Refused::from(error.to_string())
    }
}

impl From<crate::setup::SetupError> for Refused {
    fn from(error: crate::setup::SetupError) -> Refused {
        Refused {
            needs_a_person: !error.ends_by_itself(),
            ..Refused::from(error.to_string())
        }
    }
}

/// A refused start is tried again so soon at first, and twice as late each time; one that waits for a person, always so soon.
const START_AGAIN: Duration = Duration::from_secs(2);

/// The latest that it is tried again.
const START_AGAIN_WITHIN: Duration = Duration::from_secs(20);

/// Tells why a term cannot begin, where everybody looks; how long it is waited before the next attempt.
async fn tell_refused(shared: &Shared, vital: &Vital, refused: &Refused) -> Duration {
    let why = &refused.why;
    let pause = match refused.needs_a_person {
        true => {
            // `status` tells it as well, wherever it is asked.
            if let Err(unsaid) = shared.store.holds().set(HoldKind::Start, why).await {
                tracing::debug!("the refused start could not be noted: {unsaid}");
            }
            vital.set_held(Some(why.clone()));
            vital.set_start_refused(None);
            START_AGAIN
        }
        false => {
            vital.set_start_refused(Some(why.clone()));
            let refusals = shared.refused_starts.fetch_add(1, Ordering::SeqCst);
            START_AGAIN
                .saturating_mul(1 << refusals.min(4))
                .min(START_AGAIN_WITHIN)
        }
    };
    // Told once, not at each attempt.
    if vital.snapshot().last_error.as_ref() != Some(why) {
        tracing::error!("nothing is sent, and it is tried again: {why}");
    }
    vital.set_error(why);
    pause
}

/// [`begin`], with the lease renewed meanwhile: a look through large tables takes its time.
async fn begin_renewing(shared: &Shared) -> Result<Begun, Refused> {
    let begun = begin(shared);
    tokio::pin!(begun);
    loop {
        tokio::select! {
            begun = &mut begun => return begun,
            () = tokio::time::sleep(RENEW_EVERY) => {
                match shared.store.lease().renew().await {
                    Ok(true) => {}
                    Ok(false) => return Err(Refused::from("another instance has taken over".to_owned())),
                    Err(error) => tracing::warn!("the lease could not be renewed: {error}"),
                }
            }
        }
    }
}

/// Drops our slot, once capture has let go of it.
async fn drop_slot(shared: &Shared) -> Result<(), String> {
    let meta = shared
        .store
        .meta()
        .read()
        .await
        .map_err(|error| error.to_string())?;
    if let Some(slot) = meta.slot {
        let options = SessionOptions::new("slot").with_instance(&shared.instance);
        let client = connect(&shared.streaming, &options)
            .await
            .map_err(|error| error.to_string())?;
        catalog::slot_drop(&client, &slot)
            .await
            .map_err(|error| crate::postgres::describe(&error))?;
    }
    shared.drop_slot.store(false, Ordering::SeqCst);
    Ok(())
}

/// What comes before the first piece of work: is this our server (rule 11), is the slot there, is a gap to be repaired
/// (rule 12), which calls were cut off.
async fn begin(shared: &Shared) -> Result<Begun, Refused> {
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
    kept?;
    let published = crate::setup::look_at_publications(&shared.config, &shared.store, true).await?;
    note_unpublished(shared, published.trouble().as_deref()).await?;
    // What the last term met, this one meets again if it is still so.
    let met = [
        TroubleKind::ResolvingStopped,
        TroubleKind::WritingStopped,
        TroubleKind::WalHeld,
    ];
    shared.store.troubles().compare(&met, &[]).await?;
    shared.store.holds().lift(HoldKind::Start).await?;
    compare_account(shared).await?;
    crate::setup::note_mapped(&shared.config, &shared.store).await?;
    let holds = shared.store.holds().all().await?;
    let held = (!holds.is_empty()).then(|| holds.join("; "));
    shared.store.gap().reserve().await?;
    let meta = shared.store.meta().read().await?;
    let adopted = shared
        .store
        .deliveries()
        .adopt(shared.config.deskie.timeout)
        .await?;
    Ok(Begun { meta, adopted, held })
}

/// Where Deskie is at another address than before, nothing is sent until its cases have proved the account (rule 11).
async fn compare_account(shared: &Shared) -> Result<(), StoreError> {
    let (store, here) = (&shared.store, shared.config.deskie.account());
    match store.account().noted().await? {
        Some(noted) if noted == here => {}
        noted if !store.account().matters().await? => {
            store.account().note(&here).await?;
            if noted.is_some() {
                store.holds().lift(HoldKind::Account).await?;
            }
        }
        None => {}
        Some(noted) if store.holds().reason(HoldKind::Account).await?.is_none() => {
            let reason = format!(
                "[deskie] url leads to {here}, and the connector's cases are of {noted}: nothing is sent or written until \
                 one of those cases has proved that this is the same account. If it is another one that is to take over, \
                 run `deskie-cdc setup --adopt`"
            );
            store.holds().set(HoldKind::Account, &reason).await?;
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
