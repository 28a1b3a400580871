//! `plan`: what the mapping makes of rows as they stand in the tables, and the calls that they would cause.
//!
//! Reads only: the session is read-only, nothing is called. A row is taken as if the site had just written it, so what
//! depends on its time (`[capture] max_age`, the connector's start) is not applied. Of our own state, where there is any,
//! two things are asked: which tickets have a case already, and which rows are known.

mod call;
mod reply;
mod rows;
mod verdict;

use serde::Serialize;
use serde_json::{Map, Value};

use super::output::{one_line, print, print_json, width};
use super::{Failure, connect_url, failed};
use crate::config::Config;
use crate::model::Section;
use crate::postgres::{SessionOptions, connect};
use crate::setup::SetupError;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The newest rows of each mapped table.
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "ticket",
          value_parser = clap::value_parser!(i64).range(1..=1000))]
    last: i64,
    /// One ticket with its messages.
    #[arg(long, value_name = "KEY")]
    ticket: Option<String>,
    /// What a reply with this text would write to that ticket, instead of what the rows would cause.
    #[arg(long, value_name = "TEXT", requires = "ticket")]
    reply: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// One row and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Planned {
    /// `ticket` or `message`.
    section: Section,
    /// The row's key.
    key: String,
    /// Its ticket's key.
    ticket: Option<String>,
    /// What each mapped expression gave.
    values: Map<String, Value>,
    /// What becomes of it.
    #[serde(flatten)]
    outcome: Foreseen,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Foreseen {
    /// The calls, or why there is none.
    result: Fate,
    /// Why.
    why: String,
    /// What the call carries.
    #[serde(skip_serializing_if = "Map::is_empty")]
    parameters: Map<String, Value>,
    /// Long texts go as several messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
}

/// The call, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    /// A case is opened.
    CreateCase,
    /// A message is added.
    AddMessage,
    /// A note is added.
    AddNote,
    /// It has been dealt with: it stands in Deskie, came from there, or was passed over.
    Known,
    /// It is not for Deskie.
    Skipped,
    /// Something is not there yet.
    Waits,
    /// A person must look.
    Parked,
}

impl Fate {
    fn as_str(self) -> &'static str {
        match self {
            Fate::CreateCase => "create_case",
            Fate::AddMessage => "add_message",
            Fate::AddNote => "add_note",
            Fate::Known => "known",
            Fate::Skipped => "skipped",
            Fate::Waits => "waits",
            Fate::Parked => "would be parked",
        }
    }
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let statements = config
        .capture
        .session
        .iter()
        .map(|statement| statement.sql.clone())
        .collect();
    let options = SessionOptions::new("plan").with_statements(statements);
    let client = connect(&connect_url(config)?, &options)
        .await
        .map_err(|error| Failure::Failed(SetupError::from(error).to_string()))?;
    client
        .batch_execute("set default_transaction_read_only to on")
        .await
        .map_err(failed)?;
    if let (Some(text), Some(ticket)) = (&arguments.reply, &arguments.ticket) {
        let planned = reply::plan(config, &client, ticket, text).await?;
        return match arguments.json {
            true => print_json(&planned),
            false => print(&reply_text(&planned, ticket)),
        };
    }
    let known = match super::store(config) {
        Ok(store) if store.is_set_up().await.unwrap_or(false) => Some(store),
        _ => None,
    };
    let planned = rows::plan(config, &client, known.as_ref(), arguments).await?;
    if arguments.json {
        return print_json(&planned);
    }
    print(&text(&planned))
}

/// What the mapping makes of the newest tickets and messages, for a draft that is only tried.
pub(super) async fn preview(
    config: &Config,
    client: &tokio_postgres::Client,
    last: i64,
) -> Result<String, Failure> {
    let arguments = Arguments {
        last,
        ticket: None,
        reply: None,
        json: false,
    };
    Ok(text(&rows::plan(config, client, None, &arguments).await?))
}

fn text(planned: &[Planned]) -> String {
    if planned.is_empty() {
        return "the mapped tables have no rows\n".into();
    }
    let columns = width().unwrap_or(PIPED);
    let mut text = String::new();
    let mut calls = 0;
    for row in planned {
        text.push_str(&format!("{} {}", row.section.as_str(), row.key));
        if let Some(ticket) = row.ticket.as_ref().filter(|_| row.section != Section::Ticket) {
            text.push_str(&format!(" of ticket {ticket}"));
        }
        text.push('\n');
        let width = row.values.keys().map(String::len).max().unwrap_or_default();
        for (name, value) in &row.values {
            text.push_str(&format!(
                "  {name:width$}  {}\n",
                shown(value, columns.saturating_sub(width + 4))
            ));
        }
        let outcome = &row.outcome;
        let parts = outcome.parts.unwrap_or(1);
        if matches!(
            outcome.result,
            Fate::CreateCase | Fate::AddMessage | Fate::AddNote
        ) {
            calls += parts;
        }
        text.push_str(&format!("  → {}: {}\n", outcome.result.as_str(), outcome.why));
        let width = outcome
            .parameters
            .keys()
            .map(String::len)
            .max()
            .unwrap_or_default();
        for (name, value) in &outcome.parameters {
            text.push_str(&format!(
                "      {name:width$}  {}\n",
                shown(value, columns.saturating_sub(width + 8))
            ));
        }
        text.push('\n');
    }
    let rows = if planned.len() == 1 {
        "1 row".into()
    } else {
        format!("{} rows", planned.len())
    };
    text.push_str(&format!(
        "{rows}, {calls} calls to Deskie; nothing was sent and nothing was written\n"
    ));
    text
}

fn reply_text(planned: &[reply::PlannedReply], ticket: &str) -> String {
    let columns = width().unwrap_or(PIPED);
    let mut text = String::new();
    for reply in planned {
        text.push_str(&format!("a reply of kind {} to ticket {ticket}\n", reply.kind));
        match &reply.table {
            Some(table) => text.push_str(&format!("  → a row of {table}\n")),
            None => text.push_str("  → no row is inserted ([reply] has no set)\n"),
        }
        let width = reply.set.keys().map(String::len).max().unwrap_or_default();
        for (column, value) in &reply.set {
            text.push_str(&format!(
                "      {column:width$}  {}\n",
                shown(value, columns.saturating_sub(width + 8))
            ));
        }
        for statement in &reply.after {
            text.push_str(&format!(
                "  → {}\n",
                one_line(statement, columns.saturating_sub(6))
            ));
        }
        text.push('\n');
    }
    text.push_str("nothing was sent and nothing was written\n");
    text
}

/// Where nothing has to fit.
const PIPED: usize = 120;

/// A value on one line of so many characters; of a long text its beginning and its length.
fn shown(value: &Value, room: usize) -> String {
    let Value::String(text) = value else {
        return one_line(&value.to_string(), room);
    };
    let line = one_line(text, room);
    match line.ends_with('…') {
        true => {
            let length = format!("  ({} characters)", text.chars().count());
            one_line(text, room.saturating_sub(length.len() + 1)) + &length
        }
        false => line,
    }
}
