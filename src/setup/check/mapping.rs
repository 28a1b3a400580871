//! The mapping against the live catalog, and the rights that it needs.

use tokio_postgres::Client;

use super::{Checks, Status};
use crate::config::{Config, Reply};
use crate::mapping::Shape;
use crate::pgoutput::ReplicaIdentity;
use crate::postgres::{catalog, site};
use crate::setup::error::SetupError;
use crate::setup::mapped::Mapped;
use crate::setup::{admin, needs};

/// Everything that is wrong, each with its line and column; else what was prepared.
pub(super) fn faults(config: &Config, mapped: &Mapped, found: &mut Checks) {
    let mut faults: Vec<_> = mapped.faults.iter().collect();
    faults.sort_by_key(|fault| fault.span.start);
    for fault in &faults {
        let placed = config.fault(&fault.span, fault.message.clone(), fault.hint.clone());
        let path = config.source.path.display();
        let message = format!(
            "{path}:{}:{}: {}",
            placed.line(),
            placed.column(),
            placed.message()
        );
        let mend = match (placed.hint(), fault.not_the_config) {
            (Some(hint), _) => Some(hint.to_owned()),
            (None, true) => Some("see the failed check of rights".to_owned()),
            (None, false) => Some("mend that line of the config".to_owned()),
        };
        found.add(Status::Fail, "mapping", message, mend);
    }
    if faults.is_empty() {
        let tables: Vec<String> = mapped
            .captured()
            .iter()
            .map(|table| table.table.name.to_string())
            .collect();
        found.ok(
            "mapping",
            format!(
                "{} fit: {} statements prepared",
                tables.join(", "),
                mapped.probes.len()
            ),
        );
    }
}

pub(super) async fn rights(config: &Config, client: &Client, mapped: &Mapped) -> Result<Checks, SetupError> {
    let mut found = Checks::default();
    let role = catalog::current_role(client).await?;
    let needs = needs::find(client, config, mapped).await?;
    let grants = admin::grants(client, &role.name, true, &needs).await?;
    for grant in grants.iter().filter(|grant| !grant.held) {
        found.fail(
            "rights",
            format!("{} lacks {}", role.name, grant.what),
            grant.sql.clone(),
        );
    }
    if found.0.is_empty() {
        found.ok(
            "rights",
            format!(
                "{} has all {} rights that the mapping needs",
                role.name,
                grants.len()
            ),
        );
    }
    if needs.guessed {
        found.warn(
            "rights",
            "the tables of some statements were guessed from their words",
            format!(
                "grant temporary on database {} to {}",
                config_database(client).await?,
                role.name
            ),
        );
    }
    Ok(found)
}

async fn config_database(client: &Client) -> Result<String, SetupError> {
    let sql = "SELECT pg_catalog.quote_ident(pg_catalog.current_database())";
    Ok(client.query_one(sql, &[]).await?.try_get(0)?)
}

pub(super) fn row_security(mapped: &Mapped, found: &mut Checks) {
    for table in mapped.captured().iter().filter(|table| table.table.row_security) {
        found.warn(
            "row security",
            format!(
                "row security holds for us on {}: rows that no policy shows are missing from joins, and a row without an \
                 UPDATE policy cannot be locked",
                table.table.name
            ),
            "give the connector's user policies for SELECT, INSERT and UPDATE on it, or BYPASSRLS",
        );
    }
}

/// A list changes by UPDATE, which has to be streamed.
pub(super) fn lists(config: &Config, mapped: &Mapped, found: &mut Checks) {
    let Some(messages) = mapped.table("message").filter(|table| !table.has_identity()) else {
        return;
    };
    if config
        .message
        .as_ref()
        .is_some_and(|message| message.expand.is_some())
    {
        found.fail(
            "lists",
            format!(
                "only the INSERTs of {} are streamed: what is added to a list is never seen ({})",
                messages.table.name,
                messages.lacks()
            ),
            messages
                .unidentified
                .first()
                .map(crate::postgres::catalog::Unidentified::mend)
                .unwrap_or_default(),
        );
    }
}

/// Keys by which a row could not be told from another, or not be told again.
pub(super) async fn keys(client: &Client, mapped: &Mapped) -> Result<Checks, SetupError> {
    let partitioned_by = "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_partitioned_table AS p \
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs) \
        WHERE p.partrelid = $1";
    // A unique index of a partitioned table has to hold the columns by which it is partitioned.
    let unique = "SELECT EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = $1 AND i.indisunique \
          AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS ( \
            SELECT FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(number, place) \
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number \
            WHERE k.place <= i.indnkeyatts AND a.attname::pg_catalog.text <> ALL ($2::pg_catalog.text[])))";
    let mut found = Checks::default();
    for mapped in &mapped.tables {
        let Some(shape) = &mapped.shape else { continue };
        let (table, section) = (&mapped.table, mapped.section);
        let mut columns = shape.key.clone();
        for row in client.query(partitioned_by, &[&table.oid]).await? {
            let column: String = row.try_get(0)?;
            if shape.key.contains(&column) {
                let message = format!(
                    "the key of {} holds {column}, by which it is partitioned: a row that moves to another partition \
                     looks like a new one",
                    table.name
                );
                let mend = format!("[{section}] key = the columns without it, if they alone are unique");
                found.warn("keys", message, mend);
            }
            columns.push(column);
        }
        let is_unique: bool = client
            .query_one(unique, &[&table.oid, &columns])
            .await?
            .try_get(0)?;
        if !is_unique {
            let message = format!(
                "[{section}] key ({}) is not unique by any index of {}: of two rows with the same key one would be \
                 taken for a change of the other",
                shape.key.join(", "),
                table.name
            );
            match duplicate(client, shape).await? {
                Some(key) => found.fail(
                    "keys",
                    format!("{message}; there are two already: {key}"),
                    "name columns that are unique together",
                ),
                None => found.warn("keys", message, "name columns that are unique together"),
            }
        }
        let untold = |column: &&String| !table.primary_key.contains(column);
        if table.replica_identity == ReplicaIdentity::Default
            && !table.primary_key.is_empty()
            && let Some(column) = shape.key.iter().find(untold)
        {
            let message = format!(
                "{column}, which [{section}] key names, is not in the primary key of {}: the stream does not tell it of a \
                 row that is deleted, so what waits is sent all the same",
                table.name
            );
            let mend = format!(
                "leave out [{section}] key, or: alter table {} replica identity using index … (a unique one on it)",
                crate::postgres::qualified(&table.name)
            );
            found.warn("keys", message, mend);
        }
    }
    Ok(found)
}

/// A key that several rows of the table bear. Of a large table only a part is looked at: it says what is wrong, not that
/// all is well.
async fn duplicate(client: &Client, shape: &Shape) -> Result<Option<String>, SetupError> {
    let sql = format!(
        "select key from (select {} as key from {} m limit 200000) found where key is not null \
         group by key having pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 limit 1",
        shape.key_sql("m"),
        shape.sql()
    );
    match site::query_sql(client, &sql, &[]).await {
        Ok(rows) => Ok(rows.first().map(|row| row.try_get(0)).transpose()?),
        // Without the right to read it: that is said elsewhere.
        Err(error) if error.code().is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Columns that an INSERT has to give, and `[reply.set]` does not. One for both kinds is named once.
pub(super) fn missing_columns(reply: &Reply, mapped: &Mapped, found: &mut Checks) {
    let Some(messages) = mapped.table("message") else {
        return;
    };
    let sections = [("reply.agent", &reply.agent), ("reply.customer", &reply.customer)];
    for column in &messages.table.columns {
        if !column.not_null || column.has_default || column.generated || column.identity.is_some() {
            continue;
        }
        let sets = |set: &[(String, crate::config::Expr)]| set.iter().any(|(name, _)| *name == column.name);
        let lacking: Vec<&str> = sections
            .iter()
            .filter(|(_, part)| !(reply.both.set.is_empty() && part.set.is_empty()))
            .filter(|(_, part)| !sets(&reply.both.set) && !sets(&part.set))
            .map(|(name, _)| *name)
            .collect();
        let place = match lacking.as_slice() {
            [] => continue,
            [one] => format!("[{one}.set]"),
            _ => "[reply.set]".to_owned(),
        };
        found.fail(
            "required columns",
            format!(
                "{} of {} is NOT NULL without a default, and {place} does not set it",
                column.name, messages.table.name
            ),
            format!("add it to {place}: {} = \"…\"", column.name),
        );
    }
}
