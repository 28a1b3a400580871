//! A throw-away Postgres: finds the programs on this machine or fetches them, starts a cluster in a
//! moment, leaves nothing behind.
//!
//! ```no_run
//! use deskie_cdc_sandbox::postgres::{Cluster, ClusterOptions, installed};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::start(&installed(None)?, ClusterOptions::default())?;
//! println!("{}", cluster.superuser_url("postgres"));
//! # Ok(())
//! # }
//! ```
//!
//! Invariant: a cluster never outlives the process that started it, even when that is killed with SIGKILL. The server
//! has a leash: a tiny shell that reads a pipe from us; end of file without a word means that we are gone, and it kills
//! the server and removes its folder. (`prctl(PR_SET_PDEATHSIG)` would follow the spawning thread, and is Linux only.)

mod account;
mod cluster;
mod copy;
mod fetch;
mod installation;
mod packages;
mod template;

pub use cluster::{Cluster, ClusterOptions, StartError};
pub use copy::Snapshot;
pub use fetch::{Fetching, obtain};
pub use installation::{Installation, NotFound, installed};
