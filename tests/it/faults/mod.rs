//! Nothing lost, nothing twice, in order: under every fault. docs/faults.md names these tests.

mod big;
mod bulkhead;
mod catalog;
mod compare;
mod crash;
mod failover;
mod guest;
mod intake;
mod later;
mod left_out;
mod meaning;
mod mends;
mod migration;
mod odd_answers;
mod ordeal;
mod outage;
mod renamed;
mod schema;
mod standby;
mod told;
