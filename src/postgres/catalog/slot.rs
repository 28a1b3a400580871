//! Replication slots.

use tokio_postgres::{Error, GenericClient};

use super::lsn;
use crate::model::Lsn;

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub name: String,
    /// Its output plugin; `None` for a physical slot.
    pub plugin: Option<String>,
    /// Its database; `None` for a physical slot.
    pub database: Option<String>,
    /// It belongs to the database that we are connected to: only then is it ours to touch (rule 3).
    pub is_this_database: bool,
    /// The process that uses it.
    pub active_pid: Option<i32>,
    /// What was acknowledged: changes before are not streamed again.
    pub confirmed_flush: Option<Lsn>,
    /// WAL from here on is kept for it.
    pub restart: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Bytes that may still be written before it may be lost; `None`: no limit is set.
    pub safe_wal_size: Option<i64>,
    /// Bytes of WAL that the server keeps because of it.
    pub held_bytes: Option<i64>,
    /// Bytes between the log's end and what was acknowledged.
    pub lag_bytes: Option<i64>,
    /// Why it is lost, where the server tells (17 on): `wal_removed`, `idle_timeout`, …
    pub invalidation_reason: Option<String>,
}

impl Slot {
    /// Its WAL is gone: it can only be dropped.
    pub fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost")
    }
}

/// A slot by its name, whatever database it belongs to: names are the cluster's.
pub async fn slot(client: &impl GenericClient, name: &str) -> Result<Option<Slot>, Error> {
    let sql = "WITH here AS (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() \
          THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) \
        SELECT s.slot_name::pg_catalog.text AS name, s.plugin::pg_catalog.text, \
        s.database::pg_catalog.text AS database, \
        s.database IS NOT DISTINCT FROM pg_catalog.current_database() AS is_this_database, \
        s.active_pid, s.confirmed_flush_lsn::pg_catalog.text AS confirmed_flush, \
        s.restart_lsn::pg_catalog.text AS restart, s.wal_status, s.safe_wal_size, \
        pg_catalog.pg_wal_lsn_diff(here.lsn, s.restart_lsn)::pg_catalog.int8 AS held, \
        pg_catalog.pg_wal_lsn_diff(here.lsn, s.confirmed_flush_lsn)::pg_catalog.int8 AS lag, \
        pg_catalog.to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason \
        FROM pg_catalog.pg_replication_slots AS s, here WHERE s.slot_name = $1::pg_catalog.text";
    let Some(row) = client.query_opt(sql, &[&name]).await? else {
        return Ok(None);
    };
    Ok(Some(Slot {
        name: row.try_get("name")?,
        plugin: row.try_get("plugin")?,
        database: row.try_get("database")?,
        is_this_database: row.try_get("is_this_database")?,
        active_pid: row.try_get("active_pid")?,
        confirmed_flush: lsn(&row, "confirmed_flush")?,
        restart: lsn(&row, "restart")?,
        wal_status: row.try_get("wal_status")?,
        safe_wal_size: row.try_get("safe_wal_size")?,
        held_bytes: row.try_get("held")?,
        lag_bytes: row.try_get("lag")?,
        invalidation_reason: row.try_get("invalidation_reason")?,
    }))
}

/// Slots of standbys (`synchronized_standby_slots`, 17 on) that hold up what this slot streams, each with whether it is
/// there at all: the server sends nothing that those have not got.
pub async fn standbys_waited_for(
    client: &impl GenericClient,
    name: &str,
) -> Result<Vec<(String, bool)>, Error> {
    // Only a slot that standbys keep a copy of waits for them. Rows as jsonb, so that 14 to 16 need no such column.
    let sql = "SELECT w.name, s.slot_name IS NOT NULL AND s.slot_type = 'physical' \
        FROM pg_catalog.pg_replication_slots AS o \
        CROSS JOIN LATERAL (SELECT pg_catalog.btrim(e.entry, ' \"') AS name FROM pg_catalog.regexp_split_to_table( \
          pg_catalog.current_setting('synchronized_standby_slots', true), ',') AS e(entry)) AS w \
        LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.slot_name = w.name \
        WHERE o.slot_name = $1::pg_catalog.text AND (pg_catalog.to_jsonb(o) ->> 'failover')::pg_catalog.bool \
          AND w.name <> '' AND NOT pg_catalog.pg_is_in_recovery() \
          AND (s.slot_name IS NULL OR s.slot_type <> 'physical' OR s.wal_status = 'lost' \
            OR NOT s.active AND coalesce(s.restart_lsn < pg_catalog.pg_current_wal_lsn(), true)) ORDER BY 1";
    let rows = client.query(sql, &[&name]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// `synchronous_standby_names`.
pub async fn standby_names(client: &impl GenericClient) -> Result<String, Error> {
    let sql = "SELECT pg_catalog.current_setting('synchronous_standby_names')";
    client.query_one(sql, &[]).await?.try_get(0)
}

/// Whether pgpool-II answers in place of the server: it takes this question for itself, and Postgres knows no such name.
/// It lets the commands of replication through, but not the stream.
pub async fn is_pgpool(client: &tokio_postgres::Client) -> Result<bool, Error> {
    match client.simple_query("SHOW pool_version").await {
        Ok(_) => Ok(true),
        Err(error) if error.as_db_error().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Drops a slot, but only a logical one of this database that nobody uses; `false`: there was none.
pub async fn slot_drop(client: &impl GenericClient, name: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) \
        FROM pg_catalog.pg_replication_slots AS s WHERE s.slot_name = $1::pg_catalog.text \
        AND s.database = pg_catalog.current_database() AND s.plugin = 'pgoutput'";
    Ok(!client.query(sql, &[&name]).await?.is_empty())
}
