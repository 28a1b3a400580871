//! One item, whole: its row, what was to be sent or written, how far it came, and what to do.

use std::cell::Cell;

use maud::{Markup, html};
use serde_json::Value;

use super::page::Viewer;
use super::search::story_of;
use super::view::{actions, how_to_change};
use super::words::{Advice, fill};
use crate::store::ParkedDetail;

/// What of a stored row belongs to the site's row, and what to the request.
const ROW: [&str; 7] = [
    "row",
    "schema_name",
    "table_name",
    "op",
    "image",
    "old_key",
    "tickets",
];
const REQUEST: [&str; 11] = [
    "call", "act", "section", "author", "body", "edited", "opening", "files", "payload", "status", "subject",
];

/// What is a message or a row: its own fields are shown, not that it is one.
const WHOLE: [&str; 4] = ["payload", "body", "opening", "image"];

/// What Deskie answered when it refused.
const ANSWER: &str = "answer";

/// The page; texts only for somebody who is logged in.
pub fn item(viewer: &Viewer, item: &ParkedDetail) -> Markup {
    let words = viewer.words();
    let kind = item.id.kind;
    let of = if item.in_doubt {
        Advice::InDoubt
    } else {
        Advice::Of(kind)
    };
    let room = Room(Cell::new(ROOM));
    let (why, more) = room.cut(&item.error);
    let attempts = item.stored.get("attempts").and_then(Value::as_i64);
    let case = item.stored.get("case_number").and_then(Value::as_str);
    html! {
        h1 { ((words.kind)(kind)) " " span.dim { (item.id) } }
        p {
            (words.ticket) " "
            @match &item.ticket {
                Some(key) if viewer.session.is_some() => a href=(story_of(key)) { b { (key) } },
                key => b { (key.as_deref().unwrap_or(words.unknown)) }
            }
            @if let Some(case) = case { " · Deskie " b { (case) } }
            @if let Some(attempts) = attempts { " · " (words.attempts) ": " b { (attempts) } }
        }
        article.card.bad { h3 { (words.why) } p lang="en" { (why) (more) } }
        article.card {
            h3 { (words.what_to_do) }
            ul { @for line in (words.advice)(of) { li { (line) } } }
            @if item.behind > 0 { p { (fill(words.behind, &[&item.behind.to_string()])) } }
            (how_to_change(viewer))
            (actions(viewer, &item.id.to_string(), [words.retry, words.discard]))
        }
        @if viewer.session.is_some() {
            (stored(words.request, &item.stored, &|name| REQUEST.contains(&name), &room))
            @if let Some(answer) = item.stored.get(ANSWER).and_then(Value::as_str) {
                @let (answer, more) = room.cut(answer);
                section { h2 { (words.answer) } pre { (answer) (more) } }
            }
            (stored(words.row, &item.stored, &|name| ROW.contains(&name), &room))
            details #progress {
                summary { (words.progress) }
                (stored("", &item.stored, &|name| !REQUEST.contains(&name) && !ROW.contains(&name) && !["error", ANSWER].contains(&name), &room))
            }
        } @else { p.dim { (words.texts_hidden) } }
    }
}

fn stored(title: &str, stored: &Value, is_here: &dyn Fn(&str) -> bool, room: &Room) -> Markup {
    let fields = stored.as_object().into_iter().flatten();
    let mut fields = fields
        .filter(|(name, _)| is_here(name))
        .flat_map(|(name, value)| match value {
            Value::Object(fields) if WHOLE.contains(&name.as_str()) => fields.iter().collect(),
            _ => vec![(name, value)],
        })
        .filter(|(_, value)| !is_empty(value))
        .peekable();
    html! {
        @if fields.peek().is_some() {
            section {
                @if !title.is_empty() { h2 { (title) } }
                div.stored { (table(fields, room)) }
            }
        }
    }
}

/// What an item's page may still show, in bytes: rows and texts are of any size, and `deskie-cdc failed show` has all.
struct Room(Cell<usize>);

/// So much of an item is shown, so much of one text, and so much a line of a table takes besides.
const ROOM: usize = 100_000;
const TEXT: usize = 12_000;
const LINE: usize = 100;

impl Room {
    /// Whether there is room for one line more, which is taken then.
    fn has_line(&self) -> bool {
        let left = self.0.get().checked_sub(LINE);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    /// As much of a text as fits.
    fn cut<'a>(&self, text: &'a str) -> (&'a str, &'static str) {
        let room = self.0.get().min(TEXT);
        let mut left = room;
        let fits = |c: char| {
            // As it is escaped.
            let size = if matches!(c, '&' | '<' | '>' | '"') {
                6
            } else {
                c.len_utf8()
            };
            left.checked_sub(size).map(|rest| left = rest).is_none()
        };
        let end = text.find(fits).unwrap_or(text.len());
        self.0.set(self.0.get() - (room - left));
        (&text[..end], if end < text.len() { "…" } else { "" })
    }
}

/// A stored value: texts as they are, lists and objects as tables.
fn told(value: &Value, room: &Room) -> Markup {
    match value {
        Value::String(text) => {
            let (shown, rest) = room.cut(text);
            html! { span.text dir="auto" { (shown) (rest) } }
        }
        Value::Object(fields) => table(fields.iter().filter(|(_, value)| !is_empty(value)), room),
        Value::Array(values) => html! {
            @for value in values.iter().take_while(|_| room.has_line()) { div { (told(value, room)) } }
        },
        other => html! { (other.to_string()) },
    }
}

/// A value that says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn table<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, room: &Room) -> Markup {
    html! {
        table { tbody {
            @for (name, value) in fields.take_while(|_| room.has_line()) {
                tr { th scope="row" { (room.cut(name).0) } td { (told(value, room)) } }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_much_and_no_more() {
        let text = |text: &str| told(&Value::from(text), &Room(Cell::new(ROOM))).into_string();
        assert!(text(&"a".repeat(TEXT)).len() < TEXT + 100 && !text(&"a".repeat(TEXT)).contains('…'));
        assert!(text(&"ş".repeat(TEXT)).contains("ş…"));
        assert!(text(&"\"<&".repeat(TEXT)).len() < TEXT + 100);
        let many: Vec<String> = (0..1000).map(|n| format!("{n}{}", "<".repeat(5000))).collect();
        let row: serde_json::Map<String, Value> = (0..1000)
            .map(|n| (format!("column {n}"), Value::from(many.clone())))
            .collect();
        let page = told(&Value::Object(row), &Room(Cell::new(ROOM))).into_string();
        assert!(page.len() < 2 * ROOM, "{}", page.len());
    }
}
