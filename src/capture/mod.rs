//! WAL → `event`: the stream's row images, in commit order, appended by whole transactions; only then is the position
//! acknowledged.
//!
//! Nothing of the mapping is evaluated here, so no site data and no mapping error can stop it, and a helpdesk outage
//! never holds the slot (rule 3). A transaction in which we wrote ourselves begins with a message of ours; all of its
//! rows are marked (rule 8). A transaction of any size is written in chunks inside one transaction of ours, so memory
//! is bounded. A keepalive's position is stored and acknowledged when nothing is under way: an idle publication on a
//! busy server holds nothing.
//!
//! Why a restart neither loses nor doubles: the position stands in the transaction that holds the rows, streaming
//! restarts there, and the server sends nothing that was committed before it.
//!
//! Of an attachment table only the key is kept: what a file is, is read when it is sent.
//!
//! Invariant: what was captured is never changed here; rows of tables that the mapping does not mean are dropped.

mod gather;
mod mapped;
mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::gather::{Gathered, Gathering};
use self::mapped::MappedTables;
use crate::config::{Attachment, Config, TableName};
use crate::model::{Lsn, RelationName, clock};
use crate::pgoutput::Relations;
use crate::postgres::replication::{
    ReplicationConnection, ReplicationError, ReplicationStream, StreamOptions,
};
use crate::postgres::shape::load_attachment_shape;
use crate::postgres::{ConnectUrl, application_name};
use crate::store::{Store, StoreError, Watched};

/// A keepalive is stored once it is that far ahead: storing it writes WAL itself.
const KEEPALIVE_STEP: u64 = 64 * 1024;

/// Where the server takes our stream for a standby, commits wait for what is acknowledged: each position is stored then, and
/// since that is a commit as well, which brings the next one, with a pause of so long between.
const AWAITED_PAUSE: Duration = Duration::from_millis(50);

/// A stream that lasted so long was one that worked.
const LASTED: Duration = Duration::from_secs(60);

/// After so many attempts a publication that is there but was not when the change was written is no coincidence.
const STUCK_AFTER: u32 = 3;

/// After so many attempts what the server cannot decode it never will: a row that is larger than its own limit.
const UNDECODABLE_AFTER: u32 = 12;

/// Why streaming stopped; it is begun again unless leadership is lost.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The stream.
    #[error("{0}")]
    Replication(#[from] ReplicationError),
    /// Our own tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stream is not what pgoutput is documented to send.
    #[error("the replication stream cannot be read: {0}")]
    Damaged(String),
    /// The server is another one than that of our state (rule 11).
    #[error("{0}")]
    OtherServer(String),
    /// The slot stands behind what is stored: the stream would leave out what lies between (rule 12).
    #[error(
        "the slot stands at {confirmed}, and capture had come to {captured} only: somebody moved it, or made it anew"
    )]
    Moved { captured: Lsn, confirmed: Lsn },
}

/// Told about what happens to the stream.
pub trait Observer: Send + Sync {
    /// Streaming began, or goes on.
    fn streaming(&self);
    /// Streaming stopped.
    fn stopped(&self, why: &str);
    /// The slot can never go on and is to be made anew.
    fn stuck(&self);
}

/// Captures the tables of the mapping.
pub struct Capture {
    store: Store,
    url: ConnectUrl,
    slot: String,
    publications: Vec<String>,
    tables: Vec<TableName>,
    application_name: String,
    attachments: Vec<Attachment>,
    seen: watch::Receiver<Watched>,
}

/// An attachment table with the columns of its key, where they are known.
type KeyColumns = (RelationName, Vec<String>);

/// What of the stream is read.
struct Reading {
    keys: Vec<KeyColumns>,
    mapped: MappedTables,
}

impl Capture {
    /// Streams `publications` from `slot` of the database at `url`, as this instance; `seen`: what each beat sees.
    pub fn new(
        store: Store,
        url: ConnectUrl,
        config: &Config,
        slot: String,
        publications: Vec<String>,
        (instance, seen): (&str, watch::Receiver<Watched>),
    ) -> Capture {
        let message = config.message.as_ref().map(|message| &message.table);
        let tables = std::iter::once(&config.ticket.table)
            .chain(message)
            .cloned()
            .collect();
        Capture {
            store,
            url,
            slot,
            publications,
            tables,
            application_name: application_name("capture", Some(instance)),
            attachments: config.attachments.clone(),
            seen,
        }
    }

    /// The keys of the tables that are nothing but attachment tables. One whose key cannot be told is captured like any
    /// other: a mapping that does not fit stops resolving, never the capture.
    async fn key_columns(&self) -> Result<Vec<KeyColumns>, StoreError> {
        let client = self.store.client().await?;
        let mut found: Vec<KeyColumns> = Vec::new();
        for attachment in &self.attachments {
            match load_attachment_shape(&client, attachment).await {
                Ok(shape) if self.is_read_whole(&shape.relation) => {}
                Ok(shape) => match found.iter_mut().find(|(table, _)| *table == shape.relation) {
                    Some((_, columns)) => columns.extend(shape.key),
                    None => found.push((shape.relation, shape.key)),
                },
                Err(error) => tracing::debug!("an attachment table is captured whole: {error}"),
            }
        }
        Ok(found)
    }

    /// It is the ticket or the message table.
    fn is_read_whole(&self, relation: &RelationName) -> bool {
        self.tables.iter().any(|name| {
            name.table == relation.table
                && name
                    .schema
                    .as_ref()
                    .is_none_or(|schema| *schema == relation.schema)
        })
    }

    /// All mapped tables, by what is known of them now.
    async fn mapped(&self) -> Result<MappedTables, StoreError> {
        let files = self.attachments.iter().map(|attachment| &attachment.table);
        let tables = self.tables.iter().chain(files).cloned().collect();
        Ok(MappedTables::new(tables, self.store.published().known().await?))
    }

    /// Captures until cancelled or until another instance leads.
    pub async fn run(&self, cancel: CancellationToken, observer: Arc<dyn Observer>) {
        let (mut attempt, mut unpublished, mut undecodable) = (0u32, 0u32, 0u32);
        loop {
            let begun = clock::monotonic();
            let streamed = tokio::select! {
                // A batch that is cut off is rolled back and streamed again.
                streamed = self.stream(&cancel, observer.as_ref(), &mut attempt) => streamed,
                () = async { cancel.cancelled().await; tokio::time::sleep(Duration::from_secs(3)).await } => return,
            };
            let error = match streamed {
                Ok(()) => return,
                Err(CaptureError::Store(error)) if error.lost_leadership() => return,
                Err(error) => error,
            };
            let is_undecodable = matches!(&error, CaptureError::Replication(error) if error.undecodable());
            undecodable = match (attempt, is_undecodable) {
                (_, false) => 0,
                // It has come further since.
                (0, true) => 1,
                (_, true) => undecodable + 1,
            };
            if begun.elapsed() > LASTED {
                attempt = 0;
            }
            attempt += 1;
            let gone = self.slot_gone(&error).await;
            let text = match gone {
                Some(why) => format!(
                    "{error}; slot {}: {why}; a new one is made, and the gap is repaired",
                    self.slot
                ),
                None => match self.right_refused(&error).await {
                    Some((what, mend)) => format!("{error}; slot {}: {what}; {mend}", self.slot),
                    None => explain(&error, &self.slot),
                },
            };
            observer.stopped(&text);
            // The term ends with this task; the next one begins with a new slot and the repair (rule 12).
            if gone.is_some() || matches!(error, CaptureError::Moved { .. }) {
                tracing::error!("capture stopped: {text}");
                return;
            }
            unpublished = match &error {
                CaptureError::Replication(error) if error.publication_missing() => unpublished + 1,
                _ => 0,
            };
            if unpublished > STUCK_AFTER && self.publications_are_there().await {
                tracing::error!(
                    "the slot {} is older than its publication, which was made anew, and can never go on: it is made \
                     anew as well, and the gap is repaired",
                    self.slot
                );
                observer.stuck();
                return;
            }
            if undecodable > UNDECODABLE_AFTER {
                tracing::error!(
                    "the server cannot decode what comes next in the slot {}, and never will: {text}; the slot is made anew,                      and the gap is repaired",
                    self.slot
                );
                observer.stuck();
                return;
            }
            // One line when it begins, then ever more rarely.
            if attempt.is_power_of_two() {
                tracing::error!(attempt, "capture stopped and is begun again: {text}");
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(250 * u64::from(attempt.min(40)))) => {}
            }
        }
    }

    /// Why the slot can never go on; `None`: it may, or that cannot be asked now.
    async fn slot_gone(&self, error: &CaptureError) -> Option<&'static str> {
        let CaptureError::Replication(error) = error else {
            return None;
        };
        if !error.is_about_the_stream() {
            return None;
        }
        let client = self.store.client().await.ok()?;
        match crate::postgres::catalog::slot(&**client, &self.slot).await {
            Ok(None) => Some("it is gone"),
            Ok(Some(slot)) if slot.is_lost() => Some(
                "the server has given it up (max_slot_wal_keep_size, idle_replication_slot_timeout, wal_level)",
            ),
            Ok(Some(_)) => None,
            Err(error) => {
                tracing::debug!("what became of the slot cannot be asked: {error}");
                None
            }
        }
    }

    /// Where the server refuses for want of a right: which one, with the mend.
    async fn right_refused(&self, error: &CaptureError) -> Option<(String, String)> {
        let CaptureError::Replication(error) = error else {
            return None;
        };
        if error.sqlstate() != Some("42501") {
            return None;
        }
        let client = self.store.client().await.ok()?;
        let why = crate::postgres::catalog::stream_refused(&**client, self.url.user()).await;
        why.unwrap_or_else(|error| {
            tracing::debug!("which right is missing cannot be asked: {error}");
            None
        })
    }

    async fn publications_are_there(&self) -> bool {
        let Ok(client) = self.store.client().await else {
            return false;
        };
        for name in &self.publications {
            let found = crate::postgres::catalog::publication(&**client, name).await;
            if !matches!(found, Ok(Some(_))) {
                return false;
            }
        }
        true
    }

    async fn stream(
        &self,
        cancel: &CancellationToken,
        observer: &dyn Observer,
        attempt: &mut u32,
    ) -> Result<(), CaptureError> {
        let mut connection = ReplicationConnection::connect(&self.url, &self.application_name).await?;
        let server = connection.identify_system().await?;
        let meta = self.store.meta().read().await?;
        if let Some(known) = meta.system_id.filter(|known| *known != server.system_id) {
            return Err(CaptureError::OtherServer(format!(
                "this database was restored or cloned: our state belongs to the server {known}, this is {}; nothing is \
                 sent until `deskie-cdc setup --adopt` says that this one may",
                server.system_id
            )));
        }
        // The stream acknowledges where it begins.
        self.store.flush().await?;
        let captured = meta.captured_lsn.unwrap_or_default();
        self.store.capture().committed_from(captured);
        let stream = connection
            .start(&self.slot, &self.publications, captured, StreamOptions::default())
            .await?;
        // From here on nobody else can move it; the server leaves out what lies before it without a word.
        let client = self.store.client().await?;
        let slot = crate::postgres::catalog::slot(&**client, &self.slot).await;
        drop(client);
        let confirmed = slot
            .map_err(StoreError::from)?
            .and_then(|slot| slot.confirmed_flush);
        if let Some(confirmed) = confirmed.filter(|confirmed| *confirmed > captured) {
            return Err(CaptureError::Moved { captured, confirmed });
        }
        tracing::info!(slot = %self.slot, from = %captured, "streaming");
        self.store.capture().streamed_from(captured);
        observer.streaming();
        let relations = Relations::default().in_charset(stream.charset());
        let reading = Reading {
            keys: self.key_columns().await?,
            mapped: self.mapped().await?,
        };
        let (parts, taken) = tokio::sync::mpsc::channel(1);
        let gathering = Gathering {
            stream: &stream,
            mark: self.store.schema(),
            relations,
            reading,
            parts,
            sent: captured,
            seen: self.seen.clone(),
            gathered: Gathered::default(),
        };
        // What is being stored when the stream ends is waited for: the next stream begins where that leaves off.
        let both = async { tokio::join!(gathering.run(cancel), self.store_parts(taken, observer, attempt)) };
        let (gathered, stored) = tokio::select! {
            ended = both => ended,
            () = self.acknowledge(&stream) => return Ok(()),
        };
        // The cause first: each half ends where the other one has.
        stored?;
        gathered?;
        match self.store.flush().await {
            Ok(()) => stream.acknowledge(*self.store.capture().on_disk().borrow()),
            Err(error) => tracing::debug!("what was stored last is streamed again: {error}"),
        }
        finish(stream).await;
        Ok(())
    }
}

async fn finish(stream: ReplicationStream) {
    if !stream.finish().await {
        tracing::debug!(
            "the last acknowledgement was not confirmed; what it covered is not sent again all the same"
        );
    }
}

/// What happened, and what to do.
fn explain(error: &CaptureError, slot: &str) -> String {
    let CaptureError::Replication(replication) = error else {
        return error.to_string();
    };
    let mend = if replication.publication_missing() {
        "the publication is missing; run `deskie-cdc setup`, which makes it anew"
    } else if replication.slot_active() {
        "another process streams from the slot; if it is a former instance of ours, the server lets go of it soon"
    } else if replication.not_a_replication_server() {
        "this looks like a pooler; give the database's direct address in postgres.url, or in \
         postgres.replication_url where another role streams"
    } else {
        return format!("{error}");
    };
    format!("{error}; slot {slot}: {mend}")
}
