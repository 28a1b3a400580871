//! Nothing lost, nothing twice, in order: under every fault. The README's table names these tests.

mod compare;
mod crash;
mod ordeal;
#[cfg(any())]
mod readme;
mod standby;
