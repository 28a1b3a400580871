//! How far what capture has committed is on the server's disk (rule 1).
//!
//! Most of our commits do not wait for the disk: what a crash of the server takes away of them is always the end of its
//! log, so that what is left is what stood there a moment before, and what followed from the rest is done again. What
//! somebody outside relies on waits, and with it is there all that was committed before: an intent before its call, a
//! webhook before its answer, a reply, a person's decision. And the position that the server may forget its log up to, for
//! which the next beat is awaited.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::{Capture, Lease, Store, StoreError};
use crate::model::Lsn;

/// The setting of the sessions whose commits do not wait.
pub const ASYNCHRONOUS: &str = "SET synchronous_commit TO off";

/// What capture has committed, and what of it is on the disk.
#[derive(Debug, Default)]
pub(super) struct Durable {
    committed: AtomicU64,
    on_disk: watch::Sender<Lsn>,
}

impl Capture<'_, Store> {
    /// Capture has committed all up to `position`.
    pub fn committed_to(self, position: Lsn) {
        self.0.durable.committed.store(position.0, Ordering::SeqCst);
    }

    /// A stream begins at `position`, which is on the disk.
    pub fn committed_from(self, position: Lsn) {
        self.committed_to(position);
        self.0.durable.on_disk.send_replace(position);
    }

    /// Up to where what capture has committed is on the disk.
    pub fn on_disk(self) -> watch::Receiver<Lsn> {
        self.0.durable.on_disk.subscribe()
    }

    /// What was committed before a commit that waits for the disk, for [`Capture::note_on_disk`] afterwards.
    pub(super) fn committed(self) -> Lsn {
        Lsn(self.0.durable.committed.load(Ordering::SeqCst))
    }

    /// A commit that wrote something has waited for the disk; `committed` was so before.
    pub(super) fn note_on_disk(self, committed: Lsn) {
        self.0
            .durable
            .on_disk
            .send_if_modified(|on_disk| committed > std::mem::replace(on_disk, committed.max(*on_disk)));
    }
}

impl Store {
    /// Waits for the disk: all that was committed before this is there then. Fails where we do not lead.
    pub async fn flush(&self) -> Result<(), StoreError> {
        if !self.lease().renew().await? {
            // Says whose it is now.
            self.query("select {s}.fence($1)", &[&self.epoch().0]).await?;
        }
        Ok(())
    }
}

impl Lease<'_, Store> {
    /// Renews the lease, which waits for the disk as well; false where another instance has taken over.
    pub async fn renew(self) -> Result<bool, StoreError> {
        // A transaction that writes nothing waits for nothing; a standby is not waited for, which may be the stream itself.
        let sql = "update {s}.lease set renewed_at = clock_timestamp()
            where epoch = $1 and set_config('synchronous_commit', 'local', true) is not null";
        let committed = self.0.capture().committed();
        let leads = self.0.execute(sql, &[&self.0.epoch().0]).await? == 1;
        if leads {
            self.0.capture().note_on_disk(committed);
        }
        Ok(leads)
    }
}
