//! Nothing lost, nothing twice, in order: under every fault. The README's table names these tests.

mod big;
mod catalog;
mod compare;
mod crash;
mod failover;
mod guest;
mod intake;
mod later;
mod mends;
mod ordeal;
mod readme;
mod renamed;
mod schema;
mod standby;
