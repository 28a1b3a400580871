//! What is wrong with a config: a message, its place, the mend, and how it looks.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::env::{CONFIG_VARIABLE, DEFAULT_PATH, Env};
use super::secret::mask;
use super::{Config, Source, Span};

/// One fault, at one place. `Display` gives it with file, line and caret, in plain text and with secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
    rendered: String,
}

impl Fault {
    /// Its line, from 1; 0 when it has no place in the file.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Its column in characters, from 1; 0 when it has no place in the file.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, on one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The mend, where it is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.rendered)
    }
}

impl std::error::Error for Fault {}

/// All faults of a config at once, in the file's order. `Display` gives the whole text to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    /// Sorts what was found by place and leaves out what is said twice.
    pub(super) fn new(source: &Source, mut found: Vec<RawFault>) -> ConfigError {
        found.sort_by(|left, right| {
            let place = |found: &RawFault| (found.span.start, found.span.end);
            place(left)
                .cmp(&place(right))
                .then_with(|| left.message.cmp(&right.message))
        });
        let masked = mask(&source.text);
        let mut faults: Vec<Fault> = Vec::new();
        for RawFault {
            span, message, hint, ..
        } in found
        {
            let fault = fault(source, &masked, &span, message, hint);
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        ConfigError { faults }
    }

    /// The file cannot be read; how its path was found is told, since that is what to mend.
    pub(super) fn unreadable(path: &Path, env: Env<'_>, error: &io::Error) -> ConfigError {
        let named = |other: &str| path == Path::new(other) || Path::new(".").join(path) == Path::new(other);
        let (found, hint) = if env(CONFIG_VARIABLE).is_some_and(|value| path == Path::new(&value)) {
            (format!("named by ${CONFIG_VARIABLE}"), None)
        } else if named(DEFAULT_PATH) {
            (
                format!("the default, as neither --config nor ${CONFIG_VARIABLE} names one"),
                Some("`deskie-cdc init --url postgres://...` writes a draft".to_owned()),
            )
        } else {
            ("named by --config".to_owned(), None)
        };
        // In a container the usual trouble: the file is its owner's alone, and the connector is somebody else.
        let hint = match std::fs::metadata(path) {
            Ok(file) if error.kind() == io::ErrorKind::PermissionDenied => Some(format!(
                "its mode is {:o} and its owner {}: let this account read it (chmod, chown), or run as its owner, with \
                 docker compose by DESKIE_CDC_USER={}:{} in .env",
                file.mode() & 0o777,
                file.uid(),
                file.uid(),
                file.gid(),
            )),
            _ => hint,
        };
        ConfigError::placeless(
            format!(
                "cannot read the config file {} ({found}): {error}",
                path.display()
            ),
            hint,
        )
    }

    /// A fault of the file as a whole.
    pub(super) fn placeless(message: String, hint: Option<String>) -> ConfigError {
        let message = one_line(&message);
        let hint = hint.map(|hint| one_line(&hint));
        let group = Level::ERROR
            .primary_title(message.as_str())
            .elements(help(hint.as_deref()));
        let rendered = Renderer::plain().render(&[group]);
        ConfigError {
            faults: vec![Fault {
                line: 0,
                column: 0,
                message,
                hint,
                rendered,
            }],
        }
    }

    /// Each fault's line, column and message, in the file's order.
    pub fn faults(&self) -> Vec<(usize, usize, &str)> {
        self.faults
            .iter()
            .map(|fault| (fault.line, fault.column, fault.message.as_str()))
            .collect()
    }

    /// The faults, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            fault.fmt(formatter)?;
        }
        match self.faults.len() {
            0 | 1 => Ok(()),
            count => write!(formatter, "\n\n{count} errors in the config"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A fault as it was found, before it is rendered.
#[derive(Debug, Clone)]
pub(super) struct RawFault {
    /// Where.
    pub(super) span: Span,
    /// What is wrong.
    pub(super) message: String,
    /// The mend.
    pub(super) hint: Option<String>,
    /// Whether a syntax error elsewhere may be the cause: what seems to be missing may only be hidden by it.
    pub(super) uncertain: bool,
}

impl Source {
    /// The line and the column (in characters) of a byte of the text, both from 1. A place beyond the text is its
    /// end.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let in_line = before.rsplit('\n').next().unwrap_or_default();
        (line, in_line.trim_start_matches('\u{feff}').chars().count() + 1)
    }

    /// A fault at a place of this file.
    pub fn fault(&self, span: &Span, message: impl Into<String>, hint: Option<String>) -> Fault {
        fault(self, &mask(&self.text), span, message.into(), hint)
    }
}

impl Config {
    /// A fault at a place of the config file, e.g. at an [`Expr`](super::Expr)'s span: what only the database can
    /// tell is shown like what the text told.
    pub fn fault(&self, span: &Span, message: impl Into<String>, hint: Option<String>) -> Fault {
        self.source.fault(span, message, hint)
    }
}

/// Renders one fault. Only the span's first line is shown, so that no other line has to be fit to be seen.
fn fault(source: &Source, masked: &str, span: &Span, message: String, hint: Option<String>) -> Fault {
    let text = &source.text;
    let start = text.floor_char_boundary(span.start);
    let line_start = text
        .get(..start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |newline| newline + 1);
    let line_start = if line_start == 0 && text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        line_start
    };
    let start = start.max(line_start);
    let line_end = text
        .get(start..)
        .and_then(|after| after.find('\n'))
        .map_or(text.len(), |newline| start + newline);
    let shown = masked
        .get(line_start..line_end)
        .unwrap_or_default()
        .trim_end_matches('\r');
    let from = (start - line_start).min(shown.len());
    let to = text
        .ceil_char_boundary(span.end)
        .saturating_sub(line_start)
        .clamp(from, shown.len());
    let (line, column) = source.line_column(line_start + from);

    let message = one_line(&message);
    let hint = hint.map(|hint| one_line(&hint));
    let path = source.path.display().to_string();
    let snippet = Snippet::source(shown)
        .line_start(line)
        .path(path.as_str())
        .annotation(AnnotationKind::Primary.span(from..to));
    let group = Level::ERROR
        .primary_title(message.as_str())
        .element(snippet)
        .elements(help(hint.as_deref()));
    let rendered = Renderer::plain().render(&[group]);
    Fault {
        line,
        column,
        message,
        hint,
        rendered,
    }
}

fn help(hint: Option<&str>) -> Option<annotate_snippets::Message<'_>> {
    hint.map(|hint| Level::HELP.message(hint))
}

/// Text from outside, fit for one line of a terminal.
fn one_line(text: &str) -> String {
    normalize_untrusted_str(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}
