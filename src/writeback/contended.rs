//! What the site holds a lock on: a write-back that needs it holds no connection meanwhile, and none of its neighbours up.
//!
//! It does not wait for the ticket's row at all, and for anything else as good as not; it is tried again soon, and all others go
//! before it. Where a lock always goes from one to the next, only who waits in the queue gets it: now and then one waits, briefly.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_postgres::types::ToSql;

use super::WriteBack;
use super::refusal::{WriteError, classify};
use super::same_row::key;
use crate::mapping::shape::Shape;
use crate::model::clock;
use crate::postgres::site;
use crate::store::Ticket;

/// How long anything but the ticket's row is waited for.
const BRIEFLY: Duration = Duration::from_millis(100);

/// How long one waits for everything that it needs.
const IN_THE_QUEUE: Duration = Duration::from_millis(300);

/// Not more than one in this time.
const QUEUES_EVERY: Duration = Duration::from_secs(1);

/// Nor before so many attempts of its own.
const QUEUES_AFTER: u32 = 4;

/// The first pause, doubled with each attempt.
const FIRST: Duration = Duration::from_millis(100);

/// So often it is doubled.
const DOUBLED: u32 = 3;

/// How long a write-back waits for locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// For the ticket's row not at all.
    None,
    /// In its place of the queue.
    Some,
}

impl Patience {
    /// What stands behind the clause that locks the ticket's row.
    pub(super) fn of_row(self) -> &'static str {
        match self {
            Patience::None => "nowait",
            Patience::Some => "",
        }
    }

    /// For any lock.
    pub(super) fn limit(self) -> Duration {
        match self {
            Patience::None => BRIEFLY,
            Patience::Some => IN_THE_QUEUE,
        }
    }
}

/// A message by its number, or the status of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Item {
    Reply(i64),
    Status(i64),
}

/// Who met a lock, and when the next one is due.
#[derive(Default)]
pub(super) struct Contended {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    met: HashMap<Item, u32>,
    queued_at: Option<Instant>,
    due: Vec<Instant>,
}

impl Contended {
    /// Nothing panics while it is held, so it cannot be poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it may wait this time.
    pub(super) fn patience(&self, item: Item) -> Patience {
        let (mut state, now) = (self.state(), clock::monotonic());
        let met = state.met.get(&item).copied().unwrap_or_default();
        let is_free = state
            .queued_at
            .is_none_or(|at| now.saturating_duration_since(at) >= QUEUES_EVERY);
        if met < QUEUES_AFTER || !is_free {
            return Patience::None;
        }
        state.queued_at = Some(now);
        Patience::Some
    }

    /// It has met a lock at its last attempt.
    pub(super) fn has_met(&self, item: Item) -> bool {
        self.state().met.contains_key(&item)
    }

    /// It has met a lock: how often, and how long until it is tried again.
    pub(super) fn met(&self, item: Item) -> (u32, Duration) {
        let mut state = self.state();
        let met = state.met.entry(item).or_default();
        *met += 1;
        let pause = FIRST * (1 << (*met - 1).min(DOUBLED));
        (*met, pause.mul_f64(0.75 + rand::random::<f64>() / 2.0))
    }

    /// It is written, or is not tried any more.
    pub(super) fn ended(&self, item: Item) {
        self.state().met.remove(&item);
    }

    /// Something is due after this.
    pub(super) fn rings_in(&self, after: Duration) {
        self.state().due.extend(clock::monotonic().checked_add(after));
        self.news.notify_one();
    }

    /// Waits until something is due.
    async fn due(&self) {
        loop {
            let next = self.state().due.iter().min().copied();
            let Some(next) = next else {
                self.news.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep(next.saturating_duration_since(clock::monotonic())) => {}
                () = self.news.notified() => continue,
            }
            let now = clock::monotonic();
            self.state().due.retain(|due| *due > now);
            return;
        }
    }
}

impl WriteBack {
    /// Rings for what is tried again sooner than the beat looks for it; never ends.
    pub async fn rings_again(&self) {
        loop {
            self.contended.due().await;
            self.store.wake.ring_remotes();
        }
    }

    /// Whether the ticket's row is free again, for one that has met a lock: asking costs no number of a transaction, no work and no
    /// fetching of files.
    pub(super) async fn is_free(&self, ticket: &Ticket, tickets: &Shape) -> Result<(), WriteError> {
        let sql = format!(
            "select true from {} t where {} for no key update nowait",
            tickets.sql(),
            tickets.key_condition("t", 1)
        );
        let key = key(ticket, tickets)?;
        let key: Vec<&(dyn ToSql + Sync)> = key.iter().map(|value| value as _).collect();
        let client = self
            .site
            .get()
            .await
            .map_err(|error| WriteError::Passing(error.to_string()))?;
        let locked = site::query_cached(&client, &sql, &key).await;
        locked.map(|_| ()).map_err(|error| classify(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_a_lock_again_and_again_waits_for_it_now_and_then_and_one_at_a_time() {
        let contended = Contended::default();
        let (one, two) = (Item::Reply(1), Item::Status(1));
        for n in 1..=QUEUES_AFTER {
            assert_eq!(contended.patience(one), Patience::None);
            let (met, pause) = contended.met(one);
            assert_eq!(met, n);
            assert!(pause <= Duration::from_secs(1), "{pause:?}");
            contended.met(two);
        }
        assert_eq!(contended.patience(one), Patience::Some);
        assert_eq!(contended.patience(two), Patience::None);
        contended.ended(one);
        assert!(!contended.has_met(one) && contended.has_met(two));
    }
}
