//! Deskie → the site: reads the messages of a case, and writes what is new as rows.
//!
//! *Reading* compares sets: every message of the case that is not known gets a row in `remote`, whatever its number,
//! and the verdict (ours, note, skipped, pending) stands in the same transaction that ends the read. *Writing* takes
//! the pending ones in the order in which Deskie shows them: the site's row, its link and the end of the pending
//! state are one transaction, so each is written exactly once, killed at any point or not.
//!
//! A message that may be our own one in doubt is left alone until the doubt is settled (rule 8, rule 10).
//!
//! A part of the mapping that fits no message stops as a whole (`gate`).
//!
//! Nothing is written to a row that may be another ticket's by now (`same_row`).
//!
//! Invariant: no lock on the site's rows is ever held while waiting for anybody but the database (rule 2).

mod birth;
mod body;
mod channel;
mod elsewhere;
mod files;
mod gate;
mod read;
mod refusal;
mod same_row;
mod staff;
mod status;
mod taken;
mod write;
mod writer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::deskie::{Client, Meter};
use crate::files::Downloader;
use crate::postgres::Pool;
use crate::store::Store;

pub use read::class_of_read;
pub use write::{ReplyStatements, WriteError};

/// Reads cases and writes replies.
pub struct WriteBack {
    store: Store,
    site: Pool,
    client: Client,
    meter: Arc<Meter>,
    config: Arc<Config>,
    downloader: Downloader,
    staff: staff::Directory,
    statements: tokio::sync::Mutex<Option<Arc<ReplyStatements>>>,
    status_statements: tokio::sync::Mutex<Option<Arc<status::StatusStatements>>>,
    reply_gate: gate::Gate,
    status_gate: gate::Gate,
    case_gate: gate::Gate,
}

impl WriteBack {
    /// Nothing is asked before the first piece of work. `site` is the pool of connections that write to the site.
    pub fn new(
        store: Store,
        site: Pool,
        client: Client,
        meter: Arc<Meter>,
        config: Arc<Config>,
        downloader: Downloader,
    ) -> WriteBack {
        let staff = staff::Directory::new(client.clone(), meter.clone());
        WriteBack {
            store,
            site,
            client,
            meter,
            config,
            downloader,
            staff,
            statements: tokio::sync::Mutex::new(None),
            status_statements: tokio::sync::Mutex::new(None),
            reply_gate: gate::Gate::new("[reply]"),
            status_gate: gate::Gate::new("[status]"),
            case_gate: gate::Gate::new("[case]"),
        }
    }

    /// The site's tables may have changed: nothing that was compiled or prepared for them is believed. A statement that was
    /// prepared keeps the types of its parameters, and would be refused for ever.
    async fn forget_statements(&self) {
        *self.statements.lock().await = None;
        *self.status_statements.lock().await = None;
        self.site.renew();
    }
}

/// A message of Deskie as it waits in `remote.payload`. Its text never appears in the `Debug` form.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Plain text as Deskie gave it.
    pub content: String,
    /// HTML as Deskie gave it.
    pub content_html: String,
    /// When it was written.
    pub created_at: Option<jiff::Timestamp>,
    /// The agent.
    pub staff_id: Option<i64>,
    /// The customer.
    pub user_id: Option<i64>,
    /// Sent by a rule.
    pub via_rule: bool,
    /// Files: name, address, MIME type.
    pub attachments: Vec<File>,
}

crate::model::debug_shows!(Payload: created_at, staff_id, user_id, via_rule);

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its address at Deskie.
    pub url: String,
    /// Its MIME type.
    pub mime: String,
    /// Its size in bytes, where Deskie tells it.
    #[serde(default)]
    pub size: Option<i64>,
}

impl File {
    /// Its name as the site is given it: a bare file name, whatever a sender wrote (`../../x`, line ends).
    pub fn safe_name(&self) -> String {
        let bare = self.name.rsplit(['/', '\\']).next().unwrap_or_default();
        crate::files::safe_name(bare)
    }
}
