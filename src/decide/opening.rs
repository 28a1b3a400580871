//! What create_case needs besides the body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Cells, Ruling, Times, seconds};
use crate::config::Config;
use crate::mapping::read::TICKET_OUTPUTS;
use crate::model::TicketKey;
use crate::text;

/// What create_case needs besides the body. Its `Debug` shows nothing of the customer's.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    pub subject: String,
    /// The customer's e-mail address.
    pub email: Option<String>,
    /// The customer's phone number.
    pub phone: Option<String>,
    /// The custom channel, where the case goes through one.
    pub channel: Option<String>,
    /// The customer's identity in it.
    pub custom_id: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// Custom fields besides the ticket's key: `cf_N` → value.
    pub fields: BTreeMap<String, String>,
    /// Label ids.
    pub labels: Vec<i64>,
    /// `low` … `critical`.
    pub priority: Option<String>,
    pub group_id: Option<i64>,
    pub language_id: Option<i64>,
    /// When the ticket was made, in seconds since 1970: a case is not older.
    pub created_at: Option<i64>,
    /// `open`, `waiting` or `closed`, where `[ticket] status` says so.
    pub status: Option<String>,
    /// The cells of the ticket's row that say who its `customer` is, and when it was made (`created_at`), by their columns, and
    /// a fingerprint of `who` that is; none where it was not the site's row that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_by: Option<Value>,
}

impl Opening {
    /// What of the row names the customer, with a fingerprint of who that is: his identity itself is forgotten with the row.
    fn name(&mut self, cells: Option<String>) {
        let cells: Option<Map<String, Value>> = cells.and_then(|json| serde_json::from_str(&json).ok());
        let Some(mut named_by) = cells else { return };
        let email = self.email.as_ref().map(|email| email.to_ascii_lowercase());
        let digits = |phone: &String| phone.chars().filter(char::is_ascii_digit).collect::<String>();
        let custom = self.channel.as_ref().zip(self.custom_id.as_ref());
        let who = format!("{:?}", (email, self.phone.as_ref().map(digits), custom));
        named_by.insert("who".to_owned(), text::digest(&who).into());
        self.named_by = Some(Value::Object(named_by));
    }
}

crate::model::debug_shows!(Opening: channel, labels, priority, group_id, language_id, created_at, status);

/// The words that Deskie knows.
const STATUSES: [&str; 3] = ["open", "waiting", "closed"];

/// A day for a zone and a clock: what lies further ahead than that is no time at all.
const AHEAD: f64 = 86_400.0;

/// A word of Deskie's; `Err`: the mapping gave another one.
pub fn status_word(word: Option<String>) -> Result<Option<String>, String> {
    match word {
        Some(word) if !STATUSES.contains(&word.as_str()) => Err(word),
        word => Ok(word),
    }
}

/// Tells of a status that is none of Deskie's words.
pub fn tell_odd_status(ticket: &TicketKey, word: &str) {
    let is = crate::text::word_or_length(word);
    tracing::warn!(%ticket, "[ticket] status is {is}; it must be 'open', 'waiting' or 'closed'");
}

/// The status that the outputs of `[ticket]` give; `None` where they give none, or where the ticket is not for Deskie;
/// `Err`: the mapping gave another word.
pub fn ticket_status(outputs: &[Option<String>]) -> Result<Option<String>, String> {
    let row = Cells {
        names: &TICKET_OUTPUTS,
        cells: outputs,
    };
    match row.holds("where") {
        true => status_word(row.word("status").map(str::to_owned)),
        false => Ok(None),
    }
}

/// What create_case needs, from the outputs of `[ticket]`; an identity that is not there is waited for.
pub fn opening(
    config: &Config,
    outputs: &[Option<String>],
    key: &TicketKey,
    times: &Times,
) -> Result<Opening, Box<Ruling>> {
    let row = Cells {
        names: &TICKET_OUTPUTS,
        cells: outputs,
    };
    let value = |name: &str| row.word(name).map(str::to_owned);
    let number = |name: &str| row.word(name).and_then(|text| text.parse().ok());
    let mut opening = Opening {
        subject: value("subject").unwrap_or_else(|| format!("#{key}")),
        name: value("name"),
        status: status_word(value("status")).unwrap_or_else(|word| {
            tell_odd_status(key, &word);
            None
        }),
        priority: value("priority"),
        group_id: number("group_id").or(config.deskie.group_id),
        language_id: number("language_id").or(config.deskie.language_id),
        created_at: seconds(row.whole("created_at"))
            .filter(|at| *at <= times.now + AHEAD)
            .map(|at| times.ticket_clock.earliest(at) as i64),
        fields: fields(row.word("fields")),
        labels: config.deskie.labels.clone(),
        named_by: row
            .word("named_by")
            .and_then(|json| serde_json::from_str(json).ok()),
        ..Opening::default()
    };
    opening.labels.extend(labels(row.word("labels")));
    let (email, phone, custom_id) = (value("email"), value("phone"), value("custom_id"));
    let wait = |why: String| Err(Box::new(Ruling::Wait { why, bounded: true }));
    if let Some(channel) = value("channel") {
        if custom_id.is_none() {
            return wait(format!(
                "the ticket goes through the channel {channel}, but customer.custom_id is not there"
            ));
        }
        (opening.channel, opening.custom_id) = (Some(channel), custom_id);
    } else if email.is_some() {
        opening.email = email;
    } else if phone.is_some() {
        opening.phone = phone;
    } else if custom_id.is_some() && config.deskie.channel.is_some() {
        (opening.channel, opening.custom_id) = (config.deskie.channel.clone(), custom_id);
    } else {
        return wait("the customer has neither e-mail nor phone".to_owned());
    }
    opening.name(value("named_by"));
    Ok(opening)
}

/// The custom fields that have a value.
fn fields(json: Option<&str>) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Option<String>> = json
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let with_value = |(name, value): (String, Option<String>)| Some((name, value?));
    fields.into_iter().filter_map(with_value).collect()
}

/// Those of the mapping's labels that are numbers.
fn labels(json: Option<&str>) -> Vec<i64> {
    let labels: Vec<Value> = json
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let number = |label: &Value| match label {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    labels.iter().filter_map(number).collect()
}
