//! `[message] expand`: a row that holds many messages, and which is which.
//!
//! A message is named by the row's key and by what `key` says of the message itself, where that is there. Where it is
//! not (no such entry, NULL, or only its place in the list), its *content* names it: a digest of body and `created_at`,
//! and how many equal ones stand before it in its row. A name that was seen once is known for ever. So the site may
//! delete, reorder or rewrite the list as it likes: nothing is sent again, and whatever is added is sent.
//!
//! What this cannot tell, for messages without an id of their own:
//! - A message whose text (or time) is edited looks like another one, and is sent; give it an id and it is the same.
//! - A message that equals one of its row which the site has deleted is taken for that one. Deskie has its text then,
//!   unless the deleted one was never sent; map `created_at` and they differ.
//!
//! Everything is compared by Postgres: the statements here give the keys as they are stored.

use super::list::{List, Numbered, idents, lateral};
use super::read::{
    Reading, Source, message_expressions, message_joins, seconds, source_sql, table_sql, text,
};
use super::shape::{EQUALS, Shape};
use super::{bare_column, value_sql};
use crate::config::{Expr, Message, Ticket};

/// The outputs of [`elements`].
pub const ELEMENT_OUTPUTS: [&str; 2] = ["key", "identity"];

/// Whether the list is read from the ticket's row as it is now, not from the row that was captured.
pub fn reads_ticket(config: &Message) -> bool {
    let expand = config.expand.as_ref().map(|expand| idents(&expand.sql));
    expand.is_some_and(|names| names.contains(&("t".to_owned(), true)))
}

/// The columns of the row that the list is made of.
pub fn columns(config: &Message, shape: &Shape) -> Vec<String> {
    let Some(expand) = &config.expand else {
        return Vec::new();
    };
    let mut columns = super::read::mentioned(&[expand], "m", shape);
    columns.retain(|column| !shape.key.contains(column));
    columns
}

fn list(config: &Message) -> List<'_> {
    List {
        alias: "m",
        expand: config.expand.as_ref(),
        key: &config.element,
    }
}

/// What tells a message from the others of its row, as text: its own name, else its content.
pub fn identity(config: &Message, shape: &Shape) -> String {
    let content = [
        text(Some(&config.body), "m", shape),
        seconds(config.created_at.as_ref(), "m", shape),
    ];
    list(config).identity(shape, &content)
}

/// Whether telling the messages apart needs more than the row and the list.
fn needs_joins(config: &Message) -> bool {
    let expand = config
        .expand
        .as_ref()
        .map_or(Vec::new(), |expand| idents(&expand.sql));
    let known = |name: &String| name == "m" || expand.iter().any(|(other, _)| other == name);
    let expressions = config
        .element
        .iter()
        .chain([&config.body])
        .chain(&config.created_at);
    reads_ticket(config)
        || expressions
            .flat_map(|expr| idents(&expr.sql))
            .any(|(name, dotted)| dotted && !known(&name))
}

/// The messages of the rows of `from` as a subquery: `key`, `identity`, `row_key`, `place` and `outputs`.
fn identified(
    config: &Message,
    ticket: &Ticket,
    (shape, ticket_shape): (&Shape, &Shape),
    from: &str,
    condition: &str,
    outputs: &[String],
) -> String {
    let lateral = config.expand.as_ref().map(lateral).unwrap_or_default();
    let joins = match needs_joins(config) {
        true => message_joins(config, ticket, shape, ticket_shape),
        // A condition or an output may ask for the ticket, and the ticket's key may need the message's joins.
        false if !condition.is_empty() && config.ticket.iter().any(super::read::needs_joins) => {
            let own = config.join.as_ref().map_or("", |join| join.sql.as_str());
            format!("{lateral}\n{own}")
        }
        false => lateral,
    };
    // What an outer join gives for an empty list is no message.
    let entries = config.element.iter().filter(|entry| {
        !bare_column(entry, shape).is_some_and(|column| shape.key.iter().any(|key| key == column))
    });
    let there: Vec<String> = entries
        .chain([&config.body])
        .map(|expr| format!("{} is not null", value_sql(expr, "m", shape)))
        .collect();
    let numbered = Numbered {
        from: &format!("{from}\n{joins}"),
        condition: &format!("({}){condition}", there.join(" or ")),
        place: None,
        identity: &identity(config, shape),
        outputs,
    };
    list(config).numbered(shape, &numbered)
}

/// The messages of one row, in their order; the outputs are [`ELEMENT_OUTPUTS`].
pub fn elements(
    config: &Message,
    ticket: &Ticket,
    shape: &Shape,
    ticket_shape: &Shape,
    source: Source,
) -> Reading {
    let mut expressions: Vec<&Expr> = config.element.iter().chain(&config.expand).collect();
    expressions.push(&config.body);
    expressions.extend(&config.created_at);
    if needs_joins(config) {
        expressions.extend(config.ticket.iter().chain(&config.join));
    }
    let (from, columns) = source_sql(source, "m", shape, &expressions);
    let found = identified(config, ticket, (shape, ticket_shape), &from, "", &[]);
    Reading {
        sql: format!("select key, identity from {found} order by place"),
        columns,
    }
}

/// Notes all messages that stand in the table as known, in `links`. With `until`, `$1` says up to which time, in
/// seconds since 1970; what has no time is noted.
pub fn baseline(
    config: &Message,
    ticket: &Ticket,
    shape: &Shape,
    ticket_shape: &Shape,
    links: &str,
    until: bool,
) -> String {
    let at = format!("{} as at", seconds(config.created_at.as_ref(), "m", shape));
    let from = table_sql("m", shape, &message_expressions(config));
    let found = identified(config, ticket, (shape, ticket_shape), &from, "", &[at]);
    let condition = if until {
        "where at is null or at::pg_catalog.numeric OPERATOR(pg_catalog.<=) $1::pg_catalog.text::pg_catalog.numeric"
    } else {
        ""
    };
    format!(
        "insert into {links} (section, key, state, reason, row_key)
         select 'message', key, 'skipped', '{BASELINE}', row_key from {found} {condition} on conflict do nothing"
    )
}

/// Why such a message is passed over.
pub const BASELINE: &str = "baseline";

/// Which messages [`scan`] looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Those of one ticket, whose key's texts are the parameters.
    OfTicket,
    /// Those that are not in this table of links.
    Unknown(&'a str),
}

/// Messages, the oldest first: an image of the row's key, key, seconds, the columns of the ticket's key, the row's key,
/// the body.
pub fn scan(
    config: &Message,
    ticket: &Ticket,
    shape: &Shape,
    ticket_shape: &Shape,
    wanted: Wanted<'_>,
) -> String {
    let casts = ticket_shape.key_casts();
    let keys: Vec<String> = config
        .ticket
        .iter()
        .zip(&casts)
        .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "m", shape)))
        .collect();
    let mut outputs = vec![
        format!("{} as image", super::scan::image(shape, "m")),
        format!("{} as at", seconds(config.created_at.as_ref(), "m", shape)),
        format!("{} as body", text(Some(&config.body), "m", shape)),
    ];
    outputs.extend(
        keys.iter()
            .enumerate()
            .map(|(n, key)| format!("{key}::pg_catalog.text as ticket_{n}")),
    );
    let (inside, outside) = match wanted {
        Wanted::OfTicket => {
            let equal = keys.iter().zip(&casts).zip(ticket_shape.key_equals()).enumerate();
            let equal: String = equal
                .map(|(n, ((key, cast), equals))| {
                    format!(" and {key} {equals} ${}::pg_catalog.text::{cast}", n + 1)
                })
                .collect();
            (equal, String::new())
        }
        Wanted::Unknown(links) => (
            // Only so that the joins of the ticket's key are there.
            " and true".to_owned(),
            format!(
                "where not exists (select from {links} l where l.section {EQUALS} 'message' and l.key {EQUALS} e.key)"
            ),
        ),
    };
    let from = table_sql("m", shape, &message_expressions(config));
    let found = identified(config, ticket, (shape, ticket_shape), &from, &inside, &outputs);
    let tickets: Vec<String> = (0..keys.len()).map(|n| format!("ticket_{n}")).collect();
    format!(
        "select image, key, at, {}, row_key, body from {found} {outside} order by at::pg_catalog.numeric, place",
        tickets.join(", ")
    )
}

/// What the names of messages depend on: with another one all of them would look new.
pub fn signature(config: &Message) -> Option<String> {
    let expand = config.expand.as_ref()?;
    let table = format!("{:?}.{}", config.table.schema, config.table.table);
    let mut parts = vec![table.as_str(), expand.sql.trim()];
    parts.extend(config.element.iter().map(|expr| expr.sql.trim()));
    parts.push(config.body.sql.trim());
    parts.extend(config.created_at.iter().map(|expr| expr.sql.trim()));
    Some(parts.join("\n"))
}
