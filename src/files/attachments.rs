//! `[[attachment]]` for the tables as they are now.

use super::name;
use crate::config::{Attachment, AttachmentSource, Config};
use crate::mapping::attachment::{self, Around};
use crate::mapping::shape::{key_text, key_values};
use crate::mapping::{Reading, Shape, Source};
use crate::postgres::names::{self, Sections};
use crate::postgres::shape::{ShapeError, load_attachment_shape};

/// One `[[attachment]]`, compiled.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The table's name, with a number where several sections read the same table: a row of it is a file of each.
    pub source: String,
    /// Its section.
    pub config: Attachment,
    /// Its table.
    pub shape: Shape,
    /// The files of a message or ticket.
    pub of_parent: Reading,
    /// Which of many messages or tickets have any.
    pub any_of_parents: Reading,
    /// Which of them are for Deskie.
    pub eligible: Reading,
    /// A file by its key.
    pub by_key: Reading,
    /// What a file belongs to, by its key.
    pub parent_of: Reading,
    /// A file's bytes by its key, where they are in the database.
    pub content: Option<Reading>,
    /// With `expand`, the files of one row: of its image, and as it stands in the table.
    pub of_row: Option<(Reading, Reading)>,
}

impl Attached {
    /// How the file of a row is called in `link`: keys of several tables must not meet (rule 5).
    pub fn link_key(&self, key: &str) -> String {
        format!("{} {key}", self.source)
    }

    /// The values by which the statements find a file: those of its row's key, and with `expand` its own key behind them.
    /// `None` where it is no key of that table.
    pub fn file_values(&self, key: &str) -> Option<Vec<String>> {
        let mut values = self.row_values(key)?;
        if self.of_row.is_some() {
            values.push(key.to_owned());
        }
        Some(values)
    }

    /// The values of the key of a file's row.
    pub fn row_values(&self, key: &str) -> Option<Vec<String>> {
        let columns = self.shape.key.len();
        if self.of_row.is_none() {
            return key_values(key, columns);
        }
        let parts: Vec<String> = serde_json::from_str(key).ok()?;
        Some(parts.get(..columns)?.to_vec())
    }

    /// With `expand`, how the row that a file stands in is called in `link`.
    pub fn row_name(&self, key: &str) -> Option<String> {
        self.of_row.as_ref()?;
        Some(self.link_key(&key_text(&self.row_values(key)?)))
    }

    /// What a statement gave for one file.
    pub fn row(&self, cells: &[Option<String>]) -> FileRow {
        let cell = |n: usize| {
            let text = cells.get(n)?.as_deref().map(str::trim)?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let source = cell(4);
        let of_source = match &self.config.source {
            AttachmentSource::Bytes(_) => None,
            _ => source.as_deref().and_then(name::of_path),
        };
        FileRow {
            key: cells.first().cloned().flatten().unwrap_or_default(),
            is_ours: cell(1).as_deref() == Some("true"),
            name: name::safe(&cell(2).or(of_source).unwrap_or_default()),
            mime: cell(3),
            source,
        }
    }
}

/// A file's row through the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    pub key: String,
    /// `where` holds.
    pub is_ours: bool,
    /// Its name; of its address or path where the mapping gives none.
    pub name: String,
    /// Its type, where the mapping gives one.
    pub mime: Option<String>,
    /// Its address, its path, or how many bytes it has.
    pub source: Option<String>,
}

/// Reads the catalog and compiles. A name anywhere in the mapping that does not mean what it says is an error (rule 22).
pub async fn load(
    client: &tokio_postgres::Client,
    config: &Config,
    tickets: &Shape,
    messages: Option<&Shape>,
) -> Result<Vec<Attached>, ShapeError> {
    let around = Around {
        ticket: (&config.ticket, tickets),
        message: config.message.as_ref().zip(messages),
    };
    let mut all: Vec<Attached> = Vec::new();
    for section in &config.attachments {
        let shape = load_attachment_shape(client, section).await?;
        let Some(parent) = around.parent(section) else {
            continue;
        };
        let others = all.iter().filter(|other| other.shape.relation == shape.relation);
        let source = match others.count() {
            0 => shape.relation.to_string(),
            n => format!("{}#{}", shape.relation, n + 1),
        };
        all.push(Attached {
            source,
            of_parent: attachment::of_parent(section, &shape, &around),
            any_of_parents: attachment::any_of_parents(section, &shape, &around),
            eligible: attachment::eligible(section, &shape, &around),
            by_key: attachment::by_key(section, &shape, &around),
            parent_of: attachment::parent_of(section, &shape, parent),
            content: attachment::content(section, &shape, &around),
            of_row: attachment::of_row(section, &shape, &around, Source::Image).zip(attachment::of_row(
                section,
                &shape,
                &around,
                Source::Table,
            )),
            config: section.clone(),
            shape,
        });
    }
    names::verify(
        client,
        &Sections {
            config,
            ticket: tickets,
            message: messages,
            attachments: all.iter().map(|attached| &attached.shape).collect(),
        },
    )
    .await?;
    Ok(all)
}
