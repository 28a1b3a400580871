//! Publications.

use tokio_postgres::{Error, GenericClient, Row};

use crate::model::RelationName;

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub oid: u32,
    pub name: String,
    pub owner: String,
    pub all_tables: bool,
    /// `publish`: insert, update, delete, truncate.
    pub publish: PublishFlags,
    /// `publish_via_partition_root`.
    pub via_partition_root: bool,
    /// `publish_generated_columns = stored` (18).
    pub stored_generated: bool,
    /// The tables that were added to it by name, with what narrows them.
    pub tables: Vec<PublishedTable>,
    /// All tables whose rows it streams, `FOR ALL TABLES` and `FOR TABLES IN SCHEMA` included, with their oids.
    pub streams: Vec<(u32, RelationName)>,
}

impl Publication {
    /// Whether it streams a table under this name.
    pub fn streams_table(&self, table: &RelationName) -> bool {
        self.streams.iter().any(|(_, name)| name == table)
    }
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
    pub oid: u32,
    pub name: RelationName,
    /// It has a row filter (rule 1: it must not).
    pub has_filter: bool,
    /// It has a column list (rule 1: it must not).
    pub has_columns: bool,
}

/// What a publication of `$1` streams, from the catalog alone: the server's own view opens each table from 17 on, and waits
/// behind the site's ALTER TABLE. Schemas (`has_schemas`) came with 15.
fn streams(has_schemas: bool) -> String {
    let of_schemas = match has_schemas {
        true => {
            "UNION SELECT c.oid FROM pg_catalog.pg_publication_namespace AS s \
                JOIN pg_catalog.pg_class AS c ON c.relnamespace = s.pnnspid \
                WHERE s.pnpubid = $1 AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'"
        }
        false => "",
    };
    format!(
        "WITH RECURSIVE named AS (SELECT r.prrelid AS oid FROM pg_catalog.pg_publication_rel AS r WHERE r.prpubid = $1 \
            UNION SELECT c.oid FROM pg_catalog.pg_publication AS p CROSS JOIN pg_catalog.pg_class AS c \
                WHERE p.oid = $1 AND p.puballtables AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' \
                  AND c.oid >= {FIRST_OF_USERS} {of_schemas}), \
        tree AS (SELECT named.oid FROM named \
            UNION SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits AS i ON i.inhparent = tree.oid \
                JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE c.relispartition) \
        SELECT c.oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name FROM tree \
            JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
            JOIN pg_catalog.pg_publication AS p ON p.oid = $1 \
        WHERE CASE WHEN p.pubviaroot THEN NOT (c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS i \
                JOIN tree AS above ON above.oid = i.inhparent WHERE i.inhrelid = c.oid)) \
            ELSE c.relkind = 'r' END ORDER BY 2, 3"
    )
}

/// Stands for a table's partitions on a server that does not tell its stream of an ATTACH or DETACH, those before 15; else 0.
pub async fn partitions_unfollowed(client: &impl GenericClient, oid: u32) -> Result<u32, Error> {
    let sql = "WITH RECURSIVE tree(oid) AS (SELECT $1::pg_catalog.oid \
          UNION SELECT i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid \
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition) \
        SELECT pg_catalog.hashtext(pg_catalog.string_agg(t.oid::pg_catalog.text, ' ' ORDER BY t.oid)) \
        FROM tree AS t WHERE t.oid <> $1 AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 150000";
    let hash: Option<i32> = client.query_one(sql, &[&oid]).await?.try_get(0)?;
    Ok(hash.map_or(0, i32::cast_unsigned))
}

/// What publishes a table, by any of these publications: its or its root's entry in one by preference, else one of all
/// tables or of its schema. Another one than before: it was taken out meanwhile and put in again.
pub async fn published_by(
    client: &impl GenericClient,
    names: &[&str],
    oid: u32,
) -> Result<Option<u32>, Error> {
    let above = "WITH RECURSIVE above AS (SELECT $2::pg_catalog.oid AS oid \
        UNION SELECT i.inhparent FROM above JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = above.oid)";
    let sql = format!(
        "{above} SELECT pg_catalog.min(r.oid), pg_catalog.to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL \
        FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid \
        WHERE p.pubname::pg_catalog.text = ANY ($1) AND r.prrelid IN (SELECT above.oid FROM above)"
    );
    let row = client.query_one(&sql, &[&names, &oid]).await?;
    if let Some(member) = row.try_get(0)? {
        return Ok(Some(member));
    }
    let of_schemas = match row.try_get(1)? {
        true => {
            "OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS s JOIN pg_catalog.pg_class AS c \
                ON c.relnamespace = s.pnnspid WHERE s.pnpubid = p.oid AND c.oid IN (SELECT above.oid FROM above))"
        }
        false => "",
    };
    let sql = format!(
        "{above} SELECT pg_catalog.min(p.oid) FROM pg_catalog.pg_publication AS p \
        JOIN pg_catalog.pg_class AS t ON t.oid = $2 AND t.relkind IN ('r', 'p') AND t.relpersistence = 'p' \
        WHERE p.pubname::pg_catalog.text = ANY ($1) AND (p.puballtables {of_schemas})"
    );
    client.query_one(&sql, &[&names, &oid]).await?.try_get(0)
}

/// The server's own objects have smaller numbers (`FirstNormalObjectId`).
const FIRST_OF_USERS: u32 = 16_384;

/// A publication by its name.
pub async fn publication(client: &impl GenericClient, name: &str) -> Result<Option<Publication>, Error> {
    let sql = "SELECT p.oid, p.pubname::pg_catalog.text AS name, \
        pg_catalog.pg_get_userbyid(p.pubowner)::pg_catalog.text AS owner, p.puballtables, p.pubinsert, \
        p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot, \
        pg_catalog.to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL AS has_schemas, \
        coalesce(pg_catalog.to_jsonb(p) ->> 'pubgencols' = 's', false) AS stored_generated \
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
    let streams = client
        .query(&streams(row.try_get("has_schemas")?), &[&oid])
        .await?
        .iter()
        .map(|row| Ok((row.try_get("oid")?, relation(row)?)))
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
        stored_generated: row.try_get("stored_generated")?,
        tables,
        streams,
    }))
}
