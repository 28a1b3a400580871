//! The replication transport: a walsender's connection, from log-in to the stream's frames.
//!
//! Ours, over the encoders and the log-in of `postgres-protocol`: the published crate for this pulls in a second TLS
//! provider, does not quote names, has no watchdog and tells SQLSTATEs as text only.
//!
//! - [`ReplicationConnection`]: log-in with `replication=database`, and its few commands.
//! - [`ReplicationStream`]: frames in order. A task of its own reads the socket, so that feedback goes on while the
//!   consumer is busy (`wal_sender_timeout` kills those who are silent), and memory stays bounded.
//!
//! What it does not guarantee: that a silent server is dead. A walsender that decodes a large transaction of tables
//! that nobody published says nothing for minutes, and looks like a frozen one; after [`ReplicationError::Silent`]
//! without progress the next [`StreamOptions::silence`] has to be longer.
//!
//! Protocol: <https://www.postgresql.org/docs/current/protocol-replication.html>

mod error;
mod login;
#[cfg(test)]
mod login_tests;
mod sieve;
mod slot;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::frontend;
use tokio::time::timeout;

use super::dial::first_that_connects;
use super::error::{ConnectError, ConnectFault};
use super::quote::quote_ident;
use super::session::SessionOptions;
use super::url::{ConnectUrl, TargetSession};
use crate::model::{Charset, Lsn};
pub use error::{ReplicationError, Stage};
pub use slot::{Blocker, CreatedSlot};
pub use stream::{Frame, ReplicationStream, StreamOptions};
use wire::{Wire, protocol};

/// How long a command other than slot creation may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a walsender, not yet streaming.
pub struct ReplicationConnection {
    wire: Wire,
    url: ConnectUrl,
}

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster's identifier, from `initdb`; a restored copy has the same one.
    pub system_id: String,
    /// Its timeline, raised by each failover.
    pub timeline: u32,
    /// Where its log ends.
    pub position: Lsn,
    pub database: Option<String>,
}

/// A line of a timeline's history: `timeline` ended at `switch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineSwitch {
    /// The timeline that ended.
    pub timeline: u32,
    /// Where it ended.
    pub switch: Lsn,
}

type Rows = Vec<Vec<Option<Bytes>>>;

impl ReplicationConnection {
    /// Logs in to a walsender of the URL's database.
    pub async fn connect(url: &ConnectUrl, application_name: &str) -> Result<Self, ReplicationError> {
        let wire = first_that_connects(url, |attempt| async move {
            let mut wire = login::log_in(url, &attempt, application_name).await?;
            let failed = |error: ReplicationError| match error {
                ReplicationError::Server { error, .. } => ConnectError::from_server(&attempt.label, *error),
                ReplicationError::Connect(error) => error,
                other => ConnectError::new(ConnectFault::Other, &attempt.label).caused(other),
            };
            let session = SessionOptions::replication().sql(application_name);
            query(&mut wire, &session, Stage::Command).await.map_err(failed)?;
            if url.target != TargetSession::Any {
                let sql = "SELECT pg_catalog.pg_is_in_recovery()";
                let rows = query(&mut wire, sql, Stage::Command).await.map_err(failed)?;
                let in_recovery = text(&rows, 0) == Some("t");
                if in_recovery != (url.target == TargetSession::Standby) {
                    return Err(ConnectError::new(ConnectFault::WrongServer, &attempt.label));
                }
            }
            Ok(wire)
        })
        .await?;
        Ok(Self {
            wire,
            url: url.clone(),
        })
    }

    /// The walsender's process id.
    pub fn backend_pid(&self) -> i32 {
        self.wire.backend.pid
    }

    /// `IDENTIFY_SYSTEM`. A pooler does not know it: see [`ReplicationError::not_a_replication_server`].
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, ReplicationError> {
        let rows = self.command("IDENTIFY_SYSTEM").await?;
        let number = |column| text(&rows, column).and_then(|text| text.parse::<u32>().ok());
        let system_id = text(&rows, 0).ok_or_else(|| protocol("IDENTIFY_SYSTEM has no system id"))?;
        Ok(SystemIdentity {
            system_id: system_id.to_owned(),
            timeline: number(1).ok_or_else(|| protocol("IDENTIFY_SYSTEM has no timeline"))?,
            position: text(&rows, 2)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| protocol("IDENTIFY_SYSTEM has no position"))?,
            database: text(&rows, 3).map(str::to_owned),
        })
    }

    /// `TIMELINE_HISTORY`: the timelines before `timeline`, oldest first. Timeline 1 has no history.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<Vec<TimelineSwitch>, ReplicationError> {
        if timeline <= 1 {
            return Ok(Vec::new());
        }
        let rows = self.command(&format!("TIMELINE_HISTORY {timeline}")).await?;
        Ok(text(&rows, 1).map(history).unwrap_or_default())
    }

    /// The server's `wal_sender_timeout`; `None`: it has none.
    pub async fn wal_sender_timeout(&mut self) -> Result<Option<Duration>, ReplicationError> {
        let sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
        let rows = self.command(sql).await?;
        let millis = text(&rows, 0).and_then(|text| text.parse().ok());
        Ok(millis.filter(|millis| *millis > 0).map(Duration::from_millis))
    }

    /// Starts streaming behind `start` (or behind what the slot has confirmed, if that is further).
    ///
    /// That a publication is missing shows at the first change only; the stream ends then, see
    /// [`ReplicationError::publication_missing`].
    pub async fn start(
        mut self,
        slot: &str,
        publications: &[String],
        start: Lsn,
        options: StreamOptions,
    ) -> Result<ReplicationStream, ReplicationError> {
        let wal_sender_timeout = self.wal_sender_timeout().await?;
        // A byte that has no equivalent in UTF-8 must not stop the stream: what we know we read ourselves. In SQL_ASCII
        // the server converts nothing, but refuses what is no UTF-8.
        let encoding = self.wire.server_encoding.as_str();
        let charset = Charset::named(encoding);
        if charset.is_some() || encoding == "SQL_ASCII" {
            let sql = format!("SET client_encoding TO '{encoding}'");
            self.command(&sql).await?;
        }
        let mut out = BytesMut::new();
        frontend::query(&start_command(slot, publications, start), &mut out)?;
        let started = async {
            self.wire.send(&out).await?;
            self.wire.until_copy_both().await
        };
        timeout(COMMAND_TIMEOUT, started)
            .await
            .map_err(|_| ReplicationError::TimedOut("START_REPLICATION"))??;
        Ok(ReplicationStream::spawn(
            self.wire,
            start,
            wal_sender_timeout,
            charset.unwrap_or_default(),
            options,
        ))
    }

    /// Says goodbye; dropping the connection does as well, less politely.
    pub async fn close(mut self) {
        self.wire.terminate().await;
    }

    async fn command(&mut self, sql: &str) -> Result<Rows, ReplicationError> {
        let answer = timeout(COMMAND_TIMEOUT, query(&mut self.wire, sql, Stage::Command)).await;
        answer.unwrap_or(Err(ReplicationError::TimedOut(
            "a command of the replication connection",
        )))
    }
}

impl std::fmt::Debug for ReplicationConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicationConnection")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

async fn query(wire: &mut Wire, sql: &str, stage: Stage) -> Result<Rows, ReplicationError> {
    let mut out = BytesMut::new();
    frontend::query(sql, &mut out)?;
    wire.send(&out).await?;
    wire.until_ready(stage).await
}

/// The first row's cell.
fn text(rows: &Rows, column: usize) -> Option<&str> {
    let cell = rows.first()?.get(column)?.as_ref()?;
    std::str::from_utf8(cell).ok()
}

fn history(text: &str) -> Vec<TimelineSwitch> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (timeline, switch) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(TimelineSwitch { timeline, switch })
    };
    text.lines().filter_map(line).collect()
}

/// The replication grammar's literals double the quote and know no backslash; within, publications are a list of
/// identifiers, each quoted.
fn start_command(slot: &str, publications: &[String], start: Lsn) -> String {
    let names: Vec<String> = publications.iter().map(|name| quote_ident(name)).collect();
    let names = names.join(",").replace('\'', "''");
    format!(
        "START_REPLICATION SLOT {} LOGICAL {start} \
         (proto_version '1', publication_names '{names}', messages 'true')",
        quote_ident(slot)
    )
}
