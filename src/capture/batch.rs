//! Transactions of the stream → one transaction of ours.

use bytes::Bytes;

use super::mapped::Asked;
use super::{Capture, CaptureError, KEEPALIVE_STEP, Reading};
use crate::model::{CrashPoint, EventId, Lsn, Op, RelationName, Row};
use crate::pgoutput::{Message, Relations, Step, decode_in};
use crate::postgres::PooledClient;
use crate::postgres::replication::{Frame, ReplicationStream};
use crate::store::{Event, Position, Store, TransactionWriter};

/// Rows that are written at once.
const CHUNK_ROWS: usize = 1000;

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 2 << 20;

/// What the mark of our own transactions is called.
const ECHO_PREFIX: &str = "deskie_cdc";

/// The transaction under way.
struct Transaction {
    commit_lsn: Lsn,
    committed_at: jiff::Timestamp,
    xid: u32,
    echo: bool,
}

/// What is gathered for the next chunk.
#[derive(Default)]
struct Gathered {
    events: Vec<Event>,
    bytes: usize,
    transaction: Option<Transaction>,
    position: Option<Position>,
    asked: Asked,
    /// A published table was described anew.
    is_described: bool,
}

/// The transaction that a batch is written in, begun once it is needed: most batches are one statement, and those that
/// hold nothing of ours are none.
pub(super) struct Writing<'a> {
    store: &'a Store,
    client: Option<&'a mut PooledClient>,
    open: Option<TransactionWriter<'a>>,
}

impl<'a> Writing<'a> {
    /// The transaction, begun if it is not yet.
    pub(super) async fn open(&mut self) -> Result<&TransactionWriter<'a>, CaptureError> {
        if let Some(client) = self.client.take() {
            self.open = Some(self.store.event_writer(client).await?);
        }
        self.open
            .as_ref()
            .ok_or_else(|| CaptureError::Damaged("the batch is over".into()))
    }
}

impl Capture {
    /// Takes whole transactions, as many as are there already, and writes them with the position. `captured`: what is
    /// stored. Returns the position, where it is stored.
    pub(super) async fn batch(
        &self,
        stream: &mut ReplicationStream,
        relations: &mut Relations,
        reading: &Reading,
        captured: Lsn,
        first: Bytes,
    ) -> Result<Lsn, CaptureError> {
        let mut client = self.store.client().await?;
        let mut writing = Writing {
            store: &self.store,
            client: Some(&mut client),
            open: None,
        };
        let mut gathered = Gathered::default();
        let mut written = 0;
        let mut next = Some(first);
        loop {
            if let Some(bytes) = next.take() {
                let message = decode_in(&bytes, stream.charset());
                let message = message.map_err(|error| CaptureError::Damaged(error.to_string()))?;
                let size = bytes.len();
                gather(&mut writing, relations, reading, (message, size), &mut gathered).await?;
            }
            if std::mem::take(&mut gathered.is_described) {
                // What comes behind a change of its key has other numbers (rule 11).
                writing.open().await?.keys_compare().await?;
            }
            if gathered.events.len() >= CHUNK_ROWS || gathered.bytes >= CHUNK_BYTES {
                writing.open().await?.append(&gathered.events).await?;
                written += gathered.events.len();
                gathered.events.clear();
                gathered.bytes = 0;
            }
            let frame = if gathered.transaction.is_some() {
                stream.next().await?
            } else if written + gathered.events.len() < CHUNK_ROWS {
                match stream.try_next() {
                    Some(frame) => frame?,
                    None => break,
                }
            } else {
                break;
            };
            match frame {
                Frame::Data { bytes, .. } => next = Some(bytes),
                // In the middle of a transaction it covers nothing; at its end the commit's own position stands.
                Frame::Keepalive { .. } => {}
            }
        }
        let Some(position) = gathered.position else {
            // Only descriptions or a message outside of transactions: nothing to keep.
            return Ok(Lsn::default());
        };
        let rows = written + gathered.events.len();
        // Storing a position writes WAL, and servers before 15 stream each transaction, ours too, however little it
        // concerns us: storing each would never end.
        if rows == 0 && position.end.0 < captured.0.saturating_add(KEEPALIVE_STEP) {
            if let Some(writer) = writing.open {
                writer.keep().await?;
            }
            self.store.streamed_to(position.end);
            return Ok(Lsn::default());
        }
        if CrashPoint::EventsWritten.is_armed() {
            writing.open().await?;
        }
        match writing.open {
            None => self.store.event_store(&gathered.events, position).await?,
            Some(writer) => {
                if !gathered.events.is_empty() {
                    writer.append(&gathered.events).await?;
                }
                CrashPoint::EventsWritten.reached();
                writer.commit(position).await?;
            }
        }
        self.store.streamed_to(position.end);
        if rows > 0 {
            CrashPoint::EventsStored.reached();
            metrics::counter!("deskie_cdc_captured_total").increment(rows as u64);
            tracing::debug!(rows, to = %position.end, "captured");
        }
        Ok(position.end)
    }
}

async fn gather(
    writing: &mut Writing<'_>,
    relations: &mut Relations,
    reading: &Reading,
    (message, size): (Message, usize),
    gathered: &mut Gathered,
) -> Result<(), CaptureError> {
    let step = relations
        .step(message)
        .map_err(|error| CaptureError::Damaged(error.to_string()))?;
    match step {
        Step::Begin {
            commit_lsn,
            commit_time,
            xid,
        } => {
            gathered.asked.clear();
            gathered.transaction = Some(Transaction {
                commit_lsn,
                // Without a replication origin's time set up the commit's time is that of the year 2000.
                committed_at: if commit_time.as_second() < 1_000_000_000 {
                    crate::model::clock::now()
                } else {
                    commit_time
                },
                xid,
                echo: false,
            });
        }
        Step::Emitted {
            transactional: true,
            prefix,
            ..
        } if prefix == ECHO_PREFIX => {
            if let Some(transaction) = &mut gathered.transaction {
                transaction.echo = true;
            }
        }
        Step::Change(change) => {
            let asked = &mut gathered.asked;
            let Some(name) = reading.mapped.name(writing, &change.relation, asked).await? else {
                return Ok(());
            };
            let (mut image, mut old_key) = match change.op {
                Op::Delete => (None, Some(change.row)),
                _ => (Some(change.row), change.old_key),
            };
            match reading.keys.iter().find(|(table, _)| *table == name) {
                Some((_, key)) => {
                    for row in [&mut image, &mut old_key].into_iter().flatten() {
                        row.columns.retain(|(name, _)| key.contains(name));
                    }
                }
                None => gathered.bytes += size,
            }
            gathered.push(name, change.op, image.as_ref(), old_key.as_ref())?;
        }
        Step::Truncate(tables) => {
            for table in &tables {
                let asked = &mut gathered.asked;
                if let Some(name) = reading.mapped.name(writing, table, asked).await? {
                    gathered.push(name, Op::Truncate, None, None)?;
                }
            }
        }
        Step::Commit { end_lsn, .. } => {
            let transaction = gathered.transaction.take();
            gathered.position = Some(Position {
                end: end_lsn,
                committed_at: transaction.as_ref().map(|transaction| transaction.committed_at),
                xid: transaction.map(|transaction| transaction.xid),
            });
        }
        Step::Described(_) => gathered.is_described = true,
        Step::Emitted { .. } | Step::Nothing => {}
    }
    Ok(())
}

impl Gathered {
    fn push(
        &mut self,
        relation: RelationName,
        op: Op,
        image: Option<&Row>,
        old_key: Option<&Row>,
    ) -> Result<(), CaptureError> {
        let Some(transaction) = &self.transaction else {
            return Err(CaptureError::Damaged("a row outside of a transaction".into()));
        };
        self.events.push(Event {
            id: EventId(0),
            xid: u64::from(transaction.xid),
            commit_lsn: transaction.commit_lsn,
            committed_at: transaction.committed_at,
            relation,
            op,
            image: image.map_or(serde_json::Value::Null, Row::to_json),
            old_key: old_key.map(Row::to_json),
            echo: transaction.echo,
            failures: 0,
            found: false,
        });
        Ok(())
    }
}
