//! (tests)
use std::time::Instant;
pub(super) fn origin() -> Instant {
    crate::model::clock::monotonic()
}
