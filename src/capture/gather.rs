//! The half of capture that reads: the stream → parts, in order, for the half that stores.
//!
//! It goes on reading while that one waits for the server, up to [`PART_ROWS`]: so decoding costs no time of its own, and
//! what has come meanwhile is stored together.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::mapped::Asked;
use super::store::{Part, Whole, send};
use super::{CaptureError, KEEPALIVE_STEP, Reading};
use crate::model::{Lsn, Op, RelationName, Row};
use crate::pgoutput::{Change, Relations, Streamed, decode_in};
use crate::postgres::replication::{Frame, ReplicationStream};
use crate::store::{Captured, Position, Watched};

/// Rows that are written at once.
const PART_ROWS: usize = 4000;

/// Bytes that are written at once.
const PART_BYTES: usize = 1 << 20;

/// After so many messages the half that stores has its turn, however many are there already.
const TURN: usize = 200;

/// The transaction under way.
struct Transaction {
    commit_lsn: Lsn,
    committed_at: jiff::Timestamp,
    xid: u32,
    echo: bool,
}

/// What is gathered for the next part.
pub(super) struct Gathering<'a> {
    pub(super) stream: &'a ReplicationStream,
    /// What the mark of our own transactions is called: our schema, so that another connector's are not taken for ours.
    pub(super) mark: &'a str,
    pub(super) relations: Relations,
    pub(super) reading: Reading,
    pub(super) parts: Sender<Part>,
    /// Up to where positions were sent to be stored.
    pub(super) sent: Lsn,
    pub(super) seen: watch::Receiver<Watched>,
    pub(super) gathered: Gathered,
}

#[derive(Default)]
pub(super) struct Gathered {
    rows: Vec<Captured>,
    bytes: usize,
    /// So many of the rows are of whole transactions.
    whole: usize,
    /// The end of those, or of a keepalive.
    position: Option<Position>,
    /// The position is to be stored however short the step: the server asks for an answer.
    is_asked_for: bool,
    /// Rows of the transaction under way were sent already.
    rows_sent: bool,
    transaction: Option<Transaction>,
    asked: Asked,
}

impl Gathering<'_> {
    /// Until cancelled, or until the half that stores has ended.
    pub(super) async fn run(mut self, cancel: &CancellationToken) -> Result<(), CaptureError> {
        loop {
            let mut turn = 0..TURN;
            while !self.gathered.is_full() && turn.next().is_some() {
                match self.stream.try_next() {
                    Some(frame) => self.take(frame?).await?,
                    None => break,
                }
            }
            if turn.is_empty() && !self.gathered.is_full() {
                tokio::task::yield_now().await;
                continue;
            }
            let parts = self.parts.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                () = parts.closed() => return Ok(()),
                Ok(room) = parts.reserve(), if self.gathered.is_due() => room.send(self.part()),
                frame = self.stream.next(), if !self.gathered.is_full() => self.take(frame?).await?,
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), CaptureError> {
        match frame {
            Frame::Data { bytes, .. } => self.message(bytes).await,
            // In the middle of a transaction it covers nothing; at its end the commit's own position stands.
            Frame::Keepalive { .. } if self.gathered.transaction.is_some() => Ok(()),
            // A server that shuts down asks for an answer, and waits until everything is acknowledged (rule 1).
            Frame::Keepalive {
                wal_end,
                reply_requested,
            } => {
                let gathered = &mut self.gathered;
                let before = gathered.position;
                gathered.is_asked_for |= reply_requested;
                gathered.position = Some(Position {
                    end: before.map_or(wal_end, |before| before.end.max(wal_end)),
                    committed_at: before.and_then(|before| before.committed_at),
                    xid: before.and_then(|before| before.xid),
                });
                Ok(())
            }
        }
    }

    async fn message(&mut self, bytes: Bytes) -> Result<(), CaptureError> {
        let damaged = |error: String| CaptureError::Damaged(error);
        let message = decode_in(&bytes, self.stream.charset()).map_err(|error| damaged(error.to_string()))?;
        let step = self.relations.step(message);
        match step.map_err(|error| damaged(error.to_string()))? {
            Streamed::Begin {
                commit_lsn,
                commit_time,
                xid,
            } => {
                // What a relation is called for the mapping may be another answer now; of its own name it is the same.
                self.gathered
                    .asked
                    .retain(|_, (name, answer)| answer.as_deref() == Some(&*name));
                self.gathered.transaction = Some(Transaction {
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
            Streamed::Emitted {
                transactional: true,
                prefix,
                ..
            } if prefix == self.mark => {
                if let Some(transaction) = &mut self.gathered.transaction {
                    transaction.echo = true;
                }
            }
            Streamed::Change(change) => self.change(change).await?,
            Streamed::Truncate(tables) => {
                for table in &tables {
                    if let Some(name) = self.name(table).await? {
                        self.gathered.push(name, Op::Truncate, None, None)?;
                    }
                }
            }
            Streamed::Commit { end_lsn, .. } => self.gathered.commit(end_lsn),
            // What comes behind a change of its key has other numbers (rule 11).
            Streamed::Described(_) => send(&self.parts, Part::Described).await?,
            Streamed::Emitted { .. } | Streamed::Nothing => {}
        }
        Ok(())
    }

    async fn name(
        &mut self,
        relation: &crate::pgoutput::Relation,
    ) -> Result<Option<Arc<RelationName>>, CaptureError> {
        let gathered = &mut self.gathered;
        self.reading
            .mapped
            .name(&self.parts, relation, &mut gathered.asked)
            .await
    }

    async fn change(&mut self, change: Change) -> Result<(), CaptureError> {
        let Some(name) = self.name(&change.relation).await? else {
            return Ok(());
        };
        let (mut image, mut old_key) = match change.op {
            Op::Delete => (None, Some(change.row)),
            _ => (Some(change.row), change.old_key),
        };
        if let Some((_, key)) = self.reading.keys.iter().find(|(table, _)| *table == *name) {
            for row in [&mut image, &mut old_key].into_iter().flatten() {
                row.columns
                    .retain(|(name, _)| key.iter().any(|key| **key == **name));
            }
        }
        self.gathered
            .push(name, change.op, image.as_ref(), old_key.as_ref())
    }

    /// What is due. Invariant: [`Gathered::is_due`].
    fn part(&mut self) -> Part {
        let gathered = &mut self.gathered;
        let Some(position) = gathered.position.take() else {
            gathered.rows_sent = true;
            gathered.bytes = 0;
            return Part::Rows(std::mem::take(&mut gathered.rows));
        };
        let behind = gathered.rows.split_off(gathered.whole);
        let rows = std::mem::replace(&mut gathered.rows, behind);
        gathered.bytes = gathered.rows.iter().map(Captured::size).sum();
        gathered.whole = 0;
        // Storing a position writes WAL, and servers before 15 stream each transaction, ours too, however little it concerns
        // us: storing each would never end.
        let is_awaited = self.seen.borrow().stream_is_standby;
        let step = if std::mem::take(&mut gathered.is_asked_for) || is_awaited {
            1
        } else {
            KEEPALIVE_STEP
        };
        let has_rows = std::mem::take(&mut gathered.rows_sent) || !rows.is_empty();
        let is_stored = has_rows || position.end.0 >= self.sent.0.saturating_add(step);
        if is_stored {
            self.sent = self.sent.max(position.end);
        }
        Part::Whole(Whole {
            rows,
            position,
            is_stored,
            is_awaited,
        })
    }
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.rows.len() >= PART_ROWS || self.bytes >= PART_BYTES
    }

    fn is_due(&self) -> bool {
        self.position.is_some() || self.is_full()
    }

    fn push(
        &mut self,
        relation: Arc<RelationName>,
        op: Op,
        image: Option<&Row>,
        old_key: Option<&Row>,
    ) -> Result<(), CaptureError> {
        let Some(transaction) = &self.transaction else {
            return Err(CaptureError::Damaged("a row outside of a transaction".into()));
        };
        let row = Captured {
            xid: transaction.xid,
            commit_lsn: transaction.commit_lsn,
            committed_at: transaction.committed_at,
            relation,
            op,
            image: image.map(Row::to_json),
            old_key: old_key.map(Row::to_json),
            echo: transaction.echo,
        };
        self.bytes += row.size();
        self.rows.push(row);
        Ok(())
    }

    fn commit(&mut self, end: Lsn) {
        let transaction = self.transaction.take();
        self.whole = self.rows.len();
        self.position = Some(Position {
            end,
            committed_at: transaction.as_ref().map(|transaction| transaction.committed_at),
            xid: transaction.map(|transaction| transaction.xid),
        });
    }
}
