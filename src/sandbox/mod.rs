//! A site to try things against, here and now: a throw-away Postgres, a sample site in it, a Deskie,
//! and pages on which both are worked with by hand.
//! For `demo`, `simulator` and the tests; a connector that runs in production uses nothing of this room.

pub mod browser;
pub mod postgres;
pub mod sample_site;
pub mod simulator;
