//! The world inside: users, cases, messages, and what happens when one is added. No I/O: webhooks to be sent are
//! left in `outbox` for the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::books::{Call, EmailRecord, Origin, WebhookRecord};
use super::fault::Faults;
use super::form::Upload;
use super::options::{API_STAFF, Agent, Bodies, ChannelKind, CustomChannel, Options};
use super::webhook::{Event, Outgoing};
use crate::clock;
use crate::simulator::{CaseId, MessageId, StaffId, UserId};

/// A refusal: status and `error` code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal(pub u16, pub &'static str);

/// A name of its own, so that serde does not try to borrow it.
type Kind = &'static str;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub id: UserId,
    /// `email`, `call`, `whatsapp` or `custom`.
    #[serde(deserialize_with = "kind")]
    pub kind: Kind,
    pub contact: String,
    pub custom_channel: String,
    pub full_name: String,
    pub language_id: i64,
    pub note: String,
    pub company_name: String,
    pub company_position: String,
    pub custom_fields: Map<String, Value>,
    /// The other profiles of the same person.
    #[serde(default)]
    pub linked: BTreeSet<UserId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Case {
    pub id: CaseId,
    pub number: String,
    pub origin: Origin,
    pub subject: String,
    pub user_id: UserId,
    pub staff_id: StaffId,
    pub group_id: i64,
    pub status: String,
    pub priority: String,
    pub channel: String,
    pub recipient_cc: String,
    pub language_id: i64,
    pub custom_fields: Map<String, Value>,
    pub labels: Vec<i64>,
    pub deleted: bool,
    pub spam: bool,
    pub purged: bool,
    pub parent: CaseId,
    pub chat_active: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub last_response_at: Option<Timestamp>,
    #[serde(skip, default = "clock::monotonic")]
    pub visible_at: Instant,
    /// When its newest message appears in lists, one that is sent later left aside.
    #[serde(skip, default = "clock::monotonic")]
    pub listed_at: Instant,
    pub messages: Vec<Message>,
    pub changelog: Vec<Change>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Message {
    pub id: MessageId,
    pub origin: Origin,
    pub user_id: UserId,
    pub staff_id: StaffId,
    pub text: String,
    pub html: String,
    pub note: bool,
    pub via_rule: bool,
    pub deleted: bool,
    pub created_at: Timestamp,
    pub sent_at: Timestamp,
    #[serde(skip, default = "clock::monotonic")]
    pub visible_at: Instant,
    pub attachments: Vec<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Change {
    pub at: Timestamp,
    pub event: String,
    pub done_by: String,
    pub old: String,
    pub new: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attachment {
    pub name: String,
    pub mime: String,
    #[serde(skip)]
    pub bytes: Bytes,
    pub sha256: String,
    pub source_url: Option<String>,
}

/// One of the kinds that there are.
fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    let word = String::deserialize(deserializer)?;
    ["email", "call", "whatsapp", "custom"]
        .into_iter()
        .find(|kind| *kind == word)
        .ok_or_else(|| serde::de::Error::custom(format!("no kind of user: {word}")))
}

/// Who writes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    User(UserId),
    Staff(StaffId),
}

/// A message to be added.
#[derive(Debug, Clone)]
pub(super) struct NewMessage {
    pub author: Author,
    pub origin: Origin,
    pub text: String,
    pub html: String,
    pub note: bool,
    pub via_rule: bool,
    pub created_at: Option<Timestamp>,
    pub send_at: Option<Timestamp>,
    pub attachments: Vec<i64>,
    /// No e-mail for it.
    pub silent: bool,
    /// Its id, where it was taken before.
    pub id: Option<MessageId>,
    /// The first one of a case.
    pub opens: bool,
}

impl NewMessage {
    pub fn by(author: Author, origin: Origin) -> Self {
        NewMessage {
            author,
            origin,
            text: String::new(),
            html: String::new(),
            note: false,
            via_rule: false,
            created_at: None,
            send_at: None,
            attachments: Vec::new(),
            silent: false,
            id: None,
            opens: false,
        }
    }
}

/// The rate window that is running.
#[derive(Debug)]
pub(super) struct Window {
    pub start: Instant,
    pub used: u32,
}

#[derive(Debug)]
pub(super) struct State {
    pub options: Options,
    pub base_url: String,
    pub faults: Faults,
    pub window: Window,
    pub users: BTreeMap<UserId, User>,
    pub cases: BTreeMap<CaseId, Case>,
    pub attachments: BTreeMap<i64, Attachment>,
    pub labels: BTreeMap<i64, String>,
    pub calls: Vec<Call>,
    pub refused: u64,
    pub webhooks: Vec<WebhookRecord>,
    pub emails: Vec<EmailRecord>,
    pub outbox: Vec<Outgoing>,
    /// The webhook that waits to be overtaken, by source.
    pub held: BTreeMap<String, Outgoing>,
    pub rng: StdRng,
    pub next_case: i64,
    pub next_message: i64,
    pub next_user: i64,
    pub next_file: i64,
}

impl State {
    pub fn new(options: Options) -> Self {
        State {
            base_url: String::new(),
            faults: Faults::default(),
            window: Window {
                start: clock::monotonic(),
                used: 0,
            },
            users: BTreeMap::new(),
            cases: BTreeMap::new(),
            attachments: BTreeMap::new(),
            labels: [(101, "from site".to_owned()), (102, "urgent".to_owned())].into(),
            calls: Vec::new(),
            refused: 0,
            webhooks: Vec::new(),
            emails: Vec::new(),
            outbox: Vec::new(),
            held: BTreeMap::new(),
            rng: StdRng::seed_from_u64(options.seed),
            next_case: options.first_case_id,
            next_message: options.first_message_id,
            next_user: options.first_user_id,
            next_file: 345,
            options,
        }
    }

    /// Deskie's clock, in whole seconds.
    pub fn now(&self) -> Timestamp {
        let second = clock::now().as_second() + self.options.clock_skew_seconds;
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    }

    fn take(next: &mut i64, step: i64) -> i64 {
        let id = *next;
        *next += step;
        id
    }

    pub fn take_message_id(&mut self) -> MessageId {
        let step = self.rng.random_range(1..50);
        MessageId(Self::take(&mut self.next_message, step))
    }

    pub fn agent(&self, id: StaffId) -> Option<Agent> {
        let own = Agent {
            staff_id: API_STAFF,
            email: self.options.staff_email.clone(),
            full_name: "API".into(),
            active: true,
        };
        std::iter::once(own)
            .chain(self.options.agents.iter().cloned())
            .find(|agent| agent.staff_id == id)
    }

    pub fn channel(&self, name: &str) -> Option<&CustomChannel> {
        self.options
            .channels
            .iter()
            .find(|channel| channel.channel == name)
    }

    /// The user with this contact: found, or made.
    pub fn user_for(
        &mut self,
        kind: &'static str,
        contact: &str,
        channel: &str,
        name: Option<String>,
    ) -> UserId {
        let same = |user: &&User| {
            user.kind == kind && user.custom_channel == channel && user.contact.eq_ignore_ascii_case(contact)
        };
        if let Some(user) = self.users.values().find(same) {
            return user.id;
        }
        let step = self.rng.random_range(1..9);
        let id = UserId(Self::take(&mut self.next_user, step));
        let now = self.now();
        self.users.insert(
            id,
            User {
                id,
                kind,
                contact: contact.to_owned(),
                custom_channel: channel.to_owned(),
                full_name: name.unwrap_or_default(),
                language_id: 1,
                note: String::new(),
                company_name: String::new(),
                company_position: String::new(),
                custom_fields: Map::new(),
                linked: BTreeSet::new(),
                created_at: now,
                updated_at: now,
            },
        );
        id
    }

    /// A new case without messages.
    pub fn open_case(&mut self, user_id: UserId, subject: &str, channel: &str, origin: Origin) -> CaseId {
        let step = self.rng.random_range(1..20);
        let id = CaseId(Self::take(&mut self.next_case, step));
        let number = format!(
            "{:03}-{:06}",
            self.rng.random_range(100..999),
            self.rng.random_range(0..999_999)
        );
        let now = self.now();
        let chat_active = self
            .channel(channel)
            .is_some_and(|channel| channel.kind == ChannelKind::Sync);
        self.cases.insert(
            id,
            Case {
                id,
                number,
                origin,
                subject: subject.to_owned(),
                user_id,
                staff_id: StaffId(0),
                group_id: 0,
                status: "open".into(),
                priority: "normal".into(),
                channel: channel.to_owned(),
                recipient_cc: String::new(),
                language_id: 1,
                custom_fields: Map::new(),
                labels: Vec::new(),
                deleted: false,
                spam: false,
                purged: false,
                parent: CaseId(0),
                chat_active,
                created_at: now,
                updated_at: now,
                closed_at: None,
                last_response_at: None,
                visible_at: clock::monotonic() + self.options.list_lag,
                listed_at: clock::monotonic(),
                messages: Vec::new(),
                changelog: Vec::new(),
            },
        );
        id
    }

    /// Adds a message, with all that follows from it: the case's state, e-mails, webhooks, the auto-reply.
    pub fn post(&mut self, case_id: CaseId, new: NewMessage) -> MessageId {
        let id = new.id.unwrap_or_else(|| self.take_message_id());
        let now = self.now();
        let (text, html) = self.stored_bodies(&new.text, &new.html);
        let (user_id, staff_id) = match new.author {
            Author::User(user) => (user, StaffId(0)),
            Author::Staff(staff) => (UserId(0), staff),
        };
        let listed_at = clock::monotonic() + self.options.list_lag;
        // A list that lags has what was said before as well: its order is that of the case, whatever the lag is by now.
        let listed_at = match self.cases.get_mut(&case_id) {
            Some(case) => {
                case.listed_at = case.listed_at.max(listed_at);
                case.listed_at
            }
            None => listed_at,
        };
        let waits = new
            .send_at
            .map_or(0, |at| (at.as_second() - now.as_second()).max(0));
        let visible_at = listed_at + Duration::from_secs(waits.unsigned_abs());
        let message = Message {
            id,
            origin: new.origin,
            user_id,
            staff_id,
            text,
            html,
            note: new.note,
            via_rule: new.via_rule,
            deleted: false,
            created_at: new.created_at.unwrap_or(now),
            sent_at: new.send_at.unwrap_or(now),
            visible_at,
            attachments: new.attachments,
        };
        let by_customer = matches!(new.author, Author::User(_));
        let reopens = new.origin != Origin::Api || self.options.reopen_on_api_message;
        let Some(case) = self.cases.get_mut(&case_id) else {
            return id;
        };
        case.messages.push(message);
        case.updated_at = now;
        if !new.note {
            case.last_response_at = Some(now);
        }
        let status = case.status.clone();
        let email_case = !case.channel.starts_with("cch");
        let moves_status = !(new.note || new.opens || new.via_rule);
        if moves_status && by_customer && (status == "waiting" || (status == "closed" && reopens)) {
            self.set_status(case_id, "open", "user");
        } else if moves_status && !by_customer && status == "open" {
            self.set_status(case_id, "waiting", &format!("staff_{staff_id}"));
        }
        if !by_customer && !new.note && !new.silent && email_case {
            self.record_email(case_id, id);
        }
        let event = match (new.note, by_customer) {
            (true, _) => Event::Note,
            (false, true) => Event::CustomerMessage { opens: new.opens },
            (false, false) => Event::AgentMessage { opens: new.opens },
        };
        self.emit(
            case_id,
            event,
            Some(id),
            Duration::from_secs(waits.unsigned_abs()),
        );
        if new.opens
            && by_customer
            && let Some(text) = self.options.auto_reply.clone()
        {
            let reply = NewMessage {
                html: text,
                via_rule: true,
                ..NewMessage::by(Author::Staff(API_STAFF), Origin::Rule)
            };
            self.post(case_id, reply);
        }
        id
    }

    /// What a message's `content` and `content_html` become; one of them stays empty.
    pub fn stored_bodies(&self, text: &str, html: &str) -> (String, String) {
        let html = if self.options.sanitise_html {
            sanitise(html)
        } else {
            html.to_owned()
        };
        match self.options.bodies {
            Bodies::AsSent if html.is_empty() => (text.to_owned(), String::new()),
            Bodies::AsSent => (String::new(), html),
            Bodies::Html if html.is_empty() && !text.is_empty() => {
                let escaped = ammonia::clean_text(text)
                    .replace("&#10;", "\n")
                    .replace("&#32;", " ");
                (String::new(), format!("<p>{}</p>", escaped.replace('\n', "<br>")))
            }
            Bodies::Html => (String::new(), html),
            Bodies::Text if text.is_empty() => (strip(&html), String::new()),
            Bodies::Text => (text.to_owned(), String::new()),
        }
    }

    /// Sets the status and writes the changelog; sends no webhook.
    pub fn set_status(&mut self, case_id: CaseId, status: &str, done_by: &str) {
        let now = self.now();
        let Some(case) = self.cases.get_mut(&case_id) else {
            return;
        };
        if case.status == status {
            return;
        }
        case.changelog.push(Change {
            at: now,
            event: "status".into(),
            done_by: done_by.to_owned(),
            old: case.status.clone(),
            new: status.to_owned(),
        });
        case.closed_at = (status == "closed").then_some(now);
        case.status = status.to_owned();
        case.updated_at = now;
    }

    fn record_email(&mut self, case_id: CaseId, message_id: MessageId) {
        let user = self
            .cases
            .get(&case_id)
            .and_then(|case| self.users.get(&case.user_id));
        if let Some(user) = user.filter(|user| user.kind == "email") {
            let (to, line) = (user.contact.clone(), format!("e-mail to {}", user.contact));
            self.emails.push(EmailRecord {
                to,
                case_id,
                message_id,
                line,
            });
        }
    }

    /// Stores files; refused where one is too large.
    pub fn attach(&mut self, files: &[Upload], urls: &[(String, Option<Upload>)]) -> Vec<i64> {
        let uploads = files.iter().map(|file| (file.clone(), None));
        let linked = urls.iter().map(|(url, fetched)| {
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            let nothing = Upload {
                name,
                mime: "application/octet-stream".into(),
                bytes: Bytes::new(),
            };
            (fetched.clone().unwrap_or(nothing), Some(url.clone()))
        });
        let all: Vec<_> = uploads.chain(linked).collect();
        let kept = self.options.keeps_files.unwrap_or(usize::MAX);
        all.into_iter()
            .take(kept)
            .map(|(file, source_url)| {
                let id = Self::take(&mut self.next_file, 1);
                let stored = Attachment {
                    sha256: sha256(&file.bytes),
                    name: file.name,
                    mime: file.mime,
                    bytes: file.bytes,
                    source_url,
                };
                self.attachments.insert(id, stored);
                id
            })
            .collect()
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As a sanitising helpdesk stores HTML.
fn sanitise(html: &str) -> String {
    ammonia::Builder::default()
        .add_generic_attributes(["class"])
        .clean(html)
        .to_string()
}

/// HTML without its tags.
pub(super) fn strip(html: &str) -> String {
    let lines = html
        .replace("<br>", "\n")
        .replace("<br/>", "\n")
        .replace("</p>", "\n");
    let bare = ammonia::Builder::empty().clean(&lines).to_string();
    let plain = bare
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    plain.trim().to_owned()
}
