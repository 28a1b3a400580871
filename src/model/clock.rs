//! The one place that reads a clock. Policy takes `now` as an argument; flows ask here.

use std::time::Instant;

/// The wall clock, in UTC.
#[allow(clippy::disallowed_methods)]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The monotonic clock: never goes back, says nothing about the time of day.
#[allow(clippy::disallowed_methods)]
pub fn monotonic() -> Instant {
    Instant::now()
}
