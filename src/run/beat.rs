//! The one look at the tables that is made while nothing happens: it renews the lease (rule 13), and rings whom something
//! waits for, at once or when its time comes.

use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::shared::{RENEW_EVERY, Shared};
use crate::console::Vital;
use crate::model::clock;
use crate::postgres::catalog;
use crate::store::{Beat, Due, StoreError, Waiting, Wake, Watched};

/// How long the database may take to answer a beat.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// After so many beats without an answer somebody else may have taken the lease.
const FAILURES: u32 = 3;

/// A flow, as one that can be rung.
type Bell = fn(&Wake);

/// What is looked for: all mapped tables, our slot and our publications.
pub fn beat_of(shared: &Shared, slot: &str) -> Beat {
    let config = &shared.config;
    let message = config.message.iter().map(|message| &message.table);
    let files = config.attachments.iter().map(|attachment| &attachment.table);
    let tables = std::iter::once(&config.ticket.table).chain(message).chain(files);
    Beat {
        slot: slot.to_owned(),
        publications: crate::setup::publications(config).into(),
        tables: tables.map(|table| table.table.clone()).collect(),
    }
}

/// Renews the lease until the work is `over`, and rings meanwhile; where the lease is lost, cancels the term. What is seen
/// goes to `seen`.
pub async fn keep(
    shared: &Shared,
    connection: &tokio_postgres::Client,
    vital: &Vital,
    (beat, seen): (&Beat, &watch::Sender<Watched>),
    (term, over): (&CancellationToken, &CancellationToken),
) {
    let (mut statement, mut failures) = (None, 0u32);
    let mut next = clock::monotonic() + RENEW_EVERY;
    let mut later: Vec<(Instant, Bell)> = Vec::new();
    loop {
        let wake = later.iter().map(|(at, _)| *at).fold(next, Instant::min);
        tokio::select! {
            () = over.cancelled() => break,
            () = tokio::time::sleep(wake.saturating_duration_since(clock::monotonic())) => {}
        }
        let now = clock::monotonic();
        later.retain(|(at, ring)| {
            let is_due = *at <= now;
            if is_due {
                ring(&shared.store.wake);
            }
            !is_due
        });
        if now < next {
            continue;
        }
        next = now + RENEW_EVERY;
        let asking = tokio::time::timeout(ANSWERS_WITHIN, once(shared, connection, &mut statement, beat));
        let answer = tokio::select! {
            () = over.cancelled() => break,
            answer = asking => answer,
        };
        let lost = match answer {
            Ok(Ok(waiting)) if waiting.leads && !connection.is_closed() => {
                failures = 0;
                vital.saw_database();
                later = rung(&waiting.due, now, &shared.store.wake);
                seen.send_if_modified(|seen| {
                    let is_news = *seen != waiting.watched;
                    *seen = waiting.watched;
                    is_news
                });
                None
            }
            Ok(Ok(waiting)) if waiting.leads => Some("the session that holds the lock is gone"),
            Ok(Ok(_)) => Some("another instance has taken over"),
            Ok(Err(_)) if connection.is_closed() => Some("the session that holds the lock is gone"),
            Ok(Err(_)) | Err(_) => {
                failures += 1;
                (failures >= FAILURES).then_some("the lease could not be renewed")
            }
        };
        if let Some(why) = lost {
            tracing::warn!("no longer leading: {why}");
            break;
        }
    }
    term.cancel();
    over.cancelled().await;
}

/// One beat. Where the server refuses it for anything that is looked at besides (somebody may have locked a table of ours),
/// the lease is renewed all the same, and the slot is watched: it may hold the more WAL the longer that lasts (rule 3).
async fn once(
    shared: &Shared,
    connection: &tokio_postgres::Client,
    statement: &mut Option<tokio_postgres::Statement>,
    beat: &Beat,
) -> Result<Waiting, StoreError> {
    match shared.store.lease().beat(connection, statement, beat).await {
        Err(error) if !connection.is_closed() => {
            tracing::warn!("what waits could not be looked at, the lease is renewed alone: {error}");
            *statement = None;
            let soon = Some(Duration::ZERO);
            let mut watched = shared.seen.borrow().clone();
            if let Ok(slot) = catalog::slot(connection, &beat.slot).await {
                watched.held_bytes = slot.as_ref().and_then(|slot| slot.held_bytes);
                watched.slot_lost = slot.is_none_or(|slot| slot.is_lost());
            }
            Ok(Waiting {
                leads: shared.store.lease().renew().await?,
                due: Due {
                    events: soon,
                    lanes: soon,
                    inbox: soon,
                    remotes: soon,
                },
                watched,
            })
        }
        beaten => beaten,
    }
}

/// Rings for what is due; the others' times, as far as they come before the next beat.
fn rung(due: &Due, now: Instant, wake: &Wake) -> Vec<(Instant, Bell)> {
    let bells: [(Option<Duration>, Bell); 4] = [
        (due.events, |wake| wake.due_events.notify_one()),
        (due.lanes, |wake| wake.lanes.notify_one()),
        (due.inbox, |wake| wake.inbox.notify_one()),
        (due.remotes, Wake::ring_remotes),
    ];
    let mut later = Vec::new();
    for (due, ring) in bells {
        match due {
            Some(Duration::ZERO) => ring(wake),
            Some(due) if due < RENEW_EVERY => later.push((now + due, ring)),
            _ => {}
        }
    }
    later
}

/// Repeats a piece of work: at once while there is more, else when rung. `turned` is called at each turn, and while
/// nothing rings.
pub async fn repeat<F>(
    what: &'static str,
    stop: CancellationToken,
    bell: &tokio::sync::Notify,
    turned: impl Fn(),
    mut round: impl FnMut() -> F,
) where
    F: Future<Output = Result<bool, StoreError>>,
{
    let mut failures = 0u32;
    while !stop.is_cancelled() {
        turned();
        // A round is short and ends by itself: it is not cut off.
        match round().await {
            Ok(true) => failures = 0,
            Ok(false) => {
                failures = 0;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = rings(bell, &turned) => {}
                }
            }
            Err(error) if error.lost_leadership() => return,
            Err(error) => {
                failures += 1;
                tracing::warn!(attempt = failures, "{what} failed and is tried again: {error}");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_millis(250 * u64::from(failures.min(40)))) => {}
                }
            }
        }
    }
}

/// Waits for a bell, and says meanwhile that it is waited for: `turned` is called at least so often.
pub async fn rings(bell: &Notify, turned: impl Fn()) {
    loop {
        tokio::select! {
            () = bell.notified() => return,
            () = tokio::time::sleep(TURN) => turned(),
        }
    }
}

/// A flow that waits says so often that it is alive.
const TURN: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_rung(bell: &Notify) -> bool {
        tokio::time::timeout(Duration::from_millis(1), bell.notified())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn what_is_due_is_rung_at_once_and_what_comes_before_the_next_beat_later() {
        let (wake, now) = (Wake::default(), clock::monotonic());
        let due = Due {
            events: None,
            lanes: Some(Duration::ZERO),
            inbox: Some(Duration::from_millis(1500)),
            remotes: Some(Duration::from_secs(60)),
        };
        let later = rung(&due, now, &wake);
        assert!(is_rung(&wake.lanes).await);
        assert!(
            !is_rung(&wake.inbox).await && !is_rung(&wake.remotes).await && !is_rung(&wake.due_events).await
        );
        let times: Vec<Instant> = later.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [now + Duration::from_millis(1500)]);
        for (_, ring) in later {
            ring(&wake);
        }
        assert!(is_rung(&wake.inbox).await);
    }
}
