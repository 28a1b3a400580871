//! Who may be sent now: order, pacing, back-off and doubt, as pure functions of (state, now).
//!
//! - [`schedule`]: which calls start now, at most one a ticket, and when to look again.
//! - [`budget`]: how many calls Deskie's quota allows, and which class goes first (rule 14).
//! - [`coalesce`]: how many messages go together.
//! - [`policy`]: one table from the outcome of a call to what its lane does next; [`backoff`] gives its delays.
//! - [`doubt`]: a call whose answer was lost: when to look, and what the look says (rule 9); [`matching`] compares.
//!
//! Invariants: nothing here does I/O, reads a clock, draws a random number or waits: `now` and `random` are arguments.
//! Nothing here knows a table, a store or a wire format; the only room imported is `model`. Every decision that is
//! taken between two awaits elsewhere is a bug: it belongs here, where the simulated world of the tests can reach it.

pub mod backoff;
pub mod budget;
pub mod coalesce;
pub mod doubt;
pub mod matching;
pub mod policy;
pub mod schedule;

#[cfg(test)]
mod world;

pub use backoff::retry_delay;
pub use budget::{Budget, Call, Class, Cost, Quota, Snapshot};
pub use coalesce::joining;
pub use doubt::{DoubtState, Judgement, Lookup};
pub use matching::{
    Author, CaseCandidate, CaseIntent, CreatedAtKept, MessageCandidate, MessageIntent, match_cases,
    match_messages,
};
pub use policy::{Outcome, Verdict, verdict};
pub use schedule::{Plan, Ready, Scheduler, Started, Work};
