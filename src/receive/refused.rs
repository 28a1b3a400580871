//! What was refused is told, at a bounded rate: whoever knows the address can send as much as he likes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::clock::monotonic;

/// So long nothing more is logged of answers of one kind.
const QUIET: Duration = Duration::from_secs(60);

/// How many answers of each status there were, and when the last line about them was written.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<u16, (Option<Instant>, u64)>>);

impl Refusals {
    /// Counts an answer, and logs it unless one like it was logged just now. Nothing of the request is told.
    pub fn tell(&self, status: u16) {
        let Some(count) = self.count(status, monotonic()) else {
            return;
        };
        let (why, mend) = match status {
            400 => (
                "cannot be read",
                "the body of Deskie's rule has to be one that `deskie-cdc rules` shows",
            ),
            401 => (
                "has a wrong secret in its path",
                "enter the address that `deskie-cdc rules` shows in Deskie's rule or channel",
            ),
            404 => (
                "goes to another path",
                "enter the address that `deskie-cdc rules` shows",
            ),
            405 => ("is no POST, PUT or GET", "choose POST in Deskie's rule"),
            408 => ("did not come whole in time", "the sweep finds what it told of"),
            413 => (
                "is larger than 1 MiB",
                "let the rule's body hold the ids alone, as `deskie-cdc rules` shows it",
            ),
            503 => ("could not be stored", "the sweep finds what it told of"),
            _ => ("was refused", "see the status"),
        };
        tracing::warn!(status, count, "a webhook {why}; {mend}");
    }

    /// How many there were since the last line, where it is time for another.
    fn count(&self, status: u16, now: Instant) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (logged, count) = counts.entry(status).or_default();
        *count += 1;
        if logged.is_some_and(|logged| now.saturating_duration_since(logged) < QUIET) {
            return None;
        }
        *logged = Some(now);
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_tells_of_all() {
        let refusals = Refusals::default();
        let start = monotonic();
        assert_eq!(refusals.count(401, start), Some(1));
        assert_eq!(
            refusals.count(413, start),
            Some(1),
            "another kind is told by itself"
        );
        for second in 1..=59 {
            assert_eq!(refusals.count(401, start + Duration::from_secs(second)), None);
        }
        assert_eq!(refusals.count(401, start + QUIET), Some(60));
        assert_eq!(refusals.count(401, start + QUIET), None);
    }
}
