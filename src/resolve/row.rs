//! One row through the mapping.

use serde_json::Value;

use super::files::{Resolved, names};
use super::verdict::{Holds, Of};
use super::{Batch, ResolveError, cell};
use crate::config::AttachmentOf;
use crate::decide::{self, MessageRow, Need, Outputs, TicketRow, Times, seconds};
use crate::mapping::Shape;
use crate::mapping::read::{self, Reading, TicketKeyOf};
use crate::mapping::shape::{key_text, key_values};
use crate::model::{Section, TicketKey};
use crate::store::{Step, beside};
use crate::text::{self, Parts};

/// What becomes of a row, with the files that it takes along.
pub(super) type Ruling = decide::Ruling<Resolved>;

/// Which ticket a row belongs to.
pub enum Lane {
    /// This one.
    Of(TicketKey),
    /// None; a later UPDATE may name one.
    None,
    /// It cannot be told: a person must look.
    Untold(String),
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
        Ok(seconds(created_at.flatten().as_deref()))
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
    ) -> Result<Ruling, ResolveError> {
        match (section, &self.compiled.messages) {
            (Section::Ticket, _) => Box::pin(self.resolve_ticket(step, image, ticket, committed_at)).await,
            (Section::Message, Some((from_image, from_table))) => {
                let readings = (from_image, from_table);
                let found = self.resolve_message(step, readings, image, ticket, has_case, committed_at);
                Box::pin(found).await
            }
            _ => Ok(Ruling::Never("no such section is configured".into())),
        }
    }

    async fn resolve_ticket(
        &self,
        step: &Step<'_>,
        image: &Value,
        key: &TicketKey,
        committed_at: i64,
    ) -> Result<Ruling, ResolveError> {
        let compiled = &self.compiled;
        let mut outputs = self
            .ask_image(&compiled.ticket_image, Section::Ticket, image)
            .await?;
        if let Outputs::Refused(_) = outputs {
            outputs = self
                .ask_table(&compiled.ticket_table, &compiled.ticket, key)
                .await?;
        }
        if !matches!(outputs, Outputs::Row(_))
            && let Some(found) = self.ticket_verdict(image, committed_at).await?
        {
            return Ok(found);
        }
        let times = self.times(Section::Ticket, committed_at).await;
        let found = self.ticket_found(key, &outputs, times).await;
        let files = match found {
            decide::Ruling::Ready(_) => self.files_of(step, AttachmentOf::Ticket, key.as_str()).await?,
            _ => Ok(Vec::new()),
        };
        Ok(match files {
            Ok(files) => found.map_ready(|ready| Resolved::of(ready, files)),
            Err(found) => found,
        })
    }

    /// What the outputs of a ticket mean.
    pub(super) async fn ticket_found(
        &self,
        key: &TicketKey,
        outputs: &Outputs,
        times: Times,
    ) -> decide::Ruling {
        let mut body = None;
        loop {
            let row = TicketRow {
                key,
                outputs,
                times,
                body: body.as_ref(),
            };
            match decide::ticket(self.config, &row) {
                Ok(found) => return found,
                Err(_) => body = Some(self.body_of(Section::Ticket, outputs).await),
            }
        }
    }

    /// A row's body as it is sent. Whoever wrote it, it is converted beside the runtime and within a time; what is not
    /// done by then goes as plain text.
    pub(super) async fn body_of(&self, section: Section, outputs: &Outputs) -> Parts {
        let Some((body, format)) = decide::body_of(section, outputs) else {
            return Parts::default();
        };
        let limits = decide::limits(self.config);
        let owned = body.to_owned();
        let done = beside(body.len(), move || text::parts(&owned, format, limits)).await;
        done.unwrap_or_else(|| text::plain_parts(body, format, limits))
    }

    async fn resolve_message(
        &self,
        step: &Step<'_>,
        (from_image, from_table): (&Reading, &Reading),
        image: &Value,
        ticket: &TicketKey,
        has_case: bool,
        committed_at: i64,
    ) -> Result<Ruling, ResolveError> {
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
    ) -> Result<Ruling, ResolveError> {
        let times = self.times(Section::Message, committed_at).await;
        let (mut files, mut ticket_outputs, mut ticket_exists, mut body) = (None, None, None, None);
        let found = loop {
            let names: Option<Vec<&str>> = files.as_deref().map(names);
            let row = MessageRow {
                outputs: &outputs,
                ticket,
                has_case,
                times,
                files: names.as_deref(),
                ticket_outputs: ticket_outputs.as_ref(),
                ticket_exists,
                body: body.as_ref(),
            };
            match decide::message(self.config, &row) {
                Ok(found) => break found,
                Err(Need::TicketExists) => ticket_exists = Some(self.ticket_exists(ticket).await?),
                Err(Need::Body) => body = Some(self.body_of(Section::Message, &outputs).await),
                Err(Need::Files) => {
                    files = match key {
                        Some(key) => match self.files_of(step, AttachmentOf::Message, key).await? {
                            Ok(files) => Some(files),
                            Err(found) => return Ok(found),
                        },
                        None => Some(Vec::new()),
                    }
                }
                Err(Need::Ticket) => {
                    let compiled = &self.compiled;
                    let found = self.ask_table(&compiled.ticket_table, &compiled.ticket, ticket);
                    ticket_outputs = Some(found.await?);
                }
            }
        };
        let mut files = files.unwrap_or_default();
        // They belong to what opens the case.
        if matches!(&found, decide::Ruling::Ready(ready) if ready.opening.is_some()) {
            match self.files_of(step, AttachmentOf::Ticket, ticket.as_str()).await? {
                Ok(of_ticket) => files.extend(of_ticket),
                Err(found) => return Ok(found),
            }
        }
        Ok(found.map_ready(|ready| Resolved::of(ready, files)))
    }

    pub(super) fn key_of(&self, section: Section, image: &Value) -> Option<String> {
        super::key_of(image, &self.compiled.shape(section).key)
    }

    async fn ticket_exists(&self, key: &TicketKey) -> Result<bool, ResolveError> {
        let shape = &self.compiled.ticket;
        let reading = Reading {
            sql: read::row_exists(shape),
            columns: vec![],
        };
        Ok(matches!(
            self.ask_table(&reading, shape, key).await?,
            Outputs::Row(_)
        ))
    }

    /// Asks with the row as it was captured; cells that the image lacks are read by key first.
    pub(super) async fn ask_image(
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
