//! Another connector in the same database: each has its own schema, slot and publications. Who takes a slot that is another's
//! acknowledges what that one has not stored, and it is lost to it.

use tokio_postgres::Client;

use super::SetupError;
use super::own::slot_name;
use crate::config::Config;
use crate::postgres::{catalog, quote_ident};

/// Schemas of this database that look like a connector's: each with whether we may read which slot is its own, and its slot's
/// name, where that is so.
async fn others(client: &Client, own: &str) -> Result<Vec<(String, Option<String>)>, tokio_postgres::Error> {
    let sql = "SELECT n.nspname::pg_catalog.text, \
          pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(m.oid, 'SELECT') \
        FROM pg_catalog.pg_class AS m JOIN pg_catalog.pg_namespace AS n ON n.oid = m.relnamespace \
        WHERE m.relname = 'meta' AND m.relkind = 'r' AND n.nspname <> $1::pg_catalog.text \
          AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid \
               AND c.relname IN ('lease', 'delivery', 'link', 'remote')) = 4 \
          AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = m.oid AND a.attname = 'slot') \
        ORDER BY 1";
    let mut found = Vec::new();
    for row in client.query(sql, &[&own]).await? {
        let (schema, is_readable): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        let mut slot = None;
        if is_readable {
            let sql = format!("SELECT slot FROM {}.meta", quote_ident(&schema));
            slot = client
                .query_opt(&sql, &[])
                .await?
                .map(|row| row.try_get(0))
                .transpose()?
                .flatten();
            if slot.is_none() {
                continue;
            }
        }
        found.push((schema, slot));
    }
    Ok(found)
}

/// The slot that our own state goes on from; an administrator may not read it, and it is ours all the same.
pub(super) async fn own_slot(
    config: &Config,
    client: &Client,
    database: &str,
) -> Result<Option<String>, SetupError> {
    let schema = &config.postgres.schema;
    let sql = "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(m.oid, 'SELECT') \
        FROM pg_catalog.pg_class AS m JOIN pg_catalog.pg_namespace AS n ON n.oid = m.relnamespace \
        WHERE m.relname = 'meta' AND n.nspname = $1::pg_catalog.text";
    let Some(row) = client.query_opt(sql, &[schema]).await? else {
        return Ok(None);
    };
    if !row.try_get::<_, bool>(0)? {
        return Ok(Some(slot_name(config, database)));
    }
    let sql = format!("SELECT slot FROM {}.meta", quote_ident(schema));
    let row = client.query_opt(&sql, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.flatten())
}

/// Refuses a slot that another connector of this database goes on from. `known`: our own slot, where we have one.
pub(super) async fn refuse(
    config: &Config,
    client: &Client,
    database: &str,
    known: Option<&str>,
) -> Result<(), SetupError> {
    let name = slot_name(config, database);
    if known == Some(name.as_str()) || catalog::slot(client, &name).await?.is_none() {
        return Ok(());
    }
    // Whose it is cannot be read where another role has made it: it is not ours in any case.
    let is_its = |slot: &Option<String>| slot.as_ref().is_none_or(|slot| *slot == name);
    let others = others(client, &config.postgres.schema).await?;
    let Some((schema, _)) = others.into_iter().find(|(_, slot)| is_its(slot)) else {
        return Ok(());
    };
    Err(SetupError::with(
        format!(
            "the slot {name} is there, and another connector, whose state stands in the schema {schema} of this database, goes \
             on from it: what both read would be lost to one of them"
        ),
        "each connector of a database has its own `schema`, `slot` and `publication`: name others in [postgres]",
    ))
}
