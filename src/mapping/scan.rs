//! Statements that look through the tables instead of the log: for `backfill`, and for the repair after a lost slot
//! (rule 12). They give keys and times; what a row means is resolved like that of any other row.

use super::read::needs_joins;
use super::shape::{Shape, quote_ident};
use super::value_sql;
use crate::config::{Expr, Message, Ticket};

/// Which rows are looked for. Each has one text parameter, `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// `created_at` is not before `$1`, seconds since 1970.
    CreatedAt,
    /// The row's transaction is not older than `$1`, a 64-bit transaction id.
    Transaction,
}

/// The key columns of a row as a JSON object of texts: an image from which all else is read by key.
pub(super) fn image(shape: &Shape, alias: &str) -> String {
    let parts: Vec<String> = shape
        .key
        .iter()
        .map(|column| {
            format!(
                "'{}', {alias}.{}::pg_catalog.text",
                column.replace('\'', "''"),
                quote_ident(column)
            )
        })
        .collect();
    format!(
        "pg_catalog.jsonb_build_object({})::pg_catalog.text",
        parts.join(", ")
    )
}

fn time(expression: Option<&Expr>, alias: &str, shape: &Shape) -> String {
    match expression {
        Some(expr) => format!(
            "extract(epoch from ({})::pg_catalog.timestamptz)",
            value_sql(expr, alias, shape)
        ),
        None => "null::pg_catalog.numeric".to_owned(),
    }
}

fn since(condition: Since, time: &str, alias: &str) -> String {
    match condition {
        Since::CreatedAt => format!("{time} OPERATOR(pg_catalog.>=) $1::pg_catalog.text::pg_catalog.numeric"),
        Since::Transaction => {
            format!(
                "pg_catalog.age({alias}.xmin) OPERATOR(pg_catalog.<=) \
                 pg_catalog.age($1::pg_catalog.text::pg_catalog.xid8::pg_catalog.xid)"
            )
        }
    }
}

/// Tickets, the oldest first: image, key, seconds, status. With `eligible` only those whose `where` holds.
pub fn tickets(config: &Ticket, shape: &Shape, condition: Option<Since>, eligible: bool) -> String {
    let time = time(config.created_at.as_ref(), "t", shape);
    let mut conditions: Vec<String> = condition
        .map(|condition| since(condition, &time, "t"))
        .into_iter()
        .collect();
    if let Some(filter) = config.filter.as_ref().filter(|_| eligible) {
        conditions.push(format!(
            "coalesce(({})::pg_catalog.bool, false)",
            value_sql(filter, "t", shape)
        ));
    }
    let status = match config.status.as_ref().filter(|_| eligible) {
        Some(expr) => format!("({})::pg_catalog.text", value_sql(expr, "t", shape)),
        None => "null::pg_catalog.text".to_owned(),
    };
    // The joins may leave rows out that wait for them: only what is asked of the joined rows needs them.
    let joined = eligible && (config.filter.is_some() || config.status.is_some());
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

/// Files whose row is not older than the transaction `$1`, in the order of their keys: image, key, nothing.
pub fn files(shape: &Shape) -> String {
    format!(
        "select {}, {}, null::pg_catalog.text from {} a where {} order by {}",
        image(shape, "a"),
        shape.key_sql("a"),
        shape.sql(),
        since(Since::Transaction, "", "a"),
        order(shape, "a"),
    )
}

fn order(shape: &Shape, alias: &str) -> String {
    let columns: Vec<String> = shape
        .key
        .iter()
        .map(|column| format!("{alias}.{}", quote_ident(column)))
        .collect();
    columns.join(", ")
}

/// Messages, the oldest first: image, key, seconds, then the columns of the ticket's key. `of_ticket`: those of one
/// ticket, whose key's texts are the parameters; else those of `condition`.
pub fn messages(
    config: &Message,
    shape: &Shape,
    tickets: &Shape,
    condition: Option<Since>,
    of_ticket: bool,
) -> String {
    let time = time(config.created_at.as_ref(), "m", shape);
    let casts = tickets.key_casts();
    let keys: Vec<String> = config
        .ticket
        .iter()
        .zip(&casts)
        .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "m", shape)))
        .collect();
    let mut conditions: Vec<String> = condition
        .map(|condition| since(condition, &time, "m"))
        .into_iter()
        .collect();
    if of_ticket {
        let equals = tickets.key_equals();
        let equal = keys.iter().zip(&casts).zip(equals).enumerate();
        conditions.extend(
            equal.map(|(n, ((key, cast), equals))| {
                format!("{key} {equals} ${}::pg_catalog.text::{cast}", n + 1)
            }),
        );
    }
    let join = config
        .join
        .as_ref()
        .filter(|_| config.ticket.iter().any(needs_joins));
    let outputs: Vec<String> = keys.iter().map(|key| format!("{key}::pg_catalog.text")).collect();
    let conditions = if conditions.is_empty() {
        "true".to_owned()
    } else {
        conditions.join(" and ")
    };
    format!(
        "select {}, {}, {time}::pg_catalog.text, {} from {} m {} where {conditions} order by {time}, {}",
        image(shape, "m"),
        shape.key_sql("m"),
        outputs.join(", "),
        shape.sql(),
        join.map_or("", |join| join.sql.as_str()),
        order(shape, "m"),
    )
}
