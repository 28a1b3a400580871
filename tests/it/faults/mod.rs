//! Nothing lost, nothing twice, in order: under every fault. The README's table names these tests.

mod big;
mod compare;
mod crash;
mod failover;
mod guest;
mod intake;
mod later;
mod left_out;
mod meaning;
mod ordeal;
mod readme;
mod schema;
mod standby;
