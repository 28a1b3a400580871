//! Statements of the repair (rule 12): what the site wrote while nothing was streamed. They give keys and times; what a
//! row means is resolved like that of any other row.
//!
//! No condition calls a function on the site's column where a plain column is mapped, so that an index on `created_at`, or
//! the key's own, serves.

use super::read::{Source, TicketKeyOf, needs_joins, ticket_key_of};
use super::scan::{image_of, order, time};
use super::shape::{Shape, quote_ident};
use super::{bare_column, value_sql};
use crate::config::{Expr, Message, Ticket};

/// Among which rows new ones are looked for. Each has one text parameter, `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// `created_at` is not before `$1`, in seconds since 1970. Where it is NULL the row's transaction decides.
    Window,
    /// The row's transaction is not older than `$1`.
    Written,
    /// The key is greater than `$1`.
    Beyond,
}

/// Whether the row was written by a transaction that is not older than the parameter.
fn written(alias: &str, parameter: usize) -> String {
    format!(
        "pg_catalog.age({alias}.xmin) OPERATOR(pg_catalog.<=) \
         pg_catalog.age(${parameter}::pg_catalog.text::pg_catalog.xid8::pg_catalog.xid)"
    )
}

fn condition(among: Among, created_at: Option<&Expr>, alias: &str, shape: &Shape, has_xid: bool) -> String {
    match among {
        Among::Window => {
            let Some(created_at) = created_at else {
                return "false".to_owned();
            };
            let value = value_sql(created_at, alias, shape);
            let compares = |cast: &str| cast.contains("timestamp") || cast.ends_with("date");
            let is_plain = bare_column(created_at, shape)
                .and_then(|name| shape.column(name))
                .is_some_and(|column| compares(&column.cast) && !column.cast.ends_with("[]"));
            let value = if is_plain {
                value
            } else {
                format!("({value})::pg_catalog.timestamptz")
            };
            let null = match has_xid {
                true => format!(" or ({value} is null and {})", written(alias, 2)),
                false => String::new(),
            };
            format!(
                "({value} OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($1::pg_catalog.text::pg_catalog.float8){null})"
            )
        }
        Among::Written => written(alias, 1),
        Among::Beyond => match (shape.key.as_slice(), shape.key_casts().as_slice()) {
            ([key], [cast]) => {
                format!(
                    "{alias}.{} OPERATOR(pg_catalog.>) $1::pg_catalog.text::{cast}",
                    quote_ident(key)
                )
            }
            _ => "false".to_owned(),
        },
    }
}

/// Rows that may be new, the oldest first: image, key, seconds, whether its transaction is not older than `$2` (where
/// `has_xid`), then `more`.
fn rows(
    (shape, alias): (&Shape, &str),
    created_at: Option<&Expr>,
    (among, has_xid): (Among, bool),
    (image, more, join): (&str, &[String], &str),
) -> String {
    let time = time(created_at, alias, shape);
    let is_written = match (among, has_xid) {
        (Among::Written, _) => "'true'".to_owned(),
        (_, true) => format!("({})::pg_catalog.text", written(alias, 2)),
        (_, false) => "null::pg_catalog.text".to_owned(),
    };
    let more: String = more.iter().map(|output| format!(", {output}")).collect();
    format!(
        "select {image}, {}, {time}::pg_catalog.text, {is_written}{more} from {} {alias} {join} where {} order by {time}, {}",
        shape.key_sql(alias),
        shape.sql(),
        condition(among, created_at, alias, shape, has_xid),
        order(shape, alias),
    )
}

/// Tickets that may be new.
pub fn tickets(config: &Ticket, shape: &Shape, among: Among, has_xid: bool) -> String {
    let image = image_of(shape, &shape.key, "t");
    rows(
        (shape, "t"),
        config.created_at.as_ref(),
        (among, has_xid),
        (&image, &[], ""),
    )
}

/// Messages that may be new; behind the outputs the columns of the ticket's key.
pub fn messages(config: &Message, shape: &Shape, tickets: &Shape, among: Among, has_xid: bool) -> String {
    let casts = tickets.key_casts();
    let keys = config.ticket.iter().zip(&casts);
    let keys: Vec<String> = keys
        .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "m", shape)))
        .collect();
    let (keys, own) = tickets.keys_as_written(&keys);
    let join = config
        .join
        .as_ref()
        .filter(|_| config.ticket.iter().any(needs_joins));
    let image = image_of(shape, &message_columns(config, shape, tickets), "m");
    let join = join.map_or("", |join| join.sql.as_str());
    let join = format!("{join} {own}");
    rows(
        (shape, "m"),
        config.created_at.as_ref(),
        (among, has_xid),
        (&image, &keys, &join),
    )
}

/// Files that may be new.
pub fn files(shape: &Shape, among: Among, has_xid: bool) -> String {
    rows(
        (shape, "a"),
        None,
        (among, has_xid),
        (&image_of(shape, &shape.key, "a"), &[], ""),
    )
}

/// The columns of a message's row that its image has to hold: the key, and what names the ticket.
pub fn message_columns(config: &Message, shape: &Shape, tickets: &Shape) -> Vec<String> {
    let mut columns = shape.key.clone();
    if let TicketKeyOf::Columns(named) = ticket_key_of(config, shape, tickets, Source::Image) {
        columns.extend(named.into_iter().filter(|name| !shape.key.contains(name)));
    }
    columns
}

/// What became of known rows, whose keys' texts are arrays, one for each key column: their place, whether the row is
/// there, its image with `columns`, and, where `has_xid`, whether its transaction is not older than the parameter that
/// comes after the arrays.
pub fn known(shape: &Shape, columns: &[String], has_xid: bool) -> String {
    let count = shape.key.len();
    let arrays: Vec<String> = (1..=count)
        .map(|n| format!("pg_catalog.unnest(${n}::pg_catalog.text[])"))
        .collect();
    let names: Vec<String> = (1..=count).map(|n| format!("k{n}")).collect();
    let equal: Vec<String> = shape
        .key
        .iter()
        .zip(shape.key_casts())
        .zip(shape.key_equals())
        .enumerate()
        .map(|(n, ((column, cast), equals))| {
            format!("s.{} {equals} k.k{}::{cast}", quote_ident(column), n + 1)
        })
        .collect();
    let is_written = match has_xid {
        true => written("s", count + 1),
        false => "true".to_owned(),
    };
    let first = shape
        .key
        .first()
        .map_or_else(String::new, |name| quote_ident(name));
    format!(
        "select k.place, s.{first} is not null, {}, coalesce({is_written}, false)
         from rows from ({}) with ordinality as k ({}, place) left join {} s on {}",
        image_of(shape, columns, "s"),
        arrays.join(", "),
        names.join(", "),
        shape.sql(),
        equal.join(" and "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Column;
    use crate::model::RelationName;

    #[test]
    fn a_plain_column_is_compared_as_it_stands() {
        let column = |name: &str, cast: &str| Column {
            name: name.into(),
            cast: cast.into(),
            equals: crate::mapping::shape::EQUALS.into(),
            loose: false,
            generated: false,
        };
        let shape = Shape {
            relation: RelationName {
                schema: "public".into(),
                table: "messages".into(),
            },
            key: vec!["id".into()],
            columns: vec![
                column("id", "pg_catalog.int8"),
                column("at", "pg_catalog.timestamptz"),
                column("naive", "pg_catalog.\"timestamp\""),
                column("word", "pg_catalog.text"),
            ],
        };
        for (sql, expected) in [
            ("at", "(m.\"at\" OPERATOR(pg_catalog.>=)"),
            ("naive", "(m.\"naive\" OPERATOR(pg_catalog.>=)"),
            (
                "word",
                "(m.\"word\")::pg_catalog.timestamptz OPERATOR(pg_catalog.>=)",
            ),
            (
                "m.naive at time zone 'Asia/Kolkata'",
                "((m.naive at time zone 'Asia/Kolkata'))::pg_catalog.timestamptz OPERATOR(pg_catalog.>=)",
            ),
        ] {
            let expr = Expr {
                sql: sql.into(),
                span: 0..0,
                name: "created_at".into(),
            };
            let found = condition(Among::Window, Some(&expr), "m", &shape, true);
            assert!(found.contains(expected), "{found}");
        }
    }
}
