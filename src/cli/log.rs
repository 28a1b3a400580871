//! The log: one line an event on stderr, whatever is in it, and nothing of a customer's.
//!
//! Crates that are not ours log what goes through them: parameters of statements, headers, a trigger's notices. Of them
//! warnings and errors are shown, at any RUST_LOG. A panic's message may quote the text that it stumbled over, so only
//! its place is told.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::{Arguments, LogFormat};
use crate::config;

/// Starts logging, for the whole process.
pub fn start(arguments: &Arguments) {
    let (chosen, refused) = levels(config::process_env("RUST_LOG"), arguments.default_log_level());
    let filter = chosen.and(filter_fn(may_be_shown));
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    let layer = tracing_subscriber::fmt::layer().with_target(false);
    match arguments.log_format() {
        LogFormat::Text => {
            let form = if is_terminal { Form::Coloured } else { Form::Plain };
            let layer = layer.with_ansi(is_terminal).with_writer(move || Lines(form));
            tracing_subscriber::registry()
                .with(layer.with_filter(filter))
                .init();
        }
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_writer(|| Lines(Form::Json));
            tracing_subscriber::registry()
                .with(layer.with_filter(filter))
                .init();
        }
    }
    if let Some(refused) = refused {
        tracing::warn!("{refused}");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or("an unknown place".to_owned(), ToString::to_string);
        // A text that the program holds is nobody's value.
        let what = panic
            .payload()
            .downcast_ref::<&'static str>()
            .unwrap_or(&"its message may hold a text");
        tracing::error!("this is a bug in deskie-cdc, please report it: it panicked at {place}: {what}");
    }));
}

/// What `RUST_LOG` asks for, and without it the usual; with why it was refused, where it is nothing that can be asked for.
fn levels(wanted: Option<String>, usual: LevelFilter) -> (Targets, Option<String>) {
    let usual = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("deskie_cdc", usual);
    let Some(wanted) = wanted.filter(|wanted| !wanted.trim().is_empty()) else {
        return (usual, None);
    };
    match wanted.parse() {
        Ok(chosen) => (chosen, None),
        Err(error) => {
            let refused = format!(
                "RUST_LOG is not used: {error}; it is a level (error, warn, info, debug, trace), or a list like \
                 `warn,deskie_cdc=debug`"
            );
            (usual, Some(refused))
        }
    }
}

fn may_be_shown(event: &Metadata<'_>) -> bool {
    let ours = ["deskie_cdc", "deskie_cdc_sandbox"];
    let of = event.target().split("::").next();
    of.is_some_and(|of| ours.contains(&of)) || *event.level() <= Level::WARN
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// With the colours of a terminal.
    Coloured,
    Json,
}

/// Writes each event as one line.
struct Lines(Form);

impl Write for Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        io::stderr().lock().write_all(line(&text, self.0).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// An event as one line, with nothing in it that a terminal or a reader of lines obeys.
fn line(event: &str, form: Form) -> String {
    let mut line = String::with_capacity(event.len() + 1);
    let mut rest = event.strip_suffix('\n').unwrap_or(event);
    while let Some(at) = rest.find(acts) {
        let (before, from) = rest.split_at(at);
        line.push_str(before);
        match colour(from).filter(|_| form == Form::Coloured) {
            Some(length) => {
                line.push_str(from.get(..length).unwrap_or_default());
                rest = from.get(length..).unwrap_or_default();
            }
            None => {
                let mut characters = from.chars();
                match (characters.next().unwrap_or(' '), form) {
                    (c, Form::Json) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
                    (c, _) => line.extend(c.escape_default()),
                }
                rest = characters.as_str();
            }
        }
    }
    line.push_str(rest);
    line.push('\n');
    line
}

/// The length of a sequence that sets a colour, as our own log has them.
fn colour(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("\u{1b}[")?;
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    (digits.get(end..)?.starts_with('m') && end < 16).then_some(end + 3)
}

/// A character that is obeyed, not shown: controls, line ends, and those that turn the direction of what follows.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text for a terminal: its own line ends and tabs stay, whatever else would be obeyed is shown.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let odd = |c: char| acts(c) && c != '\n' && c != '\t';
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match odd(c) {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_that_nothing_obeys() {
        let event = "WARN a\nERROR forged\r\u{1b}]0;t\u{7}\u{9b}2J\u{202e}x\u{1b}[31m red\n";
        let plain = line(event, Form::Plain);
        assert_eq!(
            plain,
            "WARN a\\nERROR forged\\r\\u{1b}]0;t\\u{7}\\u{9b}2J\\u{202e}x\\u{1b}[31m red\n"
        );
        let coloured = line(event, Form::Coloured);
        assert!(
            coloured.contains("x\u{1b}[31m red") && !coloured.contains("\u{1b}]"),
            "{coloured}"
        );
        let json = line("{\"m\":\"a\u{9b}b\u{2028}\"}\n", Form::Json);
        assert_eq!(json, "{\"m\":\"a\\u009bb\\u2028\"}\n");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }

    #[test]
    fn a_wish_for_levels_is_granted_or_refused_aloud() {
        let asked = |wanted: Option<&str>| levels(wanted.map(str::to_owned), LevelFilter::INFO);
        let shows = |levels: &Targets, target, level| levels.would_enable(target, &level);
        for nothing in [None, Some(" ")] {
            let (usual, refused) = asked(nothing);
            assert!(refused.is_none() && shows(&usual, "deskie_cdc::capture", Level::INFO));
            assert!(
                !shows(&usual, "deskie_cdc::capture", Level::DEBUG) && !shows(&usual, "rustls", Level::INFO)
            );
        }
        let (chosen, refused) = asked(Some("warn,deskie_cdc::capture=trace"));
        assert!(refused.is_none() && shows(&chosen, "deskie_cdc::capture", Level::TRACE));
        assert!(!shows(&chosen, "deskie_cdc::resolve", Level::INFO));
        let (usual, refused) = asked(Some("deskie_cdc=loud"));
        assert!(refused.is_some_and(|refused| refused.starts_with("RUST_LOG is not used: ")));
        assert!(shows(&usual, "deskie_cdc", Level::INFO));
    }

    #[test]
    fn what_is_printed_keeps_its_lines() {
        assert_eq!(harmless("a\tb\nc şü"), "a\tb\nc şü");
        assert_eq!(harmless("a\u{1b}[2Jb\rc\u{202e}"), "a\\u{1b}[2Jb\\rc\\u{202e}");
    }
}
