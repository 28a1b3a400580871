//! Sections: which keys are there, which are not known, and values of the kinds that several keys have.

use std::time::Duration;

use toml::de::DeTable;

use super::keys::{homes, keys_of, nearest};
use super::read::{Reader, Value};
use super::secret::is_secret;
use super::value::{self, DURATION_HINT, Problem, SIZE_HINT};
use super::{Expr, Span, TableName};

/// One section of the file.
pub(super) struct Section<'a> {
    /// To note faults.
    pub(super) reader: &'a Reader<'a>,
    section: &'static str,
    name: String,
    /// Where it begins.
    pub(super) span: Span,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// Opens a section and notes every key that it does not know.
    pub(super) fn open(
        reader: &'a Reader<'a>,
        section: &'static str,
        name: String,
        span: Span,
        table: &'a DeTable<'a>,
    ) -> Section<'a> {
        let keys = keys_of(section);
        for key in table.keys() {
            let written = key.get_ref().as_ref();
            if keys.contains(&written) {
                continue;
            }
            let hint = match (nearest(written, keys), homes(written).as_slice()) {
                (_, homes @ [_, ..]) => {
                    let homes: Vec<String> = homes.iter().map(|home| format!("`{}`", header(home))).collect();
                    format!("it belongs to {}", homes.join(" or "))
                }
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, _) => format!("known here: {}", keys.join(", ")),
            };
            reader.fault(
                &key.span(),
                format!("unknown key `{written}` in `{}`", header(section)),
                Some(hint),
            );
        }
        Section {
            reader,
            section,
            name,
            span,
            table,
        }
    }

    /// Its name in the list of keys.
    pub(super) fn section_name(&self) -> &'static str {
        self.section
    }

    /// A value, if it is there.
    pub(super) fn value(&self, key: &str) -> Option<Value<'a>> {
        debug_assert!(
            keys_of(self.section).contains(&key),
            "{}.{key} is not in KEYS",
            self.section
        );
        let value = self.table.get(key)?;
        let name = format!("{}.{key}", self.name);
        let secret = is_secret(self.section, key);
        Some(Value::new(self.reader, name, value, secret))
    }

    /// A value that must be there.
    pub(super) fn need(&self, key: &str, example: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            self.missing(key, example);
        }
        value
    }

    /// Notes that a key is not there; a mistyped one was answered already.
    pub(super) fn missing(&self, key: &str, example: &str) {
        let keys = keys_of(self.section);
        let mistyped = |written: &str| !keys.contains(&written) && nearest(written, keys) == Some(key);
        if self.table.keys().any(|written| mistyped(written.get_ref())) {
            return;
        }
        let message = format!("`{}` needs `{key}`", header(self.section));
        self.reader
            .uncertain(&self.span, message, Some(format!("e.g. {example}")));
    }

    /// A string made into something, if it is there.
    pub(super) fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<T> {
        self.value(key)?.parsed(parse)
    }

    /// An SQL expression, if it is there.
    pub(super) fn expr(&self, key: &str) -> Option<Expr> {
        self.value(key)?.expr()
    }

    /// An SQL expression or a constant, if it is there.
    pub(super) fn constant(&self, key: &str) -> Option<Expr> {
        self.value(key)?.expr_or_constant()
    }

    /// Expressions or statements, one or a list, if they are there.
    pub(super) fn exprs(&self, key: &str) -> Vec<Expr> {
        self.value(key).map(|value| value.exprs()).unwrap_or_default()
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        self.value(key).and_then(|value| value.flag()).unwrap_or(default)
    }

    /// A duration; 0 is one.
    pub(super) fn duration(&self, key: &str, default: Duration) -> Duration {
        let value = self.value(key);
        let duration =
            value.and_then(|value| value.parsed_as("a duration", Some(DURATION_HINT), value::duration));
        duration.unwrap_or(default)
    }

    /// A duration above 0.
    pub(super) fn positive(&self, key: &str, default: Duration) -> Duration {
        let duration = self.duration(key, default);
        if duration.is_zero()
            && let Some(value) = self.value(key)
        {
            value.fault("must be above 0", None);
            return default;
        }
        duration
    }

    /// A size above 0.
    pub(super) fn size(&self, key: &str, default: u64) -> u64 {
        let Some(value) = self.value(key) else {
            return default;
        };
        let size = value.parsed_as("a size", Some(SIZE_HINT), value::size);
        if size == Some(0) {
            value.fault("must be above 0", None);
        }
        size.unwrap_or(default)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, meaning)| *meaning)
                .ok_or_else(|| {
                    let all = names
                        .iter()
                        .map(|name| format!("\"{name}\""))
                        .collect::<Vec<_>>()
                        .join(", ");
                    let hint = match nearest(text, &names) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("one of {all}"),
                    };
                    Problem::new(format!("must be one of {all}"), hint)
                })
        })
    }

    /// The table's name.
    pub(super) fn table_name(&self) -> Option<TableName> {
        let value = self.need("table", "table = \"public.tickets\"")?;
        let (schema, table) = value.parsed(value::table_name)?;
        Some(TableName {
            schema,
            table,
            span: value.span,
        })
    }

    /// Key columns, one or a list; empty: the primary key.
    pub(super) fn columns(&self, key: &str) -> Vec<String> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let items = value.items();
        if items.is_empty() {
            value.fault("is empty", Some("leave it out for the primary key".to_owned()));
        }
        let mut columns: Vec<String> = Vec::new();
        for item in items {
            let Some(column) = item.parsed(value::column) else {
                continue;
            };
            if columns.contains(&column) {
                item.fault(format!("names `{column}` again"), None);
            }
            columns.push(column);
        }
        columns
    }
}

/// A section's name as its header is written.
pub(super) fn header(section: &str) -> String {
    if section == "attachment" {
        "[[attachment]]".to_owned()
    } else {
        format!("[{section}]")
    }
}
