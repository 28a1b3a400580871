//! PURE: what an incoming webhook says. Deskie sends two kinds, in whatever form its operator chose:
//!
//! - a **rule** webhook: a template that the operator wrote; JSON, a form, or the URL's query; all values are text
//!   (`[C!]` sloop, iridi). Whether quotes and line breaks in a value are escaped is unknown, so a body that is not
//!   valid JSON is searched for the ids. It is only a poke: every text is read from the API.
//! - a **custom channel** webhook: `type=message_new` and `object[...]` (`[C!]` edgar, `[C]` palachX), which carries
//!   the message whole.
//!
//! Invariant: a body that names a `case_id` at its top level is a rule webhook, whatever else it holds. A rule's
//! template quotes the customer's own words, and must not be able to pass for an agent's message.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{json, wire};
use crate::model::{CaseId, MessageId, StaffId, UserId};

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Webhook {
    /// Something happened to a case.
    Rule(RuleHint),
    /// An agent's message to a customer of a custom channel.
    Channel(ChannelMessage),
    /// Nothing: Deskie tries the address when the webhook is set up (`[W]` kb).
    Test,
}

/// What a rule webhook hints at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleHint {
    /// The case.
    pub case_id: Option<CaseId>,
    /// Its newest message (`last_message_id`).
    pub message_id: Option<MessageId>,
    /// The case's custom fields that the template names, by number: `custom_field_25` → 25.
    pub custom_fields: BTreeMap<i64, String>,
}

/// A custom channel's message. Its text never appears in the `Debug` form.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChannelMessage {
    /// The message.
    pub message_id: MessageId,
    /// Its case.
    pub case_id: CaseId,
    /// The agent.
    pub staff_id: Option<StaffId>,
    /// The customer to whom it goes.
    pub user_id: Option<UserId>,
    /// The customer's identity in the channel; the API calls it `user_custom_id`.
    pub custom_user_id: Option<String>,
    /// Plain text; may be missing when there are files.
    pub content: String,
    /// HTML, where it is sent at all.
    pub content_html: String,
    /// An internal note.
    pub note: bool,
    /// Sent by a rule.
    pub sent_via_rule: bool,
    /// The files' addresses.
    pub attachments: Vec<String>,
}

impl std::fmt::Debug for ChannelMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelMessage")
            .field("message_id", &self.message_id)
            .field("case_id", &self.case_id)
            .field("staff_id", &self.staff_id)
            .field("user_id", &self.user_id)
            .field("bytes", &(self.content.len() + self.content_html.len()))
            .finish_non_exhaustive()
    }
}

/// A body of which nothing can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is neither JSON nor a form, and names no `case_id`")]
pub struct Unreadable;

/// Reads a webhook from its `Content-Type`, its URL's query and its body. The body's own look decides how it is read;
/// the content type only breaks a tie.
pub fn parse(content_type: Option<&str>, query: Option<&str>, body: &[u8]) -> Result<Webhook, Unreadable> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let whole = if text.starts_with('%') {
        decoded(text.to_owned())
    } else {
        String::new()
    };
    let text = if whole.is_empty() { text } else { whole.trim() };
    let query = Fields::from_form(query.unwrap_or_default());
    if text.is_empty() {
        return Ok(query.meaning());
    }
    let is_json = content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let found = match (text.starts_with(['{', '[']), is_json) {
        (true, _) => from_json(text),
        (false, true) => from_json(text).or_else(|| Fields::from_plausible_form(text)),
        (false, false) => Fields::from_plausible_form(text).or_else(|| from_json(text)),
    };
    let found = found.or_else(|| scan(text)).map(|fields| fields.beside(&query));
    match found {
        Some(fields) => Ok(fields.meaning()),
        None => match query.meaning() {
            Webhook::Test => Err(Unreadable),
            meaning => Ok(meaning),
        },
    }
}

/// A body as flat names with PHP brackets: `object[attachments][0][url]`. The first of several values stays.
#[derive(Debug, Default)]
struct Fields(BTreeMap<String, String>);

impl Fields {
    /// What is put in can be stored: `%00` and `\u0000` come in forms and JSON alike.
    fn put(&mut self, name: String, value: String) {
        let value = match value.contains('\0') {
            true => value.replace('\0', ""),
            false => value,
        };
        self.0.entry(name).or_insert(value);
    }

    fn from_form(text: &str) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let name = decoded(name.into_owned());
            // some senders put the whole JSON into one field, or encode it a second time
            let inner = decoded(value.clone().into_owned());
            if inner.trim_start().starts_with('{')
                && let Some(Value::Object(object)) = json_within(&inner)
            {
                fields.put_json(String::new(), &Value::Object(object));
            }
            fields.put(name, value.into_owned());
        }
        fields
    }

    /// A form, if it looks like one: `name=value` where the name is a name.
    fn from_plausible_form(text: &str) -> Option<Fields> {
        let plausible = text.split('&').any(|pair| {
            pair.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty()
                    && name.len() <= 200
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "_-.[]%+".contains(c))
            })
        });
        plausible.then(|| Fields::from_form(text))
    }

    fn put_json(&mut self, name: String, value: &Value) {
        let inner = |key: &str| {
            if name.is_empty() {
                key.to_owned()
            } else {
                format!("{name}[{key}]")
            }
        };
        match value {
            Value::Object(object) => object
                .iter()
                .for_each(|(key, value)| self.put_json(inner(key), value)),
            Value::Array(values) => {
                values
                    .iter()
                    .enumerate()
                    .for_each(|(i, value)| self.put_json(inner(&i.to_string()), value));
            }
            scalar => {
                if let Some(text) = wire::scalar(scalar) {
                    self.put(name, text);
                }
            }
        }
    }

    /// Adds what only the query knows.
    fn beside(mut self, query: &Fields) -> Fields {
        for (name, value) in &query.0 {
            if self.0.get(name).is_none_or(|own| own.trim().is_empty()) {
                self.0.insert(name.clone(), value.clone());
            }
        }
        self
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn id(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(|value| id(value))
    }

    /// An id under any of the names, at the top first, then anywhere inside.
    fn id_anywhere(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| self.id(name)).or_else(|| {
            let inside = |path: &str, name: &str| {
                path.strip_suffix(']')
                    .and_then(|path| path.rsplit_once('['))
                    .is_some_and(|(_, last)| last == name)
            };
            names.iter().find_map(|name| {
                self.0
                    .iter()
                    .filter(|(path, _)| inside(path, name))
                    .find_map(|(_, value)| id(value))
            })
        })
    }

    fn meaning(&self) -> Webhook {
        if self.id("case_id").is_none()
            && self.text("type") == "message_new"
            && let Some(message) = self.channel_message()
        {
            return Webhook::Channel(message);
        }
        let hint = RuleHint {
            case_id: self.id_anywhere(&["case_id"]).map(CaseId),
            message_id: self
                .id_anywhere(&["last_message_id", "message_id"])
                .map(MessageId),
            custom_fields: self.custom_fields(),
        };
        if hint == RuleHint::default() {
            Webhook::Test
        } else {
            Webhook::Rule(hint)
        }
    }

    fn channel_message(&self) -> Option<ChannelMessage> {
        let part = |key: &str| self.text(&format!("object[{key}]"));
        let number = |key: &str| id(part(key));
        let custom = Some(part("custom_user_id"))
            .filter(|id| !id.is_empty())
            .unwrap_or(part("user_custom_id"));
        Some(ChannelMessage {
            message_id: MessageId(number("message_id")?),
            case_id: CaseId(number("case_id")?),
            staff_id: number("staff_id").map(StaffId),
            user_id: number("user_id").map(UserId),
            custom_user_id: Some(custom.to_owned()).filter(|id| !id.is_empty()),
            content: part("content").to_owned(),
            content_html: part("content_html").to_owned(),
            note: wire::truthy_text(part("note")),
            sent_via_rule: wire::truthy_text(part("sent_via_rule")),
            attachments: self.attachments(),
        })
    }

    /// `object[attachments][0][url]`, or the address itself in place of the object; by number.
    fn attachments(&self) -> Vec<String> {
        let mut found: Vec<(u64, &String)> = self
            .0
            .iter()
            .filter_map(|(name, value)| {
                let (index, rest) = name.strip_prefix("object[attachments][")?.split_once(']')?;
                let is_url = rest == "[url]" || rest.is_empty();
                (is_url && !value.is_empty()).then_some((index.parse().unwrap_or(u64::MAX), value))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, url)| url.clone()).collect()
    }

    /// `custom_field_25` in rules, `cf_25` in the API (`[C!]` sloop).
    fn custom_fields(&self) -> BTreeMap<i64, String> {
        self.0
            .iter()
            .filter_map(|(name, value)| {
                let last = name
                    .strip_suffix(']')
                    .and_then(|path| path.rsplit_once('['))
                    .map_or(&**name, |(_, l)| l);
                let number = last
                    .strip_prefix("custom_field_")
                    .or_else(|| last.strip_prefix("cf_"))?;
                let value = decoded(value.trim().to_owned()).replace('\0', "");
                (!value.is_empty() && !is_placeholder(&value)).then_some((number.parse().ok()?, value))
            })
            .collect()
    }
}

fn from_json(text: &str) -> Option<Fields> {
    let value = json_within(text)?;
    let object = match &value {
        Value::Array(values) => values.iter().find(|value| value.is_object()).unwrap_or(&value),
        other => other,
    };
    let mut fields = Fields::default();
    fields.put_json(String::new(), object);
    Some(fields)
}

/// The JSON object or list in a text: as it is, without what stands around it, with raw control characters escaped.
fn json_within(text: &str) -> Option<Value> {
    let text = text.trim();
    let structured = |text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .map(crate::model::charset::fitted)
            .filter(|value| value.is_object() || value.is_array())
    };
    structured(text).or_else(|| {
        let inner = text.get(text.find('{')?..=text.rfind('}')?)?;
        structured(inner).or_else(|| structured(&json::mended(inner).0))
    })
}

/// Finds the ids in a body that is broken JSON, XML, or anything else that names them.
fn scan(text: &str) -> Option<Fields> {
    let mut fields = Fields::default();
    for name in ["case_id", "last_message_id", "message_id"] {
        if let Some(id) = scan_id(text, name) {
            fields.put(name.to_owned(), id);
        }
    }
    (!fields.0.is_empty()).then_some(fields)
}

/// The first number that follows `name`, with nothing but punctuation between.
fn scan_id(text: &str, name: &str) -> Option<String> {
    let part_of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name).find_map(|(at, _)| {
        if text.get(..at)?.ends_with(part_of_a_word) {
            return None;
        }
        let rest = text.get(at + name.len()..)?;
        let value = rest.trim_start_matches(|c: char| c.is_whitespace() || "\"'\\:=>".contains(c));
        let between = rest.len() - value.len();
        let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = value.get(..digits)?;
        ((1..=16).contains(&between) && id(number).is_some()).then(|| number.to_owned())
    })
}

/// An id as number or text; `""`, `0` and an unfilled placeholder are none.
fn id(text: &str) -> Option<i64> {
    let plain = text.trim().trim_matches('"').trim();
    match plain.parse::<i64>() {
        Ok(id) => Some(id).filter(|id| *id > 0),
        Err(_) if plain.contains('%') && plain.len() < 100 => {
            let again = decoded(plain.to_owned());
            (again != plain).then(|| id(&again)).flatten()
        }
        Err(_) => None,
    }
}

/// Undoes further url-encodings (iridi decodes rule bodies twice, `[C]`); used where a `%` cannot be meant.
fn decoded(mut text: String) -> String {
    for _ in 0..3 {
        let encoded = text.as_bytes().windows(3).any(|window| {
            matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
        });
        if !encoded {
            break;
        }
        text = percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned();
    }
    text
}

/// `[case_id]`, `{case_id}` or `{%case_id%}`: a variable that Deskie did not know, or a test call (`[W]`).
fn is_placeholder(text: &str) -> bool {
    let inner = [("[", "]"), ("{%", "%}"), ("{{", "}}"), ("{", "}")]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    inner.is_some_and(|name| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ')
    })
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
