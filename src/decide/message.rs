//! A message's row, or one message of a row that holds many.

use super::{Cells, Need, Outputs, Ready, Ruling, Times, opening, seconds, told, unanswered};
use crate::config::{AgentAs, Config};
use crate::mapping::read::MESSAGE_OUTPUTS;
use crate::model::{Kind, TicketKey};
use crate::text::{self, Parts};

/// Why an agent's answer stays on the site.
pub const AGENT_IGNORED: &str = "an agent's answer on the site ([message] agent_as = \"ignore\")";

/// A message's row, and what is known besides. What is `None` was not asked for yet.
#[derive(Debug, Clone, Copy)]
pub struct MessageRow<'a> {
    /// What its statement gave.
    pub outputs: &'a Outputs,
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
    /// Its body as it is sent.
    pub body: Option<&'a Parts>,
}

/// What becomes of a message.
pub fn message(config: &Config, row: &MessageRow<'_>) -> Result<Ruling, Need> {
    let outputs = match row.outputs {
        Outputs::Row(outputs) => outputs,
        Outputs::NoRow if !row.ticket_exists.ok_or(Need::TicketExists)? => {
            return Ok(Ruling::Wait {
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
        return Ok(Ruling::NotNow("[message] where does not hold".into()));
    }
    let mapped = config.message.as_ref();
    let agent_as = mapped.map_or(AgentAs::Ignore, |message| message.agent_as);
    let author = match cells.word("author") {
        None if mapped.is_some_and(|message| message.author.is_none()) => Kind::Customer,
        Some("customer") => Kind::Customer,
        Some("agent") if agent_as == AgentAs::Ignore => return Ok(Ruling::NotNow(AGENT_IGNORED.into())),
        Some("agent") => Kind::Agent,
        Some("skip") => return Ok(Ruling::NotNow("[message] author is skip".into())),
        other => {
            let is = other.map_or_else(|| "NULL".to_owned(), text::word_or_length);
            return Ok(Ruling::Park(format!(
                "[message] author is {is}; it must be 'customer', 'agent' or 'skip'"
            )));
        }
    };
    let created_at = seconds(cells.whole("created_at"));
    if let Some(age) = row.times.import(config, created_at) {
        return Ok(Ruling::Never(age));
    }
    let files = row.files.ok_or(Need::Files)?;
    // What is to be asked is asked before the body is converted, which costs most of all, and once.
    let opens = !row.has_case && author != Kind::Agent;
    let ticket = match opens && cells.holds("ticket_where") {
        true => Some(row.ticket_outputs.ok_or(Need::Ticket)?),
        false => None,
    };
    let body = match cells.body() {
        Some(_) => Some(row.body.ok_or(Need::Body)?).filter(|body| !body.bodies.is_empty()),
        None => None,
    };
    let has_format = cells.format().is_some();
    // In no format that is known it says something all the same.
    let says = body.is_some() || (!has_format && cells.word("body").is_some());
    if !says && files.is_empty() {
        return Ok(Ruling::NotNow("the body is empty, and there is no file".into()));
    }
    if !has_format {
        return Ok(Ruling::Park(
            "[message] format must give 'text', 'html' or 'markdown'".into(),
        ));
    }
    if !cells.holds("ticket_where") {
        return Ok(Ruling::Wait {
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
    Ok(Ruling::Ready(Box::new(Ready {
        author,
        bodies: match body {
            Some(body) => body.bodies.clone(),
            None => vec![text::names_of_files(files)],
        },
        opening,
        written_at: row
            .times
            .made(created_at)
            .map_or(row.times.committed_at, |at| at as i64),
        is_files_only: body.is_none(),
        told: body.and_then(told),
    })))
}
