//! Statements that turn a row of the site into what Deskie needs.
//!
//! The row is the image from the WAL, cast cell by cell to its columns' types (rule 15), or the table's row by key.
//! Only the columns that the mapping mentions are cast: what happens to any other column of the table is none of our
//! business. Every output is text; what it means is decided by the reader.

use super::lexer::{Token, tokens};
use super::list::lateral;
use super::shape::{Shape, quote_ident};
use super::write::written_key;
use super::{bare_column, expand, many, value_sql};
use crate::config::{Expr, Message, Ticket};

/// Where the row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The captured image: one text parameter for each of [`Reading::columns`].
    Image,
    /// The table: one text parameter for each key column.
    Table,
    /// The row that the INSERT of `[reply.set]` has just made in this transaction: no parameter.
    Written,
    /// The captured images of many rows: an array of texts for each of [`Reading::columns`].
    Images,
    /// Many rows of the table: an array of texts for each key column.
    Keys,
}

impl Source {
    /// The text of the `n`th value, from 1.
    fn value(self, n: usize) -> String {
        match self {
            Source::Image | Source::Table | Source::Written => format!("${n}::pg_catalog.text"),
            Source::Images | Source::Keys => many::value(n),
        }
    }

    /// The statement as it is asked.
    pub(super) fn reading(self, sql: String, columns: Vec<String>) -> Reading {
        match self {
            Source::Image | Source::Table | Source::Written => Reading { sql, columns },
            Source::Images | Source::Keys => many::reading(&sql, columns),
        }
    }
}

/// A compiled statement over one row of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The SQL. Its result: no row where a join found nothing, two where one found several; for many rows the row's place
    /// stands before it.
    pub sql: String,
    /// The columns whose text is `$1`, `$2`, …; where the row is the table's, the key columns.
    pub columns: Vec<String>,
}

/// How the ticket of a message is found; it is evaluated first and alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketKeyOf {
    /// These columns of the message's row hold it, as they stand.
    Columns(Vec<String>),
    /// A statement gives it, one output for each key column.
    Reading(Reading),
}

/// The outputs of [`ticket`], in order.
pub const TICKET_OUTPUTS: [&str; 17] = [
    "where",
    "subject",
    "body",
    "format",
    "status",
    "created_at",
    "channel",
    "email",
    "phone",
    "custom_id",
    "name",
    "fields",
    "labels",
    "priority",
    "group_id",
    "language_id",
    "named_by",
];

/// The outputs of [`message`], in order.
pub const MESSAGE_OUTPUTS: [&str; 6] = ["where", "ticket_where", "author", "body", "format", "created_at"];

/// The columns of `shape` that any of `expressions` may read through `alias`, and the key. A superset: a name counts
/// wherever it stands.
pub(super) fn mentioned(expressions: &[&Expr], alias: &str, shape: &Shape) -> Vec<String> {
    mentions(expressions, alias, shape).0
}

/// The same, and whether something besides columns is asked of the row: the row as a whole, a system column, a
/// function of it.
fn mentions(expressions: &[&Expr], alias: &str, shape: &Shape) -> (Vec<String>, bool) {
    let mut words = std::collections::HashSet::new();
    let (mut whole_row, mut more) = (false, false);
    for expression in expressions {
        let mut previous_is_alias = false;
        for token in tokens(&expression.sql) {
            match token {
                Token::Ident(name, dotted) => {
                    whole_row |= name == alias && !dotted;
                    more |= previous_is_alias && shape.column(&name).is_none();
                    previous_is_alias = name == alias && dotted;
                    words.insert(name);
                }
                Token::Star if previous_is_alias => whole_row = true,
                _ => previous_is_alias = false,
            }
        }
        if let Some(column) = bare_column(expression, shape) {
            words.insert(column.to_owned());
        }
    }
    let wanted = |name: &String| whole_row || words.contains(name) || shape.key.contains(name);
    let names = shape.columns.iter().map(|column| &column.name);
    let columns = names.filter(|name| wanted(name)).cloned().collect();
    (columns, whole_row || more)
}

/// A table with only those of its columns that any of `expressions` may read through `alias`, each by its name: where
/// one of them is gone the statement fails, and its name falls to no other table (rule 22).
pub(super) fn table_sql(alias: &str, shape: &Shape, expressions: &[&Expr]) -> String {
    let (columns, more) = mentions(expressions, alias, shape);
    match more {
        true => format!("{} {alias}", shape.sql()),
        false => format!("(select {} from {} s) {alias}", list(&columns), shape.sql()),
    }
}

fn list(columns: &[String]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| format!("s.{}", quote_ident(column)))
        .collect();
    columns.join(", ")
}

/// The row source, and the columns whose values are its parameters.
pub(super) fn source_sql(
    source: Source,
    alias: &str,
    shape: &Shape,
    expressions: &[&Expr],
) -> (String, Vec<String>) {
    match source {
        Source::Image | Source::Images => {
            let columns = mentioned(expressions, alias, shape);
            let casts: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    let cast = shape
                        .column(name)
                        .map_or("pg_catalog.text", |column| column.cast.as_str());
                    format!("{}::{cast} as {}", source.value(n + 1), quote_ident(name))
                })
                .collect();
            (format!("(select {}) {alias}", casts.join(", ")), columns)
        }
        Source::Table | Source::Keys => {
            let from = format!(
                "(select {} from {} s where {}) {alias}",
                list(&mentioned(expressions, alias, shape)),
                shape.sql(),
                shape.key_is_text("s", |n| source.value(n + 1))
            );
            (from, shape.key.clone())
        }
        Source::Written => {
            let from = format!(
                "(select {} from {} s where {}) {alias}",
                list(&mentioned(expressions, alias, shape)),
                shape.sql(),
                shape.key_is("s", &written_key(shape))
            );
            (from, Vec::new())
        }
    }
}

pub(super) fn text(expression: Option<&Expr>, alias: &str, shape: &Shape) -> String {
    expression.map_or("null::pg_catalog.text".to_owned(), |expr| {
        format!("({})::pg_catalog.text", value_sql(expr, alias, shape))
    })
}

/// Whether a `where` holds, as text.
pub fn condition(expression: Option<&Expr>, alias: &str, shape: &Shape) -> String {
    match expression {
        Some(expr) => format!(
            "coalesce(({})::pg_catalog.bool, false)::pg_catalog.text",
            value_sql(expr, alias, shape)
        ),
        None => "'true'".to_owned(),
    }
}

/// Seconds since 1970 as text; a timestamp without zone is read in the session's zone, which is UTC (rule 4).
pub(super) fn seconds(expression: Option<&Expr>, alias: &str, shape: &Shape) -> String {
    match expression {
        Some(expr) => format!(
            "extract(epoch from ({})::pg_catalog.timestamptz)::pg_catalog.text",
            value_sql(expr, alias, shape)
        ),
        None => "null::pg_catalog.text".to_owned(),
    }
}

/// All expressions of `[ticket]`.
pub fn ticket_expressions(ticket: &Ticket) -> Vec<&Expr> {
    let customer = &ticket.customer;
    let single = [
        &ticket.join,
        &ticket.filter,
        &ticket.subject,
        &ticket.body,
        &ticket.format,
        &ticket.status,
        &ticket.created_at,
        &ticket.channel,
        &customer.email,
        &customer.phone,
        &customer.custom_id,
        &customer.name,
        &ticket.labels,
        &ticket.priority,
        &ticket.group_id,
        &ticket.language_id,
    ];
    single
        .into_iter()
        .flatten()
        .chain(ticket.fields.values())
        .collect()
}

/// All expressions of `[message]`.
pub fn message_expressions(message: &Message) -> Vec<&Expr> {
    let single = [
        &message.join,
        &message.filter,
        &message.author,
        &message.format,
        &message.created_at,
        &message.expand,
    ];
    single
        .into_iter()
        .flatten()
        .chain(&message.ticket)
        .chain(&message.element)
        .chain([&message.body])
        .collect()
}

/// Everything of a ticket; the outputs are [`TICKET_OUTPUTS`].
pub fn ticket(config: &Ticket, shape: &Shape, source: Source) -> Reading {
    let (from, columns) = source_sql(source, "t", shape, &ticket_expressions(config));
    let value = |expression: &Option<Expr>| text(expression.as_ref(), "t", shape);
    let customer = &config.customer;
    let fields: Vec<String> = config
        .fields
        .iter()
        .map(|(n, expr)| format!("'cf_{n}', ({})::pg_catalog.text", value_sql(expr, "t", shape)))
        .collect();
    let labels = match &config.labels {
        Some(expr) => format!(
            "pg_catalog.to_jsonb({})::pg_catalog.text",
            value_sql(expr, "t", shape)
        ),
        None => "null::pg_catalog.text".to_owned(),
    };
    let outputs = [
        condition(config.filter.as_ref(), "t", shape),
        value(&config.subject),
        value(&config.body),
        value(&config.format),
        value(&config.status),
        seconds(config.created_at.as_ref(), "t", shape),
        value(&config.channel),
        value(&customer.email),
        value(&customer.phone),
        value(&customer.custom_id),
        value(&customer.name),
        format!(
            "pg_catalog.jsonb_build_object({})::pg_catalog.text",
            fields.join(", ")
        ),
        labels,
        value(&config.priority),
        value(&config.group_id),
        value(&config.language_id),
        super::naming::named_by_sql(config, shape),
    ];
    let join = config.join.as_ref().map_or("", |join| join.sql.as_str());
    let sql = format!("select {}\nfrom {from}\n{join}\nlimit 2", outputs.join(",\n  "));
    source.reading(sql, columns)
}

/// Whether an expression reads anything but the message's own row, so that the joins must stand before it.
pub(super) fn needs_joins(expression: &Expr) -> bool {
    reads_beyond("m", expression)
}

/// Whether an expression reads anything but the row of that alias.
pub(super) fn reads_beyond(alias: &str, expression: &Expr) -> bool {
    tokens(&expression.sql)
        .iter()
        .any(|token| matches!(token, Token::Ident(name, true) if name != alias))
}

/// Everything of a message; the outputs are [`MESSAGE_OUTPUTS`]. `t` is the ticket's row as it is now. With `expand`
/// one row for each message, with its identity (see [`expand`]) behind those outputs.
pub fn message(
    config: &Message,
    ticket: &Ticket,
    shape: &Shape,
    ticket_shape: &Shape,
    source: Source,
) -> Reading {
    let (from, columns) = source_sql(source, "m", shape, &message_expressions(config));
    let mut outputs = vec![
        condition(config.filter.as_ref(), "m", shape),
        condition(ticket.filter.as_ref(), "t", ticket_shape),
        text(config.author.as_ref(), "m", shape),
        text(Some(&config.body), "m", shape),
        text(config.format.as_ref(), "m", shape),
        seconds(config.created_at.as_ref(), "m", shape),
    ];
    let joins = message_joins(config, ticket, shape, ticket_shape);
    let limit = match &config.expand {
        Some(_) => {
            outputs.push(expand::identity(config, shape));
            ""
        }
        None => "limit 2",
    };
    let sql = format!("select {}\nfrom {from}\n{joins}\n{limit}", outputs.join(",\n  "));
    source.reading(sql, columns)
}

/// What is joined to a message's row `m`: its ticket with its joins, its own joins, and the messages that it holds.
pub(super) fn message_joins(
    config: &Message,
    ticket: &Ticket,
    shape: &Shape,
    ticket_shape: &Shape,
) -> String {
    let pieces = message_pieces(config, ticket, shape, ticket_shape);
    let pieces: Vec<&str> = pieces.iter().map(|piece| piece.sql.as_str()).collect();
    pieces.join("\n")
}

/// A piece of FROM.
pub(super) struct Piece<'a> {
    pub(super) sql: String,
    /// The join of the section itself that it is.
    pub(super) own: Option<&'a Expr>,
}

/// [`message_joins`], piece by piece.
pub(super) fn message_pieces<'a>(
    config: &'a Message,
    ticket: &Ticket,
    shape: &Shape,
    ticket_shape: &Shape,
) -> Vec<Piece<'a>> {
    let on: Vec<String> = config
        .ticket
        .iter()
        .map(|expr| value_sql(expr, "m", shape))
        .collect();
    let mut asked = ticket_expressions(ticket);
    asked.extend(message_expressions(config));
    let tickets = Piece {
        sql: format!(
            "join {} on {}",
            table_sql("t", ticket_shape, &asked),
            ticket_shape.key_joins("t", &on)
        ),
        own: None,
    };
    let of_ticket = ticket.join.iter().map(|join| Piece {
        sql: join.sql.clone(),
        own: None,
    });
    let own = config.join.iter().map(|join| Piece {
        sql: join.sql.clone(),
        own: Some(join),
    });
    let list = config.expand.iter().map(|list| Piece {
        sql: lateral(list),
        own: Some(list),
    });
    let is_late = expand::reads_ticket(config);
    let (before, after): (Vec<Piece>, Vec<Piece>) = list.partition(|_| !is_late);
    let ticket = std::iter::once(tickets).chain(of_ticket).chain(after);
    match config.ticket.iter().any(needs_joins) {
        true => before.into_iter().chain(own).chain(ticket).collect(),
        false => before.into_iter().chain(ticket).chain(own).collect(),
    }
}

/// How the key of a message's ticket is found; `source`: [`Source::Image`] or [`Source::Images`].
pub fn ticket_key_of(config: &Message, shape: &Shape, ticket_shape: &Shape, source: Source) -> TicketKeyOf {
    let casts = ticket_shape.key_casts();
    let direct: Option<Vec<String>> = config
        .ticket
        .iter()
        .zip(&casts)
        .map(|(expr, cast)| {
            let column = shape.column(bare_column(expr, shape)?)?;
            // One that is generated may be missing from the image, and is then read by key, as a statement's cells are.
            // What may be written otherwise is written as its ticket's row does.
            let is_told = !column.generated && !ticket_shape.is_loose();
            (column.cast == *cast && is_told).then(|| column.name.clone())
        })
        .collect();
    match direct {
        Some(columns) => TicketKeyOf::Columns(columns),
        None => TicketKeyOf::Reading(ticket_key_reading(config, shape, ticket_shape, source)),
    }
}

/// The key of a message's ticket as a statement.
pub fn ticket_key_reading(config: &Message, shape: &Shape, ticket_shape: &Shape, source: Source) -> Reading {
    let casts = ticket_shape.key_casts();
    let joined = config.ticket.iter().any(needs_joins);
    let mut expressions: Vec<&Expr> = config.ticket.iter().collect();
    if joined {
        expressions.extend(&config.join);
    }
    let (from, columns) = source_sql(source, "m", shape, &expressions);
    let keys: Vec<String> = config
        .ticket
        .iter()
        .zip(casts)
        .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "m", shape)))
        .collect();
    let (outputs, own) = ticket_shape.keys_as_written(&keys);
    let join = config
        .join
        .as_ref()
        .filter(|_| joined)
        .map_or("", |join| join.sql.as_str());
    let sql = format!(
        "select {}\nfrom {from}\n{join}\n{own}\nlimit 2",
        outputs.join(", ")
    );
    source.reading(sql, columns)
}

/// The texts of `columns` of the table's row with that key, cast to text; for cells that the image lacks.
pub fn cells_by_key(shape: &Shape, columns: &[String]) -> String {
    let outputs: Vec<String> = columns.iter().map(|column| shape.text_of("s", column)).collect();
    format!(
        "select {} from {} s where {}",
        outputs.join(", "),
        shape.sql(),
        shape.key_condition("s", 1)
    )
}

/// The same of many rows, of those whose cells hold at most so many bytes together.
pub fn cells_by_keys(shape: &Shape, columns: &[String], most: usize) -> Reading {
    let texts: Vec<String> = columns.iter().map(|column| shape.text_of("s", column)).collect();
    let sizes: Vec<String> = texts
        .iter()
        .map(|text| format!("coalesce(pg_catalog.octet_length({text}), 0)"))
        .collect();
    let sql = format!(
        "select {} from {} s where {} and {} OPERATOR(pg_catalog.<=) {most}",
        texts.join(", "),
        shape.sql(),
        shape.key_is_text("s", |n| many::value(n + 1)),
        sizes.join(" OPERATOR(pg_catalog.+) ")
    );
    many::reading(&sql, shape.key.clone())
}

/// Whether the table has a row with that key: a row that says `true`, or none.
pub fn row_exists(shape: &Shape) -> String {
    format!(
        "select 'true' from {} s where {}",
        shape.sql(),
        shape.key_condition("s", 1)
    )
}

/// The transaction that wrote the row with that key, without its epoch.
pub fn row_written_in(shape: &Shape) -> String {
    format!(
        "select s.xmin::pg_catalog.text from {} s where {}",
        shape.sql(),
        shape.key_condition("s", 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Column;
    use crate::model::RelationName;

    fn shape(columns: &[(&str, &str)]) -> Shape {
        Shape {
            relation: RelationName {
                schema: "public".into(),
                table: "messages".into(),
            },
            key: vec!["id".into()],
            columns: columns
                .iter()
                .map(|(name, cast)| Column {
                    name: (*name).into(),
                    cast: (*cast).into(),
                    equals: crate::mapping::shape::EQUALS.into(),
                    loose: false,
                    generated: false,
                })
                .collect(),
        }
    }

    fn expr(sql: &str) -> Expr {
        Expr {
            sql: sql.into(),
            span: 0..0,
            name: "x".into(),
        }
    }

    #[test]
    fn only_mentioned_columns_are_cast() {
        let shape = shape(&[
            ("id", "int8"),
            ("body", "text"),
            ("createdAt", "timestamptz"),
            ("junk", "json"),
            ("user", "text"),
        ]);
        for (sql, expected) in [
            ("body", vec!["id", "body"]),
            ("createdAt", vec!["id", "createdAt"]),
            ("user", vec!["id", "user"]),
            ("lower(m.body)", vec!["id", "body"]),
            ("'body'", vec!["id"]),
            ("m.\"createdAt\"", vec!["id", "createdAt"]),
            ("m.createdAt", vec!["id"]),
            (
                "to_jsonb(m)->>'x'",
                vec!["id", "body", "createdAt", "junk", "user"],
            ),
            ("row(m.*)", vec!["id", "body", "createdAt", "junk", "user"]),
        ] {
            assert_eq!(mentioned(&[&expr(sql)], "m", &shape), expected, "{sql}");
        }
    }

    #[test]
    fn a_bare_column_is_quoted_and_all_else_stands() {
        let shape = shape(&[("id", "int8"), ("user", "text"), ("createdAt", "timestamptz")]);
        for (sql, expected) in [
            ("user", "m.\"user\""),
            ("createdAt", "m.\"createdAt\""),
            ("\"createdAt\"", "m.\"createdAt\""),
            ("USER", "m.\"user\""),
            ("CreatedAt", "(CreatedAt)"),
            ("\"USER\"", "(\"USER\")"),
            ("\"id\" || \"user\"", "(\"id\" || \"user\")"),
            ("m.id + 1", "(m.id + 1)"),
        ] {
            assert_eq!(value_sql(&expr(sql), "m", &shape), expected, "{sql}");
        }
    }
}
