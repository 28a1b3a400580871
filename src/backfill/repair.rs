//! The repair of a gap (rule 12): what the site did while nothing was streamed.
//!
//! What it finds goes through the ordinary resolving, as events of rows that are read by key:
//! - known rows that were deleted, by their absence;
//! - known rows that were written since, by their transaction: a draft may have become public, a text or a status may be
//!   another one;
//! - rows that nothing is known of. Every INSERT that is streamed makes its row known for ever, so such a row is either
//!   from before the connector, or of a gap. `created_at` tells which, as far as it is to be believed (rule 22); where it
//!   does not, a row whose transaction is older than the gap is old, and one whose key is greater than all that are known
//!   is new, and a message is new if its ticket is. What is left is held for a person, as one decision.
//!
//! "The table minus what we know" would be the site's history, so unknown rows are looked for only by conditions that
//! the gap bounds. Nothing here holds the stream or what is on its way to Deskie, only what comes to resolving.

use std::collections::HashSet;

use futures::{StreamExt, pin_mut};
use serde_json::Value;

use super::{Backfill, BackfillError};
use crate::config::OpenOn;
use crate::mapping::gap::{self, Among};
use crate::mapping::shape::{key_text, key_values};
use crate::mapping::{Shape, expand};
use crate::model::{CrashPoint, Op, RowClock, Section, clock};
use crate::postgres::TextParam;
use crate::store::{FoundRow, Gap, MappedSince};

/// A row may have been written a little before the last captured commit, by a transaction that ended after it.
const MARGIN_SECONDS: f64 = 300.0;

/// So many known rows are looked at together.
const PAGE: usize = 1000;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repaired {
    /// New rows.
    pub new: usize,
    /// Known ones that were written.
    pub changed: usize,
    /// Known ones that were deleted.
    pub deleted: usize,
    /// Rows that wait for a person.
    pub held: usize,
    /// In which delivery.
    pub held_in: Option<i64>,
    /// New rows of a table may be missing: nothing tells them from old ones.
    pub is_blind: bool,
}

impl std::fmt::Display for Repaired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} rows that were not streamed are queued; of the known ones {} were written and {} deleted meanwhile",
            self.new, self.changed, self.deleted
        )?;
        if let Some(delivery) = self.held_in {
            write!(
                f,
                "; {} rows cannot be told from old ones and wait for a person: `deskie-cdc failed show d{delivery}`",
                self.held
            )?;
        }
        if self.is_blind {
            write!(
                f,
                "; rows that were written before the take-over may be missing: their tables have neither a created_at that \
                 tells nor keys that count up. `deskie-cdc backfill` brings tickets in"
            )?;
        }
        Ok(())
    }
}

/// A row that nothing is known of.
struct Unknown {
    section: Section,
    key: String,
    row: FoundRow,
    ticket: Option<String>,
    /// `None`: that cannot be told.
    is_new: Option<bool>,
}

/// A table that is looked through for new rows.
struct Table<'a> {
    section: Section,
    shape: &'a Shape,
    clock: RowClock,
    /// Since when its rows are our business.
    began: f64,
    xid: Option<String>,
    /// The greatest key that is known.
    greatest: Option<i64>,
}

impl Table<'_> {
    /// Among which rows new ones are, and the condition's parameter; `None`: nothing tells them.
    fn among(&self, gap: &Gap) -> Option<(Among, String)> {
        let since = gap.since.map(|since| since.as_second() as f64 - MARGIN_SECONDS);
        if let Some(since) = since
            && self.section != Section::Attachment
            && let Some(window) = self.clock.window(since.max(self.began))
        {
            return Some((Among::Window, window.to_string()));
        }
        match (&self.xid, self.greatest, self.shape.key.as_slice()) {
            (Some(xid), _, _) => Some((Among::Written, xid.clone())),
            (None, Some(greatest), [_]) => Some((Among::Beyond, greatest.to_string())),
            _ => None,
        }
    }

    /// Whether a row that nothing is known of is new.
    fn is_new(&self, key: &str, created_at: Option<f64>, is_written: Option<bool>, now: f64) -> Option<bool> {
        if let Some(told) = created_at.and_then(|at| self.clock.is_after(at, self.began, now)) {
            return Some(told);
        }
        if is_written == Some(false) {
            return Some(false);
        }
        let number = key.parse::<i64>().ok();
        let is_beyond = self
            .greatest
            .zip(number)
            .is_some_and(|(greatest, number)| number > greatest);
        is_beyond.then_some(true)
    }
}

impl Backfill {
    /// Brings the rows of a gap in; by the leader, while nothing is resolved.
    pub async fn repair(&self, gap: &Gap) -> Result<Repaired, BackfillError> {
        let mut done = Repaired::default();
        self.known(gap, &mut done).await?;
        let now = clock::now().as_second() as f64;
        let mut unknown = self.unknown(gap, now, &mut done).await?;
        // A message of a ticket that is new is new, and one of a ticket whose INSERT was seen.
        let tickets: Vec<String> = unknown.iter().filter_map(|found| found.ticket.clone()).collect();
        let mut of_new = HashSet::new();
        for tickets in tickets.chunks(PAGE) {
            of_new.extend(self.store.gap().known_keys(Section::Ticket, tickets).await?);
        }
        let new = unknown
            .iter()
            .filter(|found| found.section == Section::Ticket && found.is_new == Some(true));
        of_new.extend(new.filter_map(|found| found.ticket.clone()).collect::<Vec<_>>());
        for found in unknown.iter_mut().filter(|found| found.is_new.is_none()) {
            let is_told = found.ticket.as_ref().is_some_and(|key| of_new.contains(key));
            if is_told && found.section == Section::Message {
                found.is_new = Some(true);
            }
        }
        let mut held = Vec::new();
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        let mut fresh: Vec<FoundRow> = Vec::new();
        for found in unknown {
            match (found.is_new, found.section) {
                (Some(true), section) => {
                    // A ticket's row that opens no case by itself is made known only.
                    let opens = section == Section::Ticket && self.config.ticket.open_on == OpenOn::Message;
                    let is_counted = found.row.op == Op::Insert && section != Section::Attachment;
                    done.new += usize::from(!opens && is_counted);
                    fresh.push(found.row);
                }
                // It opens no case by itself, and counts as an update.
                (None, Section::Ticket) if self.config.ticket.open_on == OpenOn::Message => {}
                (None, Section::Attachment) => fresh.push(FoundRow {
                    op: Op::Update,
                    ..found.row
                }),
                (None, section) => held.push((format!("{} {}", section.as_str(), found.key), found.row)),
                (Some(false), _) => {}
            }
        }
        for rows in fresh.chunks(PAGE) {
            step.gap().add_events(rows).await?;
        }
        if !held.is_empty() {
            done.held = held.len();
            let why = format!(
                "{} rows were found after a gap in the stream that cannot be told from old ones that were only updated \
                 (without created_at, or while created_at tells nothing; see `deskie-cdc check`); `failed retry` sends all \
                 of them, `failed discard` leaves all of them out",
                held.len()
            );
            done.held_in = Some(step.gap().hold(&held, &why).await?);
        }
        step.gap().close(&done.to_string()).await?;
        step.commit().await?;
        CrashPoint::GapClosed.reached();
        self.store.wake.events.notify_one();
        Ok(done)
    }

    /// Known rows that were deleted or written.
    async fn known(&self, gap: &Gap, done: &mut Repaired) -> Result<(), BackfillError> {
        let tickets = (&self.tickets, self.tickets.key.clone(), false);
        // Without transactions every ticket counts as written: then only a status can have changed unseen.
        let ticket_matters = match (&gap.xid, &self.config.ticket.status) {
            (Some(_), _) => "true",
            (None, Some(_)) => "case_id is not null",
            (None, None) if self.config.ticket.tells_changes() => "case_id is not null",
            (None, None) => "false",
        };
        self.known_of(Section::Ticket, tickets, ticket_matters, gap, done)
            .await?;
        if let (Some(config), Some(shape)) = (&self.config.message, &self.messages) {
            let columns = gap::message_columns(config, shape, &self.tickets);
            let matters = match config.tells_changes() {
                false => "state in ('seen', 'queued', 'parked')",
                true => "state in ('seen', 'queued', 'parked', 'delivered')",
            };
            let messages = (shape, columns, config.expand.is_some());
            self.known_of(Section::Message, messages, matters, gap, done)
                .await?;
        }
        CrashPoint::RowsQueued.reached();
        Ok(())
    }

    async fn known_of(
        &self,
        section: Section,
        (shape, columns, in_lists): (&Shape, Vec<String>, bool),
        matters: &str,
        gap: &Gap,
        done: &mut Repaired,
    ) -> Result<(), BackfillError> {
        let sql = gap::known(shape, &columns, gap.xid.is_some());
        let client = self.scanner().await?;
        let statement = client.prepare(&sql).await?;
        let (mut after, mut looked) = (0, 0);
        loop {
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let known = self
                .store
                .gap()
                .known_rows(section, matters, in_lists, after, limit)
                .await?;
            let Some(last) = known.last() else { return Ok(()) };
            after = last.id;
            looked += known.len();
            self.progress(&format!(
                "{looked} known rows of {} were compared",
                shape.relation
            ))
            .await?;
            let mut values: Vec<Vec<String>> = vec![Vec::new(); shape.key.len()];
            let keyed: Vec<_> = known
                .iter()
                .filter_map(|row| Some((row, key_values(&row.key, shape.key.len())?)))
                .collect();
            for (_, key) in &keyed {
                for (column, value) in values.iter_mut().zip(key) {
                    column.push(value.clone());
                }
            }
            let xid = gap.xid.clone().map(|xid| TextParam(Some(xid)));
            let mut params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                values.iter().map(|column| column as _).collect();
            params.extend(
                xid.iter()
                    .map(|xid| xid as &(dyn tokio_postgres::types::ToSql + Sync)),
            );
            let rows = client.query(&statement, &params).await?;
            let mut found = Vec::new();
            for row in &rows {
                let place = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default();
                let Some((known, key)) = place.checked_sub(1).and_then(|place| keyed.get(place)) else {
                    continue;
                };
                let (is_there, is_written): (bool, bool) = (row.try_get(1)?, row.try_get(3)?);
                let (op, image) = if !is_there {
                    done.deleted += 1;
                    let cells = shape
                        .key
                        .iter()
                        .cloned()
                        .zip(key.iter().cloned().map(Value::String));
                    (Op::Delete, Value::Object(cells.collect()))
                } else if is_written && known.matters {
                    done.changed += 1;
                    let image: String = row.try_get(2)?;
                    let image = serde_json::from_str(&image);
                    (
                        Op::Update,
                        image.map_err(|error| BackfillError::Site(error.to_string()))?,
                    )
                } else {
                    continue;
                };
                found.push(FoundRow {
                    relation: shape.relation.clone(),
                    op,
                    image,
                    at: None,
                });
            }
            if !found.is_empty() {
                let mut client = self.store.client().await?;
                let step = self.store.step(&mut client).await?;
                step.gap().add_events(&found).await?;
                step.commit().await?;
            }
        }
    }

    /// Rows that nothing is known of: tickets, then messages, then files, the oldest of each first.
    async fn unknown(&self, gap: &Gap, now: f64, done: &mut Repaired) -> Result<Vec<Unknown>, BackfillError> {
        let (later, clocks) = (
            self.store.published().later().await?,
            self.store.clocks().all().await?,
        );
        let started_at = self.store.meta().read().await?.started_at.as_second() as f64;
        let clock = |section| {
            let known = clocks.iter().find(|known| known.section == section);
            known.map_or(RowClock::Erratic, |known| known.clock())
        };
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        let greatest_ticket = step.links().greatest_number(Section::Ticket).await?;
        let greatest_message = step.links().greatest_number(Section::Message).await?;
        let mut greatest_files = Vec::new();
        for attached in &self.attachments {
            greatest_files.push(step.files().greatest_number(&attached.source).await?);
        }
        drop(step);
        drop(client);
        let table = |section, shape, greatest| {
            let mapped: Option<&MappedSince> = later.get(&Shape::clone(shape).relation.to_string());
            Table {
                section,
                shape,
                clock: clock(section),
                began: mapped.map_or(started_at, |mapped| mapped.at),
                xid: gap.xid.as_ref().map(|xid| match mapped {
                    Some(mapped) => mapped.xid.max(xid.parse().unwrap_or_default()).to_string(),
                    None => xid.clone(),
                }),
                greatest,
            }
        };
        let mut found = Vec::new();
        let tickets = table(Section::Ticket, &self.tickets, greatest_ticket);
        let sql = |among, has_xid| gap::tickets(&self.config.ticket, &self.tickets, among, has_xid);
        self.unknown_of(&tickets, gap, &sql, "", now, done, &mut found)
            .await?;
        if let (Some(config), Some(shape)) = (&self.config.message, &self.messages) {
            if config.expand.is_some() {
                self.unknown_in_lists(done, &mut found).await?;
            } else {
                let messages = table(Section::Message, shape, greatest_message);
                let sql = |among, has_xid| gap::messages(config, shape, &self.tickets, among, has_xid);
                self.unknown_of(&messages, gap, &sql, "", now, done, &mut found)
                    .await?;
            }
        }
        for (attached, greatest) in self.attachments.iter().zip(greatest_files) {
            let files = table(Section::Attachment, &attached.shape, greatest);
            let sql = |among, has_xid| gap::files(&attached.shape, among, has_xid);
            let prefix = attached.link_key("");
            self.unknown_of(&files, gap, &sql, &prefix, now, done, &mut found)
                .await?;
        }
        Ok(found)
    }

    async fn has_rows(&self, table: &Table<'_>) -> Result<bool, BackfillError> {
        if table.section != Section::Attachment {
            return Ok(true);
        }
        let client = self.scanner().await?;
        let sql = format!("select exists (select from {})", table.shape.sql());
        Ok(client.query_one(&sql, &[]).await?.try_get(0)?)
    }

    #[allow(clippy::too_many_arguments)]
    async fn unknown_of(
        &self,
        table: &Table<'_>,
        gap: &Gap,
        sql: &(dyn Fn(Among, bool) -> String + Sync),
        prefix: &str,
        now: f64,
        done: &mut Repaired,
        found: &mut Vec<Unknown>,
    ) -> Result<(), BackfillError> {
        let Some((among, value)) = table.among(gap) else {
            // A table of files of which none was ever sent has none to miss while it is empty.
            done.is_blind |= gap.xid.is_none() && self.has_rows(table).await?;
            return Ok(());
        };
        let relation = &table.shape.relation;
        self.progress(&format!("{relation} is looked through for new rows"))
            .await?;
        let second = table.xid.clone().filter(|_| among != Among::Written);
        let sql = sql(among, second.is_some());
        let values: Vec<TextParam> = [Some(value), second]
            .into_iter()
            .flatten()
            .map(|value| TextParam(Some(value)))
            .collect();
        let client = self.scanner().await?;
        let rows = client.query_raw(&sql, &values).await?.chunks(PAGE);
        pin_mut!(rows);
        let mut looked = 0;
        while let Some(page) = rows.next().await {
            let page: Vec<tokio_postgres::Row> = page.into_iter().collect::<Result<_, _>>()?;
            let mut keyed = Vec::new();
            for row in &page {
                let key: Option<String> = row.try_get(1)?;
                keyed.push(format!("{prefix}{}", key.unwrap_or_default()));
            }
            let known = self.store.gap().known_keys(table.section, &keyed).await?;
            looked += page.len();
            self.progress(&format!("{looked} rows of {relation} were looked at"))
                .await?;
            for (row, key) in page.iter().zip(keyed).filter(|(_, key)| !known.contains(key)) {
                let text = |n: usize| row.try_get::<_, Option<String>>(n).map_err(BackfillError::from);
                let key = key.get(prefix.len()..).unwrap_or_default().to_owned();
                let at: Option<f64> = text(2)?.and_then(|text| text.parse().ok());
                let is_written = text(3)?.map(|text| text == "true");
                let image = serde_json::from_str(&text(0)?.unwrap_or_default());
                let ticket = match table.section {
                    Section::Ticket => Some(key.clone()),
                    _ => {
                        let cells: Vec<Option<String>> =
                            (4..row.len()).map(text).collect::<Result<_, _>>()?;
                        let cells: Option<Vec<String>> = cells.into_iter().collect();
                        cells
                            .filter(|cells| !cells.is_empty())
                            .map(|cells| key_text(&cells))
                    }
                };
                let is_new = table.is_new(&key, at, is_written, now);
                if is_new != Some(false) {
                    found.push(Unknown {
                        section: table.section,
                        key,
                        row: FoundRow {
                            relation: relation.clone(),
                            op: Op::Insert,
                            image: image.map_err(|error| BackfillError::Site(error.to_string()))?,
                            at: at.map(|at| table.clock.made(at, now).unwrap_or(at.min(now))),
                        },
                        ticket,
                        is_new,
                    });
                }
            }
        }
        Ok(())
    }

    /// All that stood in lists before is known, so a row in which something is not known was changed.
    async fn unknown_in_lists(
        &self,
        done: &mut Repaired,
        found: &mut Vec<Unknown>,
    ) -> Result<(), BackfillError> {
        let (Some(config), Some(shape)) = (&self.config.message, &self.messages) else {
            return Ok(());
        };
        self.progress(&format!("{} is looked through for new messages", shape.relation))
            .await?;
        let links = self.store.sql("{s}.link");
        let wanted = expand::Wanted::Unknown(&links);
        let sql = expand::scan(config, &self.config.ticket, shape, &self.tickets, wanted);
        let columns = gap::message_columns(config, shape, &self.tickets);
        let by_key = gap::known(shape, &columns, false);
        let client = self.scanner().await?;
        let mut seen = HashSet::new();
        for row in self.look_with(&client, &sql, Vec::new()).await? {
            done.new += 1;
            let Some((row_key, _)) = row.of_list(self.tickets.key.len()) else {
                continue;
            };
            if !seen.insert(row_key.to_owned()) {
                continue;
            }
            let Some(key) = key_values(row_key, shape.key.len()) else {
                continue;
            };
            let key: Vec<Vec<String>> = key.into_iter().map(|value| vec![value]).collect();
            let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                key.iter().map(|column| column as _).collect();
            let Some(now) = client.query_opt(&by_key, &params).await? else {
                continue;
            };
            let image: String = now.try_get(2)?;
            found.push(Unknown {
                section: Section::Message,
                key: row.key.clone(),
                row: FoundRow {
                    relation: shape.relation.clone(),
                    op: Op::Update,
                    image: serde_json::from_str(&image)
                        .map_err(|error| BackfillError::Site(error.to_string()))?,
                    at: None,
                },
                ticket: None,
                is_new: Some(true),
            });
        }
        Ok(())
    }

    async fn progress(&self, text: &str) -> Result<(), BackfillError> {
        tracing::debug!("the repair: {text}");
        let mut told = self.told.lock().await;
        let now = clock::monotonic();
        if told.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY) {
            *told = Some(now);
            tracing::info!("the repair goes on: {text}");
            self.store
                .gap()
                .note_progress(&format!("goes on: {text}"))
                .await?;
        }
        Ok(())
    }
}

/// How often is told what the repair is at.
const TELL_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
