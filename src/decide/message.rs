//! A message's row, or one message of a row that holds many.

use super::{Cells, Found, Need, Outputs, Ready, Times, opening, parts, seconds, unanswered};
use crate::config::{AgentAs, Config};
use crate::mapping::read::MESSAGE_OUTPUTS;
use crate::model::TicketKey;
use crate::text;

/// Why an agent's answer stays on the site.
pub const AGENT_IGNORED: &str = "an agent's answer on the site ([message] agent_as = \"ignore\")";

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The customer.
    Customer,
    /// A member of the support team, on the site.
    Agent,
}

impl Author {
    /// The word in `delivery.author`, which is that of the mapping.
    pub fn as_str(self) -> &'static str {
        match self {
            Author::Customer => "customer",
            Author::Agent => "agent",
        }
    }
}

/// A message's row, and what is known besides. What is `None` was not asked for yet.
#[derive(Debug, Clone, Copy)]
pub struct MessageRow<'a> {
    /// What its statement gave.
    pub outputs: &'a Outputs,
    /// Its ticket.
    pub ticket: &'a TicketKey,
    /// Whether that has a case.
    pub has_case: bool,
    /// When it was made.
    pub times: Times,
    /// The names of the files that go with it.
    pub files: Option<&'a [&'a str]>,
    /// What the statement of its ticket gave.
    pub ticket_outputs: Option<&'a Outputs>,
    /// Whether the ticket's row is there.
    pub ticket_exists: Option<bool>,
}

/// What becomes of a message.
pub fn message(config: &Config, row: &MessageRow<'_>) -> Result<Found, Need> {
    let outputs = match row.outputs {
        Outputs::Row(outputs) => outputs,
        Outputs::NoRow if !row.ticket_exists.ok_or(Need::TicketExists)? => {
            return Ok(Found::Wait {
                why: format!("the ticket {} is not there, or not visible to us", row.ticket),
                bounded: true,
            });
        }
        other => return Ok(unanswered(other, "[message]")),
    };
    let cells = Cells {
        names: &MESSAGE_OUTPUTS,
        cells: outputs,
    };
    if !cells.holds("where") {
        return Ok(Found::NotNow("[message] where does not hold".into()));
    }
    let mapped = config.message.as_ref();
    let agent_as = mapped.map_or(AgentAs::Ignore, |message| message.agent_as);
    let author = match cells.word("author") {
        None if mapped.is_some_and(|message| message.author.is_none()) => Author::Customer,
        Some("customer") => Author::Customer,
        Some("agent") if agent_as == AgentAs::Ignore => return Ok(Found::NotNow(AGENT_IGNORED.into())),
        Some("agent") => Author::Agent,
        Some("skip") => return Ok(Found::NotNow("[message] author is skip".into())),
        other => {
            let is = other.map_or_else(|| "NULL".to_owned(), text::word_or_length);
            return Ok(Found::Park(format!(
                "[message] author is {is}; it must be 'customer', 'agent' or 'skip'"
            )));
        }
    };
    let created_at = seconds(cells.whole("created_at"));
    if let Some(age) = row.times.import(config, created_at) {
        return Ok(Found::Never(age));
    }
    let files = row.files.ok_or(Need::Files)?;
    // What is to be asked is asked before the body is converted, which costs most of all, and once.
    let opens = !row.has_case && author != Author::Agent;
    let ticket = match opens && cells.holds("ticket_where") {
        true => Some(row.ticket_outputs.ok_or(Need::Ticket)?),
        false => None,
    };
    let format = cells.format();
    let body = cells.whole("body").filter(|body| match format {
        Some(format) => !text::says_nothing(body, format),
        None => !body.trim().is_empty(),
    });
    if body.is_none() && files.is_empty() {
        return Ok(Found::NotNow("the body is empty, and there is no file".into()));
    }
    let Some(format) = format else {
        return Ok(Found::Park(
            "[message] format must give 'text', 'html' or 'markdown'".into(),
        ));
    };
    if !cells.holds("ticket_where") {
        return Ok(Found::Wait {
            why: "[ticket] where does not hold".into(),
            bounded: false,
        });
    }
    let opening = match ticket {
        None => None,
        Some(Outputs::Row(outputs)) => match opening(config, outputs, row.ticket, &row.times) {
            Ok(opening) => Some(opening),
            Err(found) => return Ok(*found),
        },
        Some(other) => return Ok(unanswered(other, "[ticket]")),
    };
    Ok(Found::Ready(Box::new(Ready {
        author,
        bodies: match body {
            Some(body) => parts(config, body, format, row.ticket),
            None => vec![text::names_of_files(files)],
        },
        opening,
        written_at: row
            .times
            .made(created_at)
            .map_or(row.times.committed_at, |at| at as i64),
        is_files_only: body.is_none(),
    })))
}
