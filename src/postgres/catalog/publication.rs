//! Publications.

use tokio_postgres::{Error, GenericClient, Row};

use crate::model::RelationName;

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
    /// `publish_generated_columns = stored` (18).
    pub stored_generated: bool,
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
        p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot, \
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
        stored_generated: row.try_get("stored_generated")?,
        tables,
        streams,
    }))
}
