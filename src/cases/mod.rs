//! What Deskie has: the messages of a case, a webhook of an unknown one, and the cases that changed without a word.
//!
//! *Reading* a case compares sets: every message that is not known gets a row in `remote`, whatever its number, and the
//! verdict (ours, note, skipped, pending) stands in the same transaction that ends the read. The *inbox* turns webhooks
//! into wanted reads, or into messages where a channel's webhook holds one. *Elsewhere* is where merges are found out. The
//! *sweep* makes up for webhooks that never came, and asks at each start what Deskie knows that we do not (rule 11). *Adopt*
//! gives cases from before the connector to the tickets that they name, once a person has said so.
//!
//! A message that may be our own one in doubt is left alone until the doubt is settled (rule 8, rule 10).
//!
//! Invariant: nothing is written to the site here, and nothing is changed in Deskie.

mod account;
mod adopt;
mod early;
mod elsewhere;
mod hands;
mod inbox;
mod read;
mod status;
mod sweep;
mod verdict;

use std::sync::Arc;

use crate::config::Config;
use crate::deskie::{Client, Meter};
use crate::postgres::Pool;
use crate::store::Store;

pub use read::class_of_read;

/// Reads what Deskie has.
pub struct Cases {
    store: Store,
    client: Client,
    meter: Arc<Meter>,
    config: Arc<Config>,
    /// Reads the site's tables.
    site: Pool,
}

impl Cases {
    /// Nothing is asked before the first piece of work.
    pub fn new(store: Store, client: Client, meter: Arc<Meter>, config: Arc<Config>, site: Pool) -> Cases {
        Cases {
            store,
            client,
            meter,
            config,
            site,
        }
    }
}
