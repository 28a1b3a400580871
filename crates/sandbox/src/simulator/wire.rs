//! How Deskie writes its answers: dates, entities, and lists with numeric keys.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};

use super::options::{EmptyList, Options};
use super::state::{Case, Message, State, User};
use crate::simulator::CaseId;

impl Options {
    fn zone(&self, extra_minutes: i32) -> TimeZone {
        let seconds = (self.utc_offset_minutes + extra_minutes) * 60;
        TimeZone::fixed(Offset::from_seconds(seconds).unwrap_or(Offset::UTC))
    }

    fn date(&self, at: Timestamp, extra_minutes: i32) -> String {
        let zoned = Zoned::new(at, self.zone(extra_minutes));
        zoned.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
    }

    /// Reads what a caller sent as a time: unix seconds, a date, or a date and time in the account's zone.
    pub(super) fn read_time(&self, text: &str) -> Option<Timestamp> {
        if let Ok(seconds) = text.trim().parse::<i64>() {
            return Timestamp::from_second(seconds).ok();
        }
        let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text)
            .or_else(|_| Date::strptime("%Y-%m-%d", text).map(DateTime::from))
            .ok();
        match civil {
            Some(civil) => civil.to_zoned(self.zone(0)).ok().map(|zoned| zoned.timestamp()),
            None => text
                .parse()
                .or_else(|_| Zoned::strptime("%a, %d %b %Y %H:%M:%S %z", text).map(|z| z.timestamp()))
                .ok(),
        }
    }
}

impl State {
    fn shown_date(&self, at: Timestamp) -> Value {
        json!(self.options.date(at, 0))
    }

    fn shown_update(&self, at: Timestamp) -> Value {
        json!(
            self.options
                .date(at, if self.options.mixed_offsets { -60 } else { 0 })
        )
    }

    fn date_or_dash(&self, at: Option<Timestamp>) -> Value {
        at.map_or_else(|| json!("-"), |at| self.shown_date(at))
    }

    fn fields(&self, fields: &Map<String, Value>) -> Value {
        if fields.is_empty() && self.options.custom_fields_as_array_when_empty {
            return json!([]);
        }
        Value::Object(fields.clone())
    }

    pub fn case_json(&self, case: &Case) -> Value {
        let user = self.users.get(&case.user_id);
        let recipient = user.map(|user| user.contact.clone()).unwrap_or_default();
        let first = case
            .messages
            .first()
            .map(|message| self.attachments_json(message));
        let speed = case
            .closed_at
            .map(|at| at.as_second() - case.created_at.as_second());
        json!({"case": {
            "case_id": case.id,
            "case_number": case.number,
            "subject": case.subject,
            "user_id": case.user_id,
            "staff_id": case.staff_id,
            "group_id": case.group_id,
            "status": case.status,
            "priority": case.priority,
            "channel": case.channel,
            "recipient": recipient,
            "recipient_cc": case.recipient_cc,
            "recipient_bcc": "",
            "recipient_arr": [recipient],
            "recipient_cc_arr": [],
            "recipient_bcc_arr": [],
            "deleted": case.deleted,
            "spam": case.spam,
            "created_at": self.shown_date(case.created_at),
            "updated_at": self.shown_update(case.updated_at),
            "closed_at": self.date_or_dash(case.closed_at),
            "last_response_at": self.date_or_dash(case.last_response_at),
            "closing_speed": speed.map_or_else(|| json!("-"), |speed| json!(speed)),
            "parent_case_id": case.parent,
            "language_id": case.language_id,
            "custom_fields": self.fields(&case.custom_fields),
            "labels": case.labels,
            "locked_labels": [],
            "rating": "",
            "rating_comment": "",
            "rated_staff_id": 0,
            "attachments": first.unwrap_or_else(|| json!([])),
        }})
    }

    pub fn message_json(&self, message: &Message) -> Value {
        let mut object = json!({
            "message_id": message.id,
            "user_id": message.user_id,
            "staff_id": message.staff_id,
            "content": message.text,
            "content_html": message.html,
            "attachments": self.attachments_json(message),
            "note": message.note,
            "sent_via_rule": message.via_rule,
            "created_at": self.shown_date(message.created_at),
            "sent_at": self.shown_date(message.sent_at),
        });
        if !message.note && message.staff_id.0 > 0 {
            object["is_viewed"] = json!(false);
            object["rating"] = json!("");
            object["rating_comment"] = json!("");
            object["rated_staff_id"] = json!(0);
        }
        json!({"message": object})
    }

    pub fn attachments_json(&self, message: &Message) -> Value {
        let one = |id: &i64| {
            let file = self.attachments.get(id)?;
            Some(json!({
                "file_id": id,
                "file_name": file.name,
                "file_size": file.bytes.len(),
                "mime_type": file.mime,
                "url": self.attachment_url(*id),
            }))
        };
        Value::Array(message.attachments.iter().filter_map(one).collect())
    }

    pub fn attachment_url(&self, id: i64) -> String {
        format!("{}/user/attachments/{id}", self.base_url)
    }

    pub fn user_json(&self, user: &User) -> Value {
        let is = |kind: &str| {
            if user.kind == kind {
                user.contact.as_str()
            } else {
                ""
            }
        };
        json!({"user": {
            "user_id": user.id,
            "user_full_name": user.full_name,
            "company_name": user.company_name,
            "company_position": user.company_position,
            "thumbnail": "",
            "confirmed": false,
            "active": true,
            "deleted": false,
            "created_at": self.shown_date(user.created_at),
            "updated_at": self.shown_update(user.updated_at),
            "password": "",
            "type": user.kind,
            "user_email": is("email"),
            "user_phone": is("call"),
            "user_whatsapp_phone": is("whatsapp"),
            "user_custom_id": is("custom"),
            "user_custom_channel": user.custom_channel,
            "user_note": user.note,
            "language_id": user.language_id,
            "custom_fields": self.fields(&user.custom_fields),
            "linked_users": user.linked,
        }})
    }

    pub fn changelog_json(&self, case: &Case) -> Value {
        let one = |change: &super::state::Change| {
            json!({
                "created_at": self.shown_date(change.at),
                "event": change.event,
                "done_by": change.done_by,
                "old_value": change.old,
                "value": change.new,
            })
        };
        json!({"changelog": case.changelog.iter().map(one).collect::<Vec<_>>()})
    }

    /// A list: an object with numeric keys in no order, and `total_count` among them; an empty one has neither.
    pub fn list_json(&mut self, key: &str, total: usize, items: Vec<Value>) -> Value {
        if items.is_empty() {
            return match self.options.empty_list {
                EmptyList::Keyed => json!({ key: [] }),
                EmptyList::Text => json!(""),
                EmptyList::Array => json!([]),
                EmptyList::Counted => json!({"total_count": 0}),
            };
        }
        let mut entries: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(n, item)| (n.to_string(), item))
            .collect();
        entries.push(("total_count".into(), json!(total)));
        let order = entries.first().map(|(name, _)| name.clone());
        entries.shuffle(&mut self.rng);
        // "0" is never first, so that nobody relies on the order of a short list.
        if entries.first().map(|(name, _)| name) == order.as_ref() {
            entries.rotate_left(1);
        }
        Value::Object(entries.into_iter().collect())
    }

    /// What the account's switches make of an answer: ids as strings, booleans as numbers.
    pub fn disguise(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    let is_id = key.ends_with("_id") || key == "total_count";
                    if is_id && self.options.ids_as_strings && value.is_number() {
                        *value = json!(value.to_string());
                    } else if let (Value::Bool(flag), true) = (&*value, self.options.booleans_as_numbers) {
                        *value = json!(i32::from(*flag));
                    } else {
                        self.disguise(value);
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.disguise(value)),
            _ => {}
        }
    }

    /// The case as it is shown to the API by id; none if there is none (yet).
    pub fn find_case(&self, id: CaseId) -> Option<&Case> {
        let lag = self.options.lag_by_id;
        let shown = |case: &&Case| !case.purged && (!lag || case.visible_at <= crate::clock::monotonic());
        self.cases.get(&id).filter(shown)
    }
}
