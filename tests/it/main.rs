//! Everything that needs a real Postgres or the real binary: one program, so that it is linked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure real time and spawn what they watch"
)]

mod account;
mod architecture;
mod behind;
mod browser;
mod check;
mod check_rows;
mod check_writes;
mod commands;
mod cost;
mod documents;
mod faults;
mod features;
mod first_hour;
mod flows;
mod gap;
mod handed;
mod held_start;
mod hostile;
mod identity;
mod leaks;
mod lengths;
mod mails;
mod moved;
mod played;
mod postgres;
mod recall;
mod rekey;
mod remapped;
mod repair;
mod roles;
mod runs;
mod schema;
mod setup;
mod sites;
mod support;
mod volume;
