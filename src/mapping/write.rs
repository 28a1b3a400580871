//! Statements that write to the site: the user's SQL with each `:name` made a `$n` of its own (rule 16).

use std::collections::BTreeMap;

use super::lexer::{Token, tokens};
use super::shape::{Shape, key_values, quote_ident};
use super::value_sql;
use crate::config::{Expr, Reply, ReplyAttachments, ReplyPart};
use crate::model::{Kind, TicketKey};

/// The setting that carries the new row's key to the later statements of the same transaction.
pub const ROW_SETTING: &str = "deskie_cdc.row";

/// The names that `[reply]` knows, besides `:ticket_N` and `:row_N`.
pub const REPLY_NAMES: [&str; 21] = [
    "ticket",
    "kind",
    "text",
    "html",
    "markdown",
    "author_name",
    "author_email",
    "is_customer",
    "agent_email",
    "agent_id",
    "customer_email",
    "customer_name",
    "created_at",
    "message_id",
    "case_id",
    "case_number",
    "subject",
    "status",
    "via_rule",
    "attachments",
    "row",
];

/// The setting that carries the key of a ticket that `[case]` makes.
pub const TICKET_SETTING: &str = "deskie_cdc.ticket";

/// The names of one file, in the statements of `[reply] attachments`.
pub const FILE_NAMES: [&str; 6] = ["name", "url", "mime", "bytes", "size", "path"];

/// A `:name` that the section does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`:{name}` is not a parameter here")]
pub struct UnknownParameter {
    /// The name without its colon.
    pub name: String,
    /// The nearest one that is known.
    pub nearest: Option<String>,
}

/// A statement ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is in the config, e.g. `reply.set` or `reply.after[0]`.
    pub name: String,
    /// Pieces of SQL; between them stand the parameters.
    pieces: Vec<String>,
    /// The name of each parameter, in order.
    pub parameters: Vec<String>,
    /// Which parameters need a cast of their own, since Postgres cannot tell their type (42P18).
    casts: Vec<bool>,
}

impl Statement {
    /// The SQL with `$1`, `$2`, …
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        for (n, piece) in self.pieces.iter().enumerate() {
            sql.push_str(piece);
            if let (Some(name), Some(cast)) = (self.parameters.get(n), self.casts.get(n)) {
                match cast {
                    true => sql.push_str(&format!("(${}::{})", n + 1, own_type(name))),
                    false => sql.push_str(&format!("${}", n + 1)),
                }
            }
        }
        sql
    }

    /// Gives parameter `$number` its own type; false where it has it already.
    pub fn cast_parameter(&mut self, number: usize) -> bool {
        match number.checked_sub(1).and_then(|n| self.casts.get_mut(n)) {
            Some(cast) if !*cast => {
                *cast = true;
                true
            }
            _ => false,
        }
    }
}

/// The type that a parameter has where its place does not tell (contract: "Parameters").
fn own_type(name: &str) -> &'static str {
    match name {
        "created_at" => "pg_catalog.timestamptz",
        "attachments" => "pg_catalog.jsonb",
        "bytes" => "pg_catalog.bytea",
        "size" => "pg_catalog.int8",
        _ => "pg_catalog.text",
    }
}

/// Collects pieces and parameters.
#[derive(Default)]
struct Builder {
    pieces: Vec<String>,
    parameters: Vec<String>,
    open: String,
}

impl Builder {
    fn push(&mut self, sql: &str) {
        self.open.push_str(sql);
    }

    fn parameter(&mut self, name: &str) {
        self.pieces.push(std::mem::take(&mut self.open));
        self.parameters.push(name.to_owned());
    }

    /// Adds the user's SQL; `row` gives what `:row` and `:row_N` stand for.
    fn user_sql(&mut self, sql: &str, known: &[String], row: Option<&Shape>) -> Result<(), UnknownParameter> {
        self.user_sql_with(sql, known, |name| key_sql(name, "row", ROW_SETTING, row?))
    }

    /// Adds the user's SQL; `placed` gives what stands in a setting of the transaction.
    fn user_sql_with(
        &mut self,
        sql: &str,
        known: &[String],
        placed: impl Fn(&str) -> Option<String>,
    ) -> Result<(), UnknownParameter> {
        let mut done = 0;
        for token in tokens(sql) {
            let Token::Param(name, range) = token else {
                continue;
            };
            self.push(sql.get(done..range.start).unwrap_or_default());
            done = range.end;
            match placed(&name) {
                Some(value) => self.push(&value),
                None if known.contains(&name) => self.parameter(&name),
                None => {
                    let nearest = known
                        .iter()
                        .map(|candidate| (strsim::jaro_winkler(candidate, &name), candidate))
                        .filter(|(score, _)| *score > 0.7)
                        .max_by(|left, right| left.0.total_cmp(&right.0))
                        .map(|(_, candidate)| candidate.clone());
                    return Err(UnknownParameter { name, nearest });
                }
            }
        }
        self.push(sql.get(done..).unwrap_or_default());
        Ok(())
    }

    /// `t` is the ticket's row.
    fn of_ticket(&mut self, tickets: &Shape) {
        let columns = tickets
            .key
            .iter()
            .zip(tickets.key_casts())
            .zip(tickets.key_equals());
        for (n, ((column, cast), equals)) in columns.enumerate() {
            let and = if n > 0 { " and " } else { "" };
            self.push(&format!("{and}t.{} {equals} ", quote_ident(column)));
            self.parameter(&format!("ticket_{}", n + 1));
            self.push(&format!("::pg_catalog.text::{cast}"));
        }
    }

    fn finish(mut self, name: &str) -> Statement {
        self.pieces.push(self.open);
        // Of a function for texts and bytes alike Postgres would take the one for texts, and count the digits.
        let casts = self.parameters.iter().map(|name| name == "bytes").collect();
        Statement {
            name: name.to_owned(),
            pieces: self.pieces,
            parameters: self.parameters,
            casts,
        }
    }
}

/// What `:row` and `:row_N` (or `:ticket` and `:ticket_N`) stand for: the key that an earlier statement left in a setting
/// of the transaction, typed.
fn key_sql(name: &str, word: &str, setting: &str, shape: &Shape) -> Option<String> {
    let casts = shape.key_casts();
    let whole = format!("pg_catalog.current_setting('{setting}')");
    match (name.strip_prefix(word)?, casts.as_slice()) {
        ("", [cast]) => Some(format!("({whole}::{cast})")),
        ("", _) => Some(format!("({whole})")),
        (rest, many) => {
            let n: usize = rest.strip_prefix('_')?.parse().ok()?;
            let cast = many.get(n.checked_sub(1)?)?;
            Some(match many.len() {
                1 => format!("({whole}::{cast})"),
                _ => format!(
                    "(({whole}::pg_catalog.jsonb OPERATOR(pg_catalog.->>) {})::{cast})",
                    n - 1
                ),
            })
        }
    }
}

/// The key of the row that the INSERT has made, each column typed; null where the INSERT has left it empty.
pub(super) fn written_key(shape: &Shape) -> Vec<String> {
    (1..=shape.key.len())
        .filter_map(|n| key_sql(&format!("row_{n}"), "row", ROW_SETTING, shape))
        .map(|key| {
            format!("(case when pg_catalog.current_setting('{ROW_SETTING}') OPERATOR(pg_catalog.<>) '' then {key} end)")
        })
        .collect()
}

/// The statements of `[reply] attachments` for the first message of a ticket that `[case]` makes: `:ticket` is the new
/// ticket's key. `None`: they speak of `:row`, and there is no row of the message table.
pub fn files_of_birth(
    config: &Reply,
    tickets: &Shape,
) -> Result<Option<Vec<Statement>>, (Expr, UnknownParameter)> {
    let ReplyAttachments::Statements(exprs) = &config.attachments else {
        return Ok(Some(Vec::new()));
    };
    let mut names = reply_names(tickets, None);
    names.extend(FILE_NAMES.map(str::to_owned));
    let mut statements = Vec::new();
    for expr in exprs {
        let mut builder = Builder::default();
        let sql = expr.sql.trim().trim_end_matches(';');
        match builder.user_sql_with(sql, &names, |name| {
            key_sql(name, "ticket", TICKET_SETTING, tickets)
        }) {
            Ok(()) => statements.push(builder.finish(&expr.name)),
            Err(unknown) if unknown.name == "row" || unknown.name.starts_with("row_") => return Ok(None),
            Err(unknown) => return Err((expr.clone(), unknown)),
        }
    }
    Ok(Some(statements))
}

/// One statement of `[reply] after`, `[status]` or `[case]`.
pub fn statement(expr: &Expr, known: &[String], row: Option<&Shape>) -> Result<Statement, UnknownParameter> {
    let mut builder = Builder::default();
    builder.user_sql(expr.sql.trim().trim_end_matches(';'), known, row)?;
    Ok(builder.finish(&expr.name))
}

/// The user's statement, whose first columns are the key; it goes into a setting of the transaction.
pub fn keeping_the_key(sql: &str, tickets: &Shape) -> String {
    let names: Vec<String> = (1..=tickets.key.len()).map(|n| format!("k{n}")).collect();
    let key = match names.as_slice() {
        [one] => format!("r.{one}::pg_catalog.text"),
        many => {
            let parts: Vec<String> = many
                .iter()
                .map(|name| format!("r.{name}::pg_catalog.text"))
                .collect();
            format!(
                "pg_catalog.jsonb_build_array({})::pg_catalog.text",
                parts.join(", ")
            )
        }
    };
    format!(
        "with r ({}) as ({sql}\n) select pg_catalog.set_config('{TICKET_SETTING}', {key}, true) from r",
        names.join(", ")
    )
}

/// `t` is the row whose key stands in the setting, where there is one: an empty text is none. (NULLIF would find its `=`
/// by the path.)
pub fn has_the_key(tickets: &Shape) -> String {
    let value = format!("pg_catalog.current_setting('{TICKET_SETTING}', true)");
    let there = format!("case when pg_catalog.length({value}) OPERATOR(pg_catalog.>) 0 then {value} end");
    let casts = tickets.key_casts();
    let values: Vec<String> = casts
        .iter()
        .enumerate()
        .map(|(n, cast)| match casts.len() {
            1 => format!("({there})::{cast}"),
            _ => format!("(({there})::pg_catalog.jsonb OPERATOR(pg_catalog.->>) {n})::{cast}"),
        })
        .collect();
    tickets.key_is("t", &values)
}

/// The statements that write one Deskie message to the site, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The INSERT; it leaves the new row's key in [`ROW_SETTING`].
    pub insert: Option<Statement>,
    /// What follows.
    pub after: Vec<Statement>,
    /// Run once an attachment, then.
    pub files: Vec<Statement>,
    /// `[reply] where` as a statement that gives one boolean.
    pub filter: Option<Statement>,
}

/// The names known in `[reply]` for a ticket key of that many columns.
pub fn reply_names(ticket_shape: &Shape, message_shape: Option<&Shape>) -> Vec<String> {
    let mut names: Vec<String> = REPLY_NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.extend((1..=ticket_shape.key.len()).map(|n| format!("ticket_{n}")));
    names.extend((1..=message_shape.map_or(0, |shape| shape.key.len())).map(|n| format!("row_{n}")));
    if message_shape.is_none() {
        names.retain(|name| name != "row");
    }
    names
}

/// Compiles `[reply]` for one kind of author. `messages` is the table that rows go to.
pub fn reply(
    config: &Reply,
    kind: Kind,
    tickets: &Shape,
    messages: Option<&Shape>,
) -> Result<Batch, (Expr, UnknownParameter)> {
    let part: &ReplyPart = match kind {
        Kind::Agent => &config.agent,
        Kind::Customer => &config.customer,
    };
    let values = assignments(config, kind);
    let before_row = reply_names(tickets, None);
    let names = reply_names(tickets, messages);
    let insert = match messages {
        Some(messages) if !values.is_empty() => Some(insert(&values, tickets, messages, &before_row)?),
        _ => None,
    };
    let row = messages.filter(|_| insert.is_some());
    let after = config.both.after.iter().chain(&part.after);
    let after = after
        .map(|expr| statement(expr, &names, row).map_err(|fault| (expr.clone(), fault)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut of_files = names;
    of_files.extend(FILE_NAMES.map(str::to_owned));
    let files = match &config.attachments {
        ReplyAttachments::Statements(exprs) => exprs.as_slice(),
        ReplyAttachments::Links | ReplyAttachments::Json => &[],
    };
    let files = files
        .iter()
        .map(|expr| statement(expr, &of_files, row).map_err(|fault| (expr.clone(), fault)))
        .collect::<Result<Vec<_>, _>>()?;
    let filter = config.filter.as_ref().map(|expr| {
        let mut builder = Builder::default();
        builder.push("select coalesce((");
        builder
            .user_sql(&expr.sql, &before_row, None)
            .map_err(|fault| (expr.clone(), fault))?;
        builder.push(")::pg_catalog.bool, false)");
        Ok(builder.finish(&expr.name))
    });
    Ok(Batch {
        insert,
        after,
        files,
        filter: filter.transpose()?,
    })
}

fn insert(
    values: &[(&String, &Expr)],
    tickets: &Shape,
    messages: &Shape,
    names: &[String],
) -> Result<Statement, (Expr, UnknownParameter)> {
    let columns: Vec<String> = values.iter().map(|(column, _)| quote_ident(column)).collect();
    let mut builder = Builder::default();
    builder.push(&format!(
        "with r as (insert into {} ({}) select ",
        messages.sql(),
        columns.join(", ")
    ));
    for (n, (_, expr)) in values.iter().enumerate() {
        if n > 0 {
            builder.push(", ");
        }
        // A parameter that stands alone takes the column's type; parentheses around it do not matter to Postgres.
        builder
            .user_sql(&value_sql(expr, "t", tickets), names, None)
            .map_err(|fault| ((*expr).clone(), fault))?;
    }
    builder.push(&format!(" from {} t where ", tickets.sql()));
    builder.of_ticket(tickets);
    builder.push(&format!(
        " returning {} as k) select pg_catalog.set_config('{ROW_SETTING}', r.k, true) from r",
        messages.key_sql(&quote_ident(&messages.relation.table))
    ));
    Ok(builder.finish("reply.set"))
}

/// What a column of `[reply.set]` would be given, as text: one output, for the ticket's row.
pub fn value(expr: &Expr, tickets: &Shape) -> Result<Statement, UnknownParameter> {
    let names = reply_names(tickets, None);
    let mut builder = Builder::default();
    builder.push("select (");
    builder.user_sql(&value_sql(expr, "t", tickets), &names, None)?;
    builder.push(&format!(")::pg_catalog.text from {} t where ", tickets.sql()));
    builder.of_ticket(tickets);
    Ok(builder.finish(&expr.name))
}

/// The columns that `[reply]` sets for one kind of author, each with its expression.
pub fn assignments(config: &Reply, kind: Kind) -> Vec<(&String, &Expr)> {
    let part: &ReplyPart = match kind {
        Kind::Agent => &config.agent,
        Kind::Customer => &config.customer,
    };
    let mut values: Vec<(&String, &Expr)> = Vec::new();
    for (column, expr) in config.both.set.iter().chain(&part.set) {
        values.retain(|(other, _)| *other != column);
        values.push((column, expr));
    }
    values
}

/// The values of the parameters, as text; a name that is absent is NULL. Its `Debug` tells the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Parameters {
    /// Sets one value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        // Postgres's text cannot hold NUL.
        self.0.insert(name.to_owned(), value.into().replace('\0', ""));
    }

    /// One value; `None`: it is NULL.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Takes over one value of others, be it NULL.
    pub fn copy(&mut self, name: &str, others: &Parameters) {
        match others.get(name) {
            Some(value) => self.set(name, value),
            None => drop(self.0.remove(name)),
        }
    }

    /// Sets `:ticket` and `:ticket_N`.
    pub fn set_ticket(&mut self, key: &TicketKey, columns: usize) {
        self.set("ticket", key.as_str());
        for (n, value) in key_values(key.as_str(), columns)
            .into_iter()
            .flatten()
            .enumerate()
        {
            self.set(&format!("ticket_{}", n + 1), value);
        }
    }

    /// The value of each parameter of `statement`, in order.
    pub fn of(&self, statement: &Statement) -> Vec<Option<String>> {
        statement
            .parameters
            .iter()
            .map(|name| self.0.get(name).cloned())
            .collect()
    }
}
