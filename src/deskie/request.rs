//! PURE: what the API is asked: new cases, messages and filters, and their JSON and form shapes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Status;
use crate::model::{StaffId, UserId};

/// How a new case's customer is known to Deskie; the profile is made automatically (`[D]` D-migr). Its `Debug`
/// tells its kind.
#[derive(Clone, PartialEq, Eq)]
pub enum Contact {
    /// `user_email`
    Email(String),
    /// `user_phone`
    Phone(String),
    /// An identity of the site's own choice in a custom channel (`[C]` edgar, palachX).
    Custom {
        /// `cchN`
        channel: String,
        /// `user_custom_id`
        id: String,
    },
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Contact::Email(_) => "Email",
            Contact::Phone(_) => "Phone",
            Contact::Custom { .. } => "Custom",
        })
    }
}

/// A file that travels with a case or a message: 25 MB each, 50 MB a request (`[D]` D-cases).
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    /// Its MIME type; `application/octet-stream` where it is not one.
    pub mime: String,
    /// Its content.
    pub bytes: bytes::Bytes,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({} bytes, {})", self.bytes.len(), self.mime)
    }
}

/// A body in both forms; at least one is not empty. Its text never appears in the `Debug` form.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// `content`
    pub text: Option<String>,
    /// `content_html`
    pub html: Option<String>,
}

impl Content {
    /// Both forms.
    pub fn both(text: impl Into<String>, html: impl Into<String>) -> Content {
        Content {
            text: Some(text.into()),
            html: Some(html.into()),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = |form: &Option<String>| form.as_ref().map_or(0, String::len);
        write!(
            f,
            "Content({} bytes of text, {} of html)",
            bytes(&self.text),
            bytes(&self.html)
        )
    }
}

/// A case to be opened (`[D]` D-cases, D-migr). Its `Debug` shows nothing of the customer's.
#[derive(Clone)]
pub struct NewCase {
    /// The customer.
    pub contact: Contact,
    /// `user_full_name`
    pub full_name: Option<String>,
    /// `subject`; required: for a blank one the caller gives a placeholder.
    pub subject: String,
    /// The first message.
    pub content: Content,
    /// `cf_N` and its value.
    pub custom_fields: BTreeMap<String, String>,
    /// Label ids.
    pub labels: Vec<i64>,
    pub group_id: Option<i64>,
    pub language_id: Option<i64>,
    /// `low`, `normal`, `high` or `critical`.
    pub priority: Option<String>,
    /// The first state.
    pub status: Option<Status>,
    /// `cchN` for a customer without e-mail and phone; [`Contact::Custom`] brings its own.
    pub channel: Option<String>,
    /// Backdating; sent as unix seconds, the only form without a zone in doubt.
    pub created_at: Option<Timestamp>,
    /// Files that Deskie fetches itself; must be reachable for it.
    pub attachment_urls: Vec<String>,
    /// Files that are sent along.
    pub files: Vec<File>,
}

crate::model::debug_shows!(NewCase: contact, content, labels, group_id, language_id, priority, status, channel, created_at);

impl NewCase {
    /// A case with what every case needs.
    pub fn new(contact: Contact, subject: impl Into<String>, content: Content) -> NewCase {
        NewCase {
            contact,
            full_name: None,
            subject: subject.into(),
            content,
            custom_fields: BTreeMap::new(),
            labels: Vec::new(),
            group_id: None,
            language_id: None,
            priority: None,
            status: None,
            channel: None,
            created_at: None,
            attachment_urls: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        match &self.contact {
            Contact::Email(email) => put(&mut body, "user_email", Some(email)),
            Contact::Phone(phone) => put(&mut body, "user_phone", Some(phone)),
            Contact::Custom { channel, id } => {
                put(&mut body, "user_custom_id", Some(id));
                put(&mut body, "channel", Some(channel));
            }
        }
        put(&mut body, "user_full_name", self.full_name.as_ref());
        put(&mut body, "subject", Some(&self.subject));
        put_content(&mut body, &self.content);
        if !matches!(self.contact, Contact::Custom { .. }) {
            put(&mut body, "channel", self.channel.as_ref());
        }
        put(&mut body, "group_id", self.group_id);
        put(&mut body, "language_id", self.language_id);
        put(&mut body, "priority", self.priority.as_ref());
        put(&mut body, "status", self.status.as_ref().map(Status::as_str));
        put(&mut body, "created_at", self.created_at.map(Timestamp::as_second));
        if !self.custom_fields.is_empty() {
            body.insert("custom_fields".to_owned(), json!(self.custom_fields));
        }
        put_list(&mut body, "labels", &self.labels);
        put_list(&mut body, "attachment_urls", &self.attachment_urls);
        body
    }
}

/// In whose name a message is added. Without it Deskie would take the key's own employee, and mail the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    Customer(UserId),
    /// An agent; in an e-mail case this mails the customer.
    Staff(StaffId),
    /// The employee whose API key it is: neither id is sent (`[C]` kb, rdm).
    KeyHolder,
}

/// A message to be added (`[C]` palachX, edgar, vragov).
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Whose it is.
    pub author: Author,
    /// The customer's identity in a custom channel (`[C]` edgar).
    pub user_custom_id: Option<String>,
    /// Its text.
    pub content: Content,
    /// When it was written; sent as unix seconds.
    pub created_at: Option<Timestamp>,
    /// Keeps an agent's message from being mailed (`[C]` palachX; seen in an Omnidesk client only).
    pub do_not_send_email: bool,
    /// Files that Deskie fetches itself.
    pub attachment_urls: Vec<String>,
    /// Files that are sent along.
    pub files: Vec<File>,
}

impl NewMessage {
    /// A message with what every message needs.
    pub fn new(author: Author, content: Content) -> NewMessage {
        NewMessage {
            author,
            user_custom_id: None,
            content,
            created_at: None,
            do_not_send_email: false,
            attachment_urls: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        match self.author {
            Author::Customer(user) => put(&mut body, "user_id", Some(user.0)),
            Author::Staff(staff) => put(&mut body, "staff_id", Some(staff.0)),
            Author::KeyHolder => {}
        }
        put(&mut body, "user_custom_id", self.user_custom_id.as_ref());
        put_content(&mut body, &self.content);
        put(&mut body, "created_at", self.created_at.map(Timestamp::as_second));
        put(
            &mut body,
            "do_not_send_email",
            self.do_not_send_email.then_some(true),
        );
        put_list(&mut body, "attachment_urls", &self.attachment_urls);
        body
    }
}

/// An internal note to be added: `note.json` (`[C]` palachX, ref56).
#[derive(Debug, Clone)]
pub struct NewNote {
    /// Its text.
    pub content: Content,
    /// When it was written; sent as unix seconds.
    pub created_at: Option<Timestamp>,
    /// Files that Deskie fetches itself.
    pub attachment_urls: Vec<String>,
    /// Files that are sent along.
    pub files: Vec<File>,
}

impl NewNote {
    /// A note with what every note needs.
    pub fn new(content: Content) -> NewNote {
        NewNote {
            content,
            created_at: None,
            attachment_urls: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        put_content(&mut body, &self.content);
        put(&mut body, "created_at", self.created_at.map(Timestamp::as_second));
        put_list(&mut body, "attachment_urls", &self.attachment_urls);
        body
    }
}

/// A change of a case; what is `None` or empty stays (`[C]` vragov, rdm).
#[derive(Debug, Clone, Default)]
pub struct CaseUpdate {
    /// The new subject.
    pub subject: Option<String>,
    /// The new group.
    pub group_id: Option<i64>,
    /// The agent in charge.
    pub staff_id: Option<StaffId>,
    /// The new state.
    pub status: Option<Status>,
    /// The new priority.
    pub priority: Option<String>,
    /// The new language.
    pub language_id: Option<i64>,
    /// Fields to set.
    pub custom_fields: BTreeMap<String, String>,
    pub add_labels: Vec<i64>,
    /// Labels to take away.
    pub delete_labels: Vec<i64>,
}

impl CaseUpdate {
    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        put(&mut body, "subject", self.subject.as_ref());
        put(&mut body, "group_id", self.group_id);
        put(&mut body, "staff_id", self.staff_id.map(|staff| staff.0));
        put(&mut body, "status", self.status.as_ref().map(Status::as_str));
        put(&mut body, "priority", self.priority.as_ref());
        put(&mut body, "language_id", self.language_id);
        if !self.custom_fields.is_empty() {
            body.insert("custom_fields".to_owned(), json!(self.custom_fields));
        }
        put_list(&mut body, "add_labels", &self.add_labels);
        put_list(&mut body, "delete_labels", &self.delete_labels);
        body
    }
}

/// The body of an edited message.
pub(crate) fn content_body(content: &Content) -> Map<String, Value> {
    let mut body = Map::new();
    put_content(&mut body, content);
    body
}

fn put(body: &mut Map<String, Value>, key: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        body.insert(key.to_owned(), json!(value));
    }
}

fn put_content(body: &mut Map<String, Value>, content: &Content) {
    put(body, "content", content.text.as_deref());
    put(body, "content_html", content.html.as_deref());
}

fn put_list<T: serde::Serialize>(body: &mut Map<String, Value>, key: &str, values: &[T]) {
    if !values.is_empty() {
        body.insert(key.to_owned(), json!(values));
    }
}

/// `case[custom_fields][cf_25]`: the bracket names of a form (`[C]` vragov); lists count from 0 as in PHP.
pub(crate) fn form_fields(root: &str, body: &Map<String, Value>) -> Vec<(String, String)> {
    fn flatten(name: String, value: &Value, into: &mut Vec<(String, String)>) {
        match value {
            Value::Null => {}
            Value::Bool(flag) => into.push((name, if *flag { "1" } else { "0" }.to_owned())),
            Value::Number(number) => into.push((name, number.to_string())),
            Value::String(text) => into.push((name, text.clone())),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    flatten(format!("{name}[{index}]"), value, into);
                }
            }
            Value::Object(values) => {
                for (key, value) in values {
                    flatten(format!("{name}[{key}]"), value, into);
                }
            }
        }
    }
    let mut fields = Vec::new();
    for (key, value) in body {
        flatten(format!("{root}[{key}]"), value, &mut fields);
    }
    fields
}

/// The order of a list of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first (the API's default).
    Asc,
    /// Newest first.
    Desc,
}

impl Order {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Order::Asc => "asc",
            Order::Desc => "desc",
        }
    }
}

/// The order of a list of cases (`[C]` winlex, ref56).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Last changed first.
    UpdatedDesc,
    /// Last changed last.
    UpdatedAsc,
    /// Newest first.
    CreatedDesc,
    /// Oldest first.
    CreatedAsc,
}

impl Sort {
    fn as_str(self) -> &'static str {
        match self {
            Sort::UpdatedDesc => "updated_at_desc",
            Sort::UpdatedAsc => "updated_at_asc",
            Sort::CreatedDesc => "created_at_desc",
            Sort::CreatedAsc => "created_at_asc",
        }
    }
}

/// A filter over cases (`[C]` winlex, ref56, palachX). Text filters find substrings by themselves; the exact ones here
/// are written `^value^` (`[D]` D-intro), and the caller still compares: carets on custom fields are a guess (`[I]`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// `cf_N` and its exact value.
    pub custom_field: Option<(String, String)>,
    /// The customer's exact address; 4 characters at least.
    pub user_email: Option<String>,
    /// The customer's exact number; 4 characters at least.
    pub user_phone: Option<String>,
    /// The customer.
    pub user_id: Option<UserId>,
    /// The customer's identity in a custom channel.
    pub user_custom_id: Option<String>,
    /// `cchN` and so on.
    pub channel: Option<String>,
    /// Opened at this time or later.
    pub from_time: Option<Timestamp>,
    /// Opened before.
    pub to_time: Option<Timestamp>,
    /// Changed at this time or later.
    pub from_updated_time: Option<Timestamp>,
    /// Changed before.
    pub to_updated_time: Option<Timestamp>,
    /// The order.
    pub sort: Option<Sort>,
    /// 1 to 500.
    pub page: Option<u32>,
    /// 1 to 100.
    pub limit: Option<u32>,
    /// Cases that were merged into another one, too.
    pub show_merged_cases: bool,
    /// Chats that still go on, too.
    pub show_active_chats: bool,
}

impl CaseQuery {
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                pairs.push((key.to_owned(), value));
            }
        };
        let exact = |value: &String| format!("^{value}^");
        let unix = |time: Timestamp| time.as_second().to_string();
        if let Some((field, value)) = &self.custom_field {
            put(&format!("custom_fields[{field}]"), Some(exact(value)));
        }
        put("user_email", self.user_email.as_ref().map(exact));
        put("user_phone", self.user_phone.as_ref().map(exact));
        put("user_id", self.user_id.map(|user| user.to_string()));
        put("user_custom_id", self.user_custom_id.clone());
        put("channel", self.channel.clone());
        put("from_time", self.from_time.map(unix));
        put("to_time", self.to_time.map(unix));
        put("from_updated_time", self.from_updated_time.map(unix));
        put("to_updated_time", self.to_updated_time.map(unix));
        put("sort", self.sort.map(|sort| sort.as_str().to_owned()));
        put("page", self.page.map(|page| page.clamp(1, 500).to_string()));
        put("limit", self.limit.map(|limit| limit.clamp(1, 100).to_string()));
        put(
            "show_merged_cases",
            self.show_merged_cases.then(|| "true".to_owned()),
        );
        put(
            "show_active_chats",
            self.show_active_chats.then(|| "true".to_owned()),
        );
        pairs
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
