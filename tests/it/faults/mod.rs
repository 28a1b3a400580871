//! Nothing lost, nothing twice, in order: under every fault. The README's table names these tests.

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
mod readme;
mod renamed;
mod schema;
mod standby;
