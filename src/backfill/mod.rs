//! The same resolve over another row source: the tables.
//!
//! *Backfill* queues existing tickets behind live traffic, each once, however often it is asked for: a ticket that has
//! a case, or anything in its lane, is left alone. *Repair* (rule 12) queues the rows of the gap that a lost slot left:
//! the new slot is there already, streaming has not begun, so what the stream brings queues behind; only rows that are
//! not older than the gap and that nothing is known of. "The table minus what we know" would be the site's history.
//!
//! A queued row is its key; everything else is read when it is resolved.
//!
//! Invariant: nothing here calls Deskie, and nothing is written to the site's tables.

use std::sync::Arc;

use serde_json::Value;
use tokio_postgres::types::ToSql;

use crate::config::{Config, OpenOn};
use crate::files::{self, Attached};
use crate::mapping::scan::{self, Since};
use crate::mapping::shape::{key_text, key_values};
use crate::mapping::{Shape, expand};
use crate::model::{CrashPoint, DeliveryId, Section, TicketKey};
use crate::postgres::shape::{ShapeError, load_message_shape, load_shape};
use crate::postgres::{Pool, TextParam, describe, site};
use crate::store::{Gap, LinkState, MappedSince, NewDelivery, Step, Store, StoreError};
use crate::text;

/// A row may have been written a little before the last captured commit, by a transaction that ended after it.
const MARGIN_SECONDS: i64 = 300;

/// Why a found row waits for a person.
const UNTOLD: &str = "found after the slot was lost; without created_at in the mapping a new row cannot be told from an \
    old one that was updated; `failed retry` sends it, `failed discard` leaves it out";

/// Backfilled rows come before all that the stream brings to their ticket; the ticket's own row first.
const FIRST_POSITION: i64 = i64::MIN / 2;

/// Why a look through the tables failed.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// Our own tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mapped tables.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The site's database, or the mapping in it.
    #[error("the tables could not be looked through: {0}")]
    Site(String),
}

impl From<tokio_postgres::Error> for BackfillError {
    fn from(error: tokio_postgres::Error) -> BackfillError {
        BackfillError::Site(describe(&error))
    }
}

/// Which existing tickets are asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Not older than this, by `[ticket] created_at`.
    pub since: Option<jiff::Timestamp>,
    /// Of this status, by `[ticket] status`.
    pub status: Option<String>,
    /// The newest so many.
    pub limit: Option<usize>,
}

/// A row found.
#[derive(Debug, Clone)]
pub struct FoundRow {
    image: Value,
    /// Its key.
    pub key: String,
    created_at: Option<f64>,
    /// The ticket's status, or the message's ticket.
    other: Vec<Option<String>>,
}

impl FoundRow {
    /// Of a message in a list, with a ticket's key of so many columns: the key of the row that it stands in, its body.
    fn of_list(&self, columns: usize) -> Option<(&str, &str)> {
        let row_key = self.other.get(columns)?.as_deref()?;
        Some((
            row_key,
            self.other.get(columns + 1)?.as_deref().unwrap_or_default(),
        ))
    }
}

/// What became of a ticket that was to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// So many rows are queued.
    Rows(usize),
    /// It has a case or something in its lane.
    Known,
    /// It has no message of a customer to open a case with.
    Nothing,
}

/// Looks through the tables.
pub struct Backfill {
    store: Store,
    site: Pool,
    config: Arc<Config>,
    tickets: Shape,
    messages: Option<Shape>,
    attachments: Vec<Attached>,
}

impl Backfill {
    /// Reads the mapped tables' shapes.
    pub async fn new(store: Store, site: Pool, config: Arc<Config>) -> Result<Backfill, BackfillError> {
        let client = site
            .get()
            .await
            .map_err(|error| BackfillError::Site(error.to_string()))?;
        let tickets = load_shape(&client, &config.ticket.table, &config.ticket.key).await?;
        let messages = match &config.message {
            Some(message) => Some(load_message_shape(&client, message).await?),
            None => None,
        };
        let attachments = files::load(&client, &config, &tickets, messages.as_ref()).await?;
        drop(client);
        Ok(Backfill {
            attachments,
            store,
            site,
            config,
            tickets,
            messages,
        })
    }

    /// The existing tickets that are asked for, the oldest first.
    pub async fn tickets(&self, wanted: &Wanted) -> Result<Vec<FoundRow>, BackfillError> {
        let condition = wanted.since.map(|_| Since::CreatedAt);
        let sql = scan::tickets(&self.config.ticket, &self.tickets, condition, true);
        let since = wanted.since.map(|since| since.as_second().to_string());
        let mut found = self.look(&sql, since.into_iter().collect()).await?;
        if let Some(status) = &wanted.status {
            found.retain(|row| {
                row.other
                    .first()
                    .is_some_and(|word| word.as_deref() == Some(status))
            });
        }
        if let Some(limit) = wanted.limit {
            found.drain(..found.len().saturating_sub(limit));
        }
        Ok(found)
    }

    /// Queues an existing ticket with its messages, unless it is known. With `dry` nothing is written.
    pub async fn queue(&self, ticket: &FoundRow, dry: bool) -> Result<Queued, BackfillError> {
        let messages = match (
            &self.config.message,
            &self.messages,
            key_values(&ticket.key, self.tickets.key.len()),
        ) {
            (Some(config), Some(shape), Some(key)) => {
                let sql = match config.expand {
                    Some(_) => {
                        let ticket = &self.config.ticket;
                        expand::scan(config, ticket, shape, &self.tickets, expand::Wanted::OfTicket)
                    }
                    None => scan::messages(config, shape, &self.tickets, None, true),
                };
                self.look(&sql, key).await?
            }
            _ => Vec::new(),
        };
        let mut client = self.store.client().await?;
        let step = self.store.step_aside(&mut client).await?;
        let lane = step.ticket_find_or_add(&TicketKey(ticket.key.clone())).await?;
        if lane.case_id.is_some() || step.ticket_has_deliveries(lane.id).await? {
            return Ok(Queued::Known);
        }
        let opens = self.config.ticket.open_on == OpenOn::Ticket;
        let own = opens.then_some((Section::Ticket, ticket)).into_iter();
        let rows = own.chain(messages.iter().map(|message| (Section::Message, message)));
        let mut queued = 0;
        for (n, (section, row)) in rows.enumerate() {
            let position = FIRST_POSITION + n as i64;
            let Some(delivery) = enter(&step, section, row, lane.id, position, true).await? else {
                continue;
            };
            self.note_row(&step, section, row, delivery).await?;
            queued += 1;
        }
        if queued == 0 {
            return Ok(Queued::Nothing);
        }
        if !dry {
            step.commit().await?;
        }
        Ok(Queued::Rows(queued))
    }

    /// Queues the rows of a gap; how many. To be called before streaming begins, by the leader.
    pub async fn repair(&self, gap: &Gap) -> Result<usize, BackfillError> {
        let later = self.store.published_later().await?;
        let condition = |shape: &Shape, created_at: bool| {
            let mapped = later.get(&shape.relation.to_string());
            from(gap, mapped, created_at)
        };
        let (since, value) = condition(&self.tickets, self.config.ticket.created_at.is_some());
        let sql = scan::tickets(&self.config.ticket, &self.tickets, Some(since), false);
        let tickets = self.look(&sql, vec![value]).await?;
        let mut found: Vec<(Section, Since, FoundRow)> = tickets
            .into_iter()
            .map(|row| (Section::Ticket, since, row))
            .collect();
        if let (Some(config), Some(shape)) = (&self.config.message, &self.messages)
            && config.expand.is_some()
        {
            // All that stood in lists before is known, so what is not known is of the gap.
            let links = self.store.sql("{s}.link");
            let wanted = expand::Wanted::Unknown(&links);
            let sql = expand::scan(config, &self.config.ticket, shape, &self.tickets, wanted);
            let old = gap
                .since
                .filter(|_| config.created_at.is_some())
                .map(|since| since.as_second() - MARGIN_SECONDS);
            let unknown = self.look(&sql, Vec::new()).await?.into_iter().map(|row| {
                let is_old = row.created_at.zip(old).is_some_and(|(at, old)| at < old as f64);
                let since = if is_old {
                    Since::Transaction
                } else {
                    Since::CreatedAt
                };
                (Section::Message, since, row)
            });
            found.extend(unknown);
        } else if let (Some(config), Some(shape)) = (&self.config.message, &self.messages) {
            let (since, value) = condition(shape, config.created_at.is_some());
            let sql = scan::messages(config, shape, &self.tickets, Some(since), false);
            let messages = self.look(&sql, vec![value]).await?;
            found.extend(messages.into_iter().map(|row| (Section::Message, since, row)));
        }
        let mut files = Vec::new();
        for attached in &self.attachments {
            let (_, xid) = condition(&attached.shape, false);
            let rows = self.look(&scan::files(&attached.shape), vec![xid]).await?;
            files.push((attached, rows));
        }
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        let greatest = Greatest {
            ticket: step.link_greatest_number(Section::Ticket).await?,
            message: step.link_greatest_number(Section::Message).await?,
        };
        let mut queued = 0;
        for (section, since, row) in &found {
            let ticket_key = match section {
                Section::Ticket => Some(row.key.clone()),
                _ => row
                    .other
                    .iter()
                    .take(self.tickets.key.len())
                    .cloned()
                    .collect::<Option<Vec<String>>>()
                    .map(|values| key_text(&values)),
            };
            let Some(ticket_key) = ticket_key else { continue };
            if step.link_find(*section, &row.key).await?.is_some() {
                continue;
            }
            let lane = step.ticket_find_or_add(&TicketKey(ticket_key.clone())).await?;
            // A reply of ours that was written in the gap was not streamed either.
            if let Some((row_key, body)) = row
                .of_list(self.tickets.key.len())
                .filter(|_| *section == Section::Message)
                && step
                    .remote_claim(lane.id, &text::fingerprints(body, body), &row.key)
                    .await?
            {
                let reason = Some("written by us");
                let link = step
                    .link_add(*section, &row.key, 1, Some(lane.id), LinkState::Written, reason)
                    .await?;
                step.link_set_row(link, row_key).await?;
                continue;
            }
            let is_new =
                *since == Since::CreatedAt || greatest.tells(&step, *section, row, &ticket_key).await?;
            if *section == Section::Ticket && self.config.ticket.open_on == OpenOn::Message {
                // It opens no case by itself; that it is known keeps a later UPDATE from being taken for old.
                if is_new {
                    step.link_add(
                        *section,
                        &row.key,
                        1,
                        Some(lane.id),
                        LinkState::Seen,
                        Some("found by the repair"),
                    )
                    .await?;
                }
                continue;
            }
            let position = match section {
                Section::Ticket => 0,
                _ => step.position_next().await?,
            };
            let Some(delivery) = enter(&step, *section, row, lane.id, position, false).await? else {
                continue;
            };
            self.note_row(&step, *section, row, delivery).await?;
            let what = format!("{} {}", section.as_str(), row.key);
            step.journal_add(Some(lane.id), "found by the repair", &what)
                .await?;
            if is_new {
                queued += 1;
            } else {
                step.delivery_park(delivery, UNTOLD).await?;
            }
        }
        for (attached, rows) in &files {
            repair_files(&step, attached, rows).await?;
        }
        step.commit().await?;
        CrashPoint::RowsQueued.reached();
        self.store.meta_close_gap().await?;
        CrashPoint::GapClosed.reached();
        Ok(queued)
    }

    /// A message of a list is linked to the row that it stands in.
    async fn note_row(
        &self,
        step: &Step<'_>,
        section: Section,
        row: &FoundRow,
        delivery: DeliveryId,
    ) -> Result<(), StoreError> {
        match row.of_list(self.tickets.key.len()) {
            Some((row_key, _)) if section == Section::Message => {
                step.delivery_set_row(delivery, row_key).await
            }
            _ => Ok(()),
        }
    }

    async fn look(&self, sql: &str, values: Vec<String>) -> Result<Vec<FoundRow>, BackfillError> {
        let client = self
            .site
            .get()
            .await
            .map_err(|error| BackfillError::Site(error.to_string()))?;
        let values: Vec<TextParam> = values.into_iter().map(|value| TextParam(Some(value))).collect();
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = site::query_sql(&client, sql, &values).await?;
        let read = |row: &tokio_postgres::Row| {
            let text = |n: usize| row.try_get::<_, Option<String>>(n).map_err(BackfillError::from);
            let image = text(0)?.unwrap_or_default();
            Ok(FoundRow {
                image: serde_json::from_str(&image)
                    .map_err(|error| BackfillError::Site(error.to_string()))?,
                key: text(1)?.unwrap_or_default(),
                created_at: text(2)?.and_then(|text| text.parse().ok()),
                other: (3..row.len()).map(text).collect::<Result<_, _>>()?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Which rows of a table may be of the gap; of one that was `mapped` within it, none from before that.
fn from(gap: &Gap, mapped: Option<&MappedSince>, created_at: bool) -> (Since, String) {
    match gap.since.filter(|_| created_at) {
        Some(since) => {
            let since = (since.as_second() - MARGIN_SECONDS) as f64;
            let since = mapped.map_or(since, |mapped| since.max(mapped.at));
            (Since::CreatedAt, since.to_string())
        }
        None => {
            let xid = mapped.map(|mapped| mapped.xid.max(gap.xid.parse().unwrap_or_default()));
            let xid = xid.map_or_else(|| gap.xid.clone(), |xid| xid.to_string());
            (Since::Transaction, xid)
        }
    }
}

/// Files of the gap: those of its messages go with them, those that came late for an older message follow. A file has no
/// time of its own: only one whose key is greater than all that are known is certainly new.
async fn repair_files(step: &Step<'_>, attached: &Attached, rows: &[FoundRow]) -> Result<(), StoreError> {
    let greatest = step.file_greatest_number(&attached.source).await?;
    for row in rows {
        let key = attached.link_key(&row.key);
        if step.link_find(Section::Attachment, &key).await?.is_some() {
            continue;
        }
        let is_new = greatest
            .zip(row.key.parse::<i64>().ok())
            .is_some_and(|(greatest, key)| key > greatest);
        step.file_event(&attached.shape.relation, &row.image, is_new)
            .await?;
    }
    Ok(())
}

/// The greatest keys that the stream brought: what tells a new row where `created_at` is not mapped.
struct Greatest {
    ticket: Option<i64>,
    message: Option<i64>,
}

impl Greatest {
    /// Whether a row was certainly inserted in the gap: its key is greater than all that is known, or it belongs to a
    /// ticket that the connector saw being opened. Any other may be an old row that was updated.
    async fn tells(
        &self,
        step: &Step<'_>,
        section: Section,
        row: &FoundRow,
        ticket_key: &str,
    ) -> Result<bool, StoreError> {
        let beyond = |greatest: Option<i64>| {
            greatest
                .zip(row.key.parse::<i64>().ok())
                .is_some_and(|(greatest, key)| key > greatest)
        };
        Ok(match section {
            Section::Ticket => beyond(self.ticket),
            _ => beyond(self.message) || step.link_find(Section::Ticket, ticket_key).await?.is_some(),
        })
    }
}

/// Puts a row that nothing is known of into its lane.
async fn enter(
    step: &Step<'_>,
    section: Section,
    row: &FoundRow,
    lane: i64,
    position: i64,
    backfill: bool,
) -> Result<Option<DeliveryId>, StoreError> {
    let known = step.link_find(section, &row.key).await?;
    // A row that was seen before its time has come is backfilled all the same, and so is a message that stood in its list
    // at the start; anything else is dealt with.
    let link = match known {
        None => {
            step.link_add(section, &row.key, 1, Some(lane), LinkState::Queued, None)
                .await?
        }
        Some(link) if backfill && (link.state == LinkState::Seen || link.is_baseline) && !link.gone => {
            step.link_set_state(link.id, LinkState::Queued, None).await?;
            link.id
        }
        Some(_) => return Ok(None),
    };
    // Its own time stands for its commit's, so that it is not taken for an import.
    let committed_at = row
        .created_at
        .map_or_else(|| crate::model::clock::now().as_second(), |at| at as i64);
    let new = NewDelivery {
        position,
        ticket_id: Some(lane),
        link,
        section,
        image: &row.image,
        committed_at,
        backfill,
    };
    step.delivery_add(&new).await.map(Some)
}
