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
//! An import never goes up a level; a test holds it. Each room's `mod.rs` says what it guarantees.
//!
//! | level | rooms |
//! |---|---|
//! | 0 | [`model`]: the domain's words, as types and as they stand in our tables |
//! | 1 | [`config`]: text → a config that cannot be wrong |
//! | 2, pure | [`pgoutput`]: bytes → messages; [`mapping`]: config → SQL; [`lanes`]: who may be sent now; [`text`]: bodies; [`decide`]: what becomes of a row |
//! | 3 | [`postgres`]: connections, replication, catalog; [`deskie`]: the API |
//! | 4 | [`store`]: all SQL on our own schema, and its steps from `sql/`; [`files`]: files on their way |
//! | 5, the flows, which meet only in the store | [`capture`]: WAL → rows; [`resolve`]: rows → what Deskie needs; [`deliver`]: the calls; [`receive`]: webhooks, stored; [`cases`]: what Deskie has; [`writeback`]: answers → the site's rows; [`backfill`]: the tables as a source, and gaps; [`setup`]: what must be there, `check` |
//! | 6 | [`console`]: the admin port; [`run`]: who leads, the tasks, whose turn it is, shutdown |
//! | 7 | [`cli`]: one file a command |
//!
//! A site and a Deskie to try are a crate of their own, `crates/sandbox`, which knows nothing of these rooms: the tests stand on
//! it, and `demo` and `simulator` (the feature `demo`, which is on unless it is switched off).
//!
//! # Reading order
//!
//! `sql/0001_state.sql` says what is stored; then follow a ticket: [`capture`], [`resolve`], [`deliver`]; and an answer:
//! [`receive`], [`cases`], [`writeback`]: `docs/flow.md` has both ways, file by file. The decisions between two awaits are in
//! [`lanes`] and [`decide`]. The rules that the code cites: `docs/architecture.md`; the states: `docs/states.md`; how
//! something is added: `CONTRIBUTING.md`.
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
pub mod setup;
pub mod store;
pub mod text;
pub mod writeback;
