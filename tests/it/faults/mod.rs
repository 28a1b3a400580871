//! Nothing lost, nothing twice, in order: under every fault. docs/faults.md names these tests.

mod big;
mod bulkhead;
mod catalog;
mod compare;
mod crash;
mod failover;
mod intake;
mod left_out;
pub mod mapped_later;
mod meaning;
mod mends;
mod migration;
mod neutral;
mod odd_answers;
mod ordeal;
mod outage;
mod poison;
mod pooler;
mod renamed;
mod schema;
mod standby;
mod told;
mod unhurt;

use deskie_cdc_sandbox::simulator::{Fault, FaultKind, Match};

/// These calls are answered so, and nothing is done, until the faults are cleared.
fn answers(matches: Match, status: u16, body: &str) -> Fault {
    let kind = FaultKind::Answer {
        status,
        body: body.to_owned(),
        done: false,
    };
    Fault::on(matches, kind).times(u32::MAX)
}
