//! What a write-back would do to others than the ticket that is answered: it stands in another's, or is taken away, or changes all.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::Checks;
use super::trial::{Met, Part, Role, run, sample_parameters};
use crate::config::Config;
use crate::mapping::lexer::{Token, tokens};
use crate::mapping::shape::{Shape, key_values};
use crate::mapping::write;
use crate::model::{Kind, TicketKey};
use crate::postgres::site::prepare_typed;
use crate::postgres::{TextParam, qualified, site};
use crate::setup::error::SetupError;

/// Whether the new row is there when all is written, and belongs to the ticket that was answered: nobody reads another's answer.
pub(super) fn in_its_ticket(
    (kind, key): (Kind, &TicketKey),
    tickets: &Shape,
    (was_there, rows): (bool, &[Row]),
    found: &mut Checks,
) -> Result<(), SetupError> {
    let what = format!(
        "a reply of kind `{}`, read back as a row of the site's",
        kind.as_str()
    );
    let Some(row) = rows.first() else {
        if was_there {
            found.fail(
                ("reply read back", "reply_deleted"),
                format!("{what}: what follows the INSERT has taken it away again"),
                "let [reply] after, or the site's triggers, keep the row",
            );
        }
        return Ok(());
    };
    let cells: Vec<Option<String>> = (0..row.len()).map(|n| row.try_get(n)).collect::<Result<_, _>>()?;
    let wanted = key_values(key.as_str(), tickets.key.len()).unwrap_or_default();
    if !cells
        .iter()
        .map(Option::as_deref)
        .eq(wanted.iter().map(|value| Some(value.as_str())))
    {
        let given = cells
            .iter()
            .map(|cell| cell.as_deref().unwrap_or("NULL"))
            .collect::<Vec<_>>();
        found.fail(
            ("reply read back", "reply_other_ticket"),
            format!(
                "{what}: it was written to the ticket {key}, and [message] ticket says {}: answers would stand in another \
                 customer's ticket",
                given.join(", ")
            ),
            "let [reply.set] give `:ticket` to the column that [message] ticket reads, and see what the table's triggers make of it",
        );
    }
    Ok(())
}

/// The INSERT met no row: who may have kept it from being written.
pub(super) async fn no_row(
    client: &Client,
    what: &str,
    messages: Option<&Shape>,
    found: &mut Checks,
) -> Result<(), SetupError> {
    let sql = "SELECT pg_catalog.quote_ident(t.tgname) || ' (' || t.tgfoid::pg_catalog.regproc::pg_catalog.text || ')'
        FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = pg_catalog.to_regclass($1::pg_catalog.text)
          AND NOT t.tgisinternal AND t.tgtype & 7 = 7 ORDER BY t.tgname";
    let table = messages.map(|shape| qualified(&shape.relation));
    let rows = client.query(sql, &[&table]).await?;
    let triggers: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let who = match triggers.is_empty() {
        true => "it has no trigger before an INSERT: row security hides the ticket or the new row".to_owned(),
        false => format!("a trigger before it has returned NULL: {}", triggers.join(", ")),
    };
    found.fail(
        ("write-back", "no_row_written"),
        format!("{what}: the INSERT of [reply.set] gave no row: {who}"),
        "let the trigger return the row for the connector's user, or write by other statements: [reply] after",
    );
    Ok(())
}

/// What tells an internal note from an answer may stand in rows of another table that name the message: `where` decides when the
/// message is committed, and sees them only if they are committed with it.
pub(super) fn late(config: &Config, messages: Option<&Shape>, found: &mut Checks) {
    let (Some(message), Some(shape)) = (&config.message, messages) else {
        return;
    };
    if !config.capture.settle.is_zero() || message.expand.is_some() {
        return;
    }
    let of_join = message
        .join
        .as_ref()
        .map(|join| tokens(&join.sql))
        .unwrap_or_default();
    for expr in message.filter.iter().chain(&message.author) {
        let own = tokens(&expr.sql);
        let asks = own
            .iter()
            .any(|token| matches!(token, Token::Ident(word, false) if word == "select"));
        let joined = own.iter().any(|token| {
            matches!(token, Token::Ident(alias, true) if alias != "m" && alias != "t" && of_join.iter().any(
                |joined| matches!(joined, Token::Ident(name, false) if name == alias)))
        });
        if asks && names_key(&own, shape) || joined && names_key(&of_join, shape) {
            found.warn(
                ("mapping", "later_rows"),
                format!(
                    "{} reads rows of another table that belong to the message: where the site commits them after it, an internal \
                     note has been sent by then",
                    expr.name
                ),
                "[capture] settle = \"2s\", or longer than that takes; nothing, if both are written in one transaction",
            );
        }
    }
}

/// Whether the message's own key is named, by its alias.
fn names_key(tokens: &[Token], messages: &Shape) -> bool {
    tokens.windows(2).any(|pair| {
        matches!(pair, [Token::Ident(alias, true), Token::Ident(name, _)] if alias == "m" && messages.key.contains(name))
    })
}

/// Values of `[status] map` are words, and no SQL.
pub(super) fn quoted(config: &Config, found: &mut Checks) {
    let map = config.status.iter().flat_map(|status| &status.map);
    for (word, value) in map {
        let inner = value
            .trim()
            .strip_prefix('\'')
            .and_then(|value| value.strip_suffix('\''));
        if let Some(inner) = inner {
            found.warn(
                ("write-back", "status_quoted"),
                format!("[status] map gives words, and no SQL: `{word}` would be written as {value}, with its quotes"),
                format!("{word} = {}", toml::Value::String(inner.replace("''", "'"))),
            );
        }
    }
}

/// Statements that change rows and say of none whose: they change those of all tickets.
pub(super) fn aimless(config: &Config, found: &mut Checks) {
    let reply = config.reply.iter();
    let after = reply.flat_map(|reply| {
        reply
            .both
            .after
            .iter()
            .chain(&reply.agent.after)
            .chain(&reply.customer.after)
    });
    for expr in after.chain(config.status.iter().flat_map(|status| &status.sql)) {
        let tokens = tokens(&expr.sql);
        let changes =
            matches!(tokens.first(), Some(Token::Ident(word, false)) if word == "update" || word == "delete");
        let aims = |token: &Token| {
            let Token::Param(name, _) = token else {
                return false;
            };
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
            [
                "ticket",
                "row",
                "case_id",
                "case_number",
                "message_id",
                "customer_email",
            ]
            .contains(&name)
        };
        if changes && !tokens.iter().any(aims) {
            found.warn(
                ("write-back", "touches_all_rows"),
                format!(
                    "`{}` names neither :ticket nor :row: it changes the rows of all tickets",
                    expr.name
                ),
                "say whose row it is: … where id = :ticket",
            );
        }
    }
}

/// `[case]` on a case of nobody's: what it gives must not have been there before. What a case of a real customer would need may be
/// lacking, so that nothing else is said of it.
pub(super) async fn born(
    client: &Client,
    config: &Config,
    tickets: &Shape,
    key: &TicketKey,
    found: &mut Checks,
) -> Result<bool, SetupError> {
    let Some(case) = &config.case else { return Ok(true) };
    let parameters = sample_parameters(key, tickets.key.len(), Kind::Customer, None);
    let mut names = write::reply_names(tickets, None);
    names.retain(|name| name != "ticket" && !name.starts_with("ticket_"));
    let mut parts = Vec::new();
    for (n, expr) in case.sql.iter().enumerate() {
        let Ok(mut statement) = write::statement(expr, &names, None) else {
            return Ok(true);
        };
        let Ok(_) = prepare_typed(client, &mut statement).await else {
            return Ok(true);
        };
        let is_last = n + 1 == case.sql.len();
        let sql = match is_last {
            true => write::keeping_the_key(&statement.sql(), tickets),
            false => statement.sql(),
        };
        let Ok(prepared) = site::prepare(client, &sql).await else {
            return Ok(true);
        };
        parts.push(Part {
            name: expr.name.clone(),
            sql,
            values: parameters.of(&statement).into_iter().map(TextParam).collect(),
            statement: prepared,
            role: if is_last { Role::Born } else { Role::Write },
        });
    }
    let results = run(client, &parts).await;
    let given = parts.iter().zip(results).find_map(|(part, result)| match result {
        Ok(Met::Rows(rows)) if part.role == Role::Born => Some(rows),
        _ => None,
    });
    let Some([row]) = given.as_deref() else {
        return Ok(true);
    };
    let Some(born) = row.try_get::<_, Option<String>>(0)? else {
        return Ok(true);
    };
    // It is rolled back: what is there now was there before.
    let Some(values) = key_values(&born, tickets.key.len()) else {
        return Ok(true);
    };
    let sql = format!(
        "select 1 from {} t where {}",
        tickets.sql(),
        tickets.key_condition("t", 1)
    );
    let values: Vec<TextParam> = values.into_iter().map(TextParam::new).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    if site::query_sql(client, &sql, &values).await?.is_empty() {
        return Ok(true);
    }
    found.fail(
        ("write-back", "case_is_no_new_ticket"),
        format!("[case] gives the ticket {born}, which was there before: a case would become another customer's ticket"),
        "let the last statement of [case] be the INSERT into the ticket table, with `returning` its key",
    );
    Ok(false)
}
