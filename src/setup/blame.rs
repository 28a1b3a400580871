//! Which part of the config is behind an error of Postgres: each expression is prepared alone, and what the error
//! points at is compared with the names that are really there.

use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use super::mapped::MappingFault;
use crate::config::{Config, Expr, Reply, ReplyAttachments, ReplyPart, Span};
use crate::mapping::lexer::{Token, name_at, tokens};
use crate::mapping::shape::nearest;
use crate::mapping::{Shape, Statement, write};
use crate::model::Kind;
use crate::postgres::catalog::Table;
use crate::postgres::site::prepare_typed;
use crate::postgres::{describe, server_error, site};

/// One expression of the config, as a statement that fails if and only if it is wrong.
#[derive(Debug, Clone)]
pub(super) struct Part {
    span: Span,
    name: String,
    probe: PartSql,
    /// The others stand on it: where it fails, they are not asked.
    is_ground: bool,
}

#[derive(Debug, Clone)]
enum PartSql {
    Text(String),
    Statement(Box<Statement>),
}

/// `from` with joins added.
pub(super) fn joined(from: &str, joins: &[Option<&Expr>]) -> String {
    joins
        .iter()
        .flatten()
        .fold(from.to_owned(), |sql, join| format!("{sql}\n{}", join.sql))
}

impl Part {
    /// The joins, each after those before it.
    pub(super) fn joins(from: &str, joins: &[Option<&Expr>]) -> Vec<Part> {
        let mut sql = from.to_owned();
        let mut parts = Vec::new();
        for join in joins.iter().flatten() {
            sql = format!("{sql}\n{}", join.sql);
            parts.push(Part {
                span: join.span.clone(),
                name: join.name.clone(),
                probe: PartSql::Text(format!("select 1 {sql}\nlimit 0")),
                is_ground: true,
            });
        }
        parts
    }

    /// A value, with the type that its place wants.
    pub(super) fn value(expr: &Expr, sql: &str, from: &str) -> Part {
        let key = expr.name.rsplit('.').next().unwrap_or_default();
        let output = match key {
            "where" => format!("coalesce(({sql})::boolean, false)"),
            "created_at" => format!("({sql})::timestamptz"),
            "labels" => format!("pg_catalog.to_jsonb({sql})"),
            "bytes" => format!("({sql})::bytea"),
            _ => format!("({sql})::text"),
        };
        Part {
            span: expr.span.clone(),
            name: expr.name.clone(),
            probe: PartSql::Text(format!("select {output} {from}\nlimit 0")),
            is_ground: false,
        }
    }

    /// Each column of `[reply.set]`, inserted alone.
    pub(super) fn assignments(config: &Config, tickets: &Shape, messages: &Shape) -> Vec<Part> {
        let Some(reply) = &config.reply else {
            return Vec::new();
        };
        let all = reply
            .both
            .set
            .iter()
            .chain(&reply.agent.set)
            .chain(&reply.customer.set);
        let part = |(column, expr): &(String, Expr)| {
            let one = Reply {
                both: ReplyPart {
                    set: vec![(column.clone(), expr.clone())],
                    after: Vec::new(),
                },
                agent: ReplyPart::default(),
                customer: ReplyPart::default(),
                filter: None,
                attachments: ReplyAttachments::Json,
                files_dir: None,
            };
            let statement = write::reply(&one, Kind::Agent, tickets, Some(messages))
                .ok()?
                .insert?;
            Some(Part {
                span: expr.span.clone(),
                name: expr.name.clone(),
                probe: PartSql::Statement(Box::new(statement)),
                is_ground: false,
            })
        };
        all.filter_map(part).collect()
    }
}

/// The place of a statement by its name.
pub(super) fn span_of(config: &Config, name: &str) -> Span {
    let mut exprs: Vec<&Expr> = Vec::new();
    if let Some(reply) = &config.reply {
        for part in [&reply.both, &reply.agent, &reply.customer] {
            exprs.extend(&part.after);
        }
        exprs.extend(&reply.filter);
        if let ReplyAttachments::Statements(statements) = &reply.attachments {
            exprs.extend(statements);
        }
        if name == "reply.set"
            && let Some((_, expr)) = reply
                .both
                .set
                .first()
                .or(reply.agent.set.first())
                .or(reply.customer.set.first())
        {
            return expr.span.clone();
        }
    }
    exprs.extend(config.status.iter().flat_map(|status| &status.sql));
    exprs.extend(config.case.iter().flat_map(|case| &case.sql));
    let found = exprs.iter().find(|expr| expr.name == name);
    found.map_or_else(|| config.ticket.table.span.clone(), |expr| expr.span.clone())
}

/// The faults behind `error`, which the statement `sql` met. Where no part fails alone, the whole is to blame.
pub(super) async fn find(
    client: &Client,
    config: &Config,
    tables: &[Table],
    error: &tokio_postgres::Error,
    sql: &str,
    span: &Span,
    parts: &[Part],
) -> Result<Vec<MappingFault>, tokio_postgres::Error> {
    let mut faults = Vec::new();
    for part in parts {
        let (result, sql) = match &part.probe {
            PartSql::Text(sql) => (site::prepare(client, sql).await.map(|_| ()), sql.clone()),
            PartSql::Statement(statement) => {
                let mut statement = statement.as_ref().clone();
                let result = prepare_typed(client, &mut statement).await.map(|_| ());
                (result, statement.sql())
            }
        };
        let Err(error) = result else { continue };
        if server_error(&error).is_none() {
            return Err(error);
        }
        faults.push(fault(client, config, tables, &error, &sql, &part.span, &part.name).await?);
        if part.is_ground {
            break;
        }
    }
    if faults.is_empty() {
        faults.push(fault(client, config, tables, error, sql, span, "").await?);
    }
    Ok(faults)
}

async fn fault(
    client: &Client,
    config: &Config,
    tables: &[Table],
    error: &tokio_postgres::Error,
    sql: &str,
    span: &Span,
    name: &str,
) -> Result<MappingFault, tokio_postgres::Error> {
    let server = server_error(error).unwrap_or_default();
    let pointed = match error.as_db_error().and_then(|error| error.position()) {
        Some(ErrorPosition::Original(position)) => name_at(sql, *position),
        _ => None,
    };
    let near = match (server.code.as_str(), &pointed) {
        ("42703", Some(pointed)) => nearest_column(client, config, tables, pointed).await?,
        ("42P01", Some(pointed)) if pointed.len() == 1 || sql_names_relation(error) => {
            let near = nearest_table(client, config, pointed.last().map_or("", String::as_str)).await?;
            near.map(Near::One)
        }
        _ => None,
    };
    let hint = match (near, &pointed) {
        (Some(Near::One(near)), _) => Some(format!("did you mean `{near}`?")),
        (Some(Near::Among { table, columns }), _) => Some(format!("{table} has {}", columns.join(", "))),
        (None, Some(pointed))
            if server.code == "42P01"
                && pointed.first().is_some_and(|alias| of_join(config, name, alias)) =>
        {
            Some(format!(
                "the joins of [ticket] and [message] are not there: the ticket's own row is `t`, and `{0}` is read by a subquery, as (select \
                 {0}.… from … {0} where {0}.… = t.…)",
                pointed.first().map_or("", String::as_str)
            ))
        }
        (None, Some(pointed))
            if server.code == "42P01" && pointed.len() > 1 && !sql_names_relation(error) =>
        {
            Some(match name.starts_with("reply") {
                true => "the row that is written has no alias, and no other message is there: the ticket's own row is `t`, what \
                         Deskie's message brings are :text, :kind, :author_name and their like"
                    .to_owned(),
                false => format!(
                    "`{}` is the alias of nothing here: this section's own row is `{}`, and a join's tables have the aliases that \
                     it gives them",
                    pointed.first().map_or("", String::as_str),
                    own_alias(name)
                ),
            })
        }
        (None, Some(pointed)) if server.code == "42702" && pointed.len() == 1 => {
            let alias = own_alias(name);
            Some(format!(
                "put the alias of the one that is meant before it: `{alias}.{}`, if it is this section's own",
                pointed.concat()
            ))
        }
        (None, _) => server.hint.clone(),
    };
    let what = if name.is_empty() {
        String::new()
    } else {
        format!("{name}: ")
    };
    Ok(MappingFault {
        span: span.clone(),
        message: format!("{what}{}", describe(error)),
        hint,
        not_the_config: server.code == "42501",
    })
}

/// The alias of the row of the section that a part's name begins with.
fn own_alias(name: &str) -> &'static str {
    match name.split(['.', '[']).next() {
        Some("message") => "m",
        Some("attachment") => "a",
        _ => "t",
    }
}

/// What may have been meant.
enum Near {
    /// This name.
    One(String),
    /// One of these: none is near.
    Among { table: String, columns: Vec<String> },
}

/// Whether a join of the config makes that alias, which is not there in the statements of a reply, a status or a case.
fn of_join(config: &Config, part: &str, alias: &str) -> bool {
    let is_read = ["ticket.", "message.", "attachment"]
        .iter()
        .any(|section| part.starts_with(section));
    !is_read && joins(config).any(|join| words(&join.sql).iter().any(|word| word == alias))
}

/// `relation "x" does not exist` and `missing FROM-clause entry` share a code; only the former has a table to offer.
fn sql_names_relation(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(|error| error.routine()) == Some("parserOpenTable")
}

/// The nearest column of the table that the alias means; where that cannot be told, of the mapped tables and of those that
/// their joins name. Qualified as it was written.
async fn nearest_column(
    client: &Client,
    config: &Config,
    tables: &[Table],
    pointed: &[String],
) -> Result<Option<Near>, tokio_postgres::Error> {
    let (Some(column), qualifier) = (pointed.last(), pointed.iter().rev().nth(1)) else {
        return Ok(None);
    };
    let section = match qualifier.map(String::as_str) {
        Some("t") => Some(&config.ticket.table),
        Some("m") => config.message.as_ref().map(|message| &message.table),
        Some("a") => config.attachments.first().map(|attachment| &attachment.table),
        _ => None,
    };
    let mut known: Vec<String> = Vec::new();
    let joined = qualifier.and_then(|alias| joins(config).find_map(|join| joined_as(&join.sql, alias)));
    let (meant, names) = match (section, joined) {
        (Some(section), _) => {
            let found = tables.iter().find(|table| table.name.table == section.table);
            known.extend(found.into_iter().flat_map(columns_of));
            (Some(section.table.clone()), Vec::new())
        }
        (None, Some(joined)) => (Some(joined.clone()), vec![joined]),
        (None, None) => {
            known.extend(tables.iter().flat_map(columns_of));
            (None, joins(config).flat_map(|join| words(&join.sql)).collect())
        }
    };
    let sql = "SELECT DISTINCT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a \
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE c.relname = ANY ($1::pg_catalog.text[]) AND a.attnum > 0 AND NOT a.attisdropped \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    if !names.is_empty() {
        for row in client.query(sql, &[&names]).await? {
            known.push(row.try_get(0)?);
        }
    }
    let near = nearest(column, known.iter().map(String::as_str));
    Ok(match (near, qualifier, meant) {
        (Some(near), Some(qualifier), _) => Some(Near::One(format!("{qualifier}.{near}"))),
        (Some(near), None, _) => Some(Near::One(near.to_owned())),
        (None, _, Some(table)) if !known.is_empty() => Some(Near::Among {
            table,
            columns: known,
        }),
        (None, _, _) => None,
    })
}

fn columns_of(table: &Table) -> impl Iterator<Item = String> {
    table.columns.iter().map(|column| column.name.clone())
}

/// The table that a join gives this alias, or that is named so itself.
fn joined_as(join: &str, alias: &str) -> Option<String> {
    let tokens = tokens(join);
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        rest = after;
        if !matches!(first, Token::Ident(word, false) if word == "join" || word == "lateral" || word == "from")
        {
            continue;
        }
        // The schema before the table.
        while let [Token::Ident(_, true), after @ ..] = rest {
            rest = after;
        }
        let [Token::Ident(table, false), after @ ..] = rest else {
            continue;
        };
        let given = match after {
            [Token::Ident(word, _), Token::Ident(given, _), ..] if word == "as" => given,
            [Token::Ident(given, _), ..] if !["on", "using"].contains(&given.as_str()) => given,
            _ => table,
        };
        if given == alias {
            return Some(table.clone());
        }
    }
    None
}

/// All joins of the config.
fn joins(config: &Config) -> impl Iterator<Item = &Expr> {
    let message = config.message.as_ref().and_then(|message| message.join.as_ref());
    config
        .ticket
        .join
        .iter()
        .chain(message)
        .chain(config.attachments.iter().filter_map(|a| a.join.as_ref()))
}

fn words(sql: &str) -> Vec<String> {
    let word = |token| match token {
        Token::Ident(name, _) => Some(name),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(word).collect()
}

/// The nearest table of the database.
pub(super) async fn nearest_table(
    client: &Client,
    config: &Config,
    name: &str,
) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_class AS c \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
        AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> $1::pg_catalog.text";
    let rows = client.query(sql, &[&config.postgres.schema]).await?;
    let mut known: Vec<(String, String)> = Vec::with_capacity(rows.len());
    for row in &rows {
        known.push((row.try_get(0)?, row.try_get(1)?));
    }
    // The right name in another schema is the nearest of all.
    if let Some((schema, table)) = known.iter().find(|(_, table)| table == name) {
        return Ok(Some(format!("{schema}.{table}")));
    }
    let near = nearest(name, known.iter().map(|(_, table)| table.as_str())).map(str::to_owned);
    Ok(near
        .and_then(|near| known.iter().find(|(_, table)| *table == near))
        .map(|(schema, table)| format!("{schema}.{table}")))
}

#[cfg(test)]
mod tests {
    use super::joined_as;

    #[test]
    fn an_alias_of_a_join_is_its_table() {
        let join = "join public.users u on u.id = t.user_id\nleft join \"Teams\" as tm on tm.id = u.team cross join places";
        for (alias, table) in [("u", "users"), ("tm", "Teams"), ("places", "places")] {
            assert_eq!(joined_as(join, alias).as_deref(), Some(table));
        }
        for alias in ["x", "users", "on", "id"] {
            assert_eq!(joined_as(join, alias), None, "{alias}");
        }
        assert_eq!(joined_as("join lateral (select 1 as id) u on true", "u"), None);
    }
}
