//! What of a message of Deskie waits in `remote.payload` until it is written.

use serde::{Deserialize, Serialize};

use crate::deskie::{Attachment, Message};

/// A message of Deskie as it waits in `remote.payload`. Its text never appears in the `Debug` form.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Plain text as Deskie gave it.
    pub content: String,
    /// HTML as Deskie gave it.
    pub content_html: String,
    /// When it was written.
    pub created_at: Option<jiff::Timestamp>,
    /// The agent.
    pub staff_id: Option<i64>,
    /// The customer.
    pub user_id: Option<i64>,
    /// Sent by a rule.
    pub via_rule: bool,
    /// Files: name, address, MIME type.
    pub attachments: Vec<File>,
}

crate::model::debug_shows!(Payload: created_at, staff_id, user_id, via_rule);

impl Payload {
    /// What a message of a case says.
    pub fn of(message: &Message) -> Payload {
        let file = |file: &Attachment| File {
            name: file.file_name.clone(),
            url: file.url.clone(),
            mime: file.mime_type.clone(),
            size: file.file_size,
        };
        Payload {
            content: message.content.clone(),
            content_html: message.content_html.clone(),
            created_at: message.created_at,
            staff_id: message.staff_id.map(|id| id.0),
            user_id: message.user_id.map(|id| id.0),
            via_rule: message.sent_via_rule,
            attachments: message.attachments.iter().map(file).collect(),
        }
    }
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub name: String,
    /// Its address at Deskie.
    pub url: String,
    /// Its MIME type.
    pub mime: String,
    /// Its size in bytes, where Deskie tells it.
    #[serde(default)]
    pub size: Option<i64>,
}

impl File {
    /// Its name as the site is given it: a bare file name, whatever a sender wrote (`../../x`, line ends).
    pub fn safe_name(&self) -> String {
        let bare = self.name.rsplit(['/', '\\']).next().unwrap_or_default();
        crate::files::safe_name(bare)
    }
}
