//! What is certain of a row that the whole mapping gives no answer for: a join finds nothing or several, the database
//! refuses a value (rule 22). A row that `where` or `author` leaves out is left out then as well, and holds up nobody;
//! only where the row is for Deskie does the trouble matter.
//!
//! Expression by expression, and no further than needed: each that is to be evaluated is asked for as a [`Question`].

use std::collections::HashMap;

use super::{AGENT_IGNORED, Ruling, Times, seconds};
use crate::config::{AgentAs, Config};
use crate::mapping::alone::{Alone, Deciding};
use crate::model::Section;

/// An expression that is to be evaluated by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// A part of `where`, by its place. That of the ticket of a message is asked by the ticket's key.
    Where(Section, usize),
    Author,
    CreatedAt(Section),
}

impl Question {
    /// The statements that answer it.
    pub fn alone<'a>(&self, ticket: &'a Deciding, message: Option<&'a Deciding>) -> Option<&'a Alone> {
        let of = |section| {
            if section == Section::Ticket {
                Some(ticket)
            } else {
                message
            }
        };
        match *self {
            Question::Where(section, place) => of(section)?.filter.get(place),
            Question::Author => message?.author.as_ref(),
            Question::CreatedAt(section) => of(section)?.created_at.as_ref(),
        }
    }
}

/// What the expressions gave; `None`: one has no answer either.
pub type Answers = HashMap<Question, Option<Option<String>>>;

/// Whether a condition holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// It has no answer.
    Untold,
}

/// What is certain of a ticket's row.
pub fn ticket_verdict(
    config: &Config,
    deciding: &Deciding,
    times: &Times,
    answers: &Answers,
) -> Result<Option<Ruling>, Question> {
    if holds(Section::Ticket, deciding, answers)? == Holds::No {
        return Ok(Some(Ruling::NotNow("[ticket] where does not hold".into())));
    }
    Ok(import(config, Section::Ticket, deciding, times, answers)?.map(Ruling::Never))
}

/// What is certain of a message, whose ticket's conditions are those of `ticket`.
pub fn message_verdict(
    config: &Config,
    deciding: &Deciding,
    ticket: &Deciding,
    times: &Times,
    answers: &Answers,
) -> Result<Option<Ruling>, Question> {
    if holds(Section::Message, deciding, answers)? == Holds::No {
        return Ok(Some(Ruling::NotNow("[message] where does not hold".into())));
    }
    let agent_as = config.message.as_ref().map(|message| message.agent_as);
    let author = match deciding.author {
        Some(_) => answer(Question::Author, answers)?.flatten(),
        None => None,
    };
    match author.map(str::trim) {
        Some("skip") => return Ok(Some(Ruling::NotNow("[message] author is skip".into()))),
        Some("agent") if agent_as == Some(AgentAs::Ignore) => {
            return Ok(Some(Ruling::NotNow(AGENT_IGNORED.into())));
        }
        _ => {}
    }
    if let Some(age) = import(config, Section::Message, deciding, times, answers)? {
        return Ok(Some(Ruling::Never(age)));
    }
    Ok(match holds(Section::Ticket, ticket, answers)? {
        Holds::No => Some(Ruling::Wait {
            why: "[ticket] where does not hold".into(),
            bounded: false,
        }),
        Holds::Yes | Holds::Untold => None,
    })
}

fn import(
    config: &Config,
    section: Section,
    deciding: &Deciding,
    times: &Times,
    answers: &Answers,
) -> Result<Option<String>, Question> {
    if deciding.created_at.is_none() {
        return Ok(None);
    }
    let created_at = answer(Question::CreatedAt(section), answers)?.flatten();
    Ok(times.import(config, seconds(created_at)))
}

/// Whether all parts of a condition hold; one that does not decides.
fn holds(section: Section, deciding: &Deciding, answers: &Answers) -> Result<Holds, Question> {
    let mut holds = Holds::Yes;
    for place in 0..deciding.filter.len() {
        match answer(Question::Where(section, place), answers)? {
            Some(Some("true")) => {}
            Some(_) => return Ok(Holds::No),
            None => holds = Holds::Untold,
        }
    }
    Ok(holds)
}

fn answer(question: Question, answers: &Answers) -> Result<Option<Option<&str>>, Question> {
    let told = answers.get(&question).ok_or(question)?;
    Ok(told.as_ref().map(Option::as_deref))
}
