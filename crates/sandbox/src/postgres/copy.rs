//! Copies of a cluster: a snapshot to go back to, and a standby that can be promoted.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::account::Account;
use super::cluster::{Cluster, StartError};
use super::template;

/// A cluster's data as they stood when it was taken; removed with the cluster.
#[derive(Debug)]
pub struct Snapshot {
    data: PathBuf,
}

impl Cluster {
    /// Stops the server, keeps its data aside, and starts it again.
    pub fn snapshot(&mut self, name: &str) -> Result<Snapshot, StartError> {
        let data = self.socket_dir().join(name);
        self.stop_fast()?;
        template::duplicate(&self.data_dir(), &data, self.account())?;
        self.restart()?;
        Ok(Snapshot { data })
    }

    /// As a virtual machine that is put back to a snapshot: the server knows nothing of what came after.
    pub fn roll_back(&mut self, snapshot: &Snapshot) -> Result<(), StartError> {
        self.stop_fast()?;
        fs::remove_dir_all(self.data_dir())?;
        template::duplicate(&snapshot.data, &self.data_dir(), self.account())?;
        self.restart()
    }

    /// A physical standby of this cluster, on a port of its own; slots are not copied, as `pg_basebackup` leaves them out.
    pub fn standby(&mut self) -> Result<Cluster, StartError> {
        self.standby_with(&[])
    }

    /// One that can take over failover slots (17 and later), fed through the physical slot of that name of this cluster;
    /// it does so once `sync_replication_slots` is on.
    pub fn failover_standby(&mut self, slot: &str) -> Result<Cluster, StartError> {
        self.standby_with(&[("primary_slot_name", slot), ("hot_standby_feedback", "on")])
    }

    fn standby_with(&mut self, settings: &[(&str, &str)]) -> Result<Cluster, StartError> {
        self.stop_fast()?;
        // The database is what the standby asks for the slots in.
        let source = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres",
            self.port()
        );
        let prepare = |data: &std::path::Path, account: Account| -> io::Result<()> {
            for slot in fs::read_dir(data.join("pg_replslot"))? {
                fs::remove_dir_all(slot?.path())?;
            }
            let signal = data.join("standby.signal");
            fs::write(&signal, "")?;
            account.give(&signal)
        };
        let copied = self.copied(prepare)?;
        self.restart()?;
        let mut standby = copied;
        standby.set("primary_conninfo", &source);
        for (name, value) in settings {
            standby.set(name, value);
        }
        standby.restart()?;
        Ok(standby)
    }
}
