//! What the API returns: cases, messages, users and the small lists.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::wire::{self, Entity};
use crate::model::{CaseId, MessageId, StaffId, UserId};

/// A case's state (`[C]` dossier 4); trash and spam are flags beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Status {
    Open,
    /// `waiting`: the agent waits for the customer.
    Waiting,
    Closed,
    /// A word that is not documented.
    Other(String),
}

impl Status {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Status::Open => "open",
            Status::Waiting => "waiting",
            Status::Closed => "closed",
            Status::Other(word) => word,
        }
    }
}

impl From<&str> for Status {
    fn from(word: &str) -> Status {
        match word {
            "open" => Status::Open,
            "waiting" => Status::Waiting,
            "closed" => Status::Closed,
            other => Status::Other(other.to_owned()),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A case (`[D]` D-cases; the rest `[C]` palachX, winlex, nskeip). Its `Debug` shows nothing of the customer's.
#[derive(Clone, PartialEq, Eq)]
pub struct Case {
    /// Its stable key.
    pub case_id: CaseId,
    /// `NNN-NNNNNN`, the number that people see; no filter takes it.
    pub case_number: String,
    pub subject: String,
    /// The customer; needed to add his messages.
    pub user_id: Option<UserId>,
    /// The agent who is in charge.
    pub staff_id: Option<StaffId>,
    /// The group that it lies in.
    pub group_id: Option<i64>,
    pub status: Status,
    /// `low`, `normal`, `high` or `critical`.
    pub priority: String,
    /// `web`, `email`, `cch3` and so on.
    pub channel: String,
    /// The address that it came to or from.
    pub recipient: String,
    /// Copies: `recipient_cc` at Deskie, `cc_emails` at Omnidesk.
    pub recipient_cc: String,
    /// Blind copies: `recipient_bcc` at Deskie, `bcc_emails` at Omnidesk.
    pub recipient_bcc: String,
    /// In the trash.
    pub deleted: bool,
    /// Marked as spam.
    pub spam: bool,
    /// When it was opened.
    pub created_at: Option<Timestamp>,
    /// When anything last changed.
    pub updated_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The case that this one was merged into, or whose child it is.
    pub parent_case_id: Option<CaseId>,
    /// `cf_N` and its value as text; null values are left out.
    pub custom_fields: BTreeMap<String, String>,
    /// Label ids.
    pub labels: Vec<i64>,
    /// The files of its first message, in the answer to a new case (`[C]` palachX).
    pub attachments: Vec<Attachment>,
}

impl Entity for Case {
    const ROOT: &'static str = "case";
    const ID: &'static str = "case_id";

    fn number(&self) -> i64 {
        self.case_id.0
    }

    fn read(object: &Map<String, Value>) -> Option<Case> {
        let first_of = |here: &str, there: &str| {
            wire::some_text(object, here).unwrap_or_else(|| wire::text(object, there))
        };
        Some(Case {
            case_id: CaseId(wire::id(object, "case_id")?),
            case_number: wire::text(object, "case_number"),
            subject: wire::text(object, "subject"),
            user_id: wire::id(object, "user_id").map(UserId),
            staff_id: wire::id(object, "staff_id").map(StaffId),
            group_id: wire::id(object, "group_id"),
            status: Status::from(wire::text(object, "status").as_str()),
            priority: wire::text(object, "priority"),
            channel: wire::text(object, "channel"),
            recipient: wire::text(object, "recipient"),
            recipient_cc: first_of("recipient_cc", "cc_emails"),
            recipient_bcc: first_of("recipient_bcc", "bcc_emails"),
            deleted: wire::flag(object, "deleted"),
            spam: wire::flag(object, "spam"),
            created_at: wire::date(object, "created_at"),
            updated_at: wire::date(object, "updated_at"),
            closed_at: wire::date(object, "closed_at"),
            parent_case_id: wire::id(object, "parent_case_id").map(CaseId),
            custom_fields: wire::scalars(object, "custom_fields"),
            labels: wire::elements(object, "labels")
                .into_iter()
                .filter_map(wire::int)
                .collect(),
            attachments: Attachment::list(object),
        })
    }
}

crate::model::debug_shows!(Case: case_id, case_number, status, updated_at);

/// Who wrote a message (`[C]` kb, ref56, palachX).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    Customer(UserId),
    /// An agent, or a rule in his name.
    Staff(StaffId),
    /// Nobody that the customer may read: an internal note.
    Note,
    /// The message names neither.
    Unknown,
}

/// A message of a case (`[C]` palachX, ref56, kb). Its text never appears in the `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its key.
    pub message_id: MessageId,
    /// The customer, where he wrote it.
    pub user_id: Option<UserId>,
    /// The agent, where he wrote it.
    pub staff_id: Option<StaffId>,
    /// Plain text; either this or the HTML may be empty.
    pub content: String,
    /// HTML; either this or the text may be empty.
    pub content_html: String,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// An internal note.
    pub note: bool,
    /// Sent by a rule (an automatic answer).
    pub sent_via_rule: bool,
    /// When it was written.
    pub created_at: Option<Timestamp>,
    /// When it was sent; later than `created_at` for a scheduled message.
    pub sent_at: Option<Timestamp>,
}

impl Message {
    /// Its files as Deskie tells of them: name and size.
    pub fn told_files(&self) -> Vec<(&str, Option<u64>)> {
        let told = |file: &'_ Attachment| file.file_size.and_then(|size| u64::try_from(size).ok());
        self.attachments
            .iter()
            .map(|file| (file.file_name.as_str(), told(file)))
            .collect()
    }

    /// Who wrote it.
    pub fn author(&self) -> Writer {
        match (self.note, self.staff_id, self.user_id) {
            (true, _, _) => Writer::Note,
            (false, Some(staff), _) => Writer::Staff(staff),
            (false, None, Some(user)) => Writer::Customer(user),
            (false, None, None) => Writer::Unknown,
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("message_id", &self.message_id)
            .field("author", &self.author())
            .field("bytes", &(self.content.len() + self.content_html.len()))
            .field("attachments", &self.attachments.len())
            .field("sent_via_rule", &self.sent_via_rule)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl Entity for Message {
    const ROOT: &'static str = "message";
    const ID: &'static str = "message_id";

    fn number(&self) -> i64 {
        self.message_id.0
    }

    fn read(object: &Map<String, Value>) -> Option<Message> {
        // A text that cannot be read must not pass for a message without one.
        let is_text = |key: &str| match object.get(key) {
            Some(Value::Array(values)) => values.is_empty(),
            Some(Value::Object(values)) => values.is_empty(),
            _ => true,
        };
        if !is_text("content") || !is_text("content_html") {
            return None;
        }
        Some(Message {
            message_id: MessageId(wire::id(object, "message_id")?),
            user_id: wire::id(object, "user_id").map(UserId),
            staff_id: wire::id(object, "staff_id").map(StaffId),
            content: wire::text(object, "content"),
            content_html: wire::text(object, "content_html"),
            attachments: Attachment::list(object),
            note: wire::flag(object, "note"),
            sent_via_rule: wire::flag(object, "sent_via_rule"),
            created_at: wire::date(object, "created_at"),
            sent_at: wire::date(object, "sent_at"),
        })
    }
}

/// A file of a message. Fetching `url` needs the API's Basic auth and may give a login page (dossier 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its key.
    pub file_id: Option<i64>,
    pub file_name: String,
    /// Its size in bytes.
    pub file_size: Option<i64>,
    pub mime_type: String,
    /// Where it lies, on the Deskie domain.
    pub url: String,
}

impl Attachment {
    fn list(object: &Map<String, Value>) -> Vec<Attachment> {
        wire::elements(object, "attachments")
            .into_iter()
            .filter_map(Attachment::of)
            .collect()
    }

    /// An attachment, also where only its address is given.
    fn of(value: &Value) -> Option<Attachment> {
        match value {
            Value::Object(object) => Attachment::read(object),
            Value::String(url) if url.contains('/') => Some(Attachment {
                file_id: None,
                file_name: String::new(),
                file_size: None,
                mime_type: String::new(),
                url: url.clone(),
            }),
            _ => None,
        }
    }

    fn read(object: &Map<String, Value>) -> Option<Attachment> {
        Some(Attachment {
            file_id: wire::id(object, "file_id"),
            file_name: wire::text(object, "file_name"),
            file_size: object
                .get("file_size")
                .and_then(wire::int)
                .filter(|size| *size >= 0),
            mime_type: wire::text(object, "mime_type"),
            url: wire::some_text(object, "url")?,
        })
    }
}

/// A customer (`[D]` D-users): one profile per contact, joined by links. Its `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its key.
    pub user_id: UserId,
    /// His name.
    pub full_name: String,
    /// His address, for a profile of type `email`.
    pub email: Option<String>,
    /// His number.
    pub phone: Option<String>,
    /// His identity in a custom channel.
    pub custom_id: Option<String>,
    /// `email`, `whatsapp`, `custom` and so on.
    pub kind: String,
    /// The other profiles of the same person.
    pub linked_users: Vec<UserId>,
}

crate::model::debug_shows!(User: user_id);

impl User {
    /// Whether one of these identities is his; addresses and numbers are compared as people write them.
    pub fn is_contact(&self, email: Option<&str>, phone: Option<&str>, custom_id: Option<&str>) -> bool {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let same_email = |ours: &str, theirs: &str| ours.trim().eq_ignore_ascii_case(theirs.trim());
        let same_phone =
            |ours: &str, theirs: &str| !digits(ours).is_empty() && digits(ours) == digits(theirs);
        email
            .zip(self.email.as_deref())
            .is_some_and(|(ours, theirs)| same_email(ours, theirs))
            || phone
                .zip(self.phone.as_deref())
                .is_some_and(|(ours, theirs)| same_phone(ours, theirs))
            || custom_id.is_some_and(|ours| self.custom_id.as_deref() == Some(ours))
    }
}

impl Entity for User {
    const ROOT: &'static str = "user";
    const ID: &'static str = "user_id";

    fn number(&self) -> i64 {
        self.user_id.0
    }

    fn read(object: &Map<String, Value>) -> Option<User> {
        Some(User {
            user_id: UserId(wire::id(object, "user_id")?),
            full_name: wire::text(object, "user_full_name"),
            email: wire::some_text(object, "user_email"),
            phone: wire::some_text(object, "user_phone")
                .or_else(|| wire::some_text(object, "user_whatsapp_phone")),
            custom_id: wire::some_text(object, "user_custom_id"),
            kind: wire::text(object, "type"),
            linked_users: wire::elements(object, "linked_users")
                .into_iter()
                .filter_map(|value| wire::int(value.get("user_id").unwrap_or(value)))
                .map(UserId)
                .collect(),
        })
    }
}

/// A custom field; its API key is `cf_<field_id>` (`[C]` palachX).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomField {
    /// Its number.
    pub field_id: i64,
    pub title: String,
    /// `text`, `textarea`, `checkbox`, `select` or `date`.
    pub field_type: String,
    /// `user` or `case`.
    pub level: String,
    /// In use.
    pub active: bool,
    /// The keys and labels of a `select`.
    pub choices: BTreeMap<String, String>,
}

impl Entity for CustomField {
    const ROOT: &'static str = "custom_field";
    const ID: &'static str = "field_id";

    fn number(&self) -> i64 {
        self.field_id
    }

    fn read(object: &Map<String, Value>) -> Option<CustomField> {
        Some(CustomField {
            field_id: wire::id(object, "field_id")?,
            title: wire::text(object, "title"),
            field_type: wire::text(object, "field_type"),
            level: wire::text(object, "field_level"),
            active: object.get("active").is_none_or(wire::truthy),
            choices: wire::scalars(object, "field_data"),
        })
    }
}

/// A custom channel (`[C]` palachX).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomChannel {
    /// Its number.
    pub channel_id: i64,
    /// `cchN`, the value for a case's `channel`.
    pub api_key: String,
    pub title: String,
    /// `async` is like mail, `sync` a live chat.
    pub channel_type: String,
    /// Where Deskie posts the agents' answers.
    pub webhook_url: String,
    /// In use.
    pub active: bool,
}

impl Entity for CustomChannel {
    const ROOT: &'static str = "custom_channel";
    const ID: &'static str = "channel_id";

    fn number(&self) -> i64 {
        self.channel_id
    }

    fn read(object: &Map<String, Value>) -> Option<CustomChannel> {
        let channel_id = wire::id(object, "channel_id")?;
        Some(CustomChannel {
            channel_id,
            api_key: wire::some_text(object, "channel_api_key").unwrap_or_else(|| format!("cch{channel_id}")),
            title: wire::text(object, "title"),
            channel_type: wire::text(object, "channel_type"),
            webhook_url: wire::text(object, "webhook_url"),
            active: object.get("active").is_none_or(wire::truthy),
        })
    }
}

/// A label (`[C]` palachX).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its number, which calls take.
    pub label_id: i64,
    pub title: String,
}

impl Entity for Label {
    const ROOT: &'static str = "label";
    const ID: &'static str = "label_id";

    fn number(&self) -> i64 {
        self.label_id
    }

    fn read(object: &Map<String, Value>) -> Option<Label> {
        Some(Label {
            label_id: wire::id(object, "label_id")?,
            title: wire::text(object, "label_title"),
        })
    }
}

/// An agent (`[C]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Its key.
    pub staff_id: StaffId,
    /// The agent's name.
    pub full_name: String,
    /// The agent's address.
    pub email: String,
    /// May work.
    pub active: bool,
}

impl Entity for Staff {
    const ROOT: &'static str = "staff";
    const ID: &'static str = "staff_id";

    fn number(&self) -> i64 {
        self.staff_id.0
    }

    fn read(object: &Map<String, Value>) -> Option<Staff> {
        Some(Staff {
            staff_id: StaffId(wire::id(object, "staff_id")?),
            full_name: wire::text(object, "staff_full_name"),
            email: wire::text(object, "staff_email"),
            active: object.get("active").is_none_or(wire::truthy),
        })
    }
}

#[cfg(test)]
#[path = "entity_tests.rs"]
mod tests;
