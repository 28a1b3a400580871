//! What somebody may do to the mapped tables and the publications while the connector runs: the server says nothing, it
//! only sends less.
//!
//! A table is known by its OID as well as by its name (rule 20): one that was renamed or moved is still the mapped one,
//! its rows are captured under the mapping's name, and they wait until the name or the config is mended. Where another
//! table has taken the name, that one is mapped now, and what it holds from before it was published is a gap (rule 12).

use super::publication::falls_short;
use super::publications;
use crate::config::{Config, TableName};
use crate::model::RelationName;
use crate::postgres::catalog::{self, Publication};
use crate::postgres::qualified;
use crate::postgres::shape::{ShapeError, load_table};
use crate::store::{KnownTable, SeenTable, Store, StoreError};

/// What a look at the mapped tables found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Mapped tables that nothing publishes.
    pub missing: Vec<String>,
    /// Some are published again; the gap is open.
    pub reopened: bool,
    /// The config calls a table by a name that is new to us: a new term goes on under it.
    pub renamed: bool,
}

impl Published {
    /// What a person is told; `None`: all is well.
    pub fn trouble(&self) -> Option<String> {
        (!self.missing.is_empty()).then(|| {
            format!(
                "nothing publishes {}: what the site writes there is not seen; run `deskie-cdc setup`, and the gap is \
                 repaired",
                self.missing.join(" and ")
            )
        })
    }
}

/// A table under the name by which the config calls it.
enum Place {
    There(RelationName, u32),
    Gone,
    /// It cannot be looked up now; resolving says so.
    Unknown,
}

/// Looks which mapped tables are there and published. `begins`: nobody captures now, so that what we have of a renamed
/// table may go along with it.
pub async fn look_at_publications(
    config: &Config,
    store: &Store,
    begins: bool,
) -> Result<Published, StoreError> {
    let message = config.message.as_ref().map(|message| &message.table);
    let files = config.attachments.iter().map(|attachment| &attachment.table);
    let mut tables: Vec<&TableName> = Vec::new();
    for table in std::iter::once(&config.ticket.table).chain(message).chain(files) {
        let same = |other: &&TableName| other.schema == table.schema && other.table == table.table;
        if !tables.iter().any(same) {
            tables.push(table);
        }
    }
    let known = store.published().known().await?;
    let is_later = !known.is_empty();
    let mut places = Vec::new();
    for table in tables {
        places.push((table, place(store, table).await?));
    }
    let mapped: Vec<String> = places
        .iter()
        .filter_map(|(_, place)| match place {
            Place::There(relation, _) => Some(relation.to_string()),
            _ => None,
        })
        .collect();
    let published = both(store, config).await?;
    let (mut found, mut looked_at) = (Published::default(), mapped.clone());
    for (table, place) in places {
        let mut is_whole = true;
        let (name, seen) = match place {
            // Where a schema was renamed, another one under its name may not be ours to look into.
            Place::Unknown => match elsewhere(store, config, table, &known).await? {
                Some(elsewhere) => elsewhere,
                None => continue,
            },
            Place::There(relation, oid) => {
                let name = relation.to_string();
                let before = known
                    .iter()
                    .find(|known| known.oid == Some(oid) && known.relation != name)
                    .filter(|known| !mapped.contains(&known.relation));
                if let Some(before) = before {
                    if !begins {
                        found.renamed = true;
                        continue;
                    }
                    store.published().follow(&before.relation, &relation).await?;
                    tracing::warn!(
                        "{name} is the table that was called {} before: what waits of it goes on under its new name",
                        before.relation
                    );
                }
                let (inherited, unlogged) = not_streamed(store, &relation, oid).await?;
                let member = member(store, config, oid).await?;
                let short = falls_short(&published, oid).map(|(what, mend)| {
                    format!("{what}, so that not all that the site writes to {name} is seen until it is mended, which brings it: {mend}")
                });
                // As long as a part of it is not streamed, it is away: what is written there is a gap.
                is_whole = unlogged.is_none() && short.is_none();
                let seen = SeenTable {
                    oid: Some(oid),
                    member: member.filter(|_| is_whole),
                    trouble: inherited.or(unlogged).or(short),
                };
                (name, seen)
            }
            Place::Gone => match gone(store, config, table, &known).await? {
                Some(gone) => gone,
                None => continue,
            },
        };
        found.reopened |= store.published().see(&name, &seen, is_later).await?;
        looked_at.push(name.clone());
        if seen.member.is_none() && is_whole {
            found.missing.push(name);
        }
    }
    if begins {
        store.published().forget(&looked_at).await?;
    }
    let again = store.published().again().await?;
    if !again.is_empty() {
        tracing::info!(
            "the transactions have ended that were open when {} came back into the publication: what they wrote before is \
             looked for",
            again.join(" and ")
        );
    }
    Ok(found)
}

/// Why a table cannot be mapped whole, and the mend; `None`: nothing inherits from it.
pub(super) fn inherits(table: &RelationName, children: &[RelationName]) -> Option<(String, String)> {
    let first = children.first()?;
    let names: Vec<String> = children.iter().map(RelationName::to_string).collect();
    Some((
        format!(
            "{} inherits from the mapped table {table} (INHERITS): its rows are not streamed as that table's, and no key \
             holds over both",
            names.join(" and ")
        ),
        format!(
            "alter table {} no inherit {}; or make {table} a partitioned table: partitions are streamed as its own",
            qualified(first),
            qualified(table)
        ),
    ))
}

/// Which partitions of a table are not streamed, and the mend; `None`: all are.
pub(super) fn unlogged(table: &RelationName, partitions: &[RelationName]) -> Option<(String, String)> {
    if partitions.is_empty() {
        return None;
    }
    let names: Vec<String> = partitions.iter().map(RelationName::to_string).collect();
    let mends: Vec<String> = partitions
        .iter()
        .map(|partition| format!("alter table {} set logged", qualified(partition)))
        .collect();
    Some((
        format!(
            "partitions of the mapped table {table} are UNLOGGED ({}): what the site writes there is not in the WAL and is not \
             seen until it is mended, which brings it",
            names.join(", ")
        ),
        mends.join("; "),
    ))
}

/// Why a table is not streamed whole: what inherits from it, and which of its partitions are UNLOGGED.
async fn not_streamed(
    store: &Store,
    table: &RelationName,
    oid: u32,
) -> Result<(Option<String>, Option<String>), StoreError> {
    let client = store.client().await?;
    let children = catalog::inheritors(&**client, oid).await?;
    let partitions = catalog::unlogged_partitions(&**client, oid).await?;
    let told = |found: Option<(String, String)>| found.map(|(what, mend)| format!("{what}: {mend}"));
    Ok((
        told(inherits(table, &children)),
        told(unlogged(table, &partitions)),
    ))
}

async fn place(store: &Store, table: &TableName) -> Result<Place, StoreError> {
    let client = store.client().await?;
    let relation = match load_table(&client, table).await {
        Ok(table) => table.root.unwrap_or(table.name),
        Err(ShapeError::NoTable(_)) => return Ok(Place::Gone),
        Err(error) => {
            tracing::debug!("a mapped table cannot be looked at: {error}");
            return Ok(Place::Unknown);
        }
    };
    // A view may stand where the table was: rows are streamed of tables alone.
    let sql =
        "select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')";
    let row = client
        .query_opt(sql, &[&relation.schema, &relation.table])
        .await?;
    Ok(match row {
        Some(row) => Place::There(relation, row.try_get(0)?),
        None => Place::Gone,
    })
}

async fn both(store: &Store, config: &Config) -> Result<[Option<Publication>; 2], StoreError> {
    let [main, inserts] = publications(config);
    let client = store.client().await?;
    Ok([
        catalog::publication(&**client, &main).await?,
        catalog::publication(&**client, &inserts).await?,
    ])
}

/// What publishes a table; another number: it was taken out meanwhile and put in again.
async fn member(store: &Store, config: &Config, oid: u32) -> Result<Option<u32>, StoreError> {
    let names = publications(config);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let client = store.client().await?;
    let member = catalog::published_by(&**client, &names, oid).await?;
    // A server before 15 goes on as it was when a partition is attached or detached, until it is streamed from anew: what was
    // written to that partition meanwhile is a gap, as if the table had been taken out and put in again.
    let partitions = catalog::partitions_unfollowed(&**client, oid).await?;
    Ok(member.map(|member| member ^ partitions))
}

/// Whether the config means a table that was known by this name.
fn means(table: &TableName, relation: &str) -> bool {
    match &table.schema {
        Some(schema) => relation == format!("{schema}.{}", table.table),
        None => relation
            .strip_suffix(&table.table)
            .is_some_and(|schema| schema.ends_with('.')),
    }
}

/// A table that is not there under its name and that bears another one now: as what it was known, and what a person is told.
async fn elsewhere(
    store: &Store,
    config: &Config,
    table: &TableName,
    known: &[KnownTable],
) -> Result<Option<(String, SeenTable)>, StoreError> {
    for known in known.iter().filter(|known| means(table, &known.relation)) {
        let name = &known.relation;
        let now = match known.oid {
            Some(oid) => named_now(store, oid).await?.map(|now| (oid, now)),
            None => None,
        };
        let Some((oid, now)) = now.filter(|(_, now)| now.to_string() != *name) else {
            continue;
        };
        let trouble = format!(
            "the mapped table {name} is called {now} now: what the site writes there is captured and waits; give it its \
             name back, or name it `{now}` in the config and restart"
        );
        let seen = SeenTable {
            oid: Some(oid),
            member: member(store, config, oid).await?,
            trouble: Some(trouble),
        };
        return Ok(Some((name.clone(), seen)));
    }
    Ok(None)
}

/// A table that is not there under its name: as what it was known, and what became of it. `None`: it was never seen.
async fn gone(
    store: &Store,
    config: &Config,
    table: &TableName,
    known: &[KnownTable],
) -> Result<Option<(String, SeenTable)>, StoreError> {
    let elsewhere = elsewhere(store, config, table, known).await?;
    let mut known = known.iter().filter(|known| means(table, &known.relation));
    Ok(elsewhere.or_else(|| {
        let name = &known.next()?.relation;
        let trouble = format!(
            "the mapped table {name} is gone: nothing can be resolved or written; make it anew and run `deskie-cdc setup`, or \
             name another one in the config"
        );
        let seen = SeenTable {
            trouble: Some(trouble),
            ..SeenTable::default()
        };
        Some((name.clone(), seen))
    }))
}

async fn named_now(store: &Store, oid: u32) -> Result<Option<RelationName>, StoreError> {
    let sql = "select n.nspname::text, c.relname::text from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1 and c.relkind in ('r', 'p')";
    let client = store.client().await?;
    Ok(match client.query_opt(sql, &[&oid]).await? {
        Some(row) => Some(RelationName {
            schema: row.try_get("nspname")?,
            table: row.try_get("relname")?,
        }),
        None => None,
    })
}
