//! Reading values with their places. Nothing here stops at a fault: a value that is not there or not right is `None`,
//! and the [`Reader`] has noted why.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::DeValue;

use super::env::{Env, expand};
use super::fault::RawFault;
use super::section::Section;
use super::value::{self, Problem};
use super::{Expr, Span};

/// What all values of one file share: its text, the environment, the faults so far.
pub(super) struct Reader<'a> {
    text: &'a str,
    env: Env<'a>,
    found: RefCell<Vec<RawFault>>,
}

impl<'a> Reader<'a> {
    /// A reader without faults.
    pub(super) fn new(text: &'a str, env: Env<'a>) -> Reader<'a> {
        Reader {
            text,
            env,
            found: RefCell::new(Vec::new()),
        }
    }

    /// Notes a fault.
    pub(super) fn fault(&self, span: &Span, message: impl Into<String>, hint: Option<String>) {
        let found = RawFault {
            span: span.clone(),
            message: message.into(),
            hint,
            uncertain: false,
        };
        self.found.borrow_mut().push(found);
    }

    /// Notes a fault, e.g. that something is missing, which a syntax error may be the cause of.
    pub(super) fn uncertain(&self, span: &Span, message: impl Into<String>, hint: Option<String>) {
        let found = RawFault {
            span: span.clone(),
            message: message.into(),
            hint,
            uncertain: true,
        };
        self.found.borrow_mut().push(found);
    }

    /// What was found.
    pub(super) fn into_found(self) -> Vec<RawFault> {
        self.found.into_inner()
    }

    /// The place of a reference within a string's place; the whole string when escapes hide it.
    fn place_within(&self, span: &Span, written: &str) -> Span {
        let inside = self.text.get(span.clone()).and_then(|raw| raw.find(written));
        inside.map_or_else(
            || span.clone(),
            |at| span.start + at..span.start + at + written.len(),
        )
    }
}

/// A string with its environment variables put in.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The dotted name of its key.
    pub(super) name: String,
    /// The text.
    pub(super) value: String,
    /// Where it stands.
    pub(super) span: Span,
    /// Whether all of it stands in the file.
    pub(super) literal: bool,
}

/// One value of the file.
pub(super) struct Value<'a> {
    reader: &'a Reader<'a>,
    /// The dotted name of its key.
    pub(super) name: String,
    /// Where it stands.
    pub(super) span: Span,
    value: &'a DeValue<'a>,
    secret: bool,
}

impl<'a> Value<'a> {
    /// A value and the dotted name of its key; a secret one is not quoted in messages.
    pub(super) fn new(
        reader: &'a Reader<'a>,
        name: String,
        value: &'a Spanned<DeValue<'a>>,
        secret: bool,
    ) -> Value<'a> {
        Value {
            reader,
            name,
            span: value.span(),
            value: value.get_ref(),
            secret,
        }
    }

    /// Notes that this value is of another type than wanted.
    pub(super) fn wrong_type(&self, wanted: &str, hint: Option<String>) {
        let given = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("must be {wanted}, not {given}"), hint);
    }

    /// Notes a fault of this value; the message goes on after its name.
    pub(super) fn fault(&self, message: impl AsRef<str>, hint: Option<String>) {
        self.reader
            .fault(&self.span, format!("`{}` {}", self.name, message.as_ref()), hint);
    }

    /// Notes a problem with this value's text, which is quoted where it may be.
    pub(super) fn problem(&self, text: &Text, problem: Problem) {
        let short =
            text.literal && !self.secret && text.value.len() <= 60 && !text.value.contains(['\n', '`', '@']);
        let quoted = if short {
            format!(": `{}`", text.value)
        } else {
            String::new()
        };
        self.fault(problem.message + &quoted, problem.hint);
    }

    /// A string, perhaps an empty one; `wanted` and `hint` are for the fault that it is something else.
    fn any_text(&self, wanted: &str, hint: Option<&str>) -> Option<Text> {
        let DeValue::String(raw) = self.value else {
            self.wrong_type(wanted, hint.map(str::to_owned));
            return None;
        };
        if let Some(question) = value::todo(raw) {
            let hint =
                "`deskie-cdc init` has left this open: put the answer in its place, or take the line out";
            self.fault(format!("is still to do: {question}"), Some(hint.to_owned()));
            return None;
        }
        let expanded = expand(raw, self.reader.env);
        for failure in &expanded.failures {
            let place = self.reader.place_within(&self.span, &failure.written);
            self.reader
                .fault(&place, failure.message.clone(), Some(failure.hint.clone()));
        }
        if expanded.text.contains('\0') {
            self.fault(
                "holds a NUL, which Postgres takes in no text",
                Some("take `\\u0000` out".to_owned()),
            );
            return None;
        }
        expanded.failures.is_empty().then(|| Text {
            name: self.name.clone(),
            value: expanded.text,
            span: self.span.clone(),
            literal: expanded.literal,
        })
    }

    /// A string that is not empty.
    fn text(&self, wanted: &str, hint: Option<&str>) -> Option<Text> {
        let text = self.any_text(wanted, hint)?;
        if text.value.trim().is_empty() {
            let hint = (!text.literal).then(|| "its environment variable is empty".to_owned());
            self.fault("is empty", hint);
            return None;
        }
        Some(text)
    }

    /// A string made into something.
    pub(super) fn parsed<T>(&self, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<T> {
        self.parsed_as("a string", None, parse)
    }

    /// A string made into something that has a name of its own.
    pub(super) fn parsed_as<T>(
        &self,
        wanted: &str,
        hint: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let text = self.text(wanted, hint)?;
        parse(&text.value)
            .map_err(|problem| self.problem(&text, problem))
            .ok()
    }

    /// A whole number above 0; a string counts if it came from the environment, where all is text.
    pub(super) fn number(&self, hint: Option<&str>) -> Option<i64> {
        let wanted = "a whole number above 0";
        let number = match self.value {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            DeValue::String(raw) if raw.contains("${") => {
                self.text("a string", None)?.value.trim().parse().ok()
            }
            DeValue::String(raw) => {
                let hint = match (raw.trim().parse::<i64>(), value::custom_field(raw.trim())) {
                    (Ok(number), _) | (_, Some(number)) => Some(format!("without quotes: {number}")),
                    _ => hint.map(str::to_owned),
                };
                self.wrong_type(wanted, hint);
                return None;
            }
            _ => {
                self.wrong_type(wanted, hint.map(str::to_owned));
                return None;
            }
        };
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            self.fault(format!("must be {wanted}"), hint.map(str::to_owned));
        }
        number
    }

    /// True or false.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            DeValue::String(raw) if raw.contains("${") => match self.text("a string", None)?.value.trim() {
                "true" => Some(true),
                "false" => Some(false),
                _ => {
                    self.fault("must be true or false", None);
                    None
                }
            },
            DeValue::String(raw) if matches!(raw.as_ref(), "true" | "false") => {
                self.wrong_type("true or false", Some(format!("without quotes: {raw}")));
                None
            }
            _ => {
                self.wrong_type("true or false", None);
                None
            }
        }
    }

    /// An SQL expression.
    pub(super) fn expr(&self) -> Option<Expr> {
        let text = self.text("an SQL expression", None)?;
        Some(Expr {
            sql: text.value,
            span: text.span,
            name: text.name,
        })
    }

    /// An SQL expression, or a number, true or false.
    pub(super) fn expr_or_constant(&self) -> Option<Expr> {
        let sql = match self.value {
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => number.to_string(),
                Err(_) => {
                    self.fault("is too large", None);
                    return None;
                }
            },
            DeValue::Float(float) if float.as_str().parse().is_ok_and(f64::is_finite) => {
                float.as_str().trim_start_matches('+').to_owned()
            }
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(date) => {
                self.wrong_type(
                    "an SQL expression",
                    Some(format!("as an SQL string: \"'{date}'\"")),
                );
                return None;
            }
            _ => return self.expr_wanted(),
        };
        Some(Expr {
            sql,
            span: self.span.clone(),
            name: self.name.clone(),
        })
    }

    fn expr_wanted(&self) -> Option<Expr> {
        if matches!(self.value, DeValue::String(_)) {
            return self.expr();
        }
        self.wrong_type("an SQL expression", None);
        None
    }

    /// The values of a list; one value that is none is a list of itself.
    pub(super) fn items(&self) -> Vec<Value<'a>> {
        let item = |index: Option<usize>, span: Span, value: &'a DeValue<'a>| Value {
            reader: self.reader,
            name: index.map_or_else(|| self.name.clone(), |index| format!("{}[{index}]", self.name)),
            span,
            value,
            secret: self.secret,
        };
        match self.value {
            DeValue::Array(array) => array
                .iter()
                .enumerate()
                .map(|(index, value)| item(Some(index), value.span(), value.get_ref()))
                .collect(),
            _ => vec![item(None, self.span.clone(), self.value)],
        }
    }

    /// The string as written, environment variables not put in.
    pub(super) fn raw(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// A word for the site's SQL: a string, or a number, true or false as text.
    pub(super) fn word(&self) -> Option<String> {
        match self.value {
            DeValue::String(_) => self.any_text("a string", None).map(|text| text.value),
            _ => self.expr_or_constant().map(|expr| expr.sql),
        }
    }

    /// To note faults.
    pub(super) fn reader(&self) -> &'a Reader<'a> {
        self.reader
    }

    /// Whether this is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Whether this is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Statements or expressions: one or a list.
    pub(super) fn exprs(&self) -> Vec<Expr> {
        self.items().iter().filter_map(Value::expr).collect()
    }

    /// The table under this key, with the keys that `section` knows.
    pub(super) fn section(&self, section: &'static str) -> Option<Section<'a>> {
        let DeValue::Table(table) = self.value else {
            self.wrong_type("a table", None);
            return None;
        };
        Some(Section::open(
            self.reader,
            section,
            self.name.clone(),
            self.span.clone(),
            table,
        ))
    }

    /// The keys and values of a table whose keys are not ours, in the file's order.
    pub(super) fn entries(&self) -> Option<Vec<(String, Span, Value<'a>)>> {
        let DeValue::Table(table) = self.value else {
            self.wrong_type("a table", None);
            return None;
        };
        let mut entries: Vec<(String, Span, Value<'a>)> = table
            .iter()
            .map(|(key, value)| {
                let name = format!("{}.{}", self.name, key.get_ref());
                let value = Value {
                    reader: self.reader,
                    name,
                    span: value.span(),
                    value: value.get_ref(),
                    secret: false,
                };
                (key.get_ref().as_ref().to_owned(), key.span(), value)
            })
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        Some(entries)
    }
}
