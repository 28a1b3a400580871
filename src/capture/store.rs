//! The half of capture that stores: parts of the stream, in order → transactions of ours, each with its position, which is
//! acknowledged once that is on the server's disk.

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;

use super::{AWAITED_PAUSE, Capture, CaptureError, Observer};
use crate::model::CrashPoint;
use crate::postgres::replication::ReplicationStream;
use crate::store::{Captured, Position};

/// What the other half hands over. All up to a [`Part::Whole`] is one transaction of ours, so a transaction of the site's
/// of any size needs no memory, and is there as a whole or not at all.
pub(super) enum Part {
    /// Rows of a transaction that goes on.
    Rows(Vec<Captured>),
    /// As what is the relation with this OID known?
    Relation(u32, oneshot::Sender<Option<String>>),
    /// A published table was described anew.
    Described,
    /// The end of whole transactions, or of a stretch without any.
    Whole(Whole),
}

/// Whole transactions.
pub(super) struct Whole {
    pub(super) rows: Vec<Captured>,
    pub(super) position: Position,
    /// The position is stored and acknowledged; else it is only known.
    pub(super) is_stored: bool,
    /// Commits on the server wait for the acknowledgement.
    pub(super) is_awaited: bool,
}

/// Hands a part over. Where the other half has ended its own error says why.
pub(super) async fn send(parts: &Sender<Part>, part: Part) -> Result<(), CaptureError> {
    let sent = parts.send(part).await;
    sent.map_err(|_| CaptureError::Damaged("nobody stores what the stream brings".into()))
}

impl Capture {
    /// Until the other half lets go: what belongs to no whole transaction then is rolled back, and streamed again.
    /// `attempt` is 0 once something is stored. Only what is dealt with here counts as streamed: reading goes on for a while when
    /// storing hangs.
    pub(super) async fn store_parts(
        &self,
        mut parts: Receiver<Part>,
        observer: &dyn Observer,
        attempt: &mut u32,
    ) -> Result<(), CaptureError> {
        while let Some(part) = parts.recv().await {
            let stored = match part {
                Part::Whole(whole) if whole.rows.is_empty() || !CrashPoint::EventsWritten.is_armed() => {
                    if whole.is_stored {
                        self.store.events().store(&whole.rows, whole.position).await?;
                    }
                    Some((whole.rows.len(), whole))
                }
                part => self.store_transaction(part, &mut parts, observer).await?,
            };
            let Some((
                rows,
                Whole {
                    rows: last_rows,
                    position,
                    is_stored,
                    is_awaited,
                },
            )) = stored
            else {
                return Ok(());
            };
            observer.streaming();
            let transactions = last_rows.iter().map(|row| row.xid).chain(position.xid);
            self.store.capture().streamed_to(position.end, transactions);
            if !is_stored {
                continue;
            }
            if rows > 0 {
                CrashPoint::EventsStored.reached();
                metrics::counter!("deskie_cdc_captured_total").increment(rows as u64);
                tracing::debug!(rows, to = %position.end, "captured");
            } else if position.committed_at.is_none() {
                CrashPoint::KeepaliveStored.reached();
            }
            *attempt = 0;
            self.store.capture().committed_to(position.end);
            if is_awaited {
                // Whoever commits on the site waits for what the stream acknowledges.
                self.store.flush().await?;
                tokio::time::sleep(AWAITED_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Acknowledges what is on the disk, for as long as it is polled.
    pub(super) async fn acknowledge(&self, stream: &ReplicationStream) {
        let mut on_disk = self.store.capture().on_disk();
        loop {
            let position = *on_disk.borrow_and_update();
            if stream.acknowledged() < position {
                stream.acknowledge(position);
                CrashPoint::Acknowledged.reached();
            }
            if on_disk.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Parts up to a whole, with the number of rows; `None`: the other half let go before.
    async fn store_transaction(
        &self,
        first: Part,
        parts: &mut Receiver<Part>,
        observer: &dyn Observer,
    ) -> Result<Option<(usize, Whole)>, CaptureError> {
        let mut client = self.store.client().await?;
        let writer = self.store.events().writer(&mut client).await?;
        let (mut next, mut written) = (Some(first), 0);
        while let Some(part) = next {
            match part {
                Part::Rows(rows) => {
                    writer.append(&rows).await?;
                    written += rows.len();
                    observer.streaming();
                }
                Part::Relation(oid, answer) => {
                    // Who asked may have been cancelled.
                    let _ = answer.send(writer.relation_of(oid).await?);
                }
                Part::Described => writer.keys_compare().await?,
                Part::Whole(whole) => {
                    if !whole.rows.is_empty() {
                        writer.append(&whole.rows).await?;
                    }
                    if whole.is_stored {
                        CrashPoint::EventsWritten.reached();
                        writer.commit(whole.position).await?;
                    } else {
                        writer.keep().await?;
                    }
                    return Ok(Some((written + whole.rows.len(), whole)));
                }
            }
            next = parts.recv().await;
        }
        Ok(None)
    }
}
