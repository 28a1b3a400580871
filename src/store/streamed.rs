//! How far capture has read the log, in this process: what was committed before stands in `event`, or is resolved.
//!
//! The stored position lags behind it on purpose (storing one that covers no row writes log itself), and after a
//! restart it begins there. Only the leader reads it, and capture runs in the leader.

use std::time::Duration;

use super::{Store, StoreError};
use crate::model::Lsn;

/// So long the log is given to arrive by itself.
const BY_ITSELF: Duration = Duration::from_millis(10);

impl Store {
    /// Streaming begins at a position.
    pub fn streamed_from(&self, position: Lsn) {
        self.streamed.send_replace(position);
    }

    /// Everything before a position has been streamed and stored.
    pub fn streamed_to(&self, position: Lsn) {
        self.streamed.send_if_modified(|streamed| {
            let further = position > *streamed;
            *streamed = position.max(*streamed);
            further
        });
    }

    /// Waits until everything before `position` has been streamed and stored; false where that takes longer than
    /// `limit`. The last piece of the log may stay unwritten until somebody commits: then we do.
    pub async fn streamed_past(&self, position: Lsn, limit: Duration) -> Result<bool, StoreError> {
        let mut streamed = self.streamed.subscribe();
        let mut arrives = async |limit| {
            let arrived = streamed.wait_for(|streamed| *streamed >= position);
            matches!(tokio::time::timeout(limit, arrived).await, Ok(Ok(_)))
        };
        if arrives(BY_ITSELF).await {
            return Ok(true);
        }
        self.query(
            "select pg_catalog.pg_logical_emit_message(true, 'deskie_cdc_mark', '')",
            &[],
        )
        .await?;
        Ok(arrives(limit).await)
    }
}
