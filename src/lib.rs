//! deskie-cdc: streams a site's tickets out of Postgres to Deskie, and writes Deskie's answers back.
//!
//! ```text
//! site's tables ──WAL──▶ capture ──▶ event ──▶ resolve ──▶ deliver ──▶ Deskie API
//!                                      │  one lane a ticket, both ways  │
//! site's tables ◀── write back ◀──── inbox ◀── receive ◀── webhook ◀────┘
//! ```
//!
//! # Rooms
//!
//! An import never goes up a level; a test holds it.
//!
//! | level | rooms |
//! |---|---|
//! | 0 | [`model`]: the domain's words |
//! | 1 | [`config`]: text → a config that cannot be wrong |
//! | 2, pure | [`pgoutput`]: bytes → messages; [`mapping`]: config → SQL; [`lanes`]: who may be sent now; [`text`]: bodies; [`decide`]: what becomes of a row |
//! | 3 | [`postgres`]: connections, replication, catalog; [`deskie`]: the API; [`sandbox`]: a site and a Deskie to try |
//! | 4 | [`store`]: all SQL on our own schema; [`files`]: files on their way |
//! | 5 | [`backfill`], [`capture`], [`resolve`], [`deliver`], [`receive`], [`cases`], [`writeback`], [`setup`]: the flows; they meet only in the store |
//! | 6 | [`console`]: the admin port; [`run`]: tasks and shutdown |
//! | 7 | [`cli`]: one file a command |
//!
//! # Reading order
//!
//! `sql/0001_state.sql` says what is stored; then follow a ticket: [`capture`], [`resolve`], [`deliver`]; and an answer:
//! [`receive`], [`cases`], [`writeback`]. The decisions between two awaits are in [`lanes`] and [`decide`].
//!
//! # What holds everywhere
//!
//! - The site's statements never fail, wait or slow because of us: no trigger, no lock held across a round trip.
//! - Every effect has a key under a unique constraint; the intent of a call is durable before the call.
//! - No type conversion in Rust: a cell is text, NULL or unchanged; Postgres casts, compares and evaluates.
//! - Nothing is dropped silently: delivered, skipped with a reason, or parked.
//! - No secret and no text of a message is ever part of a log line, an error or a `Debug` form.

pub mod backfill;
pub mod capture;
pub mod cases;
pub mod cli;
pub mod config;
pub mod console;
pub mod decide;
pub mod deliver;
pub mod deskie;
pub mod files;
pub mod lanes;
pub mod mapping;
pub mod model;
pub mod pgoutput;
pub mod postgres;
pub mod receive;
pub mod resolve;
pub mod run;
pub mod sandbox;
pub mod setup;
pub mod store;
pub mod text;
pub mod writeback;
