//! PURE: the call that a row would cause. What becomes of it is decided by [`crate::decide`], as for a row that was
//! captured, but for its age: it counts as just written.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Fate, Foreseen};
use crate::config::{AgentAs, Config, Message, OpenOn};
use crate::decide::{self, MessageRow, Need, Opening, Outputs, Ready, Ruling, TicketRow, Times};
use crate::model::{Kind, RowClock, Section, TicketKey};
use crate::store::LinkState;
use crate::text::{self, Parts};

/// The files of a message and, where it opens the case, of its ticket: their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    /// The message's.
    pub(super) own: Vec<String>,
    /// The ticket's.
    pub(super) of_ticket: Vec<String>,
}

fn outcome(result: Fate, why: impl Into<String>) -> Foreseen {
    Foreseen {
        result,
        why: why.into(),
        parameters: Map::new(),
        parts: None,
    }
}

/// What became of a row already, where that is settled; one that waits in its lane is planned like any other.
pub(super) fn of_known(state: LinkState, reason: Option<&str>) -> Option<Foreseen> {
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

/// A dry run counts each row as written at this moment.
pub(super) fn times(now: f64) -> Times {
    Times {
        clock: RowClock::Right,
        ticket_clock: RowClock::Right,
        committed_at: now as i64,
        now,
        ages: false,
    }
}

/// What becomes of a row that is not ready; or what it carries.
pub(super) fn ready(found: Ruling) -> Result<Ready, Foreseen> {
    match found {
        Ruling::Ready(ready) => Ok(*ready),
        Ruling::NotNow(why) | Ruling::Never(why) => Err(outcome(Fate::Skipped, why)),
        Ruling::Wait { why, .. } => Err(outcome(Fate::Waits, why)),
        Ruling::Park(why) => Err(outcome(Fate::Parked, why)),
    }
}

/// What becomes of a ticket's row at `now`, in seconds since 1970.
pub(super) fn of_ticket(
    config: &Config,
    key: &str,
    row: &Outputs,
    files: &[String],
    opened: &mut HashSet<String>,
    now: f64,
) -> Foreseen {
    let ticket = TicketKey(key.to_owned());
    let body = body_of(config, Section::Ticket, row);
    let row = TicketRow {
        key: &ticket,
        outputs: row,
        times: times(now),
        body: Some(&body),
    };
    let Ok(found) = decide::ticket(config, &row) else {
        return outcome(Fate::Waits, "its body is not known");
    };
    if config.ticket.open_on == OpenOn::Message && !matches!(found, Ruling::NotNow(_) | Ruling::Park(_)) {
        return outcome(
            Fate::Skipped,
            "its first customer message opens the case ([ticket] open_on = \"message\")",
        );
    }
    let ready = match ready(found) {
        Ok(ready) => ready,
        Err(outcome) => return outcome,
    };
    if !opened.insert(key.to_owned()) {
        return outcome(Fate::Skipped, "the ticket has its case already");
    }
    let why = "the ticket's row opens the case";
    call(config, key, Fate::CreateCase, why, &ready, files)
}

/// A row's body as it would be sent.
fn body_of(config: &Config, section: Section, row: &Outputs) -> Parts {
    decide::body_of(section, row).map_or_else(Parts::default, |(body, format)| {
        text::parts(body, format, decide::limits(config))
    })
}

/// A message's row and what is known besides.
pub(super) struct Spoken<'a> {
    pub(super) ticket: Option<&'a str>,
    /// What its statement gave.
    pub(super) row: &'a Outputs,
    /// What that of its ticket gave, where it has no case yet.
    pub(super) opening: Option<&'a Outputs>,
    /// Whether its ticket's row is there.
    pub(super) ticket_exists: bool,
    pub(super) files: &'a Files,
    /// Now, in seconds since 1970.
    pub(super) now: f64,
}

/// What becomes of a message's row.
pub(super) fn of_message(
    config: (&Config, &Message),
    spoken: &Spoken<'_>,
    opened: &mut HashSet<String>,
) -> Foreseen {
    self::message(config, spoken, opened).unwrap_or_else(|outcome| outcome)
}

fn message(
    (config, message): (&Config, &Message),
    spoken: &Spoken<'_>,
    opened: &mut HashSet<String>,
) -> Result<Foreseen, Foreseen> {
    let Some(ticket) = spoken.ticket else {
        return Err(outcome(
            Fate::Skipped,
            "it belongs to no ticket: [message] ticket is NULL",
        ));
    };
    let own: Vec<&str> = spoken.files.own.iter().map(String::as_str).collect();
    let has_case = opened.contains(ticket);
    let body = body_of(config, Section::Message, spoken.row);
    let row = MessageRow {
        outputs: spoken.row,
        body: Some(&body),
        ticket: &TicketKey(ticket.to_owned()),
        has_case,
        times: times(spoken.now),
        files: Some(&own),
        ticket_outputs: Some(spoken.opening.unwrap_or(&Outputs::NoRow)),
        ticket_exists: Some(spoken.ticket_exists),
    };
    let found = decide::message(config, &row)
        .map_err(|need: Need| outcome(Fate::Waits, format!("it is not known: {need:?}")))?;
    let ready = ready(found)?;
    let (result, why) = match (ready.author, message.agent_as) {
        (Kind::Agent, _) if !has_case => {
            return Err(outcome(Fate::Skipped, "an agent's answer before there is a case"));
        }
        (Kind::Customer, _) if !has_case => {
            let why = "the ticket has no case yet, so this message opens it";
            opened.insert(ticket.to_owned());
            let files: Vec<String> = spoken
                .files
                .own
                .iter()
                .chain(&spoken.files.of_ticket)
                .cloned()
                .collect();
            return Ok(call(config, ticket, Fate::CreateCase, why, &ready, &files));
        }
        (Kind::Customer, _) => (Fate::AddMessage, "the customer's message, into the ticket's case"),
        (Kind::Agent, AgentAs::Staff) => (
            Fate::AddMessage,
            "an agent's answer on the site, as staff, not e-mailed again",
        ),
        (Kind::Agent, _) => (
            Fate::AddNote,
            "an agent's answer on the site, as a note ([message] agent_as = \"note\")",
        ),
    };
    Ok(call(config, ticket, result, why, &ready, &spoken.files.own))
}

/// The call, and what it carries.
fn call(config: &Config, key: &str, result: Fate, why: &str, ready: &Ready, files: &[String]) -> Foreseen {
    let mut parameters = match &ready.opening {
        Some(opening) => of_opening(config, key, opening),
        None => Map::new(),
    };
    if let Some(first) = ready.bodies.first() {
        parameters.insert("content".into(), first.text.clone().into());
    }
    if ready.bodies.len() > 1 {
        parameters.insert("messages".into(), ready.bodies.len().into());
    }
    if !files.is_empty() {
        parameters.insert("attachments".into(), files.into());
    }
    Foreseen {
        result,
        why: why.to_owned(),
        parameters,
        parts: Some(ready.bodies.len()),
    }
}

/// What create_case carries besides the body.
fn of_opening(config: &Config, key: &str, opening: &Opening) -> Map<String, Value> {
    let mut call = Map::new();
    call.insert("subject".into(), opening.subject.as_str().into());
    let texts = [
        ("user_email", &opening.email),
        ("user_phone", &opening.phone),
        ("channel", &opening.channel),
        ("user_custom_id", &opening.custom_id),
        ("user_full_name", &opening.name),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            call.insert(name.into(), text.as_str().into());
        }
    }
    let mut fields: Map<String, Value> = Map::new();
    for (name, value) in &opening.fields {
        fields.insert(name.clone(), value.as_str().into());
    }
    fields.insert(
        format!("cf_{}", config.deskie.ticket_field),
        config.deskie.field_value(key).into(),
    );
    call.insert("custom_fields".into(), fields.into());
    if !opening.labels.is_empty() {
        call.insert("labels".into(), opening.labels.clone().into());
    }
    for (name, text) in [("status", &opening.status), ("priority", &opening.priority)] {
        if let Some(text) = text {
            call.insert(name.into(), text.as_str().into());
        }
    }
    for (name, id) in [
        ("group_id", opening.group_id),
        ("language_id", opening.language_id),
    ] {
        if let Some(id) = id {
            call.insert(name.into(), id.into());
        }
    }
    call
}
