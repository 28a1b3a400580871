//! A simulated world for the tests: virtual time, a fake Deskie, and a site whose tickets want to be delivered.

use std::time::{Duration, Instant};

use super::budget::Quota;

/// Some instant to count from: the only look at a clock, since an `Instant` cannot be had otherwise.
pub(super) fn origin() -> Instant {
    crate::model::clock::monotonic()
}

/// Deskie's quota: a fixed window of any phase.
#[derive(Debug, Clone)]
pub(super) struct FixedWindow {
    limit: u32,
    window: Duration,
    ends: Instant,
    used: u32,
}

impl FixedWindow {
    /// The first window ends at `ends`.
    pub(super) fn new(limit: u32, window: Duration, ends: Instant) -> FixedWindow {
        FixedWindow {
            limit,
            window,
            ends,
            used: 0,
        }
    }

    /// Counts a call: accepted or not, and the headers of its answer.
    pub(super) fn count(&mut self, units: u32, now: Instant) -> (bool, Quota) {
        while now >= self.ends {
            self.ends += self.window;
            self.used = 0;
        }
        let accepted = self.used + units <= self.limit;
        if accepted {
            self.used += units;
        }
        let calls_left = Some(i64::from(self.limit - self.used));
        (
            accepted,
            Quota {
                limit: Some(self.limit),
                calls_left,
            },
        )
    }
}
