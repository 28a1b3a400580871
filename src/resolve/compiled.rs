//! The mapping's statements for the tables as they are now.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ResolveError;
use crate::config::Config;
use crate::files::{self, Attached};
use crate::mapping::alone::{self, Deciding};
use crate::mapping::read::{self, Reading, TicketKeyOf};
use crate::mapping::shape::key_text;
use crate::mapping::{Shape, Source, expand};
use crate::model::{RelationName, Section};
use crate::postgres::catalog;
use crate::postgres::shape::{CreatedAtTypes, created_at_types, load_message_shape, load_shape};

/// All statements of a mapping.
pub struct Compiled {
    /// The ticket table.
    pub ticket: Shape,
    /// The message table.
    pub message: Option<Shape>,
    /// A ticket from its image.
    pub ticket_image: Reading,
    /// A ticket by its key.
    pub ticket_table: Reading,
    /// A message from its image, and by its key.
    pub messages: Option<(Reading, Reading)>,
    /// What decides whether a ticket is for Deskie, expression by expression.
    pub deciding_ticket: Deciding,
    /// What decides whether a message is.
    pub deciding_message: Option<Deciding>,
    /// How a message's ticket is found.
    pub ticket_key_of: Option<TicketKeyOf>,
    /// The same over many rows.
    pub many: Many,
    /// The attachment tables.
    pub attachments: Vec<Attached>,
    /// With `expand`, which messages a row holds.
    pub thread: Option<Thread>,
    /// The mapped tables that have parts: partitions, or tables that inherit.
    pub in_parts: Vec<RelationName>,
    /// How `created_at` is mapped, and whether its type has a time zone.
    pub created_at: CreatedAtTypes,
}

/// The statements that are asked of many rows at once.
pub struct Many {
    /// Tickets from their images.
    pub ticket_images: Reading,
    /// Tickets by their keys.
    pub ticket_keys: Reading,
    /// Messages from their images.
    pub messages: Option<Reading>,
    /// The tickets of messages.
    pub ticket_key_of: Option<TicketKeyOf>,
    /// What the statements over images need of tickets of which the key alone is here.
    pub ticket_cells: Cells,
    /// The same of messages.
    pub message_cells: Option<Cells>,
}

/// The cells of rows that were found in the table, and of which the key alone was kept.
pub struct Cells {
    /// Reads them by the keys.
    pub reading: Reading,
    /// Their columns, in the order of its outputs.
    pub columns: Vec<String>,
}

impl Cells {
    /// A row that holds more is dealt with by itself.
    const MOST_BYTES: usize = 64 << 10;

    fn of<'a>(shape: &Shape, columns: impl Iterator<Item = &'a String>) -> Cells {
        let columns: BTreeSet<&String> = columns.collect();
        let columns: Vec<String> = columns.into_iter().cloned().collect();
        Cells {
            reading: read::cells_by_keys(shape, &columns, Cells::MOST_BYTES),
            columns,
        }
    }
}

/// How a row that holds many messages is read.
pub struct Thread {
    /// Its messages, from its image and by its key.
    pub elements: (Reading, Reading),
    /// The columns that the list is made of.
    pub columns: Vec<String>,
    /// The list is that of the ticket's row as it is now.
    pub reads_ticket: bool,
}

impl Compiled {
    /// Reads the catalog and compiles.
    pub async fn load(client: &tokio_postgres::Client, config: &Config) -> Result<Compiled, ResolveError> {
        let mapping = |error: crate::postgres::shape::ShapeError| {
            if error.is_about_the_connection() {
                ResolveError::Site(error.to_string())
            } else {
                ResolveError::Mapping(error.to_string())
            }
        };
        let ticket = load_shape(client, &config.ticket.table, &config.ticket.key)
            .await
            .map_err(mapping)?;
        let message = match &config.message {
            Some(message) => Some(load_message_shape(client, message).await.map_err(mapping)?),
            None => None,
        };
        let with_shape = config.message.as_ref().zip(message.as_ref());
        let messages = with_shape.map(|(config_message, shape)| {
            let reading = |source| read::message(config_message, &config.ticket, shape, &ticket, source);
            (reading(Source::Image), reading(Source::Table))
        });
        let ticket_key_of = |source| {
            with_shape
                .map(|(config_message, shape)| read::ticket_key_of(config_message, shape, &ticket, source))
        };
        let ticket_images = read::ticket(&config.ticket, &ticket, Source::Images);
        let message_images = with_shape
            .map(|(message, shape)| read::message(message, &config.ticket, shape, &ticket, Source::Images));
        let key_of_many = ticket_key_of(Source::Images);
        let of_key = match &key_of_many {
            Some(TicketKeyOf::Columns(columns) | TicketKeyOf::Reading(Reading { columns, .. })) => columns,
            None => &Vec::new(),
        };
        let many = Many {
            ticket_cells: Cells::of(&ticket, ticket_images.columns.iter()),
            message_cells: message
                .as_ref()
                .zip(message_images.as_ref())
                .map(|(shape, images)| Cells::of(shape, images.columns.iter().chain(of_key))),
            ticket_images,
            ticket_keys: read::ticket(&config.ticket, &ticket, Source::Keys),
            messages: message_images,
            ticket_key_of: key_of_many,
        };
        let ticket_key_of = ticket_key_of(Source::Image);
        let attachments = files::load(client, config, &ticket, message.as_ref())
            .await
            .map_err(mapping)?;
        let with_expand = with_shape.filter(|(message, _)| message.expand.is_some());
        let thread = with_expand.map(|(message, shape)| {
            let elements = |source| expand::elements(message, &config.ticket, shape, &ticket, source);
            Thread {
                elements: (elements(Source::Image), elements(Source::Table)),
                columns: expand::columns(message, shape),
                reads_ticket: expand::reads_ticket(message),
            }
        });
        let created_at = created_at_types(client, config, &ticket, message.as_ref())
            .await
            .map_err(mapping)?;
        let deciding_message = with_shape
            .map(|(config_message, shape)| alone::message(config_message, &config.ticket, shape, &ticket));
        let files = attachments.iter().map(|attached| &attached.shape);
        let relations = std::iter::once(&ticket).chain(&message).chain(files);
        let relations: Vec<&RelationName> = relations.map(|shape| &shape.relation).collect();
        Ok(Compiled {
            in_parts: catalog::in_parts(client, &relations)
                .await
                .map_err(|error| mapping(error.into()))?,
            created_at,
            deciding_ticket: alone::ticket(&config.ticket, &ticket),
            deciding_message,
            attachments,
            thread,
            ticket_image: read::ticket(&config.ticket, &ticket, Source::Image),
            ticket_table: read::ticket(&config.ticket, &ticket, Source::Table),
            messages,
            ticket_key_of,
            many,
            ticket,
            message,
        })
    }

    /// The sections that rows of a table belong to; the ticket first, since it opens the case.
    pub fn sections_of(&self, relation: &RelationName) -> Vec<Section> {
        let mut sections = Vec::new();
        if self.ticket.relation == *relation {
            sections.push(Section::Ticket);
        }
        if self
            .message
            .as_ref()
            .is_some_and(|message| message.relation == *relation)
        {
            sections.push(Section::Message);
        }
        sections
    }

    /// The attachments that rows of a table are.
    pub fn attachments_of<'a>(&'a self, relation: &'a RelationName) -> impl Iterator<Item = &'a Attached> {
        self.attachments
            .iter()
            .filter(move |attached| attached.shape.relation == *relation)
    }

    /// The mapped tables.
    fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let files = self.attachments.iter().map(|attached| &attached.shape);
        std::iter::once(&self.ticket).chain(&self.message).chain(files)
    }

    /// The columns by which rows of a table are known; `None`: it is not mapped.
    pub fn key_columns(&self, relation: &RelationName) -> Option<&[String]> {
        self.shapes()
            .find(|shape| shape.relation == *relation)
            .map(|shape| shape.key.as_slice())
    }

    /// The mapped tables, each with the first of these columns.
    pub fn key_firsts(&self) -> Vec<(&RelationName, &str)> {
        let mut firsts: Vec<(&RelationName, &str)> = Vec::new();
        for shape in self.shapes() {
            if let Some(first) = shape.key.first()
                && !firsts.iter().any(|(relation, _)| **relation == shape.relation)
            {
                firsts.push((&shape.relation, first));
            }
        }
        firsts
    }

    /// The table of a section.
    pub fn shape(&self, section: Section) -> &Shape {
        match (section, &self.message) {
            (Section::Message, Some(message)) => message,
            _ => &self.ticket,
        }
    }
}

/// The text of a key column in an image.
pub fn cell<'a>(image: &'a Value, column: &str) -> Option<&'a str> {
    image.get(column).and_then(Value::as_str)
}

/// The text of a row's key; `None` where a column of it is NULL or was not sent.
pub fn key_of(row: &Value, columns: &[String]) -> Option<String> {
    let values: Option<Vec<&str>> = columns.iter().map(|column| cell(row, column)).collect();
    Some(key_text(&values?))
}
