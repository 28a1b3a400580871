//! Nothing lost, nothing twice, in order: under every fault. The README's table names these tests.

mod big;
mod compare;
mod crash;
mod guest;
mod intake;
mod ordeal;
#[cfg(any())]
mod readme;
mod schema;
mod standby;
