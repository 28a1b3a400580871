//! One expression of a row by itself, and what is certain by it of a row that the whole mapping gives no answer for
//! ([`decide::message_verdict`]).

use serde_json::Value;

use super::row::Ruling;
use super::{Batch, ResolveError};
use crate::decide::{self, Answers, Outputs, Question};
use crate::mapping::Reading;
use crate::mapping::alone::Alone;
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
    ) -> Result<Option<Ruling>, ResolveError> {
        let compiled = &self.compiled;
        let Some(deciding) = &compiled.deciding_message else {
            return Ok(None);
        };
        let times = self.times(Section::Message, committed_at).await;
        let mut answers = Answers::new();
        loop {
            let verdict =
                decide::message_verdict(self.config, deciding, &compiled.deciding_ticket, &times, &answers);
            match verdict {
                Ok(found) => return Ok(found.map(certain)),
                Err(question @ Question::Where(Section::Ticket, _)) => {
                    self.answer(question, Of::Key(ticket), &mut answers).await?;
                }
                Err(question) => self.answer(question, of, &mut answers).await?,
            }
        }
    }

    /// What is certain of a ticket.
    pub(super) async fn ticket_verdict(
        &self,
        image: &Value,
        committed_at: i64,
    ) -> Result<Option<Ruling>, ResolveError> {
        let times = self.times(Section::Ticket, committed_at).await;
        let mut answers = Answers::new();
        loop {
            match decide::ticket_verdict(self.config, &self.compiled.deciding_ticket, &times, &answers) {
                Ok(found) => return Ok(found.map(certain)),
                Err(question) => {
                    self.answer(question, Of::Image(image, None), &mut answers)
                        .await?;
                }
            }
        }
    }

    async fn answer(
        &self,
        question: Question,
        of: Of<'_>,
        answers: &mut Answers,
    ) -> Result<(), ResolveError> {
        let compiled = &self.compiled;
        let section = match question {
            Question::Where(section, _) | Question::CreatedAt(section) => section,
            Question::Author => Section::Message,
        };
        let alone = question.alone(&compiled.deciding_ticket, compiled.deciding_message.as_ref());
        let told = match alone {
            Some(alone) => self.alone(alone, section, of).await?,
            None => None,
        };
        answers.insert(question, told);
        Ok(())
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

/// What is certain of a row is never that it goes.
fn certain(found: decide::Ruling) -> Ruling {
    found.map_ready(|ready| super::files::Resolved::of(ready, Vec::new()))
}

fn with(mut values: Vec<Option<String>>, identity: Option<&str>) -> Vec<Option<String>> {
    values.extend(identity.map(|identity| Some(identity.to_owned())));
    values
}
