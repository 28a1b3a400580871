//! PURE: what becomes of a row, given what the mapping gave for it. The same decisions as `resolve` takes for a row
//! that was captured, without its times.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{Fate, Outcome};
use crate::config::{AgentAs, Config, Message, OpenOn};
use crate::mapping::read::{MESSAGE_OUTPUTS, TICKET_OUTPUTS};
use crate::model::BodyFormat;
use crate::store::LinkState;
use crate::text;

/// What a statement gave for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// Its outputs.
    One(Vec<Option<String>>),
    /// The row is gone, or a join found nothing.
    None,
    /// A join found several.
    Several,
    /// The database refused the row's values.
    Refused(String),
}

impl Row {
    fn outputs(&self, section: &str) -> Result<&[Option<String>], Outcome> {
        match self {
            Row::One(cells) => Ok(cells),
            Row::None => Err(outcome(
                Fate::Waits,
                format!("the joins of {section} give no row, or it is not visible to us"),
            )),
            Row::Several => Err(outcome(
                Fate::Parked,
                format!("the join of {section} gives several rows for one row"),
            )),
            Row::Refused(error) => Err(outcome(Fate::Parked, format!("{section}: {error}"))),
        }
    }
}

/// The files of a message and, where it opens the case, of its ticket: their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    /// The message's.
    pub(super) own: Vec<String>,
    /// The ticket's.
    pub(super) of_ticket: Vec<String>,
}

fn with_files(call: &mut Map<String, Value>, names: &[String]) {
    if !names.is_empty() {
        call.insert("attachments".into(), names.into());
    }
}

fn outcome(result: Fate, why: impl Into<String>) -> Outcome {
    Outcome {
        result,
        why: why.into(),
        parameters: Map::new(),
        parts: None,
    }
}

/// What became of a row already, where that is settled; one that waits in its lane is planned like any other.
pub(super) fn of_known(state: LinkState, reason: Option<&str>) -> Option<Outcome> {
    let why = match state {
        LinkState::Seen | LinkState::Queued => return None,
        LinkState::Written => "it came from Deskie: the connector wrote it".to_owned(),
        LinkState::Delivered => "it stands in Deskie".to_owned(),
        LinkState::Skipped => format!("it was passed over: {}", reason.unwrap_or("no reason is noted")),
        LinkState::Discarded => "a person gave it up".to_owned(),
        LinkState::Parked => {
            let why = format!(
                "it is parked: {}; see `deskie-cdc failed list`",
                reason.unwrap_or("no reason is noted")
            );
            return Some(outcome(Fate::Parked, why));
        }
    };
    Some(outcome(Fate::Known, why))
}

/// The output of that name, without blanks around it; an empty one counts as none.
fn output<'a>(names: &[&str], cells: &'a [Option<String>], name: &str) -> Option<&'a str> {
    let place = names.iter().position(|known| *known == name)?;
    cells
        .get(place)?
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn of_ticket_row<'a>(cells: &'a [Option<String>], name: &str) -> Option<&'a str> {
    output(&TICKET_OUTPUTS, cells, name)
}

/// What becomes of a ticket's row.
pub(super) fn of_ticket(
    config: &Config,
    key: &str,
    row: &Row,
    files: &[String],
    opened: &mut HashSet<String>,
) -> Outcome {
    ticket(config, key, row, files, opened).unwrap_or_else(|outcome| outcome)
}

fn ticket(
    config: &Config,
    key: &str,
    row: &Row,
    files: &[String],
    opened: &mut HashSet<String>,
) -> Result<Outcome, Outcome> {
    let cells = row.outputs("[ticket]")?;
    if of_ticket_row(cells, "where") != Some("true") {
        return Err(outcome(Fate::Skipped, "[ticket] where does not hold"));
    }
    if config.ticket.open_on == OpenOn::Message {
        return Err(outcome(
            Fate::Skipped,
            "its first customer message opens the case ([ticket] open_on = \"message\")",
        ));
    }
    if opened.contains(key) {
        return Err(outcome(Fate::Skipped, "the ticket has its case already"));
    }
    let mut parameters = opening(config, key, cells)?;
    let subject = parameters
        .get("subject")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let body = of_ticket_row(cells, "body").map_or(subject, str::to_owned);
    let parts = with_body(
        config,
        &mut parameters,
        &body,
        of_ticket_row(cells, "format"),
        "[ticket]",
    )?;
    with_files(&mut parameters, files);
    opened.insert(key.to_owned());
    Ok(Outcome {
        result: Fate::CreateCase,
        why: "the ticket's row opens the case".into(),
        parameters,
        parts: Some(parts),
    })
}

/// What becomes of a message's row; `opening`: its ticket's row, where it has no case yet.
pub(super) fn of_message(
    config: (&Config, &Message),
    ticket: Option<&str>,
    row: &Row,
    opening: Option<&Row>,
    files: &Files,
    opened: &mut HashSet<String>,
) -> Outcome {
    self::message(config, ticket, row, opening, files, opened).unwrap_or_else(|outcome| outcome)
}

fn message(
    (config, message): (&Config, &Message),
    ticket: Option<&str>,
    row: &Row,
    opening_row: Option<&Row>,
    files: &Files,
    opened: &mut HashSet<String>,
) -> Result<Outcome, Outcome> {
    let Some(ticket) = ticket else {
        return Err(outcome(
            Fate::Skipped,
            "it belongs to no ticket: [message] ticket is NULL",
        ));
    };
    let cells = row.outputs("[message]")?;
    let value = |name: &str| output(&MESSAGE_OUTPUTS, cells, name);
    if value("where") != Some("true") {
        return Err(outcome(Fate::Skipped, "[message] where does not hold"));
    }
    let author = match value("author") {
        None if message.author.is_none() => "customer",
        None => {
            return Err(outcome(
                Fate::Parked,
                "[message] author is NULL; it must be 'customer', 'agent' or 'skip'",
            ));
        }
        Some(author) => author,
    };
    let is_agent = match author {
        "customer" => false,
        "agent" => true,
        "skip" => return Err(outcome(Fate::Skipped, "[message] author is skip")),
        other => {
            let why = format!("[message] author is `{other}`; it must be 'customer', 'agent' or 'skip'");
            return Err(outcome(Fate::Parked, why));
        }
    };
    if is_agent && message.agent_as == AgentAs::Ignore {
        let why = "an agent's answer on the site ([message] agent_as = \"ignore\")";
        return Err(outcome(Fate::Skipped, why));
    }
    let names = files.own.join("\n");
    let (body, is_names) = match value("body") {
        Some(body) => (body, false),
        None if !names.is_empty() => (names.as_str(), true),
        None => return Err(outcome(Fate::Skipped, "the body is empty, and there is no file")),
    };
    if value("ticket_where") != Some("true") {
        return Err(outcome(
            Fate::Waits,
            "[ticket] where does not hold; it follows once that is true",
        ));
    }
    let format = value("format").filter(|_| !is_names);
    if !opened.contains(ticket) {
        if is_agent {
            return Err(outcome(Fate::Skipped, "an agent's answer before there is a case"));
        }
        let mut parameters = opening(
            config,
            ticket,
            opening_row.map_or(Ok(&[][..]), |row| row.outputs("[ticket]"))?,
        )?;
        let parts = with_body(config, &mut parameters, body, format, "[message]")?;
        let all: Vec<String> = files.own.iter().chain(&files.of_ticket).cloned().collect();
        with_files(&mut parameters, &all);
        opened.insert(ticket.to_owned());
        let why = "the ticket has no case yet, so this message opens it".into();
        return Ok(Outcome {
            result: Fate::CreateCase,
            why,
            parameters,
            parts: Some(parts),
        });
    }
    let mut parameters = Map::new();
    let parts = with_body(config, &mut parameters, body, format, "[message]")?;
    with_files(&mut parameters, &files.own);
    let (result, why) = match (is_agent, message.agent_as) {
        (false, _) => (Fate::AddMessage, "the customer's message, into the ticket's case"),
        (true, AgentAs::Staff) => (
            Fate::AddMessage,
            "an agent's answer on the site, as staff, not e-mailed again",
        ),
        (true, _) => (
            Fate::AddNote,
            "an agent's answer on the site, as a note ([message] agent_as = \"note\")",
        ),
    };
    Ok(Outcome {
        result,
        why: why.into(),
        parameters,
        parts: Some(parts),
    })
}

/// What create_case carries besides the body.
fn opening(config: &Config, key: &str, cells: &[Option<String>]) -> Result<Map<String, Value>, Outcome> {
    let value = |name: &str| of_ticket_row(cells, name);
    let deskie = &config.deskie;
    let mut call = Map::new();
    call.insert(
        "subject".into(),
        value("subject")
            .map_or_else(|| format!("#{key}"), str::to_owned)
            .into(),
    );
    let (email, phone, custom_id) = (value("email"), value("phone"), value("custom_id"));
    let through = |call: &mut Map<String, Value>, channel: &str, custom_id: &str| {
        call.insert("channel".into(), channel.into());
        call.insert("user_custom_id".into(), custom_id.into());
    };
    match (value("channel"), custom_id) {
        (Some(channel), Some(custom_id)) => through(&mut call, channel, custom_id),
        (Some(channel), None) => {
            let why =
                format!("the ticket goes through the channel {channel}, but customer.custom_id is not there");
            return Err(outcome(Fate::Waits, why));
        }
        (None, custom_id) => match (email, phone, custom_id.zip(deskie.channel.as_deref())) {
            (Some(email), ..) => drop(call.insert("user_email".into(), email.into())),
            (None, Some(phone), _) => drop(call.insert("user_phone".into(), phone.into())),
            (None, None, Some((custom_id, channel))) => through(&mut call, channel, custom_id),
            (None, None, None) => {
                return Err(outcome(Fate::Waits, "the customer has neither e-mail nor phone"));
            }
        },
    }
    if let Some(name) = value("name") {
        call.insert("user_full_name".into(), name.into());
    }
    let mut fields: Map<String, Value> = value("fields")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    fields.retain(|_, value| !value.is_null());
    fields.insert(
        format!("cf_{}", deskie.ticket_field),
        deskie.field_value(key).into(),
    );
    call.insert("custom_fields".into(), fields.into());
    let own: Vec<Value> = value("labels")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let labels: Vec<Value> = deskie
        .labels
        .iter()
        .map(|label| json!(label))
        .chain(own)
        .collect();
    if !labels.is_empty() {
        call.insert("labels".into(), labels.into());
    }
    if let Some(status) = value("status") {
        call.insert("status".into(), status.into());
    }
    if let Some(priority) = value("priority") {
        call.insert("priority".into(), priority.into());
    }
    for (name, fallback) in [("group_id", deskie.group_id), ("language_id", deskie.language_id)] {
        if let Some(id) = value(name).and_then(|text| text.parse().ok()).or(fallback) {
            call.insert(name.into(), id.into());
        }
    }
    Ok(call)
}

/// Adds the body as Deskie is sent it; in how many messages.
fn with_body(
    config: &Config,
    call: &mut Map<String, Value>,
    body: &str,
    format: Option<&str>,
    section: &str,
) -> Result<usize, Outcome> {
    let format = match format {
        None | Some("text") => BodyFormat::Text,
        Some("html") => BodyFormat::Html,
        Some("markdown") => BodyFormat::Markdown,
        Some(_) => {
            return Err(outcome(
                Fate::Parked,
                format!("{section} format must give 'text', 'html' or 'markdown'"),
            ));
        }
    };
    let parts = text::parts(body, format, config.deskie.max_body, config.deskie.max_text);
    if let Some(first) = parts.first() {
        call.insert("content".into(), first.text.clone().into());
        if parts.len() > 1 {
            call.insert("messages".into(), parts.len().into());
        }
    }
    Ok(parts.len())
}
