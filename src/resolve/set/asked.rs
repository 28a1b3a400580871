//! What is asked of the site's database for a run, a statement for each kind of question.

use std::collections::HashSet;

use serde_json::Value;

use super::super::compiled::cell;
use super::super::row::Lane;
use super::super::{Batch, ResolveError};
use super::course::Course;
use super::{AT_ONCE, Entry, Known, is_ticket_update};
use crate::config::{AttachmentOf, OpenOn};
use crate::decide::{self, MessageRow, Need, Outputs, seconds};
use crate::mapping::Reading;
use crate::mapping::read::TicketKeyOf;
use crate::mapping::shape::{key_text, key_values};
use crate::model::{Section, TicketKey};
use crate::postgres::{describe, site};
use crate::store::Within;

impl Batch<'_> {
    /// What is needed of rows of which the key alone was kept when they were found in the table: they are read as they are
    /// now. One that is gone, or holds much, goes the way of one event.
    pub(super) async fn complete(&self, run: &mut [Entry<'_>]) -> Result<(), ResolveError> {
        let many = &self.compiled.many;
        for (section, cells) in [
            (Section::Ticket, Some(&many.ticket_cells)),
            (Section::Message, many.message_cells.as_ref()),
        ] {
            let Some(cells) = cells else { continue };
            let keys = &cells.reading.columns;
            let lacks = |entry: &Entry<'_>| {
                entry.event.found
                    && entry.section == section
                    && entry.course.is_new()
                    && cells
                        .columns
                        .iter()
                        .any(|column| entry.event.image.get(column).is_none())
            };
            let asked = places(run, lacks);
            let answers = self.ask_images(&cells.reading, run, &asked).await?;
            for (place, outputs) in answers {
                if let (Some(entry), Outputs::Row(row)) = (run.get_mut(place), outputs) {
                    let read = cells.columns.iter().zip(row);
                    let mut image = serde_json::Map::new();
                    image.extend(read.map(|(column, cell)| (column.clone(), cell.into())));
                    // The key stays as it was found.
                    image.extend(
                        keys.iter().filter_map(|column| {
                            Some((column.clone(), entry.event.image.get(column)?.clone()))
                        }),
                    );
                    entry.image = Some(Value::Object(image));
                }
            }
        }
        Ok(())
    }

    /// The lanes of rows that may be for Deskie.
    pub(super) async fn find_lanes(&self, run: &mut [Entry<'_>]) -> Result<(), ResolveError> {
        let mut asked = Vec::new();
        for (place, entry) in run.iter_mut().enumerate() {
            if entry.section == Section::Ticket {
                entry.lane = Some(Lane::Of(TicketKey(entry.key.clone())));
                continue;
            }
            if !entry.course.is_new() {
                continue;
            }
            match &self.compiled.many.ticket_key_of {
                None => entry.lane = Some(Lane::None),
                Some(TicketKeyOf::Columns(columns)) => {
                    let values: Option<Vec<&str>> =
                        columns.iter().map(|column| cell(entry.image(), column)).collect();
                    entry.lane =
                        Some(values.map_or(Lane::None, |values| Lane::Of(TicketKey(key_text(&values)))));
                }
                Some(TicketKeyOf::Reading(_)) => asked.push(place),
            }
        }
        if let Some(TicketKeyOf::Reading(reading)) = &self.compiled.many.ticket_key_of {
            for (place, outputs) in self.ask_images(reading, run, &asked).await? {
                let Some(entry) = run.get_mut(place) else { continue };
                entry.lane = match outputs {
                    Outputs::Row(row) => {
                        let values: Option<Vec<String>> = row.into_iter().collect();
                        Some(values.map_or(Lane::None, |values| Lane::Of(TicketKey(key_text(&values)))))
                    }
                    Outputs::NoRow => Some(Lane::None),
                    Outputs::SeveralRows | Outputs::Refused(_) => None,
                };
            }
        }
        Ok(())
    }

    /// What the mapping gives for the rows that may be for Deskie, and which of their messages have files: of a few rows asked
    /// together, of many by [`Batch::find_files`].
    pub(super) async fn evaluate(
        &self,
        run: &mut [Entry<'_>],
        known: &mut Known,
    ) -> Result<(), ResolveError> {
        let parents = match run.len() > AT_ONCE {
            true => Vec::new(),
            false => self.parents(AttachmentOf::Message, run, known).await,
        };
        let has_parents = !parents.is_empty();
        let asking = Box::pin(async {
            futures::try_join!(
                self.outputs_of(Section::Ticket, run),
                self.outputs_of(Section::Message, run),
                self.having_files(AttachmentOf::Message, parents)
            )
        });
        let (tickets, messages, files) = match has_parents {
            true => site::together(&self.site, asking)
                .await
                .map_err(|error| ResolveError::Site(describe(&error)))?,
            false => asking.await,
        }?;
        for (place, outputs) in tickets.into_iter().chain(messages) {
            if let Some(entry) = run.get_mut(place) {
                entry.outputs = Some(outputs);
            }
        }
        known.with_files.extend(files);
        Ok(())
    }

    /// Whether the mapping is asked about a row.
    fn is_asked(&self, entry: &Entry<'_>) -> bool {
        let is_new = entry.course.is_new() && self.is_evaluated(entry);
        matches!(entry.lane, Some(Lane::Of(_))) && (is_new || entry.tells_status && !entry.event.echo)
    }

    async fn outputs_of(
        &self,
        section: Section,
        run: &[Entry<'_>],
    ) -> Result<Vec<(usize, Outputs)>, ResolveError> {
        let reading = match section {
            Section::Message => self.compiled.many.messages.as_ref(),
            _ => Some(&self.compiled.many.ticket_images),
        };
        let Some(reading) = reading else {
            return Ok(Vec::new());
        };
        let asked = places(run, |entry| entry.section == section && self.is_asked(entry));
        self.ask_images(reading, run, &asked).await
    }

    /// `created_at` of the rows of which nothing else is asked.
    pub(super) async fn find_times(&self, run: &mut [Entry<'_>]) -> Result<(), ResolveError> {
        for section in [Section::Ticket, Section::Message] {
            let deciding = match section {
                Section::Message => self.compiled.deciding_message.as_ref(),
                _ => Some(&self.compiled.deciding_ticket),
            };
            let reading = deciding
                .and_then(|deciding| deciding.created_at.as_ref())
                .and_then(|created_at| created_at.images.as_ref());
            let Some(reading) = reading else { continue };
            let is_learning = self.wants_times(section).await;
            let is_asked = |entry: &Entry<'_>| {
                entry.section == section
                    && entry.outputs.is_none()
                    && match entry.course {
                        Course::Old => true,
                        Course::First { is_new, .. } => is_new && is_learning,
                        _ => false,
                    }
            };
            let asked = places(run, is_asked);
            for (place, outputs) in self.ask_images(reading, run, &asked).await? {
                let Some(entry) = run.get_mut(place) else { continue };
                match outputs {
                    Outputs::Row(row) => {
                        entry.created_at = seconds(row.first().and_then(|cell| cell.as_deref()));
                    }
                    _ => entry.course = Course::Alone,
                }
            }
        }
        Ok(())
    }

    /// Which of the tickets whose rows change wait to be opened with what those rows were before.
    pub(super) async fn find_made_before(
        &self,
        within: Within<'_>,
        run: &[Entry<'_>],
        known: &mut Known,
    ) -> Result<(), ResolveError> {
        if self.config.ticket.open_on == OpenOn::Ticket {
            return Ok(());
        }
        let changes = run
            .iter()
            .filter(|entry| is_ticket_update(entry) && !entry.event.echo);
        let waiting = changes.filter_map(|entry| {
            let lane = known.lanes.get(&entry.key)?;
            (!lane.gone && lane.case_id.is_none()).then_some((lane.id, entry.event.committed_at))
        });
        let waiting: Vec<_> = waiting.collect();
        if !waiting.is_empty() {
            known.made_before = within.openings_before(&waiting).await?;
        }
        Ok(())
    }

    /// A message of which nothing is known but what the mapping gave, as if it opened a case.
    async fn message_row<'a>(
        &self,
        entry: &Entry<'_>,
        outputs: &'a Outputs,
        ticket: &'a TicketKey,
    ) -> MessageRow<'a> {
        MessageRow {
            outputs,
            ticket,
            has_case: false,
            times: self
                .times(entry.section, entry.event.committed_at.as_second())
                .await,
            files: None,
            ticket_outputs: None,
            ticket_exists: None,
            body: None,
        }
    }

    /// What create_case needs of the tickets that have no case, where a message may open one.
    pub(super) async fn find_openings(
        &self,
        run: &[Entry<'_>],
        known: &mut Known,
    ) -> Result<(), ResolveError> {
        let shape = &self.compiled.ticket;
        let mut asked: Vec<&TicketKey> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for entry in run.iter().filter(|entry| entry.section == Section::Message) {
            let (Some(Lane::Of(lane)), Some(outputs)) = (&entry.lane, &entry.outputs) else {
                continue;
            };
            if known.has_case(lane) || seen.contains(lane.as_str()) {
                continue;
            }
            let row = MessageRow {
                files: Some(&[]),
                ..self.message_row(entry, outputs, lane).await
            };
            if decide::message(self.config, &row) == Err(Need::Ticket) {
                seen.insert(lane.as_str());
                asked.push(lane);
            }
        }
        let keys: Vec<(&TicketKey, Vec<Option<String>>)> = asked
            .into_iter()
            .filter_map(|key| {
                let values = key_values(key.as_str(), shape.key.len())?;
                Some((key, values.into_iter().map(Some).collect()))
            })
            .collect();
        let values: Vec<Vec<Option<String>>> = keys.iter().map(|(_, values)| values.clone()).collect();
        let found = self
            .ask_many(&self.compiled.many.ticket_keys.sql, shape.key.len(), &values)
            .await?;
        for ((key, _), outputs) in keys.into_iter().zip(found) {
            if let Outputs::Row(_) = outputs {
                known.openings.insert(key.0.clone(), outputs);
            }
        }
        Ok(())
    }

    /// Which of the tickets that may be opened have files, and of many rows which of the messages that go to Deskie.
    pub(super) async fn find_files(&self, run: &[Entry<'_>], known: &mut Known) -> Result<(), ResolveError> {
        let of_messages = (run.len() > AT_ONCE).then_some(AttachmentOf::Message);
        for of in of_messages.into_iter().chain([AttachmentOf::Ticket]) {
            let found = self.having_files(of, self.parents(of, run, known).await).await?;
            known.with_files.extend(found);
        }
        Ok(())
    }

    /// Which of these have files.
    async fn having_files(
        &self,
        of: AttachmentOf,
        keys: Vec<String>,
    ) -> Result<Vec<(AttachmentOf, String)>, ResolveError> {
        let sections = &self.compiled.attachments;
        let mut with_files = Vec::new();
        for attached in sections.iter().filter(|one| one.config.of == of) {
            let reading = &attached.any_of_parents;
            let values: Vec<Vec<Option<String>>> = keys
                .iter()
                .map(|key| {
                    let values = key_values(key, reading.columns.len()).unwrap_or_default();
                    values.into_iter().map(Some).collect()
                })
                .collect();
            let found = self
                .ask_many(&reading.sql, reading.columns.len(), &values)
                .await?;
            let found = keys
                .iter()
                .zip(found)
                .filter(|(_, found)| *found != Outputs::NoRow);
            with_files.extend(found.map(|(key, _)| (of, key.clone())));
        }
        Ok(with_files)
    }

    /// Whether a message's files matter, as far as it can be told by now.
    async fn takes_files(&self, entry: &Entry<'_>) -> bool {
        let (Some(outputs), Some(Lane::Of(lane))) = (&entry.outputs, &entry.lane) else {
            return true;
        };
        let row = self.message_row(entry, outputs, lane).await;
        decide::message(self.config, &row) == Err(Need::Files)
    }

    /// The keys of what the files of a run's rows would belong to, each once.
    async fn parents(&self, of: AttachmentOf, run: &[Entry<'_>], known: &Known) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        let asked = run.iter().filter(|entry| entry.course.is_new());
        for entry in asked.filter(|entry| self.is_asked(entry)) {
            let key = match (of, entry.section, &entry.lane) {
                (AttachmentOf::Message, Section::Message, _) if self.takes_files(entry).await => &entry.key,
                // A message opens no case where there is one.
                (AttachmentOf::Ticket, Section::Message, Some(Lane::Of(lane))) if known.has_case(lane) => {
                    continue;
                }
                (AttachmentOf::Ticket, _, Some(Lane::Of(lane))) => &lane.0,
                _ => continue,
            };
            if seen.insert(key) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// Asks a statement over images; the answers with the places of their entries. A row whose cells are not all there has
    /// none.
    async fn ask_images(
        &self,
        reading: &Reading,
        run: &[Entry<'_>],
        asked: &[usize],
    ) -> Result<Vec<(usize, Outputs)>, ResolveError> {
        let values_of = |entry: &Entry<'_>| -> Option<Vec<Option<String>>> {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let value = |column: &String| Some(text(entry.image().get(column)?));
            reading.columns.iter().map(value).collect()
        };
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        for place in asked {
            if let Some(values) = run.get(*place).and_then(values_of) {
                places.push(*place);
                rows.push(values);
            }
        }
        let answers = self.ask_many(&reading.sql, reading.columns.len(), &rows).await?;
        Ok(places.into_iter().zip(answers).collect())
    }
}

fn places(run: &[Entry<'_>], is_asked: impl Fn(&Entry<'_>) -> bool) -> Vec<usize> {
    let asked = run.iter().enumerate().filter(|(_, entry)| is_asked(entry));
    asked.map(|(place, _)| place).collect()
}
