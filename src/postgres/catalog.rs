//! What the catalog says: the server, tables, publications, slots, rights. Small queries, each a function.
//!
//! Invariant: reads only, but for [`slot_drop`]. All names are qualified with `pg_catalog`, so that no `search_path`
//! of the role leads elsewhere.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, GenericClient, Row};

use crate::model::{Lsn, RelationName};
use crate::pgoutput::ReplicaIdentity;

/// The server and the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `server_version_num`, e.g. 150004.
    pub version_num: i32,
    /// `server_version`, for messages.
    pub version: String,
    /// The cluster's identifier; `None` where we may not read it: `IDENTIFY_SYSTEM` tells it as well.
    pub system_id: Option<String>,
    /// The timeline, likewise.
    pub timeline: Option<i32>,
    /// The database.
    pub database: String,
    /// Its OID: another one under the same name is another database.
    pub database_oid: u32,
    /// Its encoding.
    pub encoding: String,
    /// `wal_level`; `logical` is needed.
    pub wal_level: String,
    /// `max_slot_wal_keep_size` as written, `-1` for no limit.
    pub max_slot_wal_keep_size: String,
    /// `max_replication_slots`, and how many are taken.
    pub slots: (i64, i64),
    /// `max_wal_senders`, and how many are taken.
    pub wal_senders: (i64, i64),
    /// Standbys that a commit waits for; `*` would count our stream among them.
    pub synchronous_standby_names: String,
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
        pg_catalog.current_setting('max_replication_slots')::pg_catalog.int8 AS max_slots, \
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS slots, \
        pg_catalog.current_setting('max_wal_senders')::pg_catalog.int8 AS max_wal_senders, \
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS wal_senders, \
        pg_catalog.current_setting('synchronous_standby_names') AS synchronous_standby_names, \
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
        version_num: row.try_get("version_num")?,
        version: row.try_get("version")?,
        system_id,
        timeline,
        database: row.try_get("database")?,
        database_oid: row.try_get("database_oid")?,
        encoding: row.try_get("encoding")?,
        wal_level: row.try_get("wal_level")?,
        max_slot_wal_keep_size: row.try_get("max_slot_wal_keep_size")?,
        slots: (row.try_get("max_slots")?, row.try_get("slots")?),
        wal_senders: (row.try_get("max_wal_senders")?, row.try_get("wal_senders")?),
        synchronous_standby_names: row.try_get("synchronous_standby_names")?,
        in_recovery: row.try_get("in_recovery")?,
        position: lsn(&row, "position")?.unwrap_or_default(),
    })
}

/// Asked beforehand: an error would break a surrounding transaction.
async fn may_control(client: &impl GenericClient) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
        AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')";
    client.query_one(sql, &[]).await?.try_get(0)
}

/// A table, view or the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `v` view, `m` materialized view, `f` foreign table.
    pub kind: char,
    /// `pg_class.relpersistence`: `p` permanent, `u` unlogged, `t` temporary; only permanent ones are streamed.
    pub persistence: char,
    /// A partition of another table.
    pub is_partition: bool,
    /// The table at the top of the partitions, under whose name its rows are streamed.
    pub root: Option<RelationName>,
    /// What an UPDATE or DELETE is known by.
    pub replica_identity: ReplicaIdentity,
    /// There is such an identity: without one the site's UPDATE fails where a publication takes updates.
    pub has_replica_identity: bool,
    /// Row security holds for us.
    pub row_security: bool,
    /// The primary key's columns, in its order.
    pub primary_key: Vec<String>,
    /// The columns, in the table's order.
    pub columns: Vec<TableColumn>,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A table's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// `pg_attribute.attnum`.
    pub number: i16,
    /// Its type as `format_type` writes it, for messages: `character varying(20)`.
    pub type_text: String,
    /// What to cast a text to (rule 15): schema-qualified, quoted, a domain's base type, with the modifier's brackets
    /// left out, e.g. `"pg_catalog"."varchar"`, `"public"."status"[]`.
    pub cast_type: String,
    /// The OID of that type.
    pub cast_oid: u32,
    /// `pg_type.typtype` of that type: `b` base, `e` enum, `c` composite, `r` range, …
    pub type_kind: char,
    /// `pg_type.typcategory` of that type: `S` string, `N` number, `D` date, `B` boolean, `E` enum, `U` user, …
    pub type_category: char,
    /// The labels of an enum, in order.
    pub enum_labels: Vec<String>,
    /// `NOT NULL`.
    pub not_null: bool,
    /// It has a default, an identity or is generated.
    pub has_default: bool,
    /// `GENERATED … AS IDENTITY`: `a` always, `d` by default.
    pub identity: Option<char>,
    /// `GENERATED ALWAYS AS (…)`: not streamed before 18, never written.
    pub generated: bool,
}

fn letter(row: &Row, column: &str) -> Result<Option<char>, Error> {
    let text: &str = row.try_get(column)?;
    Ok(text.chars().next())
}

/// Finds a table by its name as a user writes it, by the rules of SQL: `tickets`, `public.tickets`, `"Tickets"`.
/// `None`: there is none (or no such schema, or the name is no name).
pub async fn table_by_text(client: &impl GenericClient, name: &str) -> Result<Option<Table>, Error> {
    let row = client
        .query_one(
            "SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid",
            &[&name],
        )
        .await;
    let oid: Option<u32> = match row {
        Ok(row) => row.try_get(0)?,
        // 42602: a text that cannot be a name; 42601: too many dots; 0A000: another database's table.
        Err(error)
            if [
                SqlState::INVALID_NAME,
                SqlState::SYNTAX_ERROR,
                SqlState::FEATURE_NOT_SUPPORTED,
            ]
            .iter()
            .any(|code| error.code() == Some(code)) =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    match oid {
        Some(oid) => table_by_oid(client, oid).await,
        None => Ok(None),
    }
}

/// A table by its exact name.
pub async fn table_by_name(client: &impl GenericClient, name: &RelationName) -> Result<Option<Table>, Error> {
    let sql = "SELECT c.oid FROM pg_catalog.pg_class AS c \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text";
    match client.query_opt(sql, &[&name.schema, &name.table]).await? {
        Some(row) => table_by_oid(client, row.try_get(0)?).await,
        None => Ok(None),
    }
}

/// A table by its OID.
pub async fn table_by_oid(client: &impl GenericClient, oid: u32) -> Result<Option<Table>, Error> {
    let sql = "SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, \
        c.relkind::pg_catalog.text AS kind, c.relpersistence::pg_catalog.text AS persistence, \
        c.relispartition AS is_partition, c.relreplident::pg_catalog.text AS identity, \
        pg_catalog.row_security_active(c.oid) AS row_security, \
        CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false \
          WHEN 'i' THEN EXISTS (SELECT FROM pg_catalog.pg_index AS i \
            WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid) \
          ELSE EXISTS (SELECT FROM pg_catalog.pg_index AS i \
            WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate) \
        END AS has_identity, \
        rn.nspname::pg_catalog.text AS root_schema, r.relname::pg_catalog.text AS root_name, \
        ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index AS i, \
            pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(number, place), \
            pg_catalog.pg_attribute AS a \
            WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts \
              AND a.attrelid = c.oid AND a.attnum = k.number \
            ORDER BY k.place) AS primary_key \
        FROM pg_catalog.pg_class AS c \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        LEFT JOIN pg_catalog.pg_class AS r ON c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid) \
        LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace \
        WHERE c.oid = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
    let Some(row) = client.query_opt(sql, &[&oid]).await? else {
        return Ok(None);
    };
    let root = match (row.try_get("root_schema")?, row.try_get("root_name")?) {
        (Some(schema), Some(table)) => Some(RelationName { schema, table }),
        _ => None,
    };
    let identity: &str = row.try_get("identity")?;
    let identity = identity.bytes().next().and_then(ReplicaIdentity::from_letter);
    Ok(Some(Table {
        oid,
        name: RelationName {
            schema: row.try_get("schema")?,
            table: row.try_get("name")?,
        },
        kind: letter(&row, "kind")?.unwrap_or('?'),
        persistence: letter(&row, "persistence")?.unwrap_or('?'),
        is_partition: row.try_get("is_partition")?,
        root,
        replica_identity: identity.unwrap_or(ReplicaIdentity::Nothing),
        has_replica_identity: row.try_get("has_identity")?,
        row_security: row.try_get("row_security")?,
        primary_key: row.try_get("primary_key")?,
        columns: columns(client, oid).await?,
    }))
}

async fn columns(client: &impl GenericClient, oid: u32) -> Result<Vec<TableColumn>, Error> {
    // A domain may be of a domain, so its base type is looked for step by step.
    let sql = "SELECT a.attname::pg_catalog.text AS name, a.attnum AS number, \
        pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_text, a.attnotnull AS not_null, \
        (a.atthasdef OR a.attidentity <> '') AS has_default, \
        a.attidentity::pg_catalog.text AS identity, a.attgenerated <> '' AS generated, \
        b.oid AS cast_oid, b.typtype::pg_catalog.text AS kind, b.typcategory::pg_catalog.text AS category, \
        CASE WHEN e.oid IS NULL \
          THEN pg_catalog.quote_ident(bn.nspname) || '.' || pg_catalog.quote_ident(b.typname) \
          ELSE pg_catalog.quote_ident(en.nspname) || '.' || pg_catalog.quote_ident(e.typname) || '[]' \
        END AS cast_type, \
        ARRAY(SELECT l.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS l \
            WHERE l.enumtypid = b.oid ORDER BY l.enumsortorder) AS labels \
        FROM pg_catalog.pg_attribute AS a \
        CROSS JOIN LATERAL ( \
          WITH RECURSIVE step(oid, typtype, base) AS ( \
            SELECT t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid \
            UNION ALL \
            SELECT t.oid, t.typtype, t.typbasetype FROM step AS s \
              JOIN pg_catalog.pg_type AS t ON t.oid = s.base WHERE s.typtype = 'd') \
          SELECT s.oid FROM step AS s WHERE s.typtype <> 'd') AS base \
        JOIN pg_catalog.pg_type AS b ON b.oid = base.oid \
        JOIN pg_catalog.pg_namespace AS bn ON bn.oid = b.typnamespace \
        LEFT JOIN pg_catalog.pg_type AS e \
          ON b.typcategory = 'A' AND b.typlen = -1 AND e.typarray = b.oid \
        LEFT JOIN pg_catalog.pg_namespace AS en ON en.oid = e.typnamespace \
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let rows = client.query(sql, &[&oid]).await?;
    let column = |row: &Row| {
        Ok(TableColumn {
            name: row.try_get("name")?,
            number: row.try_get("number")?,
            type_text: row.try_get("type_text")?,
            cast_type: row.try_get("cast_type")?,
            cast_oid: row.try_get("cast_oid")?,
            type_kind: letter(row, "kind")?.unwrap_or('?'),
            type_category: letter(row, "category")?.unwrap_or('?'),
            enum_labels: row.try_get("labels")?,
            not_null: row.try_get("not_null")?,
            has_default: row.try_get("has_default")?,
            identity: letter(row, "identity")?,
            generated: row.try_get("generated")?,
        })
    };
    rows.iter().map(column).collect()
}

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// `FOR ALL TABLES`.
    pub all_tables: bool,
    /// `publish`: insert, update, delete, truncate.
    pub publish: PublishFlags,
    /// `publish_via_partition_root`.
    pub via_partition_root: bool,
    /// The tables that were added to it by name, with what narrows them.
    pub tables: Vec<PublishedTable>,
    /// All tables whose rows it streams, `FOR ALL TABLES` and `FOR TABLES IN SCHEMA` included.
    pub streams: Vec<RelationName>,
}

/// `publish` of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishFlags {
    /// INSERTs.
    pub insert: bool,
    /// UPDATEs.
    pub update: bool,
    /// DELETEs.
    pub delete: bool,
    /// TRUNCATEs.
    pub truncate: bool,
}

/// A table of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedTable {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// It has a row filter (rule 1: it must not).
    pub has_filter: bool,
    /// It has a column list (rule 1: it must not).
    pub has_columns: bool,
}

/// A publication by its name.
pub async fn publication(client: &impl GenericClient, name: &str) -> Result<Option<Publication>, Error> {
    let sql = "SELECT p.oid, p.pubname::pg_catalog.text AS name, \
        pg_catalog.pg_get_userbyid(p.pubowner)::pg_catalog.text AS owner, p.puballtables, p.pubinsert, \
        p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot \
        FROM pg_catalog.pg_publication AS p WHERE p.pubname = $1::pg_catalog.text";
    let Some(row) = client.query_opt(sql, &[&name]).await? else {
        return Ok(None);
    };
    let oid: u32 = row.try_get("oid")?;
    // Filters and column lists came with 15; read through jsonb, one statement serves 14 as well.
    let sql = "SELECT c.oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, \
        pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL AS has_filter, \
        pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL AS has_columns \
        FROM pg_catalog.pg_publication_rel AS r \
        JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE r.prpubid = $1 ORDER BY 2, 3";
    let relation = |row: &Row| -> Result<RelationName, Error> {
        Ok(RelationName {
            schema: row.try_get("schema")?,
            table: row.try_get("name")?,
        })
    };
    let table = |row: &Row| {
        Ok(PublishedTable {
            oid: row.try_get("oid")?,
            name: relation(row)?,
            has_filter: row.try_get("has_filter")?,
            has_columns: row.try_get("has_columns")?,
        })
    };
    let tables = client
        .query(sql, &[&oid])
        .await?
        .iter()
        .map(table)
        .collect::<Result<_, Error>>()?;
    let sql = "SELECT schemaname::pg_catalog.text AS schema, tablename::pg_catalog.text AS name \
        FROM pg_catalog.pg_publication_tables WHERE pubname = $1::pg_catalog.text ORDER BY 1, 2";
    let streams = client
        .query(sql, &[&name])
        .await?
        .iter()
        .map(relation)
        .collect::<Result<_, Error>>()?;
    Ok(Some(Publication {
        oid,
        name: row.try_get("name")?,
        owner: row.try_get("owner")?,
        all_tables: row.try_get("puballtables")?,
        publish: PublishFlags {
            insert: row.try_get("pubinsert")?,
            update: row.try_get("pubupdate")?,
            delete: row.try_get("pubdelete")?,
            truncate: row.try_get("pubtruncate")?,
        },
        via_partition_root: row.try_get("pubviaroot")?,
        tables,
        streams,
    }))
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
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
        pg_catalog.pg_wal_lsn_diff(here.lsn, s.confirmed_flush_lsn)::pg_catalog.int8 AS lag \
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
    }))
}

/// Drops a slot, but only a logical one of this database that nobody uses; `false`: there was none.
pub async fn slot_drop(client: &impl GenericClient, name: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) \
        FROM pg_catalog.pg_replication_slots AS s WHERE s.slot_name = $1::pg_catalog.text \
        AND s.database = pg_catalog.current_database() AND s.plugin = 'pgoutput'";
    Ok(!client.query(sql, &[&name]).await?.is_empty())
}

/// A role's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// `SUPERUSER`.
    pub superuser: bool,
    /// It may stream: `REPLICATION`, superuser, or a member of a managed service's role for this.
    pub replication: bool,
    /// `BYPASSRLS` or superuser.
    pub bypass_row_security: bool,
    /// `CREATE` on the database: needed for schemas and publications.
    pub create_in_database: bool,
}

/// The roles by which managed services grant REPLICATION.
const REPLICATION_ROLES: &str = "'{rds_replication,rds_superuser,azure_pg_admin,cloudsqlsuperuser}'";

/// The current role (after any `SET ROLE`).
pub async fn current_role(client: &impl GenericClient) -> Result<Role, Error> {
    let sql = format!(
        "SELECT r.rolname::pg_catalog.text AS name, r.rolsuper, r.rolbypassrls, \
         r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles AS m \
           WHERE m.rolname = ANY ({REPLICATION_ROLES}) \
             AND m.rolname = 'rds_replication' AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')) AS replication, \
         pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS create_in_database \
         FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER"
    );
    let row = client.query_one(sql.as_str(), &[]).await?;
    let superuser: bool = row.try_get("rolsuper")?;
    Ok(Role {
        name: row.try_get("name")?,
        superuser,
        replication: row.try_get("replication")?,
        bypass_row_security: superuser || row.try_get("rolbypassrls")?,
        create_in_database: row.try_get("create_in_database")?,
    })
}

/// May we `privilege` (SELECT, INSERT, UPDATE, …) the table? A right on some column only is not enough.
pub async fn may_table(client: &impl GenericClient, table: u32, privilege: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_table_privilege($1::pg_catalog.oid, $2::pg_catalog.text)";
    client.query_one(sql, &[&table, &privilege]).await?.try_get(0)
}

/// May we `privilege` this column, by a right on it or on the whole table?
pub async fn may_column(
    client: &impl GenericClient,
    table: u32,
    column: i16,
    privilege: &str,
) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_column_privilege($1::pg_catalog.oid, $2::pg_catalog.int2, $3::pg_catalog.text)";
    client
        .query_one(sql, &[&table, &column, &privilege])
        .await?
        .try_get(0)
}

/// May we `privilege` at least one column? Enough for a row lock (rule 2).
pub async fn may_any_column(client: &impl GenericClient, table: u32, privilege: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_any_column_privilege($1::pg_catalog.oid, $2::pg_catalog.text)";
    client.query_one(sql, &[&table, &privilege]).await?.try_get(0)
}

/// May we `privilege` (USAGE, CREATE) the schema? `None`: there is none.
pub async fn may_schema(
    client: &impl GenericClient,
    schema: &str,
    privilege: &str,
) -> Result<Option<bool>, Error> {
    let sql = "SELECT pg_catalog.has_schema_privilege(n.oid, $2::pg_catalog.text) \
        FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1::pg_catalog.text";
    let row = client.query_opt(sql, &[&schema, &privilege]).await?;
    row.map(|row| row.try_get(0)).transpose()
}
