//! The watch over the slot, the publications and the mapped tables while a term lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::config::OnMaxWal;
use crate::console::Vital;
use crate::model::{Seen, TroubleKind};
use crate::store::{StoreError, Watched};

/// How often it is looked what the site has done that it cannot go on with.
const WATCH_EVERY: Duration = Duration::from_secs(60);

/// Each of so many looks is one at everything.
const WHOLE_AFTER: u32 = 5;

/// The variable that makes each look one at everything, and says how often that is, in milliseconds, so that a test need
/// not wait.
const WATCH_VARIABLE: &str = "DESKIE_CDC_WATCH_MS";

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
///
/// The beat tells whether the catalog has changed, so that it is only looked at in earnest then, and now and then in case
/// the beat sees less than that look would: another table that the site's path leads to, say.
pub async fn watch(
    shared: Shared,
    vital: Arc<Vital>,
    slot: String,
    begun: BegunWith,
    term: CancellationToken,
) {
    let is_hastened = crate::config::process_env(WATCH_VARIABLE).is_some();
    let watch_every = watch_every(WATCH_EVERY);
    let mut told = Told::default();
    let (mut beats, mut last) = (shared.seen.subscribe(), Watched::default());
    let mut turns = 0u32;
    loop {
        let mut is_whole = is_hastened;
        tokio::select! {
            () = term.cancelled() => return,
            () = tokio::time::sleep(watch_every) => {
                turns = turns.wrapping_add(1);
                is_whole |= turns.is_multiple_of(WHOLE_AFTER);
            }
            () = shared.store.wake.hold.notified() => is_whole = true,
            changed = beats.changed() => {
                let seen = beats.borrow_and_update().clone();
                if changed.is_err() || wal_is_too_much(&shared, &vital, &slot, &seen, &mut told.wal).await {
                    return;
                }
                let before = std::mem::replace(&mut last, seen);
                if (before.catalog, before.gap, &before.holds) == (last.catalog, last.gap, &last.holds) {
                    continue;
                }
                is_whole = true;
            }
        }
        if is_whole {
            match crate::setup::note_mapped(&shared.config, &shared.store).await {
                Ok(true) if begun.held.is_none() => {
                    tracing::warn!(
                        "a time of the site's was given another type: it goes on with what it is now"
                    );
                    return;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!("the mapped columns could not be compared: {error}"),
            }
            match shared.store.holds().all().await {
                Ok(holds) if holds.is_empty() == begun.held.is_some() => return,
                // What is learned of it meanwhile is told as well.
                Ok(holds) if !holds.is_empty() => vital.set_held(Some(holds.join("; "))),
                Ok(_) => {}
                Err(error) => tracing::debug!("what is held could not be read: {error}"),
            }
        }
        if !is_whole {
            continue;
        }
        match watch_publications(&shared, &vital, &mut told.publications).await {
            Ok(News::Gap) if begun.repaired.load(Ordering::SeqCst) && begun.held.is_none() => {
                tracing::warn!("rows were not streamed for a while: the gap is repaired");
                return;
            }
            Ok(News::Renamed) => {
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
pub struct BegunWith {
    /// The gap that it began with is closed.
    pub repaired: Arc<AtomicBool>,
    /// Why nothing but capture may work.
    pub held: Option<String>,
}

/// What was told already.
#[derive(Default)]
struct Told {
    wal: bool,
    publications: Option<String>,
}

/// True where the slot is to be dropped.
async fn wal_is_too_much(
    shared: &Shared,
    vital: &Vital,
    slot: &str,
    seen: &Watched,
    told: &mut bool,
) -> bool {
    let limit = i64::try_from(shared.config.capture.max_wal).unwrap_or(i64::MAX);
    let held = seen.held_bytes.unwrap_or_default();
    if held <= limit {
        if std::mem::take(told) {
            note(shared.store.troubles().over(TroubleKind::WalHeld, "").await);
        }
        return false;
    }
    let text = format!("the slot {slot} holds {held} bytes of WAL, more than [capture] max_wal");
    vital.set_error(&text);
    let trouble = Seen::new(TroubleKind::WalHeld, &text);
    note(shared.store.troubles().seen(&trouble).await);
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
enum News {
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
) -> Result<News, StoreError> {
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
    let is_gap = shared.store.gap().read().await?.is_some();
    Ok(match (found.renamed, is_gap) {
        (true, _) => News::Renamed,
        (false, true) => News::Gap,
        (false, false) => News::Well,
    })
}

/// A trouble that could not be written down is told all the same, and written down at the next look.
fn note(noted: Result<bool, StoreError>) {
    if let Err(error) = noted {
        tracing::debug!("a trouble could not be noted: {error}");
    }
}

/// Notes which mapped tables nothing publishes, or that all are published.
pub async fn note_unpublished(shared: &Shared, trouble: Option<&str>) -> Result<(), StoreError> {
    let noted = match trouble {
        Some(text) => {
            let trouble = Seen::new(TroubleKind::Unpublished, text);
            shared.store.troubles().seen(&trouble).await
        }
        None => shared.store.troubles().over(TroubleKind::Unpublished, "").await,
    };
    noted.map(drop)
}
