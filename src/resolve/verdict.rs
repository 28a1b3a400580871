//! What is certain of a row that the whole mapping gives no answer for: a join finds nothing or several, the database
//! refuses a value (rule 22). A row that `where` or `author` leaves out is left out then as well, and holds up nobody;
//! only where the row is for Deskie does the trouble matter.

use serde_json::Value;

use super::row::Found;
use super::{Batch, ResolveError};
use crate::config::AgentAs;
use crate::decide::{AGENT_IGNORED, Outputs, seconds};
use crate::mapping::Reading;
use crate::mapping::alone::{Alone, Deciding};
use crate::mapping::shape::key_values;
use crate::model::{Section, TicketKey};

/// A row to ask of.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// As it was captured; of a list this message, by its identity.
    Image(&'a Value, Option<&'a str>),
    /// As it stands in the table.
    Key(&'a TicketKey),
}

/// Whether a condition holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// It has no answer either.
    Untold,
}

impl Batch<'_> {
    /// What is certain of a message.
    pub(super) async fn message_verdict(
        &self,
        of: Of<'_>,
        ticket: &TicketKey,
        committed_at: i64,
    ) -> Result<Option<Found>, ResolveError> {
        let (Some(deciding), Some(config)) = (&self.compiled.deciding_message, &self.config.message) else {
            return Ok(None);
        };
        if self.holds(&deciding.filter, Section::Message, of).await? == Holds::No {
            return Ok(Some(Found::NotNow("[message] where does not hold".into())));
        }
        let author = match &deciding.author {
            Some(author) => self.alone(author, Section::Message, of).await?.flatten(),
            None => None,
        };
        match author.as_deref().map(str::trim) {
            Some("skip") => return Ok(Some(Found::NotNow("[message] author is skip".into()))),
            Some("agent") if config.agent_as == AgentAs::Ignore => {
                return Ok(Some(Found::NotNow(AGENT_IGNORED.into())));
            }
            _ => {}
        }
        if let Some(age) = self.import(deciding, Section::Message, of, committed_at).await? {
            return Ok(Some(Found::Never(age)));
        }
        let filter = &self.compiled.deciding_ticket.filter;
        Ok(
            match self.holds(filter, Section::Ticket, Of::Key(ticket)).await? {
                Holds::No => Some(Found::Wait {
                    why: "[ticket] where does not hold".into(),
                    bounded: false,
                }),
                Holds::Yes | Holds::Untold => None,
            },
        )
    }

    /// What is certain of a ticket.
    pub(super) async fn ticket_verdict(
        &self,
        image: &Value,
        committed_at: i64,
    ) -> Result<Option<Found>, ResolveError> {
        let deciding = &self.compiled.deciding_ticket;
        let of = Of::Image(image, None);
        if self.holds(&deciding.filter, Section::Ticket, of).await? == Holds::No {
            return Ok(Some(Found::NotNow("[ticket] where does not hold".into())));
        }
        let import = self.import(deciding, Section::Ticket, of, committed_at).await?;
        Ok(import.map(Found::Never))
    }

    async fn import(
        &self,
        deciding: &Deciding,
        section: Section,
        of: Of<'_>,
        committed_at: i64,
    ) -> Result<Option<String>, ResolveError> {
        let Some(created_at) = &deciding.created_at else {
            return Ok(None);
        };
        let created_at = self.alone(created_at, section, of).await?.flatten();
        let times = self.times(section, committed_at).await;
        Ok(times.import(self.config, seconds(created_at.as_deref())))
    }

    /// Whether all parts of a condition hold; one that does not decides.
    pub(super) async fn holds(
        &self,
        parts: &[Alone],
        section: Section,
        of: Of<'_>,
    ) -> Result<Holds, ResolveError> {
        let mut holds = Holds::Yes;
        for part in parts {
            match self.alone(part, section, of).await? {
                Some(Some(word)) if word == "true" => {}
                Some(_) => return Ok(Holds::No),
                None => holds = Holds::Untold,
            }
        }
        Ok(holds)
    }

    /// One expression's value; `None` where it has none either.
    pub(super) async fn alone(
        &self,
        alone: &Alone,
        section: Section,
        of: Of<'_>,
    ) -> Result<Option<Option<String>>, ResolveError> {
        Ok(match self.alone_row(alone, section, of).await {
            Ok(Outputs::Row(row)) => Some(row.into_iter().next().flatten()),
            Ok(_) => None,
            // A statement that stands on fewer joins than it needs; the whole one tells what does not fit.
            Err(ResolveError::Mapping(_)) => None,
            Err(error) => return Err(error),
        })
    }

    /// The row that such a statement gives: of the image, where that has an answer, else of the table (rule 15).
    pub(super) async fn alone_row(
        &self,
        alone: &Alone,
        section: Section,
        of: Of<'_>,
    ) -> Result<Outputs, ResolveError> {
        let shape = self.compiled.shape(section);
        let (key, identity) = match of {
            Of::Image(image, identity) => {
                let by_key = self
                    .compiled
                    .thread
                    .as_ref()
                    .is_some_and(|thread| thread.reads_ticket);
                if !(by_key && section == Section::Message) {
                    let outputs = self.alone_image(&alone.image, section, image, identity).await?;
                    if !matches!(outputs, Outputs::Refused(_)) {
                        return Ok(outputs);
                    }
                }
                match self.key_of(section, image) {
                    Some(key) => (key, identity),
                    None => return Ok(Outputs::NoRow),
                }
            }
            Of::Key(key) => (key.as_str().to_owned(), None),
        };
        let Some(values) = key_values(&key, shape.key.len()) else {
            return Ok(Outputs::NoRow);
        };
        let values = values.into_iter().map(Some).collect();
        let of_key = (shape, shape.key.as_slice());
        self.ask(&alone.table.sql, with(values, identity), of_key).await
    }

    async fn alone_image(
        &self,
        reading: &Reading,
        section: Section,
        image: &Value,
        identity: Option<&str>,
    ) -> Result<Outputs, ResolveError> {
        match self.image_values(reading, section, image).await? {
            Ok(values) => {
                let of_image = (self.compiled.shape(section), reading.columns.as_slice());
                self.ask(&reading.sql, with(values, identity), of_image).await
            }
            Err(outputs) => Ok(outputs),
        }
    }
}

fn with(mut values: Vec<Option<String>>, identity: Option<&str>) -> Vec<Option<String>> {
    values.extend(identity.map(|identity| Some(identity.to_owned())));
    values
}
