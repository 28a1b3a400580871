//! The four flows and what can befall them: the real program, a real Postgres, a simulated Deskie over HTTP.
//!
//! "Nothing more comes" is never a pause: [`Stage::settled`](crate::support::Stage::settled) sends a marker through
//! everything, and what has not come by then never comes.

mod channel;
mod doubt;
mod echo;
mod erased;
mod four;
mod hands;
mod locked;
mod merged;
mod names;
mod order;
mod parked;
mod port;
mod refusal;
mod restart;
mod reused;
mod sweep;
mod texts;
mod within;
