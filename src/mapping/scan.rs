//! Statements that look through the tables instead of the log, for `backfill`. They give keys and times; what a row means is resolved like that of any other row.

use super::read::needs_joins;
use super::shape::{Shape, quote_ident};
use super::{bare_column, value_sql};
use crate::config::{Expr, Message, Ticket};

/// The key columns of a row as a JSON object of texts: an image from which all else is read by key.
pub(super) fn image(shape: &Shape, alias: &str) -> String {
    image_of(shape, &shape.key, alias)
}

/// The same with these columns.
pub(super) fn image_of(shape: &Shape, columns: &[String], alias: &str) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|column| {
            let text = shape.text_of(alias, column);
            format!("'{}', {text}", column.replace('\'', "''"))
        })
        .collect();
    format!(
        "pg_catalog.jsonb_build_object({})::pg_catalog.text",
        parts.join(", ")
    )
}

pub(super) fn time(expression: Option<&Expr>, alias: &str, shape: &Shape) -> String {
    match expression {
        Some(expr) => format!(
            "extract(epoch from ({})::pg_catalog.timestamptz)",
            value_sql(expr, alias, shape)
        ),
        None => "null::pg_catalog.numeric".to_owned(),
    }
}

/// Tickets whose `where` holds, the oldest first: image, key, seconds, status. With `since` those whose `created_at` is
/// not before `$1`, seconds since 1970.
pub fn tickets(config: &Ticket, shape: &Shape, since: bool) -> String {
    let time = time(config.created_at.as_ref(), "t", shape);
    let mut conditions = Vec::new();
    if since {
        conditions.push(format!(
            "{time} OPERATOR(pg_catalog.>=) $1::pg_catalog.text::pg_catalog.numeric"
        ));
    }
    if let Some(filter) = config.filter.as_ref() {
        conditions.push(format!(
            "coalesce(({})::pg_catalog.bool, false)",
            value_sql(filter, "t", shape)
        ));
    }
    let status = match config.status.as_ref() {
        Some(expr) => format!("({})::pg_catalog.text", value_sql(expr, "t", shape)),
        None => "null::pg_catalog.text".to_owned(),
    };
    // The joins may leave rows out that wait for them: only what is asked of the joined rows needs them.
    let joined = config.filter.is_some() || config.status.is_some();
    let join = config
        .join
        .as_ref()
        .filter(|_| joined)
        .map_or("", |join| join.sql.as_str());
    let conditions = if conditions.is_empty() {
        "true".to_owned()
    } else {
        conditions.join(" and ")
    };
    format!(
        "select {}, {}, {time}::pg_catalog.text, {status} from {} t {join} where {conditions} order by {time}, {}",
        image(shape, "t"),
        shape.key_sql("t"),
        shape.sql(),
        order(shape, "t"),
    )
}

/// What tells the tickets of the table apart whatever their key is: key, seconds of `created_at`, subject, customer. `None`
/// where the mapping gives no `created_at` or no customer.
pub fn identities(config: &Ticket, shape: &Shape) -> Option<String> {
    config.created_at.as_ref()?;
    let text = |expr: &Expr| format!("({})::pg_catalog.text", value_sql(expr, "t", shape));
    let customer = &config.customer;
    let email = customer.email.as_ref();
    let customers: Vec<String> = email
        .map(|email| {
            format!(
                "pg_catalog.lower(pg_catalog.btrim({}) COLLATE pg_catalog.\"C\")",
                text(email)
            )
        })
        .into_iter()
        .chain(customer.phone.as_ref().map(text))
        .chain(customer.custom_id.as_ref().map(text))
        .collect();
    if customers.is_empty() {
        return None;
    }
    Some(format!(
        "select {} as key, pg_catalog.floor({})::pg_catalog.int8 as at,
            coalesce(pg_catalog.btrim({}), '') as subject, coalesce({}) as customer
         from {} t {}",
        shape.key_sql("t"),
        time(config.created_at.as_ref(), "t", shape),
        config
            .subject
            .as_ref()
            .map_or("null::pg_catalog.text".to_owned(), text),
        customers.join(", "),
        shape.sql(),
        config.join.as_ref().map_or("", |join| join.sql.as_str()),
    ))
}

pub(super) fn order(shape: &Shape, alias: &str) -> String {
    let columns: Vec<String> = shape
        .key
        .iter()
        .map(|column| format!("{alias}.{}", quote_ident(column)))
        .collect();
    columns.join(", ")
}

/// Messages of one ticket, whose key's texts are the parameters, the oldest first: image, key, seconds, then the columns
/// of the ticket's key.
pub fn messages(config: &Message, shape: &Shape, tickets: &Shape) -> String {
    let time = time(config.created_at.as_ref(), "m", shape);
    let casts = tickets.key_casts();
    let keys: Vec<String> = config
        .ticket
        .iter()
        .zip(&casts)
        .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "m", shape)))
        .collect();
    let equals = tickets.key_equals();
    let equal = keys.iter().zip(&casts).zip(equals).enumerate();
    let conditions: Vec<String> = equal
        .map(|(n, ((key, cast), equals))| format!("{key} {equals} ${}::pg_catalog.text::{cast}", n + 1))
        .collect();
    let join = config
        .join
        .as_ref()
        .filter(|_| config.ticket.iter().any(needs_joins));
    let (outputs, own) = tickets.keys_as_written(&keys);
    format!(
        "select {}, {}, {time}::pg_catalog.text, {} from {} m {} {own} where {} order by {time}, {}",
        image(shape, "m"),
        shape.key_sql("m"),
        outputs.join(", "),
        shape.sql(),
        join.map_or("", |join| join.sql.as_str()),
        conditions.join(" and "),
        order(shape, "m"),
    )
}

/// An ORDER BY that puts the newest rows first: by the key where it counts up, since that has an index; else by `created_at`.
pub fn newest_first(shape: &Shape, created_at: Option<&Expr>, alias: &str) -> String {
    let counts_up = |cast: &&str| {
        ["int2", "int4", "int8"]
            .iter()
            .any(|int| cast.trim_matches('"').ends_with(int))
    };
    let casts = shape.key_casts();
    let created_at = created_at.and_then(|expr| bare_column(expr, shape));
    match (created_at, casts.as_slice()) {
        (Some(column), casts) if casts.len() != 1 || !casts.iter().all(counts_up) => {
            format!("{alias}.{} desc nulls last", quote_ident(column))
        }
        _ => {
            let columns: Vec<String> = shape
                .key
                .iter()
                .map(|column| format!("{alias}.{} desc", quote_ident(column)))
                .collect();
            columns.join(", ")
        }
    }
}
