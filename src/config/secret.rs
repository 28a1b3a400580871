//! Keeping secrets out of sight: which values of the file are secret, and the text with them masked.
//!
//! A text that parses is masked by the places of its values. One that does not is masked by a scan of its lines as
//! well, which knows no quoting and so hides rather too much. What is not masked: a secret written where only the
//! mapping's SQL stands.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env::{expand, is_name};
use super::keys::{keys_of, sections};
use super::{Config, Source, Span};

/// The values that are secret. An alert's address is one: a chat's incoming webhook needs no other password.
const SECRETS: &[(&str, &str)] = &[
    ("postgres", "url"),
    ("postgres", "replication_url"),
    ("deskie", "api_key"),
    ("server", "webhook_secret"),
    ("server", "admin_token"),
    ("alert", "url"),
];

/// Whether the value of this key must not be shown.
pub(super) fn is_secret(section: &str, key: &str) -> bool {
    SECRETS.contains(&(section, key))
}

/// The text with every literal secret masked, byte for byte as long as before.
pub(super) fn mask(text: &str) -> String {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut spans = Vec::new();
    walk(text, "", table.get_ref(), &mut spans);
    if !errors.is_empty() {
        scan(text, &mut spans);
    }
    passwords(text, &mut spans);

    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        cover(text, span, &mut bytes);
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Gathers the spans of secret values by what the parser found.
fn walk(text: &str, section: &str, table: &DeTable<'_>, spans: &mut Vec<Span>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let path = if section.is_empty() {
            name.to_owned()
        } else {
            format!("{section}.{name}")
        };
        let known = if section.is_empty() {
            sections().contains(&name)
        } else {
            keys_of(section).contains(&name)
        };
        let top = section.split('.').next().unwrap_or_default();
        let mapping = matches!(
            top,
            "ticket" | "message" | "attachment" | "reply" | "status" | "case" | "capture"
        );
        if is_secret(section, name) || !(known || mapping) || (!known && sounds_secret(name)) {
            values(text, value, spans);
        } else {
            inner(text, &path, value, spans);
        }
    }
}

fn inner(text: &str, path: &str, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Span>) {
    match value.get_ref() {
        DeValue::Table(table) => walk(text, path, table, spans),
        DeValue::Array(array) => array.iter().for_each(|item| inner(text, path, item, spans)),
        _ => {}
    }
}

/// Stands for what comes from the environment.
const ELSEWHERE: char = '\u{fffc}';

/// The keys whose secrets stand in the text itself. A default behind a variable is none.
pub(super) fn written_out(text: &str) -> Vec<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let below = |table: &'_ DeTable<'_>, name: &str| -> Option<Vec<String>> {
        let (_, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
        Some(strings(value.get_ref()))
    };
    let is_written = |(section, key): &&(&str, &str)| {
        let found = table.get_ref().iter().find(|(name, _)| name.get_ref() == section);
        let values = match found.map(|(_, value)| value.get_ref()) {
            Some(DeValue::Table(table)) => below(table, key).unwrap_or_default(),
            _ => Vec::new(),
        };
        values.iter().any(|raw| holds_secret(section, raw))
    };
    let written = SECRETS.iter().filter(is_written);
    written
        .map(|(section, key)| format!("[{section}] {key}"))
        .collect()
}

/// A string, or those of a list.
fn strings(value: &DeValue<'_>) -> Vec<String> {
    match value {
        DeValue::String(text) => vec![text.to_string()],
        DeValue::Array(items) => items.iter().flat_map(|item| strings(item.get_ref())).collect(),
        _ => Vec::new(),
    }
}

/// Whether a secret stands in the value as it is written: all of it, or the password of an address.
fn holds_secret(section: &str, raw: &str) -> bool {
    let expanded = expand(raw, &|name| {
        (!name.ends_with("_FILE")).then(|| ELSEWHERE.to_string())
    });
    let text = expanded.text.trim();
    match section {
        "postgres" => {
            let mut spans = Vec::new();
            passwords(text, &mut spans);
            let in_front = spans.into_iter().filter_map(|span| text.get(span));
            let parameters = text.match_indices("password").filter_map(|(at, word)| {
                let value = text.get(at + word.len()..)?.trim_start().strip_prefix('=')?;
                value.trim_start().split(['&', ' ']).next()
            });
            let is_nothing = |c: char| c == ELSEWHERE || c == '\'';
            in_front
                .chain(parameters)
                .any(|password| !password.trim_matches(is_nothing).is_empty())
        }
        // A host alone tells nothing.
        "alert" => {
            expanded.literal
                && url::Url::parse(text).is_ok_and(|url| url.path() != "/" || url.query().is_some())
        }
        _ => expanded.literal && !text.is_empty(),
    }
}

/// All values below this one are secret, and so is a comment behind them.
fn values(text: &str, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Span>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, item)| values(text, item, spans)),
        DeValue::Array(array) => array.iter().for_each(|item| values(text, item, spans)),
        _ => {
            let span = value.span();
            if let Some(rest) = text.get(span.end..) {
                let line = rest.split('\n').next().unwrap_or_default();
                if let Some(comment) = line.find('#') {
                    spans.push(span.end + comment + 1..span.end + line.trim_end().len());
                }
            }
            spans.push(span);
        }
    }
}

/// Gathers what may be secret in a text that does not parse: all behind the `=` of a key that sounds like it, and the
/// lines that an open quote or bracket runs on to.
fn scan(text: &str, spans: &mut Vec<Span>) {
    let mut offset = 0;
    let mut header = "";
    let mut until: Option<&str> = None;
    let mut open = false;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let end = start + line.trim_end().len();
        if let Some(close) = until {
            spans.push(start..end);
            if line.contains(close) {
                until = None;
            }
            continue;
        }
        // A quote that does not close: the parser knows no better where the secret ends.
        if open && !line.trim().is_empty() && !begins_anew(line) {
            spans.push(start..end);
            continue;
        }
        open = false;
        if line.trim_start().starts_with('[') {
            header = line.trim().trim_matches(['[', ']']).trim();
        }
        let secret = line.match_indices('=').map(|(equals, _)| equals).find(|equals| {
            let before = line
                .get(..*equals)
                .unwrap_or_default()
                .trim_end()
                .trim_end_matches(['"', '\'']);
            let key = before
                .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
                .next();
            key.is_some_and(|key| sounds_secret(key) || (key == "url" && header != "attachment"))
        });
        let Some(equals) = secret else { continue };
        spans.push(start + equals + 1..end);
        open = true;
        let value = line.get(equals + 1..).unwrap_or_default().trim();
        until = ["\"\"\"", "'''"]
            .into_iter()
            .find(|quote| value.matches(quote).count() == 1)
            .or_else(|| (value.starts_with('[') && !value.contains(']')).then_some("]"));
    }
}

/// Whether a line is a header, a comment or `key = value` (and not the end of a base64 text, `abc==`).
fn begins_anew(line: &str) -> bool {
    let line = line.trim();
    let is_pair = line.split_once('=').is_some_and(|(key, value)| {
        let key_like = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'');
        key.trim().chars().all(key_like) && !value.is_empty() && !value.starts_with('=')
    });
    is_pair || line.starts_with(['[', '#'])
}

/// Whether a key's name tells that its value is not for everyone.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    [
        "secret",
        "token",
        "password",
        "passwd",
        "api_key",
        "apikey",
        "api-key",
        "uri",
        "dsn",
        "credential",
    ]
    .iter()
    .any(|word| key.contains(word))
}

/// Gathers the passwords of addresses, wherever they stand: `scheme://user:password@host`.
fn passwords(text: &str, spans: &mut Vec<Span>) {
    for (found, mark) in text.match_indices("://") {
        let start = found + mark.len();
        let rest = text.get(start..).unwrap_or_default();
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
            .unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        if let Some((user_info, _)) = authority.rsplit_once('@')
            && let Some((user, password)) = user_info.split_once(':')
        {
            let from = start + user.len() + 1;
            spans.push(from..from + password.len());
        }
    }
}

/// Puts `*` over a span, but for quotes at its ends, references to the environment, white space and what `mask` left.
fn cover(text: &str, span: Span, bytes: &mut [u8]) {
    let Some(covered) = text.get(span.clone()) else {
        return;
    };
    let quotes = |c: char| c == '"' || c == '\'';
    let leading = covered.len()
        - covered
            .trim_start_matches(|c: char| c.is_whitespace() || quotes(c))
            .len();
    let trailing = covered.len()
        - covered
            .trim_end_matches(|c: char| c.is_whitespace() || quotes(c))
            .len();
    let mut at = span.start + leading;
    let end = span.end.saturating_sub(trailing);
    while at < end {
        if let Some(length) = text.get(at..end).and_then(reference_length) {
            at += length;
            continue;
        }
        if let Some(byte) = bytes.get_mut(at)
            && !byte.is_ascii_whitespace()
        {
            *byte = b'*';
        }
        at += 1;
    }
}

/// The length of the `${NAME}` that this text begins with.
fn reference_length(text: &str) -> Option<usize> {
    let (name, _) = text.strip_prefix("${")?.split_once('}')?;
    is_name(name).then_some(name.len() + 3)
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Source")
            .field("path", &self.path)
            .field("text", &mask(&self.text))
            .finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("source", &self.source)
            .field("postgres", &self.postgres)
            .field("deskie", &self.deskie)
            .field("server", &self.server)
            .field("capture", &self.capture)
            .field("ticket", &self.ticket)
            .field("message", &self.message)
            .field("attachments", &self.attachments)
            .field("reply", &self.reply)
            .field("status", &self.status)
            .field("case", &self.case)
            .field(
                "alert",
                &self
                    .alert
                    .url
                    .as_ref()
                    .map(|url| url.host_str().unwrap_or_default().to_owned()),
            )
            .field("alert_name", &self.alert.name)
            .field("alert_after", &self.alert.after)
            .finish()
    }
}
