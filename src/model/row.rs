//! Rows as they are captured: text, NULL or unchanged; never converted (rule 15).

use serde::{Deserialize, Serialize};

/// One column's value in a captured row. Its `Debug` tells its length.
#[derive(Clone, PartialEq, Eq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// The value did not travel: unchanged TOAST, or a cell too large to keep; read by key when needed.
    Unchanged,
    /// The value in Postgres's text format.
    Text(String),
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Null => f.write_str("Null"),
            Cell::Unchanged => f.write_str("Unchanged"),
            Cell::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// A captured row: its columns by name, in the table's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Column name and value.
    pub columns: Vec<(String, Cell)>,
}

impl Row {
    /// The value of `column`, or `None` where the row has no such column.
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.columns
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, cell)| cell)
    }

    /// As JSON object: text or null by column; an unchanged cell is absent.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::with_capacity(self.columns.len());
        for (name, cell) in &self.columns {
            match cell {
                Cell::Null => object.insert(name.clone(), serde_json::Value::Null),
                Cell::Text(text) => object.insert(name.clone(), serde_json::Value::String(text.clone())),
                Cell::Unchanged => None,
            };
        }
        serde_json::Value::Object(object)
    }
}

/// A table's qualified name, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationName {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl std::fmt::Display for RelationName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// A row was inserted.
    Insert,
    /// A row was changed.
    Update,
    /// A row was deleted.
    Delete,
    /// The table was emptied.
    Truncate,
}

impl Op {
    /// The one letter that `event.op` holds.
    pub fn letter(self) -> &'static str {
        match self {
            Op::Insert => "I",
            Op::Update => "U",
            Op::Delete => "D",
            Op::Truncate => "T",
        }
    }

    /// The reverse of [`Op::letter`].
    pub fn from_letter(letter: &str) -> Option<Op> {
        match letter {
            "I" => Some(Op::Insert),
            "U" => Some(Op::Update),
            "D" => Some(Op::Delete),
            "T" => Some(Op::Truncate),
            _ => None,
        }
    }
}

/// The part of the config that a row belongs to; one row may belong to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// `[ticket]`
    Ticket,
    /// `[message]`
    Message,
    /// `[[attachment]]`
    Attachment,
}

impl Section {
    /// The word used in the config, the state tables and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Section::Ticket => "ticket",
            Section::Message => "message",
            Section::Attachment => "attachment",
        }
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A member of the support team.
    Agent,
    /// The customer.
    Customer,
}

impl Kind {
    /// The word that `:kind` gives.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Agent => "agent",
            Kind::Customer => "customer",
        }
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// Plain text.
    #[default]
    Text,
    /// HTML.
    Html,
    /// Markdown (CommonMark).
    Markdown,
}
