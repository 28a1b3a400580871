//! Everything that needs a real Postgres or the real binary: one program, so that it is linked once.

mod architecture;
mod postgres;
mod support;
