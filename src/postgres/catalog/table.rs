//! Tables and their columns.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, GenericClient, Row};

use crate::model::RelationName;
use crate::pgoutput::ReplicaIdentity;
use crate::postgres::site;

/// A table, view or the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub oid: u32,
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
    /// The operator by which that type's own indexes find equal values, e.g. `OPERATOR("pg_catalog".=)`: what `=` is
    /// found by the path may be anybody's.
    pub equals: String,
    /// Equal values may be written otherwise: of most types only where its collation says so.
    pub loose: bool,
    /// `pg_type.typtype` of that type: `b` base, `e` enum, `c` composite, `r` range, …
    pub type_kind: char,
    /// `pg_type.typcategory` of that type: `S` string, `N` number, `D` date, `B` boolean, `E` enum, `U` user, …
    pub type_category: char,
    /// The labels of an enum, in order.
    pub enum_labels: Vec<String>,
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
/// `None`: there is none (or no such schema, or the name is no name). A name without its schema is found by the site's
/// path.
pub async fn table_by_text(client: &Client, name: &str) -> Result<Option<Table>, Error> {
    let sql = "SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid";
    let oid: Option<u32> = match site::query_sql(client, sql, &[&name]).await {
        Ok(rows) => rows.first().map(|row| row.try_get(0)).transpose()?.flatten(),
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
        row_security: row.try_get("row_security")?,
        primary_key: row.try_get("primary_key")?,
        columns: columns(client, oid).await?,
    }))
}

/// The tables that inherit from a table and are no partitions of it (`INHERITS`). A publication streams their rows under
/// their own names, a query of the table reads them as its own, and no key holds over all of them.
pub async fn inheritors(client: &impl GenericClient, oid: u32) -> Result<Vec<RelationName>, Error> {
    let sql = "SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name \
        FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND NOT c.relispartition \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE i.inhparent = $1 ORDER BY 1, 2";
    names(&client.query(sql, &[&oid]).await?)
}

fn names(rows: &[Row]) -> Result<Vec<RelationName>, Error> {
    let name = |row: &Row| {
        Ok(RelationName {
            schema: row.try_get("schema")?,
            table: row.try_get("name")?,
        })
    };
    rows.iter().map(name).collect()
}

/// The partitions of a table, at any depth, that are UNLOGGED: the server lets a partition of a published table become it,
/// though not the table itself, and streams nothing of it (seen with 14, 17 and 18).
pub async fn unlogged_partitions(client: &impl GenericClient, oid: u32) -> Result<Vec<RelationName>, Error> {
    let sql = "WITH RECURSIVE tree(oid) AS (SELECT $1::pg_catalog.oid \
          UNION SELECT i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid) \
        SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name \
        FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE c.relispartition AND c.relkind = 'r' AND c.relpersistence <> 'p' ORDER BY 1, 2";
    names(&client.query(sql, &[&oid]).await?)
}

/// Which of these tables have parts: partitions, or tables that inherit from them.
pub async fn in_parts(
    client: &impl GenericClient,
    tables: &[&RelationName],
) -> Result<Vec<RelationName>, Error> {
    let sql = "SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name \
        FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) AS u(schema, name) \
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = u.schema::pg_catalog.name \
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = u.name::pg_catalog.name \
        WHERE c.relkind = 'p' OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid)";
    let (schemas, names_of): (Vec<&str>, Vec<&str>) = tables
        .iter()
        .map(|table| (table.schema.as_str(), table.table.as_str()))
        .unzip();
    names(&client.query(sql, &[&schemas, &names_of]).await?)
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
        coalesce((SELECT 'OPERATOR(' || pg_catalog.quote_ident(on_.nspname) || '.' || o.oprname || ')' \
          FROM pg_catalog.pg_opclass AS oc JOIN pg_catalog.pg_am AS am ON am.oid = oc.opcmethod \
          JOIN pg_catalog.pg_amop AS ao ON ao.amopfamily = oc.opcfamily \
            AND ao.amoplefttype = b.oid AND ao.amoprighttype = b.oid \
            AND ao.amopstrategy = CASE am.amname WHEN 'btree' THEN 3 ELSE 1 END \
          JOIN pg_catalog.pg_operator AS o ON o.oid = ao.amopopr \
          JOIN pg_catalog.pg_namespace AS on_ ON on_.oid = o.oprnamespace \
          WHERE oc.opcintype = b.oid AND oc.opcdefault AND am.amname IN ('btree', 'hash') \
          ORDER BY am.amname LIMIT 1), 'OPERATOR(pg_catalog.=)') AS equals, \
        (b.typtype <> 'e' AND b.oid <> ALL (ARRAY['bool', 'int2', 'int4', 'int8', 'oid', 'text', 'varchar', 'name', '\"char\"', \
            'uuid', 'bytea', 'date', 'timestamp', 'timestamptz']::pg_catalog.regtype[]::pg_catalog.oid[]) \
          OR EXISTS (SELECT FROM pg_catalog.pg_collation AS co \
            WHERE co.oid = a.attcollation AND NOT co.collisdeterministic)) AS loose, \
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
            equals: row.try_get("equals")?,
            loose: row.try_get("loose")?,
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
