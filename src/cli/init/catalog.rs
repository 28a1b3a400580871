//! What the catalog says of all tables that we may read.

use tokio_postgres::{Client, Error};

use super::guess::Message;
use super::words::{self, same};
use crate::postgres::catalog::{self, Table};
use crate::postgres::{quote_ident, site};

/// A table with where its foreign keys lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The table.
    pub table: Table,
    /// Its foreign keys.
    pub keys: Vec<ForeignKey>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// The table that it leads to.
    pub to: u32,
    /// Our columns.
    pub columns: Vec<String>,
    /// Its columns.
    pub their: Vec<String>,
}

/// The most tables that are looked at.
const TABLES: i64 = 2000;

/// The tables of the site that we may read: no partitions, none of the system, none of ours.
pub(super) async fn tables(client: &Client) -> Result<Vec<Candidate>, Error> {
    let sql = "SELECT c.oid FROM pg_catalog.pg_class AS c \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' \
          AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' \
          AND pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.lease') IS NULL \
          AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
        ORDER BY n.nspname, c.relname LIMIT $1";
    let mut found = Vec::new();
    for row in client.query(sql, &[&TABLES]).await? {
        if let Some(table) = catalog::table_by_oid(client, row.try_get(0)?).await? {
            let keys = foreign_keys(client, table.oid).await?;
            found.push(Candidate { table, keys });
        }
    }
    Ok(found)
}

async fn foreign_keys(client: &Client, table: u32) -> Result<Vec<ForeignKey>, Error> {
    let names = |columns: &str, relation: &str| {
        format!(
            "ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(k.{columns}) WITH ORDINALITY AS u(number, place) \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.{relation} AND a.attnum = u.number ORDER BY u.place)"
        )
    };
    let sql = format!(
        "SELECT k.confrelid, {}, {} FROM pg_catalog.pg_constraint AS k \
         WHERE k.contype = 'f' AND k.conrelid = $1 ORDER BY k.conname",
        names("conkey", "conrelid"),
        names("confkey", "confrelid")
    );
    let rows = client.query(&sql, &[&table]).await?;
    rows.iter()
        .map(|row| {
            Ok(ForeignKey {
                to: row.try_get(0)?,
                columns: row.try_get(1)?,
                their: row.try_get(2)?,
            })
        })
        .collect()
}

/// The words in the column that may say who wrote a message: an enum's labels, or what stands in some rows. Empty
/// where there are too many, or none could be read.
pub(super) async fn author_words(client: &Client, message: &Message) -> Vec<String> {
    let columns = &message.table.columns;
    let known = words::AUTHOR
        .iter()
        .find_map(|word| columns.iter().find(|column| same(&column.name, word)));
    let Some(column) = known.filter(|column| matches!(column.type_category, 'S' | 'E')) else {
        return Vec::new();
    };
    if !column.enum_labels.is_empty() {
        return column.enum_labels.clone();
    }
    let name = quote_ident(&column.name);
    let sql = format!(
        "select distinct w from (select {name}::pg_catalog.text as w from {}.{} limit 2000) s where w is not null limit 9",
        quote_ident(&message.table.name.schema),
        quote_ident(&message.table.name.table)
    );
    let Ok(rows) = site::query_sql(client, &sql, &[]).await else {
        return Vec::new();
    };
    let mut found: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    found.sort();
    if found.len() > 8 { Vec::new() } else { found }
}
