//! Deskie → the site: writes what is new as rows.
//!
//! The pending messages are taken in the order in which Deskie shows them: the site's row, its link and the end of the
//! pending state are one transaction, so each is written exactly once, killed at any point or not.
//!
//! A part of the mapping that fits no message stops as a whole (`gate`), which a trial tells where it is a value that is refused
//! (`neutral`). What the site has locked is left for a moment
//! (`contended`).
//!
//! Nothing is written to a row that may be another ticket's by now (`same_row`).
//!
//! Invariant: no lock on the site's rows is ever held while waiting for anybody but the database (rule 2).

mod birth;
mod body;
mod contended;
mod files;
mod gate;
mod neutral;
mod pipeline;
mod refusal;
mod same_row;
mod staff;
mod status;
mod taken;
mod write;
mod writer;

use std::sync::Arc;

use crate::config::Config;
use crate::deskie::{Client, Meter};
use crate::files::Downloader;
use crate::postgres::Pool;
use crate::store::Store;

pub use refusal::WriteError;
pub use write::ReplyStatements;

/// Writes replies, statuses and tickets.
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
    ahead: same_row::Ahead,
    reply_gate: gate::Gate,
    /// Messages whose files are fetched are a part of their own.
    files_gate: gate::Gate,
    status_gate: gate::Gate,
    case_gate: gate::Gate,
    contended: contended::Contended,
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
            ahead: same_row::Ahead::default(),
            reply_gate: gate::Gate::new("[reply]"),
            files_gate: gate::Gate::that("[reply] attachments", "cannot be written"),
            status_gate: gate::Gate::new("[status]"),
            case_gate: gate::Gate::new("[case]"),
            contended: contended::Contended::default(),
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
