//! The account's budget, shared by all who call Deskie (rule 14).
//!
//! Whoever wants to call takes a [`Call`] out of the budget, makes the call, and settles it with the answer, whose
//! headers correct the budget. The lanes take theirs through a [`Scheduler`]; the further calls of one piece of work
//! wait in [`Meter::acquire`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Answer, CallError, ErrorKind, Outcome};
use crate::lanes::{Budget, Call, Class, Cost, Quota, Snapshot};
use crate::model::clock;

/// An outage that comes and goes is told again after this.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// The shared budget.
#[derive(Debug)]
pub struct Meter {
    budget: Mutex<Budget>,
    changed: Notify,
    refusal: Mutex<Option<KeyRefusal>>,
    unreachable: Mutex<Option<String>>,
    outage_told: Mutex<Option<Instant>>,
    asked: AtomicBool,
    answered: Mutex<Option<Instant>>,
}

/// What the last call told of Deskie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Nothing was asked yet.
    Unknown,
    /// The last call was answered.
    Reachable,
    /// It was not, and why.
    Unreachable(String),
    /// The API key does not hold.
    KeyRevoked,
}

/// Why no call will succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The API key does not hold.
    Key,
    /// The employee whom it belongs to is not active.
    Staff,
}

impl Meter {
    /// A budget capped at `configured` requests a minute; `None`: what the server's headers say.
    pub fn new(configured: Option<u32>, window: Duration) -> Meter {
        Meter {
            budget: Mutex::new(Budget::new(configured, window, clock::monotonic())),
            changed: Notify::new(),
            refusal: Mutex::default(),
            unreachable: Mutex::default(),
            outage_told: Mutex::default(),
            asked: AtomicBool::new(false),
            answered: Mutex::default(),
        }
    }

    /// The budget, for a scheduler's plan.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call of this class may start, and takes it.
    pub async fn acquire(&self, class: Class, cost: Cost) -> Call {
        loop {
            let not_before: Instant = {
                let now = clock::monotonic();
                let mut budget = self.budget();
                match budget.can_start(class, cost, now) {
                    Ok(()) => return budget.take(class, cost, now),
                    Err(not_before) => not_before,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(not_before.into()) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Takes a call of this class where it may start at once.
    pub fn try_acquire(&self, class: Class, cost: Cost) -> Option<Call> {
        let now = clock::monotonic();
        let mut budget = self.budget();
        let may_start = budget.can_start(class, cost, now).is_ok();
        may_start.then(|| budget.take(class, cost, now))
    }

    /// Brings a call back with its answer.
    pub fn settle<T>(&self, call: Call, answer: &Result<Answer<T>, CallError>) {
        let now = clock::monotonic();
        let (quota, kind) = match answer {
            Ok(answer) => (answer.quota, None),
            Err(error) => (error.quota, Some(&error.kind)),
        };
        let mut budget = self.budget();
        match kind {
            Some(ErrorKind::NotSent { .. }) => budget.not_sent(call, now),
            // A time-out or a lost connection brought no headers.
            Some(ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } | ErrorKind::Outage { .. })
                if quota == super::Quota::default() =>
            {
                budget.answered(call, None, now)
            }
            _ => {
                let quota = Quota {
                    limit: quota.limit_per_minute,
                    calls_left: quota.calls_left,
                };
                budget.answered(call, Some(quota), now);
            }
        }
        if let Some(ErrorKind::Throttled { retry_after }) = kind {
            budget.throttled(*retry_after, now);
            metrics::counter!("deskie_cdc_deskie_throttled_total").increment(1);
        }
        drop(budget);
        self.asked.store(true, Ordering::SeqCst);
        self.tell_reach(kind.filter(|kind| kind.is_outage()), now);
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Err(error) if matches!(error.kind, ErrorKind::Unauthorized) => {
                *refusal = Some(KeyRefusal::Key);
            }
            Err(error) if error.outcome() == Outcome::KeyRevoked => *refusal = Some(KeyRefusal::Staff),
            // Whose fault it is shows at a read.
            Err(error) if error.is_staff_inactive() => {}
            Err(error) if error.kind.is_outage() => {}
            _ => *refusal = None,
        }
        drop(refusal);
        self.changed.notify_waiters();
    }

    /// An outage is told once when it begins, whoever meets it, and one that comes and goes once a minute; the status tells
    /// it as long as it lasts.
    fn tell_reach(&self, outage: Option<&ErrorKind>, now: Instant) {
        let mut unreachable = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = self.outage_told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = told.is_none_or(|told| now.duration_since(told) >= TELL_AGAIN);
        if let (false, true, Some(kind)) = (unreachable.is_some(), is_old, outage) {
            tracing::warn!(
                "calls to Deskie do not go through: {kind}; what waits is tried again, nothing is lost"
            );
            *told = Some(now);
        }
        *unreachable = outage.map(ToString::to_string);
        if outage.is_none() {
            let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
            *answered = Some(now);
        }
    }

    /// Whether any call was answered after that moment.
    pub fn answered_since(&self, since: Instant) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at > since)
    }

    /// Brings back a call that was not made after all.
    pub fn unused(&self, call: Call) {
        self.budget().not_sent(call, clock::monotonic());
        self.changed.notify_waiters();
    }

    /// What the last answer said against the API key.
    pub fn key_refusal(&self) -> Option<KeyRefusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last call told of Deskie.
    pub fn reach(&self) -> Reach {
        if self.key_refusal().is_some() {
            return Reach::KeyRevoked;
        }
        let unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match (unreachable, self.asked.load(Ordering::SeqCst)) {
            (Some(why), _) => Reach::Unreachable(why),
            (None, true) => Reach::Reachable,
            (None, false) => Reach::Unknown,
        }
    }

    /// The budget's state, for status and metrics.
    pub fn snapshot(&self) -> Snapshot {
        self.budget().snapshot(clock::monotonic())
    }
}
