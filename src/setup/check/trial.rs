//! The write-back on the newest ticket, for agents and customers, in a transaction that is rolled back. As the real one
//! it goes to the server as one pipelined batch, so that no lock on the site's row outlives a round trip (rule 2).

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::{Checks, astray, clock, lacking, mapping};
use crate::config::Config;
use crate::mapping::read::{self, MESSAGE_OUTPUTS, Reading};
use crate::mapping::shape::{Shape, key_values};
use crate::mapping::{Parameters, Source, Statement, write};
use crate::model::{Kind, TicketKey, clock::now};
use crate::postgres::site::prepare_typed;
use crate::postgres::{ConnectUrl, SessionOptions, TextParam, describe, quote_ident, site};
use crate::setup::error::SetupError;
use crate::setup::mapped::Mapped;

/// One statement of the trial.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) statement: tokio_postgres::Statement,
    pub(super) values: Vec<TextParam>,
    pub(super) role: Role,
}

/// What the trial is made on; last the new row and the key of its ticket, as the mapping reads them.
type Tables<'a> = (
    &'a Config,
    &'a Shape,
    Option<&'a Shape>,
    Option<&'a (Reading, Reading)>,
);

/// What a statement of the trial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It has to meet a row.
    Lock,
    Write,
    /// Makes the new row.
    Insert,
    /// Reads the new row as the mapping would read it of the site's own.
    ReadBack,
    /// Reads the key of the ticket that the new row belongs to, when all is written.
    TicketOf,
    /// `[case]`: gives the key of a ticket.
    Born,
}

/// What a statement of the trial gave.
pub(super) enum Met {
    Count(u64),
    Rows(Vec<Row>),
}

pub(super) async fn write_back(
    config: &Config,
    url: &ConnectUrl,
    options: &SessionOptions,
    mapped: &Mapped,
    found: &mut Checks,
) -> Result<(), SetupError> {
    let Some(reply) = &config.reply else {
        found.warn(
            ("write-back", "no_reply"),
            "there is no [reply]: Deskie's answers are not written to the site",
            "add [reply.set] (docs/mapping.md), or leave it so if the customers read Deskie's e-mails alone",
        );
        return Ok(());
    };
    let tickets = mapped.table("ticket").and_then(|table| table.shape.as_ref());
    let (Some(tickets), Some(batches)) = (tickets, &mapped.reply) else {
        mapping::missing_columns(reply, mapped, found);
        return Ok(());
    };
    if mapped.faults.iter().any(|fault| !fault.not_the_config) {
        mapping::missing_columns(reply, mapped, found);
        found.warn("write-back", "not tried", "mend the mapping first");
        return Ok(());
    }
    let options = options
        .clone()
        .with_idle_in_transaction_timeout(Duration::from_secs(2));
    let client = crate::postgres::connect(url, &options).await?;
    let newest = match newest_ticket(&client, config, tickets).await {
        Ok(newest) => newest,
        Err(error) => {
            mapping::missing_columns(reply, mapped, found);
            return Err(error);
        }
    };
    let Some(key) = newest else {
        mapping::missing_columns(reply, mapped, found);
        found.ok("write-back", "not tried: there is no ticket yet");
        return Ok(());
    };
    let messages = mapped.table("message").and_then(|table| table.shape.as_ref());
    // A list's new message is not the row that was written.
    let back = match (&config.message, messages) {
        (Some(message), Some(shape)) if message.expand.is_none() => Some((
            read::message(message, &config.ticket, shape, tickets, Source::Written),
            read::ticket_key_reading(message, shape, tickets, Source::Written),
        )),
        _ => None,
    };
    astray::aimless(config, found);
    astray::quoted(config, found);
    let mut all_well = true;
    for (kind, batch) in [Kind::Agent, Kind::Customer].into_iter().zip(batches) {
        let statements: Vec<Statement> = batch
            .insert
            .iter()
            .chain(&batch.after)
            .chain(&batch.files)
            .cloned()
            .collect();
        all_well &= attempt(
            &client,
            (config, tickets, messages, back.as_ref()),
            &key,
            kind,
            None,
            statements,
            found,
        )
        .await?;
    }
    if let Some(status) = &config.status {
        let names = write::reply_names(tickets, None);
        for word in ["open", "waiting", "closed"] {
            let value = match status.map.get(word) {
                Some(value) => value.as_str(),
                None if status.map.is_empty() => word,
                // It is left out.
                None => continue,
            };
            let statements = status
                .sql
                .iter()
                .filter_map(|expr| write::statement(expr, &names, None).ok())
                .collect();
            all_well &= attempt(
                &client,
                (config, tickets, None, None),
                &key,
                Kind::Agent,
                Some(value),
                statements,
                found,
            )
            .await?;
        }
    }
    all_well &= astray::born(&client, config, tickets, &key, found).await?;
    if all_well {
        found.ok(
            "write-back",
            format!("tried on the ticket {key} for an agent and a customer, and rolled back"),
        );
    } else {
        mapping::missing_columns(reply, mapped, found);
    }
    Ok(())
}

/// The newest ticket; where answers are rows of the tickets' own table, the newest one that is none.
async fn newest_ticket(
    client: &Client,
    config: &Config,
    tickets: &Shape,
) -> Result<Option<TicketKey>, SetupError> {
    let order: Vec<String> = tickets
        .key
        .iter()
        .map(|column| format!("t.{} desc", quote_ident(column)))
        .collect();
    let ticket = &config.ticket;
    let is_shared = config
        .message
        .as_ref()
        .is_some_and(|message| message.table == ticket.table && message.expand.is_none());
    let (join, filter) = match &ticket.filter {
        Some(filter) if is_shared => (
            ticket.join.as_ref().map_or("", |join| join.sql.as_str()),
            format!(
                "where {}::pg_catalog.bool",
                read::condition(Some(filter), "t", tickets)
            ),
        ),
        _ => ("", String::new()),
    };
    let sql = format!(
        "select {} from {} t {join} {filter} order by {} limit 1",
        tickets.key_sql("t"),
        tickets.sql(),
        order.join(", ")
    );
    let rows = site::query_sql(client, &sql, &[]).await?;
    Ok(rows
        .first()
        .map(|row| row.try_get::<_, String>(0))
        .transpose()?
        .map(TicketKey))
}

/// The text of the trial's reply.
const SAMPLE_TEXT: &str = "deskie-cdc check";

/// Values such as a real message brings.
pub fn sample_parameters(key: &TicketKey, columns: usize, kind: Kind, status: Option<&str>) -> Parameters {
    let mut parameters = Parameters::default();
    parameters.set_ticket(key, columns);
    for (name, value) in [
        ("kind", kind.as_str()),
        ("text", SAMPLE_TEXT),
        ("html", "<p>deskie-cdc check</p>"),
        ("markdown", SAMPLE_TEXT),
        (
            "author_name",
            if kind == Kind::Customer {
                "Sample Customer"
            } else {
                "Sample Agent"
            },
        ),
        (
            "author_email",
            if kind == Kind::Customer {
                "customer@example.com"
            } else {
                "agent@example.com"
            },
        ),
        (
            "is_customer",
            if kind == Kind::Customer { "true" } else { "false" },
        ),
        ("customer_email", "customer@example.com"),
        ("customer_name", "Sample Customer"),
        ("message_id", "1"),
        ("case_id", "1"),
        ("case_number", "000-001"),
        ("subject", "deskie-cdc check"),
        ("status", status.unwrap_or("open")),
        ("via_rule", "false"),
        ("attachments", "[]"),
        ("name", "check.txt"),
        ("url", "https://example.com/check.txt"),
        ("mime", "text/plain"),
        ("bytes", "\\x00"),
        ("size", "1"),
    ] {
        parameters.set(name, value);
    }
    parameters.set("created_at", now().to_string());
    if kind == Kind::Agent {
        parameters.set("agent_id", "1");
        parameters.set("agent_email", "agent@example.com");
    }
    parameters
}

/// True where it would have been written.
async fn attempt(
    client: &Client,
    (config, tickets, messages, back): Tables<'_>,
    key: &TicketKey,
    kind: Kind,
    status: Option<&str>,
    statements: Vec<Statement>,
    found: &mut Checks,
) -> Result<bool, SetupError> {
    let mut parameters = sample_parameters(key, tickets.key.len(), kind, status);
    if let Some(folder) = config.reply.as_ref().and_then(|reply| reply.files_dir.as_ref()) {
        parameters.set("path", folder.join("1-1-check.txt").display().to_string());
    }
    let lock = format!(
        "select 1 from {} t where {} for no key update",
        tickets.sql(),
        tickets.key_condition("t", 1)
    );
    let what = match status {
        Some(status) => format!("the status `{status}`"),
        None => format!("a reply of kind `{}`", kind.as_str()),
    };
    let mut parts = Vec::with_capacity(statements.len() + 1);
    let values = key_values(key.as_str(), tickets.key.len()).unwrap_or_default();
    parts.push(Part {
        name: "locking the ticket".to_owned(),
        sql: lock.clone(),
        statement: site::prepare(client, &lock).await?,
        values: values.into_iter().map(TextParam::new).collect(),
        role: Role::Lock,
    });
    let mut last = Vec::new();
    for mut statement in statements {
        let is_insert = statement.name == "reply.set";
        let prepared = match prepare_typed(client, &mut statement).await {
            Ok(prepared) => prepared,
            Err(error) => {
                let sql = statement.sql();
                failed(client, &what, (&statement.name, &sql), &error, found).await?;
                return Ok(false);
            }
        };
        parts.push(Part {
            name: statement.name.clone(),
            sql: statement.sql(),
            values: parameters.of(&statement).into_iter().map(TextParam).collect(),
            statement: prepared,
            role: if is_insert { Role::Insert } else { Role::Write },
        });
        if let Some((reading, ticket_of)) = back.filter(|_| is_insert) {
            for (reading, role) in [(reading, Role::ReadBack), (ticket_of, Role::TicketOf)] {
                last.push(Part {
                    name: "reading the new row".to_owned(),
                    sql: reading.sql.clone(),
                    statement: site::prepare(client, &reading.sql).await?,
                    values: Vec::new(),
                    role,
                });
            }
            // What follows may take the row away: it is asked for its ticket when all is written.
            let ticket_of = last.pop();
            parts.append(&mut last);
            last.extend(ticket_of);
        }
    }
    parts.append(&mut last);
    let results = run(client, &parts).await;
    let (before, mut is_there) = (found.0.len(), false);
    for (n, result) in results.into_iter().enumerate() {
        let part = parts.get(n);
        match result {
            Ok(Met::Rows(rows)) if part.is_some_and(|part| part.role == Role::TicketOf) => {
                astray::in_its_ticket((kind, key), tickets, (is_there, &rows), found)?;
            }
            Ok(Met::Rows(rows)) => {
                is_there = rows.len() == 1;
                let told = config
                    .message
                    .as_ref()
                    .is_some_and(|message| message.author.is_some());
                read_back((kind, told), &rows, found)?;
                clock::of_reply(client, config, kind, &rows, found).await?;
            }
            Ok(Met::Count(0)) if part.is_some_and(|part| part.role == Role::Lock) => {
                found.fail(
                    "write-back",
                    format!(
                        "{what}: the newest ticket {key} cannot be locked: row security hides it from UPDATE"
                    ),
                    "give the connector's user an UPDATE policy on the ticket table, or BYPASSRLS",
                );
                return Ok(false);
            }
            Ok(Met::Count(0)) if part.is_some_and(|part| part.role == Role::Insert) => {
                astray::no_row(client, &what, messages, found).await?;
                return Ok(false);
            }
            Ok(Met::Count(_)) => {}
            Err(error) => {
                let (name, sql) = part.map_or(("the transaction's end", ""), |part| (&part.name, &part.sql));
                failed(client, &what, (name, sql), &error, found).await?;
                return Ok(false);
            }
        }
    }
    Ok(found.0.len() == before)
}

/// What the site, and we ourselves, would take the new row for. `told`: the mapping says who
/// wrote a row; where it does not, all of the site's own are the customers', and only ours are known by themselves.
fn read_back((kind, told): (Kind, bool), rows: &[Row], found: &mut Checks) -> Result<(), SetupError> {
    let what = format!(
        "a reply of kind `{}`, read back as a row of the site's",
        kind.as_str()
    );
    let [row] = rows else {
        let (gives, mend) = match rows.len() {
            0 => (
                "no row",
                "let [reply.set] give what [message] join and ticket look for",
            ),
            _ => (
                "several rows",
                "mend [message] join: it gives several rows for one",
            ),
        };
        found.warn(
            ("reply read back", "reply_hidden"),
            format!("{what}: the joins of [message] give {gives}"),
            mend,
        );
        return Ok(());
    };
    let output = |name: &str| -> Result<Option<String>, SetupError> {
        match MESSAGE_OUTPUTS.iter().position(|known| *known == name) {
            Some(place) => Ok(row.try_get(place)?),
            None => Ok(None),
        }
    };
    let author = output("author")?.unwrap_or_else(|| "customer".to_owned());
    let is_shown = output("where")?.as_deref() == Some("true");
    match author.trim() {
        author if author == kind.as_str() || !told => {}
        // A site may keep our rows apart.
        "skip" => {}
        other => found.fail(
            ("reply read back", "reply_other_author"),
            format!("{what}: [message] author says `{other}`, so the site shows it as another's"),
            "let [reply.set] give the columns by which [message] author tells who wrote it",
        ),
    }
    if !is_shown && author.trim() != "skip" {
        found.warn(
            ("reply read back", "reply_left_out"),
            format!("{what}: [message] where leaves it out, so the site may not show it to the customer"),
            "let [reply.set] give the columns that [message] where asks for; nothing, if it keeps such rows apart",
        );
    }
    if !output("body")?.is_some_and(|body| body.contains(SAMPLE_TEXT)) {
        found.warn(
            ("reply read back", "reply_other_text"),
            format!("{what}: [message] body is not the text that was written"),
            "let [reply.set] give `:text` or `:html` to the column that [message] body reads",
        );
    }
    Ok(())
}

/// Rows met by each part, and by the deferred constraints; the first error is the cause.
pub(super) async fn run(client: &Client, parts: &[Part]) -> Vec<Result<Met, tokio_postgres::Error>> {
    // All of it is the site's own work, on the site's path until the ROLLBACK.
    let begin = format!("begin; savepoint trial; {}", site::ENTER_LOCAL);
    let mut sent: Vec<BoxFuture<'_, Result<Met, tokio_postgres::Error>>> =
        Vec::with_capacity(parts.len() + 3);
    sent.push(Box::pin(async {
        client.batch_execute(&begin).await.map(|()| Met::Count(1))
    }));
    for part in parts {
        sent.push(Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> = part
                .values
                .iter()
                .map(|value| value as &(dyn ToSql + Sync))
                .collect();
            match part.role {
                Role::ReadBack | Role::TicketOf | Role::Born => {
                    client.query(&part.statement, &values).await.map(Met::Rows)
                }
                Role::Lock | Role::Write | Role::Insert => {
                    client.execute(&part.statement, &values).await.map(Met::Count)
                }
            }
        }));
    }
    sent.push(Box::pin(async {
        client
            // The savepoint is there as long as the transaction is the one that was begun.
            .batch_execute("set constraints all immediate; release savepoint trial")
            .await
            .map(|()| Met::Count(1))
    }));
    sent.push(Box::pin(async {
        client.batch_execute("rollback").await.map(|()| Met::Count(1))
    }));
    let mut results = join_all(sent).await;
    results.pop();
    drop(results.remove(0));
    results
}

async fn failed(
    client: &Client,
    what: &str,
    (name, sql): (&str, &str),
    error: &tokio_postgres::Error,
    found: &mut Checks,
) -> Result<(), SetupError> {
    let message = format!("{what} could not be written: {name}: {}", describe(error));
    let Some(database) = error.as_db_error() else {
        found.fail("write-back", message, "see the server's log");
        return Ok(());
    };
    let mend = match database.code().code() {
        // Row security has the code of a missing right; where it was found out tells them apart in any language.
        "42501" if database.routine() == Some("ExecWithCheckOptions") => {
            "row security refuses the row: give the connector's user a policy for it (create policy … for insert … with check \
             …), or BYPASSRLS"
                .to_owned()
        }
        "42501" => {
            let usual: &[&str] = match name {
                "reply.set" => &["insert"],
                "locking the ticket" => &["select", "update"],
                _ => &["select", "insert", "update"],
            };
            lacking::grant(client, (sql, usual), database).await?
        }
        "25006" => {
            "the session is read-only: alter role … set default_transaction_read_only = off (or the database's), or name the \
             primary in postgres.url"
                .to_owned()
        }
        "3B001" | "25P01" => {
            "LOOK AT THE TABLES: a statement has ended the trial's transaction, and what was written may stand there as \
             `deskie-cdc check`; take it out of the config"
                .to_owned()
        }
        "23502" => "set that column in [reply.set], or give it a default".to_owned(),
        "23503" | "23505" | "23514" | "22P02" => {
            format!("mend `{name}` in the config: it gives a value that the site's table does not take")
        }
        "55P03" => "somebody holds a lock on that ticket; run check again".to_owned(),
        _ => match database.hint() {
            Some(hint) => hint.to_owned(),
            None => format!("mend `{name}` in the config, or what the site's triggers do"),
        },
    };
    let inside = database
        .where_()
        .and_then(|place| place.lines().find(|line| line.contains("function")));
    let message = match inside {
        Some(inside) => format!("{message}; in {}", inside.trim()),
        None => message,
    };
    found.fail("write-back", message, mend);
    Ok(())
}
