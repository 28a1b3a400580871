//! PURE: what becomes of a row, from what the mapping gave for it.
//!
//! [`ticket()`] and [`message()`] take a row's outputs, what is known besides and the config, and say whether it goes to
//! Deskie and as what. Whoever runs them (`resolve` row by row and in sets, `plan` for a dry run) only fetches: what
//! cannot be decided without more is asked for as a [`Need`], so nothing is read that does not matter for the row
//! (rule 22), and a dry run cannot say other things than a run.
//!
//! Where the whole mapping has no one answer, [`ticket_verdict`] and [`message_verdict`] say what is certain all the same.
//!
//! What it does not know: our own tables. Whether the row is known, which lane it is in, and whether it is an echo of a
//! reply is the caller's matter.

mod message;
mod opening;
#[cfg(test)]
mod tests;
mod ticket;
mod verdict;

pub use message::{AGENT_IGNORED, MessageRow, message};
pub use opening::{Opening, opening, status_word, tell_odd_status, ticket_status};
pub use ticket::{TicketRow, ticket};
pub use verdict::{Answers, Question, message_verdict, ticket_verdict};

use crate::config::Config;
use crate::mapping::read::{MESSAGE_OUTPUTS, TICKET_OUTPUTS};
use crate::model::{BodyFormat, Kind, RowClock, Section};
use crate::text::{Body, Limits, Parts};

/// A statement's answer for one row, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outputs {
    /// The one row of outputs.
    Row(Vec<Option<String>>),
    /// A join found nothing, or the row is gone.
    NoRow,
    /// A join found several.
    SeveralRows,
    /// The database refused this row's values.
    Refused(String),
}

impl Outputs {
    /// The output at that place, without blanks around it; an empty one counts as none.
    pub fn get(row: &[Option<String>], place: usize) -> Option<String> {
        let text = row.get(place)?.as_deref()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The outputs of one row, by the names of its section's statement.
#[derive(Clone, Copy)]
struct Cells<'a> {
    names: &'a [&'a str],
    cells: &'a [Option<String>],
}

impl<'a> Cells<'a> {
    /// As it stands.
    fn whole(&self, name: &str) -> Option<&'a str> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.cells.get(place)?.as_deref()
    }

    /// Without blanks around it; an empty one counts as none.
    fn word(&self, name: &str) -> Option<&'a str> {
        self.whole(name).map(str::trim).filter(|text| !text.is_empty())
    }

    fn holds(&self, name: &str) -> bool {
        self.whole(name) == Some("true")
    }

    /// Its body, where there is one and it is known how it is written.
    fn body(&self) -> Option<(&'a str, BodyFormat)> {
        let body = self.whole("body").filter(|body| !body.trim().is_empty());
        body.zip(self.format())
    }

    /// How its body is written; `None` where it says something that is no format.
    fn format(&self) -> Option<BodyFormat> {
        body_format(self.word("format"))
    }
}

/// What becomes of a row. `Ready` is what goes to Deskie; the caller may have added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling<R = Ready> {
    /// It goes to Deskie.
    Ready(Box<R>),
    /// It is not for Deskie as it is; a later UPDATE may change that.
    NotNow(String),
    /// It is not for Deskie, for good.
    Never(String),
    /// Something is not there yet; `bounded`: it parks after `[ticket] wait`.
    Wait {
        /// What is waited for.
        why: String,
        /// Whether the wait ends.
        bounded: bool,
    },
    /// A person must look.
    Park(String),
}

impl Ruling {
    /// The same, with something made of what is ready.
    pub fn map_ready<R>(self, make: impl FnOnce(Ready) -> R) -> Ruling<R> {
        match self {
            Ruling::Ready(ready) => Ruling::Ready(Box::new(make(*ready))),
            Ruling::NotNow(why) => Ruling::NotNow(why),
            Ruling::Never(why) => Ruling::Never(why),
            Ruling::Wait { why, bounded } => Ruling::Wait { why, bounded },
            Ruling::Park(why) => Ruling::Park(why),
        }
    }
}

/// What goes to Deskie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Who wrote it.
    pub author: Kind,
    /// The body in as many parts as Deskie's limit asks for; never empty.
    pub bodies: Vec<Body>,
    /// What create_case needs, where this row opens the case.
    pub opening: Option<Opening>,
    /// `created_at` as it is sent, in seconds since 1970.
    pub written_at: i64,
    /// Its text is nothing but the names of its files.
    pub is_files_only: bool,
    /// What is to be told of its body, where it does not go as it stands.
    pub told: Option<&'static str>,
}

/// What must be known before it can be decided; the caller puts it into the row and asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The names of the files that go with a message.
    Files,
    /// The outputs of its ticket.
    Ticket,
    /// Whether its ticket's row is there at all.
    TicketExists,
    /// Its body ([`body_of`]) as it is sent, which costs most of all and is asked for last.
    Body,
}

/// What is told of a body that does not go as it stands.
fn told(parts: &Parts) -> Option<&'static str> {
    match (parts.is_flattened, parts.is_cut) {
        (true, _) => Some("its HTML is too much to be read, so that it goes as plain text"),
        (false, true) => Some("it is longer than [deskie] max_text, so that its end is left out"),
        (false, false) => None,
    }
}

/// When a row was made and committed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// What `created_at` of the section is worth.
    pub clock: RowClock,
    /// What that of `[ticket]` is worth.
    pub ticket_clock: RowClock,
    /// When the row was committed, in seconds since 1970.
    pub committed_at: i64,
    /// Now, in seconds since 1970.
    pub now: f64,
    /// Whether old rows are left out: not those of a dry run, which counts each row as just written.
    pub ages: bool,
}

/// 1980: no ticket system is older, and dates before it are zeros of some kind.
const EARLIEST: f64 = 315_532_800.0;

/// The seconds of an output. `infinity`, NaN and a zero of some kind are no time: they are neither sent nor taken for old
/// or new.
pub fn seconds(cell: Option<&str>) -> Option<f64> {
    let at: f64 = cell?.trim().parse().ok()?;
    (at.is_finite() && at >= EARLIEST).then_some(at)
}

impl Times {
    /// When the row was made. A time that its commit contradicts is none.
    pub fn made(&self, created_at: Option<f64>) -> Option<f64> {
        let created_at = created_at?;
        // Its own time stands for its commit's where the stream did not bring it.
        let by = if created_at as i64 == self.committed_at {
            f64::INFINITY
        } else {
            self.committed_at as f64
        };
        self.clock.made(created_at, by)
    }

    /// Why the row counts as an import, if it does.
    pub fn import(&self, config: &Config, created_at: Option<f64>) -> Option<String> {
        let created_at = created_at.filter(|at| self.ages && *at as i64 != self.committed_at)?;
        let age = self.committed_at as f64 - self.clock.latest(created_at);
        (age > config.capture.max_age.as_secs_f64())
            .then(|| "an import: created_at is older than [capture] max_age".to_owned())
    }
}

/// Why a row without one clean answer is not ready; `section` as it stands in the config.
fn unanswered(outputs: &Outputs, section: &str) -> Ruling {
    match outputs {
        Outputs::SeveralRows => Ruling::Park(format!("the join of {section} gives several rows for one row")),
        Outputs::Refused(error) => Ruling::Park(format!("{section}: {error}")),
        _ => Ruling::Wait {
            why: format!("the joins of {section} give no row, or it is not visible to us"),
            bounded: true,
        },
    }
}

/// The format that a word means; `None` where it is none.
pub fn body_format(word: Option<&str>) -> Option<BodyFormat> {
    match word {
        None | Some("text") => Some(BodyFormat::Text),
        Some("html") => Some(BodyFormat::Html),
        Some("markdown") => Some(BodyFormat::Markdown),
        Some(_) => None,
    }
}

/// The body of a row that is to be converted, once [`Need::Body`] asks for it; `None`: there is none.
pub fn body_of(section: Section, outputs: &Outputs) -> Option<(&str, BodyFormat)> {
    let Outputs::Row(cells) = outputs else { return None };
    let names: &[&str] = match section {
        Section::Ticket => &TICKET_OUTPUTS,
        Section::Message => &MESSAGE_OUTPUTS,
        Section::Attachment => return None,
    };
    Cells { names, cells }.body()
}

/// The limits of what Deskie is sent.
pub fn limits(config: &Config) -> Limits {
    Limits {
        body: config.deskie.max_body,
        text: config.deskie.max_text,
    }
}
