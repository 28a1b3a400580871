//! The words for what people do in Deskie.

use base64::Engine;
use serde::{Deserialize, Serialize};

use super::options::DEFAULT_AGENT;
use crate::simulator::{CaseId, MessageId, StaffId};

/// What somebody says. Over the control port its fields stand beside the action's own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Says {
    /// As HTML.
    pub html: String,
    /// As text, where there is no HTML.
    pub text: String,
    /// The agent; without him the first of the account.
    pub staff: Option<StaffId>,
    /// A rule wrote it.
    pub via_rule: bool,
    pub attachments: Vec<NewFile>,
}

impl Says {
    /// HTML by the default agent, or by the customer.
    pub fn html(html: impl Into<String>) -> Self {
        Says {
            html: html.into(),
            ..Says::default()
        }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Says {
            text: text.into(),
            ..Says::default()
        }
    }

    /// With a file.
    pub fn with_file(mut self, name: &str, mime: &str, bytes: &[u8]) -> Self {
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.attachments.push(NewFile {
            name: name.into(),
            mime: mime.into(),
            base64,
            text: String::new(),
        });
        self
    }

    pub(super) fn staff(&self) -> StaffId {
        self.staff.unwrap_or(DEFAULT_AGENT)
    }
}

/// A file that somebody attaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewFile {
    pub name: String,
    /// Its type.
    pub mime: String,
    /// Its content in base64.
    pub base64: String,
    /// Its content as text, where there is no base64.
    pub text: String,
}

/// Something that somebody does. A `case` of 0, or none over the control port, is the newest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum Action {
    /// An agent answers.
    AgentReply {
        #[serde(default = "newest")]
        case: CaseId,
        #[serde(flatten)]
        says: Says,
    },
    /// The customer answers by mail: the case's own user, or another address of his, which is another user.
    /// With `quote` the earlier mail hangs below, as `<div class="omni_orig_reply">`.
    CustomerMailReply {
        #[serde(default = "newest")]
        case: CaseId,
        #[serde(flatten)]
        says: Says,
        #[serde(default)]
        from: Option<String>,
        #[serde(default)]
        quote: bool,
    },
    /// The customer answers in Deskie's help centre.
    HelpcentreReply {
        #[serde(default = "newest")]
        case: CaseId,
        #[serde(flatten)]
        says: Says,
    },
    /// An agent writes an internal note.
    Note {
        #[serde(default = "newest")]
        case: CaseId,
        #[serde(flatten)]
        says: Says,
    },
    /// `open`, `waiting` or `closed`.
    SetStatus {
        #[serde(default = "newest")]
        case: CaseId,
        status: String,
    },
    /// A label is put on.
    AddLabel {
        #[serde(default = "newest")]
        case: CaseId,
        label: i64,
    },
    /// A custom field is filled in.
    SetField {
        #[serde(default = "newest")]
        case: CaseId,
        field: i64,
        value: String,
    },
    /// `case` is absorbed by `into`: its messages move there, with their ids.
    Merge { case: CaseId, into: CaseId },
    /// Into the trash.
    Trash {
        #[serde(default = "newest")]
        case: CaseId,
    },
    /// Into spam.
    Spam {
        #[serde(default = "newest")]
        case: CaseId,
    },
    /// Out of the trash and out of spam.
    Restore {
        #[serde(default = "newest")]
        case: CaseId,
    },
    /// Deleted for good.
    Purge {
        #[serde(default = "newest")]
        case: CaseId,
    },
    /// A message gets another text.
    EditMessage {
        case: CaseId,
        message: MessageId,
        #[serde(flatten)]
        says: Says,
    },
    /// A message is deleted.
    DeleteMessage { case: CaseId, message: MessageId },
    /// A message turns up whose id is smaller than all of the case and whose date lies `seconds_ago` back.
    LateMessage {
        #[serde(default = "newest")]
        case: CaseId,
        #[serde(flatten)]
        says: Says,
        #[serde(default)]
        by_customer: bool,
        #[serde(default)]
        seconds_ago: i64,
    },
    /// An agent's message takes its id and date now, and appears after `after_ms`.
    ScheduledMessage {
        #[serde(default = "newest")]
        case: CaseId,
        #[serde(flatten)]
        says: Says,
        after_ms: u64,
    },
    /// An agent writes to somebody first.
    CreateCaseByAgent {
        user_email: String,
        #[serde(default)]
        user_full_name: String,
        subject: String,
        #[serde(flatten)]
        says: Says,
    },
    /// Somebody writes to the support address.
    CreateCaseByMail {
        user_email: String,
        #[serde(default)]
        user_full_name: String,
        subject: String,
        #[serde(flatten)]
        says: Says,
    },
    /// An active chat becomes an ordinary case.
    FinishChat {
        #[serde(default = "newest")]
        case: CaseId,
    },
    /// An agent gives the case to another customer, who is made where he is new.
    GiveCase {
        #[serde(default = "newest")]
        case: CaseId,
        user_email: String,
    },
    /// An agent links two customers' profiles: they are one person's.
    LinkUsers { user_email: String, with: String },
    /// The account's budget becomes another.
    SetRateLimit { per_minute: u32 },
    /// The API key is revoked: 401 from now on.
    RevokeKey,
    /// It is valid again.
    RestoreKey,
    /// All connections are closed unanswered until further notice; `false` ends it.
    SetDown { down: bool },
}

fn newest() -> CaseId {
    CaseId(0)
}

/// What an action made or touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    pub case_id: Option<CaseId>,
    pub message_id: Option<MessageId>,
}
