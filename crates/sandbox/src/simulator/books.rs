//! The simulator's own books: what was asked of it, what really exists in it, and what it sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::{Case, Message, State, User};
use crate::simulator::{CaseId, MessageId, StaffId, UserId};

/// Everything that happened, as it really is: without lag, faults or filters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Books {
    /// Every API call, in order of arrival.
    pub calls: Vec<Call>,
    /// Calls answered with 429.
    pub refused: u64,
    /// Every case that was ever made.
    pub cases: Vec<CaseRecord>,
    /// Every user.
    pub users: Vec<UserRecord>,
    /// Every webhook, in the order in which they were caused.
    pub webhooks: Vec<WebhookRecord>,
    /// Every e-mail to a customer.
    pub emails: Vec<EmailRecord>,
    /// Scripted faults that have not come to pass.
    pub faults_pending: usize,
}

impl Books {
    /// The case with this id.
    pub fn case(&self, id: CaseId) -> Option<&CaseRecord> {
        self.cases.iter().find(|case| case.case_id == id)
    }

    /// The cases whose custom field `cf_<field>` is `value`.
    pub fn cases_with_field(&self, field: i64, value: &str) -> Vec<&CaseRecord> {
        let name = format!("cf_{field}");
        let has = |case: &&CaseRecord| case.custom_fields.get(&name).and_then(Value::as_str) == Some(value);
        self.cases.iter().filter(has).collect()
    }

    /// Every message of every case.
    pub fn messages(&self) -> impl Iterator<Item = &MessageRecord> {
        self.cases.iter().flat_map(|case| &case.messages)
    }

    /// The calls of `method` whose path ends in `path_end`.
    pub fn calls_to(&self, method: &str, path_end: &str) -> Vec<&Call> {
        self.calls
            .iter()
            .filter(|call| call.method == method && call.path.ends_with(path_end))
            .collect()
    }

    /// In one line.
    pub(super) fn summary(&self) -> String {
        let last = self
            .calls
            .last()
            .map(|call| format!("{} {} -> {:?}", call.method, call.path, call.answered));
        format!(
            "{} calls, {} cases, {} messages, {} webhooks, last call {}",
            self.calls.len(),
            self.cases.len(),
            self.messages().count(),
            self.webhooks.len(),
            last.unwrap_or_else(|| "none".into()),
        )
    }

    /// The budget spent, in the API's own units.
    pub fn cost(&self) -> u32 {
        self.calls.iter().map(|call| call.cost).sum()
    }
}

/// An API call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// When it came.
    pub at: Timestamp,
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// `/api/cases/1.json`
    pub path: String,
    /// The query as it was sent.
    pub query: String,
    /// The status with which the work itself ended; none if it was not done.
    pub done: Option<u16>,
    /// The status that the caller got; none while it waits, or if no answer was sent.
    pub answered: Option<u16>,
    /// Is the call over?
    pub over: bool,
    /// What it cost of the budget: 2 for a write, 1 for a read, 0 if refused.
    pub cost: u32,
    /// The fault that befell it.
    pub fault: Option<String>,
}

/// How something came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Through the API.
    Api,
    /// An agent, in Deskie.
    Agent,
    /// The customer's mail.
    CustomerMail,
    /// The customer, in the help centre.
    Helpcentre,
    Rule,
}

/// A case as it really is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its number for the API.
    pub case_id: CaseId,
    /// Its number for people.
    pub case_number: String,
    /// How it came to be.
    pub origin: Origin,
    pub subject: String,
    /// Its customer.
    pub user_id: UserId,
    /// His address, phone or own id.
    pub contact: String,
    /// `web`, `email`, `call`, `whatsapp` or `cchN`.
    pub channel: String,
    /// `open`, `waiting` or `closed`.
    pub status: String,
    /// `low`, `normal`, `high` or `critical`.
    pub priority: String,
    /// Its group, or 0.
    pub group_id: i64,
    pub language_id: i64,
    /// Custom fields by `cf_N`.
    pub custom_fields: Map<String, Value>,
    pub labels: Vec<i64>,
    /// In the trash.
    pub deleted: bool,
    pub spam: bool,
    /// Deleted for good.
    pub purged: bool,
    /// The case that absorbed it, or 0.
    pub parent_case_id: CaseId,
    /// A live chat that is going on.
    pub chat_active: bool,
    /// When it was made, as Deskie shows it.
    pub created_at: Timestamp,
    /// Its messages and notes, in the order in which they came to be.
    pub messages: Vec<MessageRecord>,
}

impl CaseRecord {
    /// Its messages that are not deleted, without notes.
    pub fn conversation(&self) -> Vec<&MessageRecord> {
        self.messages
            .iter()
            .filter(|message| !message.note && !message.deleted)
            .collect()
    }
}

/// A message as it really is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Its number.
    pub message_id: MessageId,
    /// How it came to be.
    pub origin: Origin,
    /// The customer who wrote it, or 0.
    pub user_id: UserId,
    /// The agent who wrote it, or 0.
    pub staff_id: StaffId,
    /// `content`, or empty.
    pub text: String,
    /// `content_html`, or empty.
    pub html: String,
    /// An internal note.
    pub note: bool,
    /// Written by a rule.
    pub via_rule: bool,
    pub deleted: bool,
    /// Its date as Deskie shows it.
    pub created_at: Timestamp,
    /// Its files.
    pub attachments: Vec<AttachmentRecord>,
}

/// A file of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachmentRecord {
    /// Its number.
    pub file_id: i64,
    pub file_name: String,
    /// Its size in bytes; 0 where it was not downloaded.
    pub file_size: usize,
    pub mime_type: String,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
    /// The `attachment_urls` entry that it came from.
    pub source_url: Option<String>,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserRecord {
    /// His number.
    pub user_id: UserId,
    /// `email`, `call`, `whatsapp` or `custom`.
    pub kind: String,
    /// His address, phone or own id.
    pub contact: String,
    /// His name.
    pub full_name: String,
    /// The channel of a custom id.
    pub custom_channel: String,
}

/// A webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WebhookRecord {
    /// When it was caused.
    pub at: Timestamp,
    /// `rule` or the channel's name.
    pub source: String,
    /// Where it went.
    pub url: String,
    pub case_id: CaseId,
    /// The message that caused it, if any.
    pub message_id: Option<MessageId>,
    /// What was sent.
    pub body: String,
    /// How it went.
    pub outcome: WebhookOutcome,
}

/// How a webhook went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookOutcome {
    /// Not over yet.
    Pending,
    /// The receiver answered with this status.
    Answered(u16),
    /// There was no answer: refused, time-out.
    Failed(String),
    /// It was set to be lost.
    Dropped,
}

/// An e-mail to a customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailRecord {
    /// The recipient.
    pub to: String,
    pub case_id: CaseId,
    /// The message that it carries.
    pub message_id: MessageId,
    /// `e-mail to X`
    pub line: String,
}

impl State {
    /// The books as they stand.
    pub(super) fn books(&self) -> Books {
        Books {
            calls: self.calls.clone(),
            refused: self.refused,
            cases: self.cases.values().map(|case| self.case_record(case)).collect(),
            users: self.users.values().map(UserRecord::of).collect(),
            webhooks: self.webhooks.clone(),
            emails: self.emails.clone(),
            faults_pending: self.faults.pending().len(),
        }
    }

    fn case_record(&self, case: &Case) -> CaseRecord {
        CaseRecord {
            case_id: case.id,
            case_number: case.number.clone(),
            origin: case.origin,
            subject: case.subject.clone(),
            user_id: case.user_id,
            contact: self
                .users
                .get(&case.user_id)
                .map(|user| user.contact.clone())
                .unwrap_or_default(),
            channel: case.channel.clone(),
            status: case.status.clone(),
            priority: case.priority.clone(),
            group_id: case.group_id,
            language_id: case.language_id,
            custom_fields: case.custom_fields.clone(),
            labels: case.labels.clone(),
            deleted: case.deleted,
            spam: case.spam,
            purged: case.purged,
            parent_case_id: case.parent,
            chat_active: case.chat_active,
            created_at: case.created_at,
            messages: case
                .messages
                .iter()
                .map(|message| self.message_record(message))
                .collect(),
        }
    }

    fn message_record(&self, message: &Message) -> MessageRecord {
        let file = |id: &i64| {
            let file = self.attachments.get(id)?;
            Some(AttachmentRecord {
                file_id: *id,
                file_name: file.name.clone(),
                file_size: file.bytes.len(),
                mime_type: file.mime.clone(),
                sha256: file.sha256.clone(),
                source_url: file.source_url.clone(),
            })
        };
        MessageRecord {
            message_id: message.id,
            origin: message.origin,
            user_id: message.user_id,
            staff_id: message.staff_id,
            text: message.text.clone(),
            html: message.html.clone(),
            note: message.note,
            via_rule: message.via_rule,
            deleted: message.deleted,
            created_at: message.created_at,
            attachments: message.attachments.iter().filter_map(file).collect(),
        }
    }
}

impl UserRecord {
    fn of(user: &User) -> Self {
        UserRecord {
            user_id: user.id,
            kind: user.kind.to_owned(),
            contact: user.contact.clone(),
            full_name: user.full_name.clone(),
            custom_channel: user.custom_channel.clone(),
        }
    }
}
