//! One table: what the outcome of a call means for its lane.
//!
//! The room `deskie` sorts an answer into an [`Outcome`], where the facts are; [`verdict`] decides what follows. The
//! table knows no other input, so nothing is parked because it failed often: only Deskie's own "no" parks, an outage of
//! days does not. Attempts count only towards the delay.
//!
//! | outcome                  | a write      | a read       |
//! |--------------------------|--------------|--------------|
//! | `Retry`                  | `RetryAt`    | `RetryAt`    |
//! | `Throttled`              | `PauseAll`   | `PauseAll`   |
//! | `Refused`                | `Park`       | `Park`       |
//! | `KeyRevoked`             | `StopAll`    | `StopAll`    |
//! | `Doubt`                  | `EnterDoubt` | `RetryAt`    |
//!
//! A read has no effect, so a lost answer leaves no doubt: it is asked again.

use std::time::{Duration, Instant};

use super::backoff::{clamp_retry_after, retry_delay};
use super::budget::Cost;

/// How a call ended that was not answered as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not done: the request was never written, `send_before` had passed, or Deskie does not do it now.
    Retry,
    /// Not done: wait as long as the server says, or for the next minute.
    Throttled(Option<Duration>),
    /// Not done, and never will be: a person decides.
    Refused,
    /// Not done: no call will succeed before the key, or the employee whom it belongs to, is mended.
    KeyRevoked,
    /// Perhaps done: the request was written, and the answer was lost, or cannot be read.
    Doubt,
}

/// What the lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try the same item again, not before this instant.
    RetryAt(Instant),
    /// Nobody sends for a while: hand this to [`Budget::throttled`](super::Budget::throttled), which says until when.
    /// The item itself is ready again at once after that.
    PauseAll {
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Park the item, with the answer: a person has to look at it.
    Park,
    /// Look in Deskie before anything else: [`DoubtState::enter`](super::DoubtState::enter).
    EnterDoubt,
    /// Everything waits, and this is told once: [`Scheduler::stop`](super::Scheduler::stop) probes every minute.
    StopAll,
}

/// The table. `attempt` is how many attempts of this item have failed now (1 after the first); `random` is drawn
/// evenly from 0 to 1.
pub fn verdict(outcome: Outcome, cost: Cost, attempt: u32, random: f64, now: Instant) -> Verdict {
    match (outcome, cost) {
        (Outcome::Throttled(retry_after), _) => Verdict::PauseAll {
            retry_after: retry_after.map(clamp_retry_after),
        },
        (Outcome::Refused, _) => Verdict::Park,
        (Outcome::KeyRevoked, _) => Verdict::StopAll,
        (Outcome::Doubt, Cost::Write) => Verdict::EnterDoubt,
        (Outcome::Retry, _) | (Outcome::Doubt, Cost::Read) => {
            Verdict::RetryAt(now + retry_delay(attempt, random))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::backoff::{LONGEST, LONGEST_ASKED};
    use crate::lanes::world::origin;

    #[test]
    fn only_a_permanent_refusal_parks_however_often_a_call_fails() {
        let now = origin();
        for attempt in [1, 2, 10, 100_000, u32::MAX] {
            for cost in [Cost::Read, Cost::Write] {
                match verdict(Outcome::Retry, cost, attempt, 0.7, now) {
                    Verdict::RetryAt(at) => assert!(at > now && at <= now + LONGEST),
                    other => panic!("{cost:?}: {other:?}"),
                }
                assert_eq!(verdict(Outcome::Refused, cost, attempt, 0.7, now), Verdict::Park);
            }
        }
    }

    #[test]
    fn only_a_write_leaves_doubt() {
        let now = origin();
        assert_eq!(
            verdict(Outcome::Doubt, Cost::Write, 1, 0.0, now),
            Verdict::EnterDoubt
        );
        assert_eq!(
            verdict(Outcome::Doubt, Cost::Read, 1, 0.0, now),
            Verdict::RetryAt(now + Duration::from_secs(1))
        );
    }

    #[test]
    fn a_throttle_pauses_everybody_for_a_bounded_time() {
        let throttled = |retry_after| verdict(Outcome::Throttled(retry_after), Cost::Read, 1, 0.0, origin());
        assert_eq!(throttled(None), Verdict::PauseAll { retry_after: None });
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(
            throttled(day),
            Verdict::PauseAll {
                retry_after: Some(LONGEST_ASKED)
            }
        );
    }
}
