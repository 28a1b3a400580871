//! The same resolve over another row source: the tables.
//!
//! *Backfill* queues existing tickets behind live traffic, each once, however often it is asked for: a ticket that has
//! a case, or anything in its lane, is left alone. *Repair* brings in what a lost slot lost.
//!
//! A queued row is its key; everything else is read when it is resolved.
//!
//! Invariant: nothing here calls Deskie, and nothing is written to the site's tables.

mod repair;

pub use repair::Repaired;

use std::sync::Arc;

use serde_json::Value;
use tokio_postgres::types::ToSql;

use crate::config::{Config, OpenOn};
use crate::files::{self, Attached};
use crate::mapping::scan;
use crate::mapping::shape::key_values;
use crate::mapping::{Shape, expand};
use crate::model::{DeliveryId, LaneId, Section, TicketKey};
use crate::postgres::shape::{ShapeError, created_at_types, load_message_shape, load_shape};
use crate::postgres::{Pool, TextParam, describe, site};
use crate::store::{LinkState, NewDelivery, Step, Store, StoreError};

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
}

/// A row found.
#[derive(Debug, Clone)]
pub struct FoundRow {
    image: Value,
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
    /// When it was last told what the repair is at.
    told: tokio::sync::Mutex<Option<std::time::Instant>>,
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
        let types = created_at_types(&client, &config, &tickets, messages.as_ref()).await?;
        drop(client);
        store.clocks().declare(&types).await?;
        Ok(Backfill {
            told: tokio::sync::Mutex::default(),
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
        let sql = scan::tickets(&self.config.ticket, &self.tickets, wanted.since.is_some());
        let since = wanted.since.map(|since| since.as_second().to_string());
        let mut found = self.look(&sql, since.into_iter().collect()).await?;
        if let Some(status) = &wanted.status {
            found.retain(|row| {
                row.other
                    .first()
                    .is_some_and(|word| word.as_deref() == Some(status))
            });
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
                    None => scan::messages(config, shape, &self.tickets),
                };
                self.look(&sql, key).await?
            }
            _ => Vec::new(),
        };
        let mut client = self.store.client().await?;
        let step = self.store.step_aside(&mut client).await?;
        let lane = step.tickets().find_or_add(&TicketKey(ticket.key.clone())).await?;
        if lane.case_id.is_some() || step.tickets().has_deliveries(lane.id).await? {
            return Ok(Queued::Known);
        }
        let opens = self.config.ticket.open_on == OpenOn::Ticket;
        let own = opens.then_some((Section::Ticket, ticket)).into_iter();
        let rows = own.chain(messages.iter().map(|message| (Section::Message, message)));
        let mut queued = 0;
        for (n, (section, row)) in rows.enumerate() {
            let position = FIRST_POSITION + n as i64;
            let Some(delivery) = enter(&step, section, row, lane.id, position).await? else {
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
                step.deliveries().set_row(delivery, row_key).await
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
        self.look_with(&client, sql, values).await
    }

    /// A connection of its own for a look that may take as long as it takes: it is closed afterwards.
    async fn scanner(&self) -> Result<deadpool_postgres::ClientWrapper, BackfillError> {
        let client = self
            .site
            .get()
            .await
            .map_err(|error| BackfillError::Site(error.to_string()))?;
        let client = deadpool_postgres::Object::take(client);
        client.batch_execute("set statement_timeout to 0").await?;
        // Nothing but the mapping's statements runs on it.
        client.batch_execute(site::ENTER).await?;
        Ok(client)
    }

    async fn look_with(
        &self,
        client: &tokio_postgres::Client,
        sql: &str,
        values: Vec<String>,
    ) -> Result<Vec<FoundRow>, BackfillError> {
        let values: Vec<TextParam> = values.into_iter().map(|value| TextParam(Some(value))).collect();
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = site::query_sql(client, sql, &values).await?;
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

/// Puts a row that nothing is known of into its lane.
async fn enter(
    step: &Step<'_>,
    section: Section,
    row: &FoundRow,
    lane: LaneId,
    position: i64,
) -> Result<Option<DeliveryId>, StoreError> {
    let known = step.links().find(section, &row.key).await?;
    // A row that was seen before its time has come is backfilled all the same, and so is a message that stood in its list
    // at the start; anything else is dealt with.
    let link = match known {
        None => {
            step.links()
                .add(section, &row.key, 1, Some(lane), LinkState::Queued, None)
                .await?
        }
        Some(link) if (link.state == LinkState::Seen || link.is_baseline) && !link.gone => {
            step.links().set_state(link.id, LinkState::Queued, None).await?;
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
        backfill: true,
    };
    step.deliveries().add(&new).await.map(Some)
}
