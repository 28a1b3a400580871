//! Whether the server takes the site's UPDATE and DELETE once a publication carries them (rule 1). This is the server's
//! own condition (`CheckCmdReplicaIdentity`), for 14 to 18, and it stands here alone.

use tokio_postgres::{Error, GenericClient, Row};

use super::publication;
use crate::model::RelationName;
use crate::postgres::{qualified, quote_ident};

/// A table, or a partition of one, by which no changed row could be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unidentified {
    /// The table that was asked about.
    pub top: RelationName,
    /// It, or the partition that is at fault.
    pub table: RelationName,
    /// The server refuses UPDATE and DELETE on it. False for the head of a partitioned table: its rows lie in the
    /// partitions, which decide for themselves, but they are streamed as its own, with its key.
    pub refuses: bool,
    pub why: NoIdentity,
}

/// What a replica identity lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoIdentity {
    /// `REPLICA IDENTITY NOTHING`.
    Nothing,
    /// No primary key.
    NoKey,
    /// The primary key is `DEFERRABLE`.
    Deferrable,
    /// The index that was to be the identity was dropped.
    NoIndex,
    /// Its index is not valid.
    Invalid,
    /// It holds generated columns that are not published: from 18 on.
    Generated(Vec<String>),
}

impl std::fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoIdentity::Nothing => write!(f, "its replica identity is NOTHING"),
            NoIdentity::NoKey => write!(f, "it has no primary key"),
            NoIdentity::Deferrable => write!(f, "its primary key is DEFERRABLE"),
            NoIdentity::NoIndex => write!(f, "the index that was its replica identity is gone"),
            NoIdentity::Invalid => write!(f, "the index of its replica identity is not valid"),
            NoIdentity::Generated(columns) => write!(
                f,
                "its replica identity holds generated columns ({}), which are not published",
                columns.join(", ")
            ),
        }
    }
}

impl Unidentified {
    /// What gives the table an identity again; the site's owner decides whether that is what he wants.
    pub fn mend(&self) -> String {
        let table = qualified(&self.table);
        match &self.why {
            NoIdentity::Nothing | NoIdentity::NoIndex => {
                format!("alter table {table} replica identity default, with a primary key")
            }
            NoIdentity::NoKey => {
                format!("give {table} a primary key, or: alter table {table} replica identity full")
            }
            NoIdentity::Deferrable => format!(
                "make the primary key of {table} anew without DEFERRABLE, or: alter table {table} replica identity using \
                 index a unique one"
            ),
            NoIdentity::Invalid => format!("reindex the index of {table}"),
            NoIdentity::Generated(_) => format!(
                "alter table {table} replica identity default, with a primary key of columns that are not generated"
            ),
        }
    }
}

/// A table whose UPDATE and DELETE the server refuses to the site at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// It, and why.
    pub what: Unidentified,
    /// The statements by which the publication's owner ends that: the table goes from the publication with updates into
    /// that of the INSERTs, at once, so that no row goes unseen between.
    pub statements: String,
}

/// Of these tables and their partitions those that have no identity, as the server sees it for a publication that takes
/// updates. `stored`: that publication carries stored generated columns (18 can; virtual ones are never carried).
pub async fn unidentified(
    client: &impl GenericClient,
    tables: &[u32],
    stored: bool,
) -> Result<Vec<Unidentified>, Error> {
    // Before 18 nobody looks at generated columns. Of an index the key's columns count, not those that it includes.
    let sql = "WITH RECURSIVE tree(oid, top) AS ( \
          SELECT o.oid, o.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS o(oid) \
          UNION SELECT i.inhrelid, t.top FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid \
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition) \
        SELECT tn.nspname::pg_catalog.text AS top_schema, top.relname::pg_catalog.text AS top_name, \
          n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, c.relkind = 'r' AS refuses, \
          c.relreplident::pg_catalog.text AS identity, i.indexrelid IS NOT NULL AS has_index, \
          coalesce(i.indimmediate, true) AS immediate, coalesce(i.indisvalid, true) OR c.relkind = 'p' AS valid, \
          ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a \
            WHERE pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 180000 \
              AND a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '' \
              AND (a.attgenerated <> 's' OR NOT $2) \
              AND (c.relreplident = 'f' OR EXISTS (SELECT FROM \
                  pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(number, place) \
                WHERE k.number = a.attnum AND k.place <= i.indnkeyatts)) ORDER BY a.attnum) AS generated \
        FROM tree AS t \
        JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relkind IN ('r', 'p') \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        JOIN pg_catalog.pg_class AS top ON top.oid = t.top \
        JOIN pg_catalog.pg_namespace AS tn ON tn.oid = top.relnamespace \
        LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid AND i.indislive AND i.indisunique AND i.indpred IS NULL \
          AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END \
        ORDER BY 1, 2, 3, 4";
    let rows = client.query(sql, &[&tables, &stored]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let Some(why) = why(row)? else { continue };
        let name = |schema, table| -> Result<RelationName, Error> {
            Ok(RelationName {
                schema: row.try_get(schema)?,
                table: row.try_get(table)?,
            })
        };
        found.push(Unidentified {
            top: name("top_schema", "top_name")?,
            table: name("schema", "name")?,
            refuses: row.try_get("refuses")?,
            why,
        });
    }
    Ok(found)
}

/// The partitions of a table with REPLICA IDENTITY FULL for which that does not hold: the server tells it of their rows all the
/// same, and leaves out everything but the key.
pub async fn partly_full(client: &impl GenericClient, table: u32) -> Result<Vec<RelationName>, Error> {
    let sql = "WITH RECURSIVE tree(oid) AS ( \
          SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'p' AND c.relreplident = 'f' \
          UNION SELECT i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid) \
        SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name FROM tree AS t \
        JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relkind = 'r' AND c.relreplident <> 'f' \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace ORDER BY 1, 2";
    let rows = client.query(sql, &[&table]).await?;
    rows.iter().map(relation).collect()
}

fn relation(row: &Row) -> Result<RelationName, Error> {
    Ok(RelationName {
        schema: row.try_get("schema")?,
        table: row.try_get("name")?,
    })
}

fn why(row: &Row) -> Result<Option<NoIdentity>, Error> {
    let identity: &str = row.try_get("identity")?;
    let generated: Vec<String> = row.try_get("generated")?;
    let has_index: bool = row.try_get("has_index")?;
    let (immediate, valid): (bool, bool) = (row.try_get("immediate")?, row.try_get("valid")?);
    Ok(match identity {
        "n" => Some(NoIdentity::Nothing),
        "d" if !has_index => Some(NoIdentity::NoKey),
        "i" if !has_index => Some(NoIdentity::NoIndex),
        _ if !immediate => Some(NoIdentity::Deferrable),
        _ if !valid => Some(NoIdentity::Invalid),
        _ if !generated.is_empty() => Some(NoIdentity::Generated(generated)),
        _ => None,
    })
}

/// The tables and partitions whose UPDATE and DELETE the server refuses to the site at this moment, since the publication
/// `main` carries them; `inserts` is the one that carries INSERTs alone.
pub async fn publication_refuses(
    client: &impl GenericClient,
    main: &str,
    inserts: &str,
) -> Result<Vec<Refused>, Error> {
    let Some(publication) = publication(client, main).await? else {
        return Ok(Vec::new());
    };
    if !publication.publish.update && !publication.publish.delete {
        return Ok(Vec::new());
    }
    let tables: Vec<u32> = publication.streams.iter().map(|(oid, _)| *oid).collect();
    let sql = "SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name \
        FROM pg_catalog.pg_publication AS o JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = o.oid \
        JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE o.pubname = $1::pg_catalog.text";
    let there = client.query(sql, &[&inserts]).await?;
    let there: Vec<RelationName> = there.iter().map(relation).collect::<Result<_, Error>>()?;
    let stored = publication.stored_generated;
    let found = unidentified(client, &tables, stored).await?.into_iter();
    let refused = found.filter(|found| found.refuses).map(|what| {
        let table = qualified(&what.top);
        let drop = format!("alter publication {} drop table {table}", quote_ident(main));
        let statements = match there.contains(&what.top) {
            true => drop,
            false => format!(
                "begin; {drop}; alter publication {} add table {table}; commit",
                quote_ident(inserts)
            ),
        };
        Refused { what, statements }
    });
    Ok(refused.collect())
}
