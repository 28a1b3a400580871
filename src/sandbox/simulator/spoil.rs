//! Entries of an answer that are not as the API's should be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is odd about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoilt {
    /// U+0000 in each of its texts.
    Nul,
    /// Half an emoji at the end of each of its texts.
    Surrogate,
    /// `null` in its place.
    Null,
    /// A text in its place.
    Text,
    /// It has no number.
    NoId,
    /// A list where its content, its files and its customer should be.
    Lists,
    /// The answer has no body.
    Empty,
    /// The answer breaks off there.
    CutOff,
    /// The answer is a 500.
    Fault,
}

/// Stands in the JSON where text is to be put in that serde_json would not write.
const MARK: &str = "@@odd@@";

/// Spoils the entry of this number in an answer; the status and body that become of it.
pub(super) fn spoil(status: u16, body: String, id: i64, how: Spoilt) -> (u16, String) {
    let Ok(mut json) = serde_json::from_str::<Value>(&body) else {
        return (status, body);
    };
    if !visit(&mut json, id, how) {
        return (status, body);
    }
    let json = json.to_string();
    match how {
        Spoilt::Nul => (status, json.replace(MARK, "\\u0000")),
        Spoilt::Surrogate => (status, json.replace(MARK, "\\ud83d")),
        Spoilt::Empty => (status, String::new()),
        Spoilt::CutOff => {
            let at = json.find(MARK).unwrap_or(json.len());
            (status, json.get(..at).unwrap_or_default().to_owned())
        }
        Spoilt::Fault => (500, String::new()),
        Spoilt::Null | Spoilt::Text | Spoilt::NoId | Spoilt::Lists => (status, json),
    }
}

/// Finds the entry; true where it was there.
fn visit(json: &mut Value, id: i64, how: Spoilt) -> bool {
    let is_it = |value: &Value| {
        let inner = value.as_object().and_then(|entry| entry.values().next());
        let number = |key: &str| inner.and_then(|inner| inner.get(key)).map(Value::to_string);
        let is = |key: &str| number(key).is_some_and(|text| text.trim_matches('"') == id.to_string());
        is("message_id") || is("case_id")
    };
    if is_it(json) {
        spoil_entry(json, how);
        return true;
    }
    match json {
        Value::Object(entries) => entries.values_mut().any(|entry| visit(entry, id, how)),
        Value::Array(entries) => entries.iter_mut().any(|entry| visit(entry, id, how)),
        _ => false,
    }
}

fn spoil_entry(entry: &mut Value, how: Spoilt) {
    match how {
        Spoilt::Null => *entry = Value::Null,
        Spoilt::Text => *entry = Value::String("deleted".to_owned()),
        _ => {}
    }
    let Some(inner) = entry.as_object_mut().and_then(|entry| entry.values_mut().next()) else {
        return;
    };
    let Some(inner) = inner.as_object_mut() else { return };
    match how {
        Spoilt::NoId => {
            inner.remove("message_id");
            inner.remove("case_id");
        }
        Spoilt::Lists => {
            for key in ["content", "content_html", "attachments", "user_id", "subject", "custom_fields"] {
                inner.insert(key.to_owned(), serde_json::json!([[1], {"a": [2]}]));
            }
        }
        _ => mark(inner),
    }
}

fn mark(object: &mut Map<String, Value>) {
    const TEXTS: [&str; 4] = ["content", "content_html", "subject", "file_name"];
    for (key, value) in object.iter_mut() {
        match value {
            Value::String(text) if TEXTS.contains(&key.as_str()) || key.starts_with("cf_") => text.push_str(MARK),
            Value::Object(inner) => mark(inner),
            Value::Array(values) => values.iter_mut().filter_map(Value::as_object_mut).for_each(mark),
            _ => {}
        }
    }
}
