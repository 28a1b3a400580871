//! Statements over `[[attachment]]`: the files of a message or of a ticket, one file by its key, and its bytes.
//!
//! A file's row is always the table's row as it is now: of attachment tables only the key is captured. `a` is its
//! alias; `t` with the ticket's joins, and `m` where it belongs to a message, are in scope.

use super::read::{self, Reading, reads_beyond};
use super::shape::{Shape, quote_ident};
use super::value_sql;
use crate::config::{Attachment, AttachmentOf, AttachmentSource, Expr, Message, Ticket};

/// The outputs of [`of_parent`] and [`by_key`], in order; `source` is an address, a path, or the number of bytes.
pub const FILE_OUTPUTS: [&str; 5] = ["key", "where", "name", "mime", "source"];

/// The tables that an attachment's statements stand on.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// `[ticket]` and its table.
    pub ticket: (&'a Ticket, &'a Shape),
    /// `[message]` and its table.
    pub message: Option<(&'a Message, &'a Shape)>,
}

impl<'a> Around<'a> {
    /// The table whose key `parent` gives; `None` where there is no message table, which the config has refused.
    pub fn parent(&self, config: &Attachment) -> Option<&'a Shape> {
        match config.of {
            AttachmentOf::Ticket => Some(self.ticket.1),
            AttachmentOf::Message => self.message.map(|(_, shape)| shape),
        }
    }
}

/// The expression that tells where the bytes are.
pub fn source(config: &Attachment) -> &Expr {
    match &config.source {
        AttachmentSource::Url(expr)
        | AttachmentSource::Path { path: expr, .. }
        | AttachmentSource::Bytes(expr) => expr,
    }
}

/// `column = parent`, for each key column of the parent.
fn belongs(config: &Attachment, shape: &Shape, parent: &Shape, alias: &str) -> String {
    let values: Vec<String> = config
        .parent
        .iter()
        .map(|expr| value_sql(expr, "a", shape))
        .collect();
    parent.key_joins(alias, &values)
}

/// `from`, with everything that is in scope.
pub fn from_sql(config: &Attachment, shape: &Shape, around: &Around<'_>) -> String {
    let (ticket, tickets) = around.ticket;
    let mut lines = vec![format!("from {} a", shape.sql())];
    let own = config.join.as_ref().map(|join| join.sql.clone());
    let own_first = config.parent.iter().any(|expr| reads_beyond("a", expr));
    lines.extend(own.clone().filter(|_| own_first));
    match (config.of, around.message) {
        (AttachmentOf::Message, Some((message, messages))) => {
            lines.push(format!(
                "join {} m on {}",
                messages.sql(),
                belongs(config, shape, messages, "m")
            ));
            let joined = message.ticket.iter().any(read::needs_joins);
            lines.extend(
                message
                    .join
                    .iter()
                    .filter(|_| joined)
                    .map(|join| join.sql.clone()),
            );
            let on: Vec<String> = message
                .ticket
                .iter()
                .map(|expr| value_sql(expr, "m", messages))
                .collect();
            lines.push(format!(
                "join {} t on {}",
                tickets.sql(),
                tickets.key_joins("t", &on)
            ));
        }
        _ => lines.push(format!(
            "join {} t on {}",
            tickets.sql(),
            belongs(config, shape, tickets, "t")
        )),
    }
    lines.extend(ticket.join.iter().map(|join| join.sql.clone()));
    lines.extend(own.filter(|_| !own_first));
    lines.join("\n")
}

fn outputs(config: &Attachment, shape: &Shape) -> String {
    let source = match &config.source {
        AttachmentSource::Bytes(expr) => format!(
            "pg_catalog.octet_length(({})::pg_catalog.bytea)::pg_catalog.text",
            value_sql(expr, "a", shape)
        ),
        _ => read::text(Some(source(config)), "a", shape),
    };
    [
        shape.key_sql("a"),
        read::condition(config.filter.as_ref(), "a", shape),
        read::text(config.name.as_ref(), "a", shape),
        read::text(config.mime.as_ref(), "a", shape),
        source,
    ]
    .join(",\n  ")
}

/// The files of one message or ticket, whose key's texts are the parameters; the outputs are [`FILE_OUTPUTS`].
pub fn of_parent(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    let (parent, alias) = match (config.of, around.message) {
        (AttachmentOf::Message, Some((_, messages))) => (messages, "m"),
        _ => (around.ticket.1, "t"),
    };
    let order: Vec<String> = shape
        .key
        .iter()
        .map(|column| format!("a.{}", quote_ident(column)))
        .collect();
    Reading {
        sql: format!(
            "select {}\n{}\nwhere {}\norder by {}",
            outputs(config, shape),
            from_sql(config, shape, around),
            parent.key_condition(alias, 1),
            order.join(", ")
        ),
        columns: parent.key.clone(),
    }
}

/// One file by its key; the outputs are [`FILE_OUTPUTS`]. No row: it is gone, or belongs to nothing any more.
pub fn by_key(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    one(config, shape, around, &outputs(config, shape))
}

/// The bytes of one file by its key, where they are in the database.
pub fn content(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Option<Reading> {
    let AttachmentSource::Bytes(expr) = &config.source else {
        return None;
    };
    let bytes = format!("({})::pg_catalog.bytea", value_sql(expr, "a", shape));
    Some(one(config, shape, around, &bytes))
}

fn one(config: &Attachment, shape: &Shape, around: &Around<'_>, outputs: &str) -> Reading {
    Reading {
        sql: format!(
            "select {outputs}\n{}\nwhere {}\nlimit 2",
            from_sql(config, shape, around),
            shape.key_condition("a", 1)
        ),
        columns: shape.key.clone(),
    }
}

/// The key of what a file belongs to, by the file's key: one output for each key column, evaluated alone, since what it
/// belongs to may not be there yet.
pub fn parent_of(config: &Attachment, shape: &Shape, parent: &Shape) -> Reading {
    let outputs: Vec<String> = config
        .parent
        .iter()
        .zip(parent.key_casts())
        .map(|(expr, cast)| format!("({})::{cast}::pg_catalog.text", value_sql(expr, "a", shape)))
        .collect();
    let joined = config.parent.iter().any(|expr| reads_beyond("a", expr));
    let join = config.join.as_ref().filter(|_| joined);
    Reading {
        sql: format!(
            "select {}\nfrom {} a\n{}\nwhere {}\nlimit 2",
            outputs.join(", "),
            shape.sql(),
            join.map_or("", |join| join.sql.as_str()),
            shape.key_condition("a", 1)
        ),
        columns: shape.key.clone(),
    }
}
