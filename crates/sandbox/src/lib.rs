//! A site to try things against, here and now: a throw-away Postgres, a sample site in it, a Deskie,
//! and pages on which both are worked with by hand.
//! For `demo`, `simulator` and the tests; a connector that runs in production uses nothing of it.
//!
//! It knows nothing of the connector: what the simulated Deskie says is said from what is known of the real one, in types of
//! its own, so that a mistake of the connector's is not made here once more.

pub mod browser;
mod clock;
pub mod postgres;
pub mod sample_site;
pub mod simulator;
