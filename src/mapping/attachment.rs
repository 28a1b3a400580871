//! Statements over `[[attachment]]`: the files of a message or of a ticket, one file by its key, and its bytes.
//!
//! A file's row is always the table's row as it is now: of attachment tables only the key is captured. `a` is its
//! alias; `t` with the ticket's joins, and `m` where it belongs to a message, are in scope.

use super::read::{self, Piece, Reading, reads_beyond};
use super::shape::{Shape, quote_ident};
use super::{many, value_sql};
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

/// All expressions of a section.
pub fn expressions(config: &Attachment) -> Vec<&Expr> {
    let single = [&config.join, &config.filter, &config.name, &config.mime];
    let single = single.into_iter().flatten();
    single.chain(&config.parent).chain([source(config)]).collect()
}

/// `from`, with everything that is in scope.
fn from_sql(config: &Attachment, shape: &Shape, around: &Around<'_>) -> String {
    let pieces = pieces(config, shape, around);
    let pieces: Vec<&str> = pieces.iter().map(|piece| piece.sql.as_str()).collect();
    format!("from {}", pieces.join("\n"))
}

/// [`from_sql`], piece by piece.
pub(super) fn pieces<'a>(config: &'a Attachment, shape: &Shape, around: &Around<'a>) -> Vec<Piece<'a>> {
    let plain = |sql: String| Piece { sql, own: None };
    let (ticket, tickets) = around.ticket;
    let mut asked = expressions(config);
    asked.extend(&ticket.join);
    if let Some((message, _)) = around.message {
        asked.extend(message.ticket.iter().chain(&message.join));
    }
    let mut pieces = vec![plain(read::table_sql("a", shape, &asked))];
    let own = config.join.iter().map(|join| Piece {
        sql: join.sql.clone(),
        own: Some(join),
    });
    let own_first = config.parent.iter().any(|expr| reads_beyond("a", expr));
    let (first, last): (Vec<Piece>, Vec<Piece>) = own.partition(|_| own_first);
    pieces.extend(first);
    let tickets_sql = read::table_sql("t", tickets, &asked);
    match (config.of, around.message) {
        (AttachmentOf::Message, Some((message, messages))) => {
            pieces.push(plain(format!(
                "join {} on {}",
                read::table_sql("m", messages, &asked),
                belongs(config, shape, messages, "m")
            )));
            let joined = message.ticket.iter().any(read::needs_joins);
            let joins = message.join.iter().filter(|_| joined);
            pieces.extend(joins.map(|join| plain(join.sql.clone())));
            let on: Vec<String> = message
                .ticket
                .iter()
                .map(|expr| value_sql(expr, "m", messages))
                .collect();
            pieces.push(plain(format!(
                "join {tickets_sql} on {}",
                tickets.key_joins("t", &on)
            )));
        }
        _ => pieces.push(plain(format!(
            "join {tickets_sql} on {}",
            belongs(config, shape, tickets, "t")
        ))),
    }
    pieces.extend(ticket.join.iter().map(|join| plain(join.sql.clone())));
    pieces.extend(last);
    pieces
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
    all(config, shape, around, &outputs(config, shape))
}

/// The same files, only whether `where` holds of each: for the case that another of their values is refused.
pub fn eligible(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    let asked = [
        shape.key_sql("a"),
        read::condition(config.filter.as_ref(), "a", shape),
        order(shape),
    ];
    all(config, shape, around, &format!("distinct {}", asked.join(", ")))
}

/// Which of many messages or tickets have any file at all, whatever `where` says of it: an array of texts for each column of
/// their keys.
pub fn any_of_parents(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    let (parent, alias) = parent_of_all(config, around);
    let values: Vec<String> = parent
        .key_casts()
        .iter()
        .enumerate()
        .map(|(n, cast)| format!("{}::{cast}", many::value(n + 1)))
        .collect();
    let sql = format!(
        "select 'true'\n{}\nwhere {}\nlimit 1",
        from_sql(config, shape, around),
        parent.key_is(alias, &values)
    );
    many::reading(&sql, parent.key.clone())
}

/// What the files belong to, and its alias.
fn parent_of_all<'a>(config: &Attachment, around: &Around<'a>) -> (&'a Shape, &'static str) {
    match (config.of, around.message) {
        (AttachmentOf::Message, Some((_, messages))) => (messages, "m"),
        _ => (around.ticket.1, "t"),
    }
}

fn all(config: &Attachment, shape: &Shape, around: &Around<'_>, outputs: &str) -> Reading {
    let (parent, alias) = parent_of_all(config, around);
    Reading {
        sql: format!(
            "select {outputs}\n{}\nwhere {}\norder by {}",
            from_sql(config, shape, around),
            parent.key_condition(alias, 1),
            order(shape)
        ),
        columns: parent.key.clone(),
    }
}

fn order(shape: &Shape) -> String {
    let columns = shape
        .key
        .iter()
        .map(|column| format!("a.{}", quote_ident(column)));
    columns.collect::<Vec<String>>().join(", ")
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
            "select {}\nfrom {}\n{}\nwhere {}\nlimit 2",
            outputs.join(", "),
            read::table_sql("a", shape, &expressions(config)),
            join.map_or("", |join| join.sql.as_str()),
            shape.key_condition("a", 1)
        ),
        columns: shape.key.clone(),
    }
}
