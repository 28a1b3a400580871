//! PURE: what an incoming webhook says. Deskie sends two kinds, in whatever form its operator chose:
//!
//! - a **rule** webhook: a template that the operator wrote; JSON, a form, or the URL's query; all values are text
//!   (`[C!]` sloop, iridi). Whether quotes and line breaks in a value are escaped is unknown, so a body that is not
//!   valid JSON is searched for the ids. It is only a poke: every text is read from the API.
//! - a **custom channel** webhook: `type=message_new` and `object[...]` (`[C!]` edgar, `[C]` palachX), which carries
//!   the message whole.
//!
//! Invariant: what a custom channel's webhook carries counts only where it holds nothing but `type` and `object`, each
//! once, unbroken. Anything else is a poke, whatever it holds: a rule's template quotes the customer's own words, which
//! must not be able to pass for an agent's message.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::webhook_body::{BodyCharset, Fields, decoded, is_encoded};
use super::wire;
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
    pub case_id: Option<CaseId>,
    /// Its newest message (`last_message_id`).
    pub message_id: Option<MessageId>,
    /// The case's custom fields that the template names, by number: `custom_field_25` → 25.
    pub custom_fields: BTreeMap<i64, String>,
}

/// A custom channel's message. Its text never appears in the `Debug` form.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChannelMessage {
    pub message_id: MessageId,
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
    let (body, charset) = BodyCharset::of(content_type).widened(body);
    let query = Fields::from_form(query.unwrap_or_default().as_bytes(), BodyCharset::of(None));
    let (text, is_odd) = charset.text(&body);
    let mut text = Cow::Borrowed(text.trim_start_matches('\u{feff}').trim());
    if text.is_empty() {
        return Ok(query.meaning(&query));
    }
    // Encoded as a whole, perhaps more than once: JSON or a form stands behind it.
    for _ in 0..3 {
        if !text.starts_with('%') {
            break;
        }
        text = Cow::Owned(
            percent_encoding::percent_decode_str(&text)
                .decode_utf8_lossy()
                .trim()
                .to_owned(),
        );
    }
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    let form = || match &text {
        Cow::Borrowed(_) => Fields::from_plausible_form(&body, charset),
        Cow::Owned(text) => Fields::from_plausible_form(text.as_bytes(), charset),
    };
    let json = || {
        Fields::from_json(&text).map(|mut fields| {
            fields.doubtful |= is_odd;
            fields
        })
    };
    let parts = match kind.contains("multipart/") {
        true => Fields::from_parts(&body, content_type.unwrap_or_default(), charset),
        false => None,
    };
    let found = parts.or_else(|| match (text.starts_with(['{', '[']), kind.contains("json")) {
        (true, _) => json(),
        (false, true) => json().or_else(form),
        (false, false) => form().or_else(json),
    });
    match found.or_else(|| scan(&text)) {
        Some(fields) => Ok(fields.meaning(&query)),
        None => match query.meaning(&query) {
            Webhook::Test => Err(Unreadable),
            meaning => Ok(meaning),
        },
    }
}

impl Fields {
    /// Adds what only the query knows.
    fn beside(&self, query: &Fields) -> Fields {
        let mut values = self.values.clone();
        for (name, value) in &query.values {
            if values.get(name).is_none_or(|own| own.trim().is_empty()) {
                values.insert(name.clone(), value.clone());
            }
        }
        Fields {
            values,
            doubtful: self.doubtful,
        }
    }

    fn id(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(|value| id(value))
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
                self.values
                    .iter()
                    .filter(|(path, _)| inside(path, name))
                    .find_map(|(_, value)| id(value))
            })
        })
    }

    /// What a body says, beside the query of its URL.
    fn meaning(&self, query: &Fields) -> Webhook {
        if self.is_channels()
            && query.id("case_id").is_none()
            && let Some(message) = self.channel_message()
        {
            return Webhook::Channel(message);
        }
        let all = self.beside(query);
        let hint = RuleHint {
            case_id: all.id_anywhere(&["case_id"]).map(CaseId),
            message_id: all.id_anywhere(&["last_message_id", "message_id"]).map(MessageId),
            custom_fields: all.custom_fields(),
        };
        if hint == RuleHint::default() {
            Webhook::Test
        } else {
            Webhook::Rule(hint)
        }
    }

    /// Whether it is a custom channel's webhook and cannot be anything else: `type` and `object`, each once, and every
    /// text as it was sent. A rule's template has fields of its own beside whatever a customer's words bring.
    fn is_channels(&self) -> bool {
        // What looks encoded as a whole may be, or be meant.
        let may_be_encoded =
            |value: &str| is_encoded(value) && !value.contains(|c: char| c.is_whitespace() || !c.is_ascii());
        !self.doubtful
            && self.text("type") == "message_new"
            && self
                .values
                .keys()
                .all(|name| name == "type" || is_channels_own(name))
            && !["content", "content_html"]
                .iter()
                .any(|name| may_be_encoded(self.text(&format!("object[{name}]"))))
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
            .values
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
        self.values
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

/// `object[content]`, `object[attachments][0][url]`: nothing else nests.
fn is_channels_own(name: &str) -> bool {
    name.strip_prefix("object[").is_some_and(|inner| {
        inner.starts_with("attachments]")
            || inner
                .strip_suffix(']')
                .is_some_and(|key| !key.contains(['[', ']']))
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
    (!fields.values.is_empty()).then_some(fields)
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
