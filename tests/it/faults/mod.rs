//! Nothing lost, nothing twice, in order: under every fault. The README's table names these tests.

mod big;
mod compare;
mod crash;
mod failover;
mod guest;
mod intake;
mod later;
mod odd_answers;
mod ordeal;
mod outage;
mod readme;
mod schema;
mod standby;
