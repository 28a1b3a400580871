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

/// Half an emoji, and what stands for it while the JSON is read.
const HALF: &str = "\\ud83d";
const HALF_MARK: &str = "@@half@@";

/// Spoils the entry whose text or subject is this in an answer; the status and body that become of it.
pub(super) fn spoil(status: u16, body: String, says: &str, how: Spoilt) -> (u16, String) {
    // What another one has spoilt already is not JSON that serde_json reads.
    let Ok(mut json) = serde_json::from_str::<Value>(&body.replace(HALF, HALF_MARK)) else {
        return (status, body);
    };
    if !visit(&mut json, says, how) {
        return (status, body);
    }
    let json = json.to_string().replace(HALF_MARK, HALF);
    match how {
        Spoilt::Nul => (status, json.replace(MARK, "\\u0000")),
        Spoilt::Surrogate => (status, json.replace(MARK, HALF)),
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
fn visit(json: &mut Value, says: &str, how: Spoilt) -> bool {
    let is_it = |value: &Value| {
        let inner = value.as_object().and_then(|entry| entry.values().next());
        ["content", "content_html", "subject"].iter().any(|key| {
            let text = inner.and_then(|inner| inner.get(key)).and_then(Value::as_str);
            text == Some(says)
        })
    };
    if is_it(json) {
        spoil_entry(json, how);
        return true;
    }
    match json {
        Value::Object(entries) => entries.values_mut().any(|entry| visit(entry, says, how)),
        Value::Array(entries) => entries.iter_mut().any(|entry| visit(entry, says, how)),
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
    let Some(inner) = inner.as_object_mut() else {
        return;
    };
    match how {
        Spoilt::NoId => {
            inner.remove("message_id");
            inner.remove("case_id");
        }
        Spoilt::Lists => {
            for key in [
                "content",
                "content_html",
                "attachments",
                "user_id",
                "subject",
                "custom_fields",
            ] {
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
            Value::String(text)
                if !text.is_empty() && (TEXTS.contains(&key.as_str()) || key.starts_with("cf_")) =>
            {
                text.push_str(MARK)
            }
            Value::Object(inner) => mark(inner),
            Value::Array(values) => values.iter_mut().filter_map(Value::as_object_mut).for_each(mark),
            _ => {}
        }
    }
}
