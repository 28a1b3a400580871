//! Rows as they are captured: text, NULL or unchanged; never converted (rule 15).

use std::sync::Arc;

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
    /// Column name, which all rows of a table share, and value.
    pub columns: Vec<(Arc<str>, Cell)>,
}

impl Row {
    /// The value of `column`, or `None` where the row has no such column.
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.columns
            .iter()
            .find(|(name, _)| **name == *column)
            .map(|(_, cell)| cell)
    }

    /// A JSON object's text: text or null by column; an unchanged cell is absent. Every captured row goes through here, so
    /// it is written at once, without a tree in between.
    pub fn to_json(&self) -> String {
        let size = |(name, cell): &(Arc<str>, Cell)| {
            name.len()
                + 8
                + if let Cell::Text(text) = cell {
                    text.len()
                } else {
                    0
                }
        };
        let mut out = String::with_capacity(2 + self.columns.iter().map(size).sum::<usize>());
        out.push('{');
        for (name, cell) in &self.columns {
            let text = match cell {
                Cell::Null => None,
                Cell::Text(text) => Some(text),
                Cell::Unchanged => continue,
            };
            if out.len() > 1 {
                out.push(',');
            }
            push_json(&mut out, name);
            out.push(':');
            match text {
                Some(text) => push_json(&mut out, text),
                None => out.push_str("null"),
            }
        }
        out.push('}');
        out
    }
}

/// A JSON string (RFC 8259, 7): what has to be escaped is ASCII, so the pieces between are copied whole.
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (place, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[copied..place]);
        copied = place + 1;
        match escape {
            "" => out.push_str(&format!("\\u{byte:04x}")),
            escape => out.push_str(escape),
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// A table's qualified name, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationName {
    pub schema: String,
    pub table: String,
}

impl std::fmt::Display for RelationName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// Plain text.
    #[default]
    Text,
    Html,
    /// Markdown (CommonMark).
    Markdown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_is_the_json_that_a_tree_of_it_would_be(cells in prop::collection::vec((".{0,9}", prop::option::of(prop::option::of("[\u{0}-\u{2f}\\\\a-c\u{7f}\u{15f}\u{1f600}]{0,20}"))), 0..5)) {
            let mut expected = serde_json::Map::new();
            let mut row = Row::default();
            for (place, (name, cell)) in cells.into_iter().enumerate() {
                let name = format!("{name}{place}");
                match &cell {
                    Some(Some(text)) => expected.insert(name.clone(), text.clone().into()),
                    Some(None) => expected.insert(name.clone(), serde_json::Value::Null),
                    None => None,
                };
                let cell = match cell {
                    Some(text) => text.map_or(Cell::Null, Cell::Text),
                    None => Cell::Unchanged,
                };
                row.columns.push((name.into(), cell));
            }
            let json: serde_json::Value = serde_json::from_str(&row.to_json()).expect("JSON");
            prop_assert_eq!(json, serde_json::Value::Object(expected));
        }
    }
}
