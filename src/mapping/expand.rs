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

use super::lexer::{Token, tokens};
use super::read::{Reading, Source, message_joins, seconds, source_sql, text};
use super::shape::{EQUALS, Shape, quote_ident};
use super::{bare_column, value_sql};
use crate::config::{Expr, Message, Ticket};

/// The outputs of [`elements`].
pub const ELEMENT_OUTPUTS: [&str; 2] = ["key", "identity"];

/// The lateral join as SQL; a bare function call or subquery is made one.
pub fn lateral(expand: &Expr) -> String {
    let sql = expand.sql.trim();
    let sql = sql.strip_prefix(',').map_or(sql, str::trim);
    let is_join = match tokens(sql).first() {
        Some(Token::Ident(word, false)) => {
            ["cross", "join", "inner", "left", "right", "full", "natural"].contains(&word.as_str())
        }
        _ => false,
    };
    match is_join {
        true => sql.to_owned(),
        false if sql.to_lowercase().starts_with("lateral") => format!("cross join {sql}"),
        false => format!("cross join lateral {sql}"),
    }
}

fn idents(sql: &str) -> Vec<(String, bool)> {
    let ident = |token| match token {
        Token::Ident(name, dotted) => Some((name, dotted)),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(ident).collect()
}

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

/// The name under which `WITH ORDINALITY` gives the place.
fn place_name(expand: &str) -> Option<String> {
    let tokens = tokens(expand);
    let is = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Ident(name, _)) if name == word);
    let at = (0..tokens.len()).find(|at| is(*at, "with") && is(at + 1, "ordinality"))?;
    let mut at = at + 2;
    if is(at, "as") {
        at += 1;
    }
    let mut names = Vec::new();
    if let Some(Token::Open) = tokens.get(at + 1) {
        for token in tokens.iter().skip(at + 2) {
            match token {
                Token::Ident(name, _) => names.push(name.clone()),
                Token::Comma => {}
                _ => break,
            }
        }
    }
    match names.as_slice() {
        [_, .., last] => Some(last.clone()),
        _ => Some("ordinality".to_owned()),
    }
}

/// Whether an entry of `key` only says where the message stands.
fn is_place(entry: &Expr, place: Option<&str>) -> bool {
    let names = idents(&entry.sql);
    let first = names.iter().find(|(_, dotted)| !dotted);
    names.iter().any(|(name, _)| name == "row_number")
        || (names.len() <= 3 && first.zip(place).is_some_and(|((name, _), place)| name == place))
}

/// What the message itself says of its name.
fn own_parts<'a>(config: &'a Message, shape: &Shape) -> Vec<&'a Expr> {
    let place = config.expand.as_ref().and_then(|expand| place_name(&expand.sql));
    let own = |entry: &&Expr| {
        let of_row =
            bare_column(entry, shape).is_some_and(|column| shape.key.iter().any(|key| key == column));
        !of_row && !is_place(entry, place.as_deref())
    };
    config.element.iter().filter(own).collect()
}

/// The message's own name as a JSON array of texts; NULL where it has none.
fn own_name(config: &Message, shape: &Shape) -> String {
    let parts: Vec<String> = own_parts(config, shape)
        .into_iter()
        .map(|expr| format!("({})::pg_catalog.text", value_sql(expr, "m", shape)))
        .collect();
    if parts.is_empty() {
        return "null::pg_catalog.jsonb".to_owned();
    }
    let there: Vec<String> = parts.iter().map(|part| format!("{part} is not null")).collect();
    format!(
        "case when {} then pg_catalog.jsonb_build_array({}) end",
        there.join(" and "),
        parts.join(", ")
    )
}

/// What tells a message from the others of its row, as text: its own name, else its content.
pub fn identity(config: &Message, shape: &Shape) -> String {
    format!(
        "coalesce('i' OPERATOR(pg_catalog.||) ({})::pg_catalog.text, 'c' OPERATOR(pg_catalog.||) pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(\
         coalesce({}, '') OPERATOR(pg_catalog.||) E'\\x01' OPERATOR(pg_catalog.||) coalesce({}, ''), 'UTF8')), 'hex'))",
        own_name(config, shape),
        text(Some(&config.body), "m", shape),
        seconds(config.created_at.as_ref(), "m", shape),
    )
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
    let row: Vec<String> = shape
        .key
        .iter()
        .map(|column| format!("m.{}::pg_catalog.text", quote_ident(column)))
        .collect();
    // What an outer join gives for an empty list is no message.
    let entries = config.element.iter().filter(|entry| {
        !bare_column(entry, shape).is_some_and(|column| shape.key.iter().any(|key| key == column))
    });
    let there: Vec<String> = entries
        .chain([&config.body])
        .map(|expr| format!("{} is not null", value_sql(expr, "m", shape)))
        .collect();
    let outputs: String = outputs.iter().map(|output| format!(", {output}")).collect();
    format!(
        "(select *, (case when own is null
             then row_parts OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_array(
                 '~' OPERATOR(pg_catalog.||) pg_catalog.substr(identity, 2, 32), nth::pg_catalog.text)
             when nth OPERATOR(pg_catalog.>) 1
             then row_parts OPERATOR(pg_catalog.||) own OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_array(nth::pg_catalog.text)
             else row_parts OPERATOR(pg_catalog.||) own end)::pg_catalog.text as key
         from (select *, pg_catalog.row_number() over (partition by row_key, identity order by place) as nth
           from (select pg_catalog.row_number() over () as place, {} as row_key,
               pg_catalog.jsonb_build_array({}) as row_parts, {} as own, {} as identity{outputs}
             from {from}\n{joins}\nwhere ({}){condition}) found) counted) e",
        shape.key_sql("m"),
        row.join(", "),
        own_name(config, shape),
        identity(config, shape),
        there.join(" or "),
    )
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
    let from = format!("{} m", shape.sql());
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
    let from = format!("{} m", shape.sql());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn expr(sql: &str) -> Expr {
        Expr {
            sql: sql.into(),
            span: 0..0,
            name: "x".into(),
        }
    }

    #[test]
    fn a_list_becomes_a_lateral_join() {
        for (expand, sql) in [
            ("cross join lateral f(m.x) e", "cross join lateral f(m.x) e"),
            (
                "left join lateral f(m.x) e on true",
                "left join lateral f(m.x) e on true",
            ),
            (
                "f(m.x) with ordinality e(v, n)",
                "cross join lateral f(m.x) with ordinality e(v, n)",
            ),
            (", f(m.x) e", "cross join lateral f(m.x) e"),
            ("lateral (select 1) e", "cross join lateral (select 1) e"),
            ("(select 1) e", "cross join lateral (select 1) e"),
        ] {
            assert_eq!(lateral(&expr(expand)), sql);
        }
    }

    #[test]
    fn a_place_in_the_list_is_no_name() {
        let with =
            |columns: &str| format!("cross join lateral jsonb_array_elements(m.x) with ordinality {columns}");
        for (columns, entry, place) in [
            ("as e(value, nr)", "nr", true),
            ("as e(value, nr)", "e.nr", true),
            ("as e(value, nr)", "e.nr::text", true),
            ("e(value, \"Nr\")", "e.\"Nr\"", true),
            ("as e", "ordinality", true),
            ("as e", "e.ordinality", true),
            ("as e(v)", "ordinality", true),
            ("as e(value, nr)", "e.value->>'nr'", false),
            ("as e(value, nr)", "value", false),
            ("as e(value, nr)", "row_number() over ()", true),
        ] {
            let found = is_place(&expr(entry), place_name(&with(columns)).as_deref());
            assert_eq!(found, place, "{columns}: {entry}");
        }
        assert_eq!(place_name("cross join lateral f(m.x) e(v, n)"), None);
    }
}
