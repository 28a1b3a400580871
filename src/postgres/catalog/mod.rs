//! What the catalog says: the server, tables, publications, slots, rights. Small queries, each a function.
//!
//! Invariant: reads only, but for [`slot_drop`]. All of it runs on our own path (rule 4); the name of a table alone is
//! looked up on the site's.

mod identity;
mod publication;
mod rights;
mod slot;
mod table;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, GenericClient, Row};

use super::{Provider, quote_ident};
use crate::model::Lsn;
pub use identity::{NoIdentity, Refused, Unidentified, partly_full, publication_refuses, unidentified};
pub use publication::{
    Publication, PublishFlags, PublishedTable, partitions_unfollowed, publication, published_by,
};
pub use rights::{Role, current_role, may_any_column, may_column, may_schema, may_table};
pub use slot::{Slot, is_pgpool, slot, slot_drop, standby_names, standbys_waited_for};
pub use table::{
    Table, TableColumn, in_parts, inheritors, table_by_name, table_by_oid, table_by_text, unlogged_partitions,
};

/// The server and the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Whose it is, where its roles tell.
    pub provider: Option<Provider>,
    /// `server_version_num`, e.g. 150004.
    pub version_num: i32,
    /// `server_version`, for messages.
    pub version: String,
    /// The cluster's identifier; `None` where we may not read it: `IDENTIFY_SYSTEM` tells it as well.
    pub system_id: Option<String>,
    /// The timeline, likewise.
    pub timeline: Option<i32>,
    pub database: String,
    /// Its OID: another one under the same name is another database.
    pub database_oid: u32,
    pub encoding: String,
    /// `wal_level`; `logical` is needed.
    pub wal_level: String,
    /// `max_slot_wal_keep_size` as written, `-1` for no limit.
    pub max_slot_wal_keep_size: String,
    /// The same in bytes; `None`: there is no bound.
    pub max_slot_wal_keep_bytes: Option<u64>,
    /// `max_replication_slots`, and how many are taken.
    pub slots: (i64, i64),
    /// `max_wal_senders`, and how many are taken.
    pub wal_senders: (i64, i64),
    /// Standbys that a commit waits for; `*` would count our stream among them.
    pub synchronous_standby_names: String,
    /// `output_plugin_libraries`, where the server has it and it does not name pgoutput: then nothing is decoded.
    pub plugins_without_ours: Option<String>,
    /// Patroni manages it: it is there with a session of its own, or the server was started with the settings on its command
    /// line that Patroni keeps equal on all members (`CMDLINE_OPTIONS` of its `postgresql/config.py`).
    pub is_patronis: bool,
    /// A standby.
    pub in_recovery: bool,
    /// Where the log ends (what was replayed, on a standby).
    pub position: Lsn,
}

impl ServerFacts {
    /// The version's first part: 14 to 18.
    pub fn major(&self) -> i32 {
        self.version_num / 10_000
    }
}

/// A position that the server gave as text.
fn lsn(row: &Row, column: &str) -> Result<Option<Lsn>, Error> {
    let text: Option<&str> = row.try_get(column)?;
    // Postgres's own text of a pg_lsn always parses.
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Everything about the server.
pub async fn server_facts(client: &impl GenericClient) -> Result<ServerFacts, Error> {
    let sql = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version_num, \
        pg_catalog.current_setting('server_version') AS version, d.oid AS database_oid, \
        d.datname::pg_catalog.text AS database, \
        pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text AS encoding, \
        pg_catalog.current_setting('wal_level') AS wal_level, \
        pg_catalog.current_setting('max_slot_wal_keep_size') AS max_slot_wal_keep_size, \
        (SELECT s.setting::pg_catalog.int8 * 1024 * 1024 FROM pg_catalog.pg_settings AS s \
          WHERE s.name = 'max_slot_wal_keep_size' AND s.setting <> '-1') AS max_slot_wal_keep_bytes, \
        pg_catalog.current_setting('max_replication_slots')::pg_catalog.int8 AS max_slots, \
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS slots, \
        pg_catalog.current_setting('max_wal_senders')::pg_catalog.int8 AS max_wal_senders, \
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS wal_senders, \
        pg_catalog.current_setting('synchronous_standby_names') AS synchronous_standby_names, \
        (SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = 'output_plugin_libraries') AS plugins, \
        (EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a \
            WHERE a.application_name = 'Patroni' OR a.application_name LIKE 'Patroni %') \
          OR (SELECT pg_catalog.count(*) = 10 FROM pg_catalog.pg_settings AS s WHERE s.source = 'command line' AND s.name IN \
            ('cluster_name', 'wal_level', 'hot_standby', 'max_connections', 'max_wal_senders', 'max_prepared_transactions', \
             'max_locks_per_transaction', 'max_replication_slots', 'max_worker_processes', 'track_commit_timestamp'))) \
        AS is_patronis, \
        pg_catalog.pg_is_in_recovery() AS in_recovery, \
        (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
         ELSE pg_catalog.pg_current_wal_lsn() END)::pg_catalog.text AS position \
        FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()";
    let row = client.query_one(sql, &[]).await?;
    let control = "SELECT s.system_identifier::pg_catalog.text, c.timeline_id \
        FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_control_checkpoint() AS c";
    let (system_id, timeline) = match may_control(client).await? {
        true => {
            let row = client.query_one(control, &[]).await?;
            (Some(row.try_get(0)?), Some(row.try_get(1)?))
        }
        false => (None, None),
    };
    Ok(ServerFacts {
        provider: Provider::of_server(client).await?,
        version_num: row.try_get("version_num")?,
        version: row.try_get("version")?,
        system_id,
        timeline,
        database: row.try_get("database")?,
        database_oid: row.try_get("database_oid")?,
        encoding: row.try_get("encoding")?,
        wal_level: row.try_get("wal_level")?,
        max_slot_wal_keep_size: row.try_get("max_slot_wal_keep_size")?,
        max_slot_wal_keep_bytes: row
            .try_get::<_, Option<i64>>("max_slot_wal_keep_bytes")?
            .and_then(|bytes| u64::try_from(bytes).ok()),
        slots: (row.try_get("max_slots")?, row.try_get("slots")?),
        wal_senders: (row.try_get("max_wal_senders")?, row.try_get("wal_senders")?),
        synchronous_standby_names: row.try_get("synchronous_standby_names")?,
        plugins_without_ours: without_pgoutput(row.try_get("plugins")?),
        is_patronis: row.try_get("is_patronis")?,
        in_recovery: row.try_get("in_recovery")?,
        position: lsn(&row, "position")?.unwrap_or_default(),
    })
}

/// The output plugins that the server may load, where ours is none of them. The setting came with minor releases (15.19 and
/// those of its day); a server without it may load any.
pub async fn plugins_without_ours(client: &impl GenericClient) -> Result<Option<String>, Error> {
    // Who may not see a setting is refused where he asks for it by its name; this list leaves it out.
    let sql =
        "SELECT (SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = 'output_plugin_libraries')";
    Ok(without_pgoutput(client.query_one(sql, &[]).await?.try_get(0)?))
}

/// The server may not load what streams, and the mend.
pub fn plugin_refused(plugins: &str) -> (String, String) {
    (
        format!(
            "output_plugin_libraries is `{plugins}`, which does not name pgoutput by itself: the server streams nothing"
        ),
        "alter system set output_plugin_libraries = pgoutput, and the others that are needed, each name by itself and none in \
         quotes together with another; then select pg_reload_conf()"
            .to_owned(),
    )
}

/// Why the server refuses to stream for want of a right (42501), and the mend, as far as that can be asked: it has one code for
/// a `user` who may not replicate and for a plugin that it may not load. `None`: neither can be seen.
pub async fn stream_refused(
    client: &impl GenericClient,
    user: &str,
) -> Result<Option<(String, String)>, Error> {
    let sql = "SELECT (SELECT r.rolreplication OR r.rolsuper FROM pg_catalog.pg_roles AS r \
        WHERE r.rolname = $1::pg_catalog.text)";
    let may: Option<bool> = client.query_one(sql, &[&user]).await?.try_get(0)?;
    let role = (may == Some(false)).then(|| {
        (
            format!("the user {user} does not have the REPLICATION attribute"),
            format!("alter role {} replication, as a superuser", quote_ident(user)),
        )
    });
    // Hidden from us is not absent.
    let plugin = match plugins_without_ours(client).await? {
        Some(plugins) => Some(plugin_refused(&plugins)),
        None => hides_plugins(client).await?.then(|| {
            (
                "the server has output_plugin_libraries, which our user may not see, and may load no pgoutput".to_owned(),
                "look at it as a superuser (show output_plugin_libraries); if it does not name pgoutput by itself: alter system \
                 set output_plugin_libraries = pgoutput, and the others that are needed; then select pg_reload_conf()"
                    .to_owned(),
            )
        }),
    };
    Ok(match (role, plugin) {
        (Some((what, mend)), Some((or_what, or_mend))) => {
            Some((format!("{what}, or {or_what}"), format!("{mend}; or {or_mend}")))
        }
        (role, plugin) => role.or(plugin),
    })
}

/// Whether the server has `output_plugin_libraries` and does not show it to us.
async fn hides_plugins(client: &impl GenericClient) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.current_setting('output_plugin_libraries', true)";
    match client.query_one(sql, &[]).await {
        Ok(_) => Ok(false),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(true),
        Err(error) => Err(error),
    }
}

/// In quotes a comma belongs to the name: `"pgoutput, wal2json"` is one.
fn without_pgoutput(plugins: Option<String>) -> Option<String> {
    plugins.filter(|plugins| {
        let mut is_quoted = false;
        let mut names = plugins.split(|letter| {
            is_quoted ^= letter == '"';
            letter == ',' && !is_quoted
        });
        !names.any(|name| name.trim().trim_matches('"').eq_ignore_ascii_case("pgoutput"))
    })
}

/// Asked beforehand: an error would break a surrounding transaction.
async fn may_control(client: &impl GenericClient) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
        AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')";
    client.query_one(sql, &[]).await?.try_get(0)
}

#[cfg(test)]
mod tests {
    use super::without_pgoutput;

    #[test]
    fn a_list_names_our_plugin_by_itself() {
        for list in ["pgoutput, test_decoding", "wal2json,pgoutput", "\"pgoutput\""] {
            assert_eq!(without_pgoutput(Some(list.into())), None, "{list}");
        }
        assert_eq!(without_pgoutput(None), None);
        for list in ["", "wal2json", "\"pgoutput, wal2json\"", "my_pgoutput"] {
            assert_eq!(without_pgoutput(Some(list.into())).as_deref(), Some(list));
        }
    }
}
