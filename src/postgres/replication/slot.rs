//! Making a slot. It waits until all transactions that were open at its start have ended, however long they take.

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use super::error::{ReplicationError, Stage};
use super::wire::protocol;
use super::{ReplicationConnection, login, query, text};
use crate::model::Lsn;
use crate::postgres::quote::quote_ident;

/// A slot that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedSlot {
    /// Changes committed behind this position will be streamed.
    pub consistent_point: Lsn,
    /// The snapshot that sees all changes before it and none behind, until this connection is used again.
    pub snapshot: Option<String>,
}

/// A process whose open transaction is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// Its process id.
    pub pid: i32,
    /// Its user, if we may see it.
    pub user: Option<String>,
    /// Its application's name.
    pub application_name: Option<String>,
    /// When its transaction began.
    pub since: Option<String>,
    /// It is a prepared transaction, which no process holds: its name, and its database.
    pub prepared: Option<(String, String)>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prepared {
            Some((gid, database)) => write!(f, "the prepared transaction {gid} in the database {database}")?,
            None => write!(f, "pid {}", self.pid)?,
        }
        if let Some(user) = &self.user {
            write!(f, ", user {user}")?;
        }
        if let Some(name) = self.application_name.as_deref().filter(|name| !name.is_empty()) {
            write!(f, ", {name}")?;
        }
        match &self.since {
            Some(since) => write!(f, ", in a transaction since {since}"),
            None => Ok(()),
        }
    }
}

/// How long the server may take to give up.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

impl ReplicationConnection {
    /// `CREATE_REPLICATION_SLOT … LOGICAL pgoutput`; with `failover` (17 and later) standbys keep a copy.
    ///
    /// After `limit` it is broken off, and the open transactions that it waited for are looked up over `observer`, an
    /// ordinary connection: [`ReplicationError::SlotBlocked`].
    pub async fn create_slot(
        &mut self,
        slot: &str,
        failover: bool,
        limit: Duration,
        observer: Option<&Client>,
    ) -> Result<CreatedSlot, ReplicationError> {
        let options = if failover {
            "(SNAPSHOT 'export', FAILOVER true)"
        } else {
            "EXPORT_SNAPSHOT"
        };
        let sql = format!(
            "CREATE_REPLICATION_SLOT {} LOGICAL pgoutput {options}",
            quote_ident(slot)
        );
        let rows = match timeout(limit, query(&mut self.wire, &sql, Stage::CreateSlot)).await {
            Ok(rows) => rows?,
            Err(_) => {
                let blockers = match observer {
                    Some(observer) => blockers(observer, self.backend_pid()).await,
                    None => Vec::new(),
                };
                let cancelled = async {
                    login::cancel(&self.url, &self.wire.attempt, self.wire.backend).await?;
                    self.wire.until_ready(Stage::CreateSlot).await
                };
                match timeout(CANCEL_TIMEOUT, cancelled).await {
                    // It was made in the very last moment.
                    Ok(Ok(rows)) => rows,
                    Ok(Err(ReplicationError::Server { error, .. })) if error.code == "57014" => {
                        return Err(ReplicationError::SlotBlocked {
                            waited: limit,
                            blockers,
                        });
                    }
                    Ok(Err(other)) => return Err(other),
                    Err(_) => return Err(ReplicationError::TimedOut("the cancelling of a slot's creation")),
                }
            }
        };
        let consistent_point = text(&rows, 1).and_then(|text| text.parse().ok());
        let consistent_point =
            consistent_point.ok_or_else(|| protocol("CREATE_REPLICATION_SLOT gave no position"))?;
        Ok(CreatedSlot {
            consistent_point,
            snapshot: text(&rows, 2).map(str::to_owned),
        })
    }
}

/// Whom a process waits for. What cannot be seen is left out: this only explains a failure.
async fn blockers(observer: &Client, pid: i32) -> Vec<Blocker> {
    // The server tells a prepared transaction as process 0, and not which one: all that are open are waited for.
    let sql = "WITH b AS (SELECT b.pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS b(pid)) \
               SELECT b.pid, a.usename::pg_catalog.text AS user, a.application_name, \
                 pg_catalog.to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS since, \
                 NULL::pg_catalog.text AS gid, NULL::pg_catalog.text AS database, a.xact_start \
               FROM b LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid WHERE b.pid <> 0 \
               UNION ALL SELECT 0, p.owner::pg_catalog.text, NULL, \
                 pg_catalog.to_char(p.prepared, 'YYYY-MM-DD HH24:MI:SS TZ'), p.gid, p.database::pg_catalog.text, p.prepared \
               FROM pg_catalog.pg_prepared_xacts AS p WHERE EXISTS (SELECT FROM b WHERE b.pid = 0) ORDER BY 7";
    let rows = match observer.query(sql, &[&pid]).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::debug!(%error, "cannot see which transactions block the slot");
            return Vec::new();
        }
    };
    let blocker = |row: tokio_postgres::Row| {
        Some(Blocker {
            pid: row.try_get("pid").ok()?,
            user: row.try_get("user").ok()?,
            application_name: row.try_get("application_name").ok()?,
            since: row.try_get("since").ok()?,
            prepared: match (row.try_get("gid").ok()?, row.try_get("database").ok()?) {
                (Some(gid), Some(database)) => Some((gid, database)),
                _ => None,
            },
        })
    };
    rows.into_iter().filter_map(blocker).collect()
}
