//! What somebody may do to the publications while the connector runs: the server says nothing, it only sends less.

use super::publications;
use crate::config::{Config, TableName};
use crate::model::RelationName;
use crate::postgres::shape::load_table;
use crate::store::{Store, StoreError};

/// How the complaint of a missing table begins.
pub const UNPUBLISHED: &str = "nothing publishes";

/// What a look at the publications found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Mapped tables that nothing publishes.
    pub missing: Vec<RelationName>,
    /// Some are published again; the gap is open.
    pub reopened: bool,
}

impl Published {
    /// What a person is told; `None`: all is well.
    pub fn trouble(&self) -> Option<String> {
        let names: Vec<String> = self.missing.iter().map(RelationName::to_string).collect();
        (!names.is_empty()).then(|| {
            format!(
                "{UNPUBLISHED} {}: what the site writes there is not seen; run `deskie-cdc setup`, and the gap is \
                 repaired",
                names.join(" and ")
            )
        })
    }
}

/// Looks which mapped tables are published. One that cannot be looked up now is left to resolving, which says so.
pub async fn look_at_publications(config: &Config, store: &Store) -> Result<Published, StoreError> {
    let names = publications(config);
    let message = config.message.as_ref().map(|message| &message.table);
    let files = config.attachments.iter().map(|attachment| &attachment.table);
    let mut tables: Vec<&TableName> = Vec::new();
    for table in std::iter::once(&config.ticket.table).chain(message).chain(files) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    let is_later = store.published_any().await?;
    let mut found = Published::default();
    for table in tables {
        let Some(relation) = relation(store, table).await? else {
            continue;
        };
        let sql = "with recursive above as (
                select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where n.nspname = $2 and c.relname = $3
                union select i.inhparent from above join pg_catalog.pg_inherits i on i.inhrelid = above.oid)
            select coalesce(
                (select min(r.oid) from pg_catalog.pg_publication_rel r
                     join pg_catalog.pg_publication p on p.oid = r.prpubid
                     where p.pubname::text = any($1) and r.prrelid in (select oid from above)),
                (select min(p.oid) from pg_catalog.pg_publication_tables v
                     join pg_catalog.pg_publication p on p.pubname = v.pubname
                     where v.pubname::text = any($1) and v.schemaname = $2 and v.tablename = $3))";
        let client = store.client().await?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let row = client
            .query_one(sql, &[&names, &relation.schema, &relation.table])
            .await?;
        drop(client);
        let member: Option<u32> = row.try_get(0)?;
        found.reopened |= store.published_see(&relation, member, is_later).await?;
        if member.is_none() {
            found.missing.push(relation);
        }
    }
    Ok(found)
}

async fn relation(store: &Store, table: &TableName) -> Result<Option<RelationName>, StoreError> {
    let client = store.client().await?;
    match load_table(&client, table).await {
        Ok(table) => Ok(Some(table.root.unwrap_or(table.name))),
        Err(error) => {
            tracing::debug!("a mapped table cannot be looked at: {error}");
            Ok(None)
        }
    }
}
