//! How far capture has read the log, in this process: what was committed before stands in `event`, or is resolved.
//!
//! The stored position lags behind it on purpose (storing one that covers no row writes log itself), and after a
//! restart it begins there. Only the leader reads it, and capture runs in the leader.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Capture, Store, StoreError};
use crate::model::Lsn;

/// So long the log is given to arrive by itself.
const BY_ITSELF: Duration = Duration::from_millis(2);

/// So many transactions are remembered by their numbers.
const REMEMBERED: usize = 4096;

/// What has been read since the stream began.
#[derive(Debug, Default)]
pub(super) struct Progress {
    to: watch::Sender<Lsn>,
    transactions: Mutex<Transactions>,
}

/// Transactions whose commits have been read, and with each all that was committed before it.
#[derive(Debug, Default)]
struct Transactions {
    /// The last ones, as the stream numbers them.
    last: VecDeque<u32>,
    /// All below.
    below: u64,
    /// How often a stream has begun.
    streams: u64,
}

/// Who made the version of a row that a statement saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeBy {
    /// The row's `xmin`.
    pub xid: u32,
    /// All transactions below were over when the statement began (`pg_snapshot_xmin`).
    pub over_below: u64,
    /// The first number that no transaction had then (`pg_snapshot_xmax`).
    pub next: u64,
}

impl MadeBy {
    /// The transaction's full number. A frozen row's may be older by whole rounds of 2^32: this is the newest that it can be.
    fn newest(self) -> u64 {
        let round = 1 << 32;
        let in_this_round = self.next / round * round + u64::from(self.xid);
        match in_this_round >= self.next {
            true => in_this_round.saturating_sub(round),
            false => in_this_round,
        }
    }
}

impl Transactions {
    fn has(&self, made: MadeBy) -> bool {
        // A number that comes round again is that of an older row, whose commit lies even further back.
        made.newest() < self.below || self.last.contains(&made.xid)
    }
}

impl Progress {
    /// Nothing panics while it is held, so it cannot be poisoned.
    fn transactions(&self) -> MutexGuard<'_, Transactions> {
        self.transactions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture<'_, Store> {
    /// Streaming begins at a position.
    pub fn streamed_from(self, position: Lsn) {
        let mut known = self.0.streamed.transactions();
        *known = Transactions {
            streams: known.streams + 1,
            ..Transactions::default()
        };
        drop(known);
        self.0.streamed.to.send_replace(position);
    }

    /// Everything before a position has been streamed and stored, the commits of these transactions among it.
    pub fn streamed_to(self, position: Lsn, transactions: impl Iterator<Item = u32>) {
        let mut known = self.0.streamed.transactions();
        for xid in transactions {
            if known.last.back() == Some(&xid) {
                continue;
            }
            if known.last.len() == REMEMBERED {
                known.last.pop_front();
            }
            known.last.push_back(xid);
        }
        drop(known);
        self.0.streamed.to.send_if_modified(|to| {
            let is_further = position > *to;
            *to = position.max(*to);
            is_further
        });
    }

    /// Waits until all that was committed before a version of a row has been streamed and stored; false where that takes
    /// longer than `limit`. `end`: where the log ended when the row was seen.
    pub async fn streamed_version(self, made: MadeBy, end: Lsn, limit: Duration) -> Result<bool, StoreError> {
        let streams = {
            let known = self.0.streamed.transactions();
            if known.has(made) {
                return Ok(true);
            }
            known.streams
        };
        let is_there = self.streamed_past(end, limit).await?;
        let mut known = self.0.streamed.transactions();
        // A stream that has begun anew meanwhile may have begun further back.
        if is_there && known.streams == streams {
            known.below = known.below.max(made.over_below);
        }
        Ok(is_there)
    }

    /// Waits until everything before `position` has been streamed and stored; false where that takes longer than
    /// `limit`. The last piece of the log may stay unwritten until somebody commits: then we do.
    pub async fn streamed_past(self, position: Lsn, limit: Duration) -> Result<bool, StoreError> {
        let mut streamed = self.0.streamed.to.subscribe();
        let mut arrives = async |limit| {
            let arrived = streamed.wait_for(|streamed| *streamed >= position);
            matches!(tokio::time::timeout(limit, arrived).await, Ok(Ok(_)))
        };
        if arrives(BY_ITSELF).await {
            return Ok(true);
        }
        self.0
            .query(
                "select pg_catalog.pg_logical_emit_message(true, 'deskie_cdc_mark', '')",
                &[],
            )
            .await?;
        Ok(arrives(limit).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: u64 = 1 << 32;

    fn made(xid: u32, over_below: u64, next: u64) -> MadeBy {
        MadeBy {
            xid,
            over_below,
            next,
        }
    }

    #[test]
    fn a_rows_transaction_is_the_newest_that_it_can_be() {
        for (xid, next, expected) in [
            (700, 701, 700),
            (701, 701, 0),
            (700, ROUND + 5, 700),
            (4, ROUND + 5, ROUND + 4),
            (5, ROUND + 5, 5),
            (u32::MAX, ROUND + 5, ROUND - 1),
            // The frozen rows of `initdb`.
            (2, 3 * ROUND + 5, 3 * ROUND + 2),
        ] {
            assert_eq!(made(xid, 0, next).newest(), expected, "{xid} before {next}");
        }
    }

    #[test]
    fn what_was_read_is_known_by_its_number_or_by_its_age() {
        let mut known = Transactions {
            last: VecDeque::from([900]),
            below: 800,
            streams: 1,
        };
        for (xid, is_known) in [(799, true), (800, false), (900, true), (901, false)] {
            assert_eq!(known.has(made(xid, 0, 1000)), is_known, "{xid}");
        }
        // Of a row that a later round may have made nothing is known.
        assert!(!known.has(made(799, 0, ROUND + 1000)));
        known.below = ROUND + 800;
        assert!(known.has(made(799, 0, ROUND + 1000)));
    }
}
