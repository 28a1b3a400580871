//! `[reply]`, `[status]`, `[case]`.

use std::collections::BTreeMap;

use super::mapping::folder;
use super::read::Value;
use super::section::{Section, header};
use super::value::NAME_LENGTH;
use super::{Case, Expr, Reply, ReplyAttachments, ReplyPart, Status};

/// `[reply]`
pub(super) fn reply(section: &Section<'_>, has_message: bool) -> Option<Reply> {
    let both = part(section);
    let under = |key: &str, name: &'static str| {
        section
            .value(key)
            .and_then(|value| value.section(name))
            .map(|section| part(&section))
            .unwrap_or_default()
    };
    let agent = under("agent", "reply.agent");
    let customer = under("customer", "reply.customer");
    for (of, added) in [("reply.agent", &agent), ("reply.customer", &customer)] {
        for (column, expr) in &added.set {
            if both.set.iter().any(|(other, _)| other == column) {
                let hint = format!(
                    "`[{of}]` adds to `[reply]`: set it in `[reply.agent]` and `[reply.customer]` only"
                );
                section.reader.fault(
                    &expr.span,
                    format!("`{column}` is set in `[reply.set]` too"),
                    Some(hint),
                );
            }
        }
    }
    let parts = [&both, &agent, &customer];
    if !has_message && let Some((_, expr)) = parts.iter().find_map(|part| part.set.first()) {
        let hint = "without a message table, write by statements in `after`".to_owned();
        let message = "`set` makes a row of the message table, but there is no `[message]`";
        section.reader.fault(&expr.span, message, Some(hint));
    }
    let filter = section.constant("where");
    let attachments = section
        .value("attachments")
        .map_or(ReplyAttachments::Links, |value| attachments(&value));
    let files_dir = section.parsed("files_dir", folder);

    let named = |key: &str| section.value(key).is_some();
    if !["set", "after", "agent", "customer", "attachments"]
        .into_iter()
        .any(named)
    {
        let hint = "[reply.set] with column = expression, or `after` with statements".to_owned();
        section.reader.uncertain(
            &section.span,
            "`[reply]` writes nothing: neither `set` nor `after`",
            Some(hint),
        );
    }
    Some(Reply {
        both,
        agent,
        customer,
        filter,
        attachments,
        files_dir,
    })
}

/// `set` and `after`
fn part(section: &Section<'_>) -> ReplyPart {
    let set = section
        .value("set")
        .map(|value| assignments(&value))
        .unwrap_or_default();
    ReplyPart {
        set,
        after: section
            .value("after")
            .map(|value| within(&value))
            .unwrap_or_default(),
    }
}

/// Column = expression, in the file's order.
fn assignments(value: &Value<'_>) -> Vec<(String, Expr)> {
    let mut set: Vec<(String, Expr)> = Vec::new();
    for (key, span, expression) in value.entries().unwrap_or_default() {
        // The key is a column's exact name; quotes that are part of it are what SQL would take off.
        let column = match key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => key,
        };
        if column.is_empty() || column.len() > NAME_LENGTH || column.contains('\0') {
            value.reader().fault(
                &span,
                "not a column name",
                Some(format!("1 to {NAME_LENGTH} bytes")),
            );
            continue;
        }
        if expression.is_table() {
            let hint = format!("a column alone, without alias: {column} = \"...\"");
            value.reader().fault(
                &span,
                format!("`{column}` must be a column with an expression"),
                Some(hint),
            );
            continue;
        }
        let Some(expr) = expression.expr_or_constant() else {
            continue;
        };
        if set.iter().any(|(other, _)| *other == column) {
            value
                .reader()
                .fault(&span, format!("`{column}` is set twice"), None);
            continue;
        }
        set.push((column, expr));
    }
    set
}

/// `"links"`, `"json"`, or statements.
fn attachments(value: &Value<'_>) -> ReplyAttachments {
    match value.raw().map(str::trim) {
        Some("links") => ReplyAttachments::Links,
        Some("json") => ReplyAttachments::Json,
        Some(word) if !word.contains(char::is_whitespace) && !word.contains("${") => {
            let hint = match super::keys::nearest(word, &["links", "json"]) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "\"links\", \"json\", or statements: [\"insert into ...\"]".to_owned(),
            };
            value.fault("must be \"links\", \"json\" or statements", Some(hint));
            ReplyAttachments::Links
        }
        _ => {
            if value.items().is_empty() {
                value.fault("is empty", Some("\"links\", \"json\", or statements".to_owned()));
            }
            ReplyAttachments::Statements(within(value))
        }
    }
}

/// `[status]`
pub(super) fn status(section: &Section<'_>) -> Option<Status> {
    let sql = statements(
        section,
        "sql = [\"update tickets set status = :status where id = :ticket\"]",
    );
    let mut map = BTreeMap::new();
    if let Some(value) = section.value("map")
        && let Some(known) = value.section("status.map")
    {
        for key in super::keys::keys_of("status.map") {
            if let Some(word) = known.value(key).and_then(|value| value.word()) {
                map.insert((*key).to_owned(), word);
            }
        }
    }
    Some(Status { sql: sql?, map })
}

/// `[case]`
pub(super) fn case(section: &Section<'_>) -> Option<Case> {
    let sql = statements(
        section,
        "sql = [\"insert into tickets (subject) values (:subject) returning id\"]",
    );
    Some(Case { sql: sql? })
}

/// `sql`: at least one statement.
fn statements(section: &Section<'_>, example: &str) -> Option<Vec<Expr>> {
    let value = section.need("sql", example)?;
    if value.items().is_empty() {
        value.fault(
            "is empty",
            Some(format!(
                "leave `{}` out, or e.g. {example}",
                header(section.section_name())
            )),
        );
    }
    Some(within(&value))
}

/// What begins or ends a transaction.
const CONTROL: [&str; 9] = [
    "abort",
    "begin",
    "commit",
    "end",
    "prepare",
    "release",
    "rollback",
    "savepoint",
    "start",
];

/// Statements that run in one transaction of ours, which none of them may end: what came before would be committed alone, and
/// `check` would leave its rows behind.
fn within(value: &Value<'_>) -> Vec<Expr> {
    let exprs = value.exprs();
    for expr in &exprs {
        let word = first_word(&expr.sql).to_ascii_lowercase();
        if CONTROL.contains(&word.as_str()) {
            value.reader().fault(
                &expr.span,
                format!("`{}` is transaction control: `{word}`", expr.name),
                Some(
                    "take it out: all statements run in one transaction, which the connector commits"
                        .to_owned(),
                ),
            );
        }
    }
    exprs
}

/// The word that a statement begins with, behind comments and empty statements.
fn first_word(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if let Some(comment) = sql.strip_prefix("--") {
            sql = comment
                .find(['\n', '\r'])
                .and_then(|end| comment.get(end..))
                .unwrap_or_default();
        } else if sql.starts_with("/*") {
            let (mut depth, mut at) = (0u32, 0);
            while let Some(rest) = sql.get(at..).filter(|rest| !rest.is_empty()) {
                let (change, step) = match (rest.starts_with("/*"), rest.starts_with("*/")) {
                    (true, _) => (1, 2),
                    (_, true) => (-1, 2),
                    _ => (0, rest.chars().next().map_or(1, char::len_utf8)),
                };
                depth = depth.saturating_add_signed(change);
                at += step;
                if depth == 0 {
                    break;
                }
            }
            sql = sql.get(at..).unwrap_or_default();
        } else {
            let end = sql.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(sql.len());
            return sql.get(..end).unwrap_or_default();
        }
    }
}
