//! The mapping against the live catalog, and the rights that it needs.

use tokio_postgres::Client;

use super::{Found, Status};
use crate::config::{Config, Reply};
use crate::postgres::catalog;
use crate::setup::error::SetupError;
use crate::setup::mapped::Mapped;
use crate::setup::{admin, needs};

/// Everything that is wrong, each with its line and column; else what was prepared.
pub(super) fn faults(config: &Config, mapped: &Mapped, found: &mut Found) {
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

pub(super) async fn rights(config: &Config, client: &Client, mapped: &Mapped) -> Result<Found, SetupError> {
    let mut found = Found::default();
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

pub(super) fn row_security(mapped: &Mapped, found: &mut Found) {
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

/// Columns that an INSERT has to give, and `[reply.set]` does not. One for both kinds is named once.
pub(super) fn missing_columns(reply: &Reply, mapped: &Mapped, found: &mut Found) {
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
