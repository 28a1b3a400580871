//! The one place that reads a clock.

use std::time::Instant;

/// The wall clock, in UTC.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The monotonic clock: never goes back, says nothing about the time of day.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
