//! What `created_at` is by its type: a statement over no row at all, for the type of its one output. And what it is in
//! rows that were captured.

use super::read::{mentioned, message_joins, reads_beyond};
use super::shape::{Shape, quote_ident};
use super::value_sql;
use crate::config::{Expr, Message, Ticket};

/// That of a ticket, where it is mapped.
pub fn of_ticket(config: &Ticket, shape: &Shape) -> Option<String> {
    let value = value_sql(config.created_at.as_ref()?, "t", shape);
    let join = config.join.as_ref().map_or("", |join| join.sql.as_str());
    Some(format!("select {value} from {} t {join} limit 0", shape.sql()))
}

/// That of a message.
pub fn of_message(config: &Message, ticket: &Ticket, shape: &Shape, tickets: &Shape) -> Option<String> {
    let value = value_sql(config.created_at.as_ref()?, "m", shape);
    let joins = message_joins(config, ticket, shape, tickets);
    Some(format!("select {value} from {} m {joins} limit 0", shape.sql()))
}

/// When the oldest of the captured INSERTs of a table was made, in seconds since 1970, as its `created_at` says; the
/// parameters are the table's schema and name, `events` is the qualified table of the captured changes. One that lies
/// more than five minutes before its own commit is not meant: that is an import, or another clock. `None` where
/// `created_at` takes more than the row itself.
pub fn oldest_captured(created_at: &Expr, alias: &str, shape: &Shape, events: &str) -> Option<String> {
    if reads_beyond(alias, created_at) {
        return None;
    }
    let cells: Vec<String> = mentioned(&[created_at], alias, shape)
        .iter()
        .filter_map(|name| shape.column(name))
        .map(|column| {
            format!(
                "(e.image OPERATOR(pg_catalog.->>) '{}'::pg_catalog.text)::{} as {}",
                column.name.replace('\'', "''"),
                column.cast,
                quote_ident(&column.name)
            )
        })
        .collect();
    Some(format!(
        "select pg_catalog.min(x.made)
         from {events} e
         cross join lateral (select {}) {alias}
         cross join lateral (select extract(epoch from ({})::pg_catalog.timestamptz)::pg_catalog.float8 as made,
             extract(epoch from e.committed_at)::pg_catalog.float8 as committed) x
         where e.schema_name OPERATOR(pg_catalog.=) $1::pg_catalog.text
           and e.table_name OPERATOR(pg_catalog.=) $2::pg_catalog.text
           and e.op OPERATOR(pg_catalog.=) 'I' and not e.echo and x.made OPERATOR(pg_catalog.<=) x.committed
           and x.made OPERATOR(pg_catalog.+) 300::pg_catalog.float8 OPERATOR(pg_catalog.>=) x.committed",
        cells.join(", "),
        value_sql(created_at, alias, shape)
    ))
}
