//! One row through the mapping.

use serde_json::Value;

use super::clock::seconds;
use super::files::{Resolved, names};
use super::status::status_word;
use super::verdict::{Holds, Of};
use super::{Batch, ResolveError, cell};
use crate::config::{AgentAs, AttachmentOf};
use crate::mapping::Shape;
use crate::mapping::read::{self, Reading, TicketKeyOf};
use crate::mapping::shape::{key_text, key_values};
use crate::model::{BodyFormat, Section, TicketKey};
use crate::store::{Opening, Resolution, Step};
use crate::text::{self, Body};

/// Why an agent's answer stays on the site.
pub(super) const AGENT_IGNORED: &str = "an agent's answer on the site ([message] agent_as = \"ignore\")";

/// What the mapping says of a row.
pub enum Found {
    /// It goes to Deskie.
    Ready(Box<Resolved>),
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

/// Which ticket a row belongs to.
pub enum Lane {
    /// This one.
    Of(TicketKey),
    /// None; a later UPDATE may name one.
    None,
    /// It cannot be told: a person must look.
    Untold(String),
}

/// A statement's answer, or why there is none.
pub(super) enum Outputs {
    Row(Vec<Option<String>>),
    NoRow,
    SeveralRows,
    /// The database refused this row's values.
    Refused(String),
}

impl Outputs {
    pub(super) fn get(row: &[Option<String>], n: usize) -> Option<String> {
        row.get(n)
            .cloned()
            .flatten()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }
}

impl Batch<'_> {
    /// The ticket of a message. One that several rows of a join, or a value that the database refuses, leave untold is
    /// a matter of that message alone.
    pub(super) async fn ticket_key_of(&self, image: &Value) -> Result<Lane, ResolveError> {
        let values: Option<Vec<String>> = match &self.compiled.ticket_key_of {
            None => None,
            Some(TicketKeyOf::Columns(columns)) => columns
                .iter()
                .map(|column| cell(image, column).map(str::to_owned))
                .collect(),
            Some(TicketKeyOf::Reading(reading)) => {
                match self.ask_image(reading, Section::Message, image).await? {
                    Outputs::Row(row) => row.into_iter().collect(),
                    Outputs::NoRow => None,
                    Outputs::SeveralRows => {
                        let why = "the join gives several rows, so [message] ticket several tickets for one message";
                        return self.untold(image, why.into()).await;
                    }
                    Outputs::Refused(error) => {
                        return self.untold(image, format!("[message] ticket: {error}")).await;
                    }
                }
            }
        };
        Ok(values.map_or(Lane::None, |values| Lane::Of(TicketKey(key_text(&values)))))
    }

    /// A message whose ticket cannot be told is nobody's if `where` leaves it out.
    async fn untold(&self, image: &Value, why: String) -> Result<Lane, ResolveError> {
        let is_left_out = match &self.compiled.deciding_message {
            Some(deciding) if self.compiled.thread.is_none() => {
                let of = Of::Image(image, None);
                self.holds(&deciding.filter, Section::Message, of).await? == Holds::No
            }
            _ => false,
        };
        Ok(if is_left_out {
            Lane::None
        } else {
            Lane::Untold(why)
        })
    }

    /// When a row was made, where the mapping tells.
    pub(super) async fn created_at(
        &self,
        section: Section,
        image: &Value,
    ) -> Result<Option<f64>, ResolveError> {
        let deciding = match section {
            Section::Ticket => Some(&self.compiled.deciding_ticket),
            // A row that holds many messages was made at many times.
            Section::Message if self.compiled.thread.is_none() => self.compiled.deciding_message.as_ref(),
            Section::Message | Section::Attachment => None,
        };
        let Some(created_at) = deciding.and_then(|deciding| deciding.created_at.as_ref()) else {
            return Ok(None);
        };
        let created_at = self.alone(created_at, section, Of::Image(image, None)).await?;
        Ok(seconds(Some(&created_at.flatten())))
    }

    /// The ticket's status as the mapping gives it, of an image or of the table's row; `None` where it gives none, or
    /// where the ticket is not ours.
    pub(super) async fn ticket_status(
        &self,
        image: Option<&Value>,
        key: &TicketKey,
    ) -> Result<Option<String>, ResolveError> {
        let compiled = &self.compiled;
        let outputs = match image {
            Some(image) => {
                self.ask_image(&compiled.ticket_image, Section::Ticket, image)
                    .await?
            }
            None => {
                self.ask_table(&compiled.ticket_table, &compiled.ticket, key)
                    .await?
            }
        };
        Ok(match outputs {
            Outputs::Row(row) if row.first().cloned().flatten().as_deref() == Some("true") => {
                Outputs::get(&row, 4)
            }
            Outputs::Row(_) => None,
            // What the status does not need does not decide about it.
            _ => {
                let of = image.map_or(Of::Key(key), |image| Of::Image(image, None));
                let deciding = &compiled.deciding_ticket;
                match &deciding.status {
                    Some(status)
                        if self.holds(&deciding.filter, Section::Ticket, of).await? == Holds::Yes =>
                    {
                        let status = self.alone(status, Section::Ticket, of).await?.flatten();
                        Outputs::get(&[status], 0)
                    }
                    _ => None,
                }
            }
        })
    }

    /// The mapping over one row.
    pub(super) async fn resolve(
        &self,
        step: &Step<'_>,
        section: Section,
        image: &Value,
        ticket: &TicketKey,
        has_case: bool,
        committed_at: i64,
    ) -> Result<Found, ResolveError> {
        match (section, &self.compiled.messages) {
            (Section::Ticket, _) => self.resolve_ticket(step, image, ticket, committed_at).await,
            (Section::Message, Some((from_image, from_table))) => {
                let readings = (from_image, from_table);
                self.resolve_message(step, readings, image, ticket, has_case, committed_at)
                    .await
            }
            _ => Ok(Found::Never("no such section is configured".into())),
        }
    }

    async fn resolve_ticket(
        &self,
        step: &Step<'_>,
        image: &Value,
        key: &TicketKey,
        committed_at: i64,
    ) -> Result<Found, ResolveError> {
        let compiled = &self.compiled;
        let mut outputs = self
            .ask_image(&compiled.ticket_image, Section::Ticket, image)
            .await?;
        if let Outputs::Refused(_) = outputs {
            outputs = self
                .ask_table(&compiled.ticket_table, &compiled.ticket, key)
                .await?;
        }
        let row = match outputs {
            Outputs::Row(row) => row,
            other => {
                let verdict = self.ticket_verdict(image, committed_at).await?;
                return Ok(verdict.unwrap_or_else(|| unanswered(&other, "[ticket]")));
            }
        };
        if row.first().cloned().flatten().as_deref() != Some("true") {
            return Ok(Found::NotNow("[ticket] where does not hold".into()));
        }
        let created_at = seconds(row.get(5));
        if let Some(age) = self.is_import(Section::Ticket, created_at, committed_at).await {
            return Ok(Found::Never(age));
        }
        let made = self.made(Section::Ticket, created_at, committed_at).await;
        let opening = match self.opening(&row, key).await {
            Ok(opening) => opening,
            Err(found) => return Ok(*found),
        };
        let Some(format) = body_format(Outputs::get(&row, 3)) else {
            return Ok(Found::Park(
                "[ticket] format must give 'text', 'html' or 'markdown'".into(),
            ));
        };
        let (body, format) = match row.get(2).cloned().flatten() {
            Some(body) if !text::says_nothing(&body, format) => (body, format),
            _ => (opening.subject.clone(), BodyFormat::Text),
        };
        let files = match self.files_of(step, AttachmentOf::Ticket, key.as_str()).await? {
            Ok(files) => files,
            Err(found) => return Ok(found),
        };
        Ok(Found::Ready(Box::new(Resolved {
            resolution: Resolution {
                author: "customer".into(),
                bodies: self.parts(&body, format, key),
                opening: Some(opening),
                written_at: made.map_or(committed_at, |at| at as i64),
                files: Vec::new(),
            },
            files,
            is_files_only: false,
        })))
    }

    async fn resolve_message(
        &self,
        step: &Step<'_>,
        (from_image, from_table): (&Reading, &Reading),
        image: &Value,
        ticket: &TicketKey,
        has_case: bool,
        committed_at: i64,
    ) -> Result<Found, ResolveError> {
        let mut outputs = self.ask_image(from_image, Section::Message, image).await?;
        if let Outputs::Refused(_) = outputs
            && let Some(key) = self.key_of(Section::Message, image)
        {
            outputs = self
                .ask_table(from_table, self.compiled.shape(Section::Message), &TicketKey(key))
                .await?;
        }
        if !matches!(outputs, Outputs::Row(_))
            && let Some(found) = self
                .message_verdict(Of::Image(image, None), ticket, committed_at)
                .await?
        {
            return Ok(found);
        }
        let key = self.key_of(Section::Message, image);
        self.message_found(step, outputs, key.as_deref(), ticket, has_case, committed_at)
            .await
    }

    /// What the outputs of a message mean; `key`: where its files are looked for.
    pub(super) async fn message_found(
        &self,
        step: &Step<'_>,
        outputs: Outputs,
        key: Option<&str>,
        ticket: &TicketKey,
        has_case: bool,
        committed_at: i64,
    ) -> Result<Found, ResolveError> {
        let row = match outputs {
            Outputs::Row(row) => row,
            Outputs::NoRow if !self.ticket_exists(ticket).await? => {
                return Ok(Found::Wait {
                    why: format!("the ticket {ticket} is not there, or not visible to us"),
                    bounded: true,
                });
            }
            other => return Ok(unanswered(&other, "[message]")),
        };
        let holds = |n: usize| row.get(n).cloned().flatten().as_deref() == Some("true");
        if !holds(0) {
            return Ok(Found::NotNow("[message] where does not hold".into()));
        }
        let author = match (self.config.message.as_ref(), Outputs::get(&row, 2)) {
            (Some(message), None) if message.author.is_none() => "customer".to_owned(),
            (_, Some(author)) => author,
            (_, None) => {
                return Ok(Found::Park(
                    "[message] author is NULL; it must be 'customer', 'agent' or 'skip'".into(),
                ));
            }
        };
        let agent_as = self
            .config
            .message
            .as_ref()
            .map_or(AgentAs::Ignore, |message| message.agent_as);
        match author.as_str() {
            "customer" => {}
            "skip" => return Ok(Found::NotNow("[message] author is skip".into())),
            "agent" if agent_as == AgentAs::Ignore => {
                return Ok(Found::NotNow(AGENT_IGNORED.into()));
            }
            "agent" => {}
            other => {
                return Ok(Found::Park(format!(
                    "[message] author is {}; it must be 'customer', 'agent' or 'skip'",
                    text::word_or_length(other)
                )));
            }
        }
        let created_at = seconds(row.get(5));
        if let Some(age) = self.is_import(Section::Message, created_at, committed_at).await {
            return Ok(Found::Never(age));
        }
        let made = self.made(Section::Message, created_at, committed_at).await;
        let mut files = match key {
            Some(key) => match self.files_of(step, AttachmentOf::Message, key).await? {
                Ok(files) => files,
                Err(found) => return Ok(found),
            },
            None => Vec::new(),
        };
        let body = row.get(3).cloned().flatten().unwrap_or_default();
        let format = body_format(Outputs::get(&row, 4));
        let says_nothing = format.map_or(body.trim().is_empty(), |format| text::says_nothing(&body, format));
        let only_names = names(&files).filter(|_| says_nothing);
        if says_nothing && only_names.is_none() {
            return Ok(Found::NotNow("the body is empty, and there is no file".into()));
        }
        let Some(format) = format else {
            return Ok(Found::Park(
                "[message] format must give 'text', 'html' or 'markdown'".into(),
            ));
        };
        if !holds(1) {
            return Ok(Found::Wait {
                why: "[ticket] where does not hold".into(),
                bounded: false,
            });
        }
        let opening = if has_case || author == "agent" {
            None
        } else {
            let found = self
                .ask_table(&self.compiled.ticket_table, &self.compiled.ticket, ticket)
                .await?;
            match found {
                Outputs::Row(row) => match self.opening(&row, ticket).await {
                    Ok(opening) => Some(opening),
                    Err(found) => return Ok(*found),
                },
                other => return Ok(unanswered(&other, "[ticket]")),
            }
        };
        // They belong to what opens the case.
        if opening.is_some() {
            match self.files_of(step, AttachmentOf::Ticket, ticket.as_str()).await? {
                Ok(of_ticket) => files.extend(of_ticket),
                Err(found) => return Ok(found),
            }
        }
        let is_files_only = only_names.is_some();
        Ok(Found::Ready(Box::new(Resolved {
            resolution: Resolution {
                author,
                bodies: match only_names {
                    Some(names) => vec![names],
                    None => self.parts(&body, format, ticket),
                },
                opening,
                written_at: made.map_or(committed_at, |at| at as i64),
                files: Vec::new(),
            },
            files,
            is_files_only,
        })))
    }

    fn parts(&self, body: &str, format: BodyFormat, ticket: &TicketKey) -> Vec<Body> {
        let deskie = &self.config.deskie;
        if format == BodyFormat::Html && text::is_flattened("", body) {
            tracing::warn!(%ticket, "a body goes to Deskie as plain text: its HTML would multiply without end");
        }
        if body.len() > deskie.max_text {
            tracing::warn!(%ticket, bytes = body.len(), "a text is longer than [deskie] max_text: the rest is left out");
        }
        text::parts(body, format, deskie.max_body, deskie.max_text)
    }

    /// What create_case needs; an identity that is not there is waited for.
    async fn opening(&self, row: &[Option<String>], key: &TicketKey) -> Result<Opening, Box<Found>> {
        let value = |n: usize| Outputs::get(row, n);
        let clock = self.clock(Section::Ticket).await;
        let mut opening = Opening {
            subject: value(1).unwrap_or_else(|| format!("#{key}")),
            name: value(10),
            status: status_word(value(4)).unwrap_or_else(|word| {
                tracing::warn!(ticket = %key, "[ticket] status is {}; it must be 'open', 'waiting' or 'closed'", text::word_or_length(&word));
                None
            }),
            priority: value(13),
            group_id: value(14)
                .and_then(|text| text.parse().ok())
                .or(self.config.deskie.group_id),
            language_id: value(15)
                .and_then(|text| text.parse().ok())
                .or(self.config.deskie.language_id),
            // A day for a zone and a clock: what lies further ahead is no time at all.
            created_at: seconds(row.get(5))
                .filter(|at| *at <= crate::model::clock::now().as_second() as f64 + 86_400.0)
                .map(|at| clock.earliest(at) as i64),
            ..Opening::default()
        };
        let fields: std::collections::BTreeMap<String, Option<String>> = value(11)
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        opening.fields = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let labels: Vec<Value> = value(12)
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        opening.labels = self.config.deskie.labels.clone();
        opening
            .labels
            .extend(labels.iter().filter_map(|label| match label {
                Value::Number(number) => number.as_i64(),
                Value::String(text) => text.parse().ok(),
                _ => None,
            }));
        let (email, phone, custom_id) = (value(7), value(8), value(9));
        if let Some(channel) = value(6) {
            if custom_id.is_none() {
                let why = format!(
                    "the ticket goes through the channel {channel}, but customer.custom_id is not there"
                );
                return Err(Box::new(Found::Wait { why, bounded: true }));
            }
            (opening.channel, opening.custom_id) = (Some(channel), custom_id);
        } else if email.is_some() {
            opening.email = email;
        } else if phone.is_some() {
            opening.phone = phone;
        } else if custom_id.is_some() && self.config.deskie.channel.is_some() {
            (opening.channel, opening.custom_id) = (self.config.deskie.channel.clone(), custom_id);
        } else {
            return Err(Box::new(Found::Wait {
                why: "the customer has neither e-mail nor phone".into(),
                bounded: true,
            }));
        }
        Ok(opening)
    }

    pub(super) fn key_of(&self, section: Section, image: &Value) -> Option<String> {
        super::key_of(image, &self.compiled.shape(section).key)
    }

    async fn ticket_exists(&self, key: &TicketKey) -> Result<bool, ResolveError> {
        let shape = &self.compiled.ticket;
        let reading = Reading {
            sql: read::row_exists(shape).replacen("select 1", "select 'true'", 1),
            columns: vec![],
        };
        Ok(matches!(
            self.ask_table(&reading, shape, key).await?,
            Outputs::Row(_)
        ))
    }

    /// Asks with the row as it was captured; cells that the image lacks are read by key first.
    async fn ask_image(
        &self,
        reading: &Reading,
        section: Section,
        image: &Value,
    ) -> Result<Outputs, ResolveError> {
        match self.image_values(reading, section, image).await? {
            Ok(values) => {
                let of = (self.compiled.shape(section), reading.columns.as_slice());
                self.ask(&reading.sql, values, of).await
            }
            Err(outputs) => Ok(outputs),
        }
    }

    /// The values of the columns that a statement reads; or why they cannot be had.
    pub(super) async fn image_values(
        &self,
        reading: &Reading,
        section: Section,
        image: &Value,
    ) -> Result<Result<Vec<Option<String>>, Outputs>, ResolveError> {
        let missing: Vec<String> = reading
            .columns
            .iter()
            .filter(|column| image.get(*column).is_none())
            .cloned()
            .collect();
        let mut fetched = Vec::new();
        if !missing.is_empty()
            && let Some(key) = self.key_of(section, image)
        {
            let shape = self.compiled.shape(section);
            let by_key = Reading {
                sql: read::cells_by_key(shape, &missing),
                columns: Vec::new(),
            };
            match self.ask_table(&by_key, shape, &TicketKey(key)).await? {
                Outputs::Row(row) => fetched = row,
                // The row is gone: what was not captured of it is lost with it.
                Outputs::NoRow => return Ok(Err(Outputs::NoRow)),
                other => return Ok(Err(other)),
            }
        }
        let value = |column: &String| match image.get(column) {
            Some(value) => value.as_str().map(str::to_owned),
            None => missing
                .iter()
                .position(|name| name == column)
                .and_then(|n| fetched.get(n).cloned().flatten()),
        };
        Ok(Ok(reading.columns.iter().map(value).collect()))
    }

    pub(super) async fn ask_table(
        &self,
        reading: &Reading,
        shape: &Shape,
        key: &TicketKey,
    ) -> Result<Outputs, ResolveError> {
        match key_values(key.as_str(), shape.key.len()) {
            Some(values) => {
                let values = values.into_iter().map(Some).collect();
                self.ask(&reading.sql, values, (shape, &shape.key)).await
            }
            None => Ok(Outputs::Refused(format!(
                "`{key}` is not a key of {}",
                shape.relation
            ))),
        }
    }

    pub(super) async fn ask(
        &self,
        sql: &str,
        values: Vec<Option<String>>,
        of: (&Shape, &[String]),
    ) -> Result<Outputs, ResolveError> {
        Ok(match self.ask_all(sql, values, of).await? {
            Ok(mut rows) if rows.len() < 2 => rows.pop().map_or(Outputs::NoRow, Outputs::Row),
            Ok(_) => Outputs::SeveralRows,
            Err(error) => Outputs::Refused(error),
        })
    }
}

fn unanswered(outputs: &Outputs, section: &str) -> Found {
    match outputs {
        Outputs::SeveralRows => Found::Park(format!("the join of {section} gives several rows for one row")),
        Outputs::Refused(error) => Found::Park(format!("{section}: {error}")),
        _ => Found::Wait {
            why: format!("the joins of {section} give no row, or it is not visible to us"),
            bounded: true,
        },
    }
}

pub(super) fn body_format(word: Option<String>) -> Option<BodyFormat> {
    match word.as_deref() {
        None | Some("text") => Some(BodyFormat::Text),
        Some("html") => Some(BodyFormat::Html),
        Some("markdown") => Some(BodyFormat::Markdown),
        Some(_) => None,
    }
}
