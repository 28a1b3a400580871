//! What the simulated Deskie is like: its account, its unpleasant habits, its rules and channels.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::simulator::StaffId;

/// How a simulated Deskie behaves. Over the control port durations are milliseconds (`window_ms`, `list_lag_ms`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control port listens; without it, `/_control/` is served on `listen`.
    pub control_listen: Option<SocketAddr>,
    /// What stands in the links that it gives out, if it is not reached at the address where it listens.
    pub public_url: Option<String>,
    /// The folder that keeps the books from one start to the next; without one they are in memory alone.
    #[serde(skip)]
    pub books: Option<PathBuf>,
    /// The staff member that the API key acts as.
    pub staff_email: String,
    /// His key.
    pub api_key: String,
    /// False after the key was revoked: every call is answered with 401.
    pub key_valid: bool,
    /// False while that staff member may not work: every call is answered with `staff_not_active`.
    pub staff_active: bool,
    /// The account's budget per window; a write costs two.
    pub requests_per_minute: u32,
    /// The length of the fixed rate window. A minute in reality; shorter makes tests quick.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// Are `rate_limit_per_minute` and `api_calls_left` sent? A proxy that drops underscores takes them away.
    pub rate_headers: bool,
    /// Is `retry_after` sent with a 429?
    pub retry_after_header: bool,
    /// True: no call is answered, every connection is closed.
    pub down: bool,
    /// Is `created_at` of a create or an add kept, or replaced by the time of arrival?
    pub keep_created_at: bool,
    /// A new case or message appears in lists only after this time.
    #[serde(rename = "list_lag_ms", with = "millis")]
    pub list_lag: Duration,
    /// `GET` of a case by id lags as well.
    pub lag_by_id: bool,
    /// HTML is stored as a sanitising helpdesk would: no scripts, tags normalised.
    pub sanitise_html: bool,
    /// Which of `content` and `content_html` a message has when it is read.
    pub bodies: Bodies,
    /// An empty `custom_fields` is `[]`, as PHP encodes an empty array.
    pub custom_fields_as_array_when_empty: bool,
    /// How a list without entries looks.
    pub empty_list: EmptyList,
    /// Ids and totals are strings.
    pub ids_as_strings: bool,
    /// Booleans are 0 and 1.
    pub booleans_as_numbers: bool,
    /// The account's offset from UTC, in minutes; dates are printed in it and read in it.
    pub utc_offset_minutes: i32,
    /// `updated_at` is printed in another offset than the rest of its object.
    pub mixed_offsets: bool,
    /// Deskie's clock less ours, in seconds.
    pub clock_skew_seconds: i64,
    /// Carets make a custom field filter exact; where false they are taken literally.
    pub exact_custom_fields: bool,
    /// Cases in the trash or in spam are not listed.
    pub lists_hide_trash: bool,
    /// A case in spam takes messages like any other; else it is as good as in the trash to them.
    pub spam_takes_messages: bool,
    /// A customer's message posted through the API reopens a closed case.
    pub reopen_on_api_message: bool,
    /// What a call on a case that was merged into another does.
    pub absorbed: Absorbed,
    /// The `channel` of a case that the API made with an e-mail address.
    pub email_channel: String,
    /// A rule answers every new case with this text.
    pub auto_reply: Option<String>,
    /// The language of `case_status` and `case_priority` in webhooks: `en`, `tr` or `ru`.
    pub locale: String,
    /// `attachment_urls` on a loopback address are downloaded; all others are only written down.
    pub fetch_loopback_attachments: bool,
    /// Of the files of one call only the first so many are kept: some are lost without an error.
    pub keeps_files: Option<usize>,
    /// The time-out of webhooks.
    #[serde(rename = "webhook_timeout_ms", with = "millis")]
    pub webhook_timeout: Duration,
    /// Case ids begin here.
    pub first_case_id: i64,
    /// Message ids begin here.
    pub first_message_id: i64,
    /// User ids begin here.
    pub first_user_id: i64,
    /// Shuffles lists and picks id steps.
    pub seed: u64,
    /// The account's case custom fields; values of any other field are dropped, filters on it ignored.
    pub custom_fields: Vec<CustomField>,
    /// The account's other agents.
    pub agents: Vec<Agent>,
    /// The rules that send webhooks.
    pub rules: Vec<Rule>,
    pub channels: Vec<CustomChannel>,
}

/// The staff member that the API key acts as.
pub const API_STAFF: StaffId = StaffId(330);
/// The agent who answers when a people action names nobody.
pub const DEFAULT_AGENT: StaffId = StaffId(41878);

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control_listen: None,
            public_url: None,
            books: None,
            staff_email: "api@example.com".into(),
            api_key: "simulator-key".into(),
            key_valid: true,
            staff_active: true,
            requests_per_minute: 1500,
            window: Duration::from_secs(60),
            rate_headers: true,
            retry_after_header: true,
            down: false,
            keep_created_at: true,
            list_lag: Duration::ZERO,
            lag_by_id: false,
            sanitise_html: true,
            bodies: Bodies::AsSent,
            custom_fields_as_array_when_empty: true,
            empty_list: EmptyList::Keyed,
            ids_as_strings: false,
            booleans_as_numbers: false,
            utc_offset_minutes: 180,
            mixed_offsets: false,
            clock_skew_seconds: 0,
            exact_custom_fields: true,
            lists_hide_trash: true,
            spam_takes_messages: true,
            reopen_on_api_message: false,
            absorbed: Absorbed::NotFound,
            email_channel: "web".into(),
            auto_reply: None,
            locale: "en".into(),
            fetch_loopback_attachments: false,
            keeps_files: None,
            webhook_timeout: Duration::from_secs(5),
            first_case_id: 420_000_000,
            first_message_id: 638_000_000,
            first_user_id: 5_654_846_000,
            seed: 7,
            custom_fields: vec![
                CustomField::text(25, "Site ticket"),
                CustomField::text(30, "Order"),
                CustomField {
                    field_type: "select".into(),
                    ..CustomField::text(31, "Plan")
                },
                CustomField {
                    field_type: "checkbox".into(),
                    ..CustomField::text(32, "VIP")
                },
            ],
            agents: vec![Agent {
                staff_id: DEFAULT_AGENT,
                email: "deniz@example.com".into(),
                full_name: "Deniz Arslan".into(),
                active: true,
            }],
            rules: Vec::new(),
            channels: Vec::new(),
        }
    }
}

/// Which of `content` and `content_html` a message has when it is read; never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// HTML when HTML was sent, else the text.
    AsSent,
    /// Always HTML: a plain text becomes `<p>…</p>`.
    Html,
    /// Always text.
    Text,
}

/// How a list without entries looks: all of them were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyList {
    /// `{"case": []}`
    Keyed,
    /// `""`
    Text,
    /// `[]`
    Array,
    /// `{"total_count": 0}`
    Counted,
}

/// What a call on an absorbed case does: not known of the real service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absorbed {
    /// A read shows the case with its `parent_case_id`; a message is refused as `case_not_found`.
    NotFound,
    /// The call works on the parent.
    Redirect,
    /// A message is accepted, and nobody sees it.
    Accept,
}

/// A case custom field of the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomField {
    /// N of `cf_N`.
    pub field_id: i64,
    /// Its name.
    pub title: String,
    /// `text`, `textarea`, `checkbox`, `select` or `date`.
    pub field_type: String,
}

impl CustomField {
    /// A text field.
    pub fn text(field_id: i64, title: &str) -> Self {
        CustomField {
            field_id,
            title: title.into(),
            field_type: "text".into(),
        }
    }
}

/// A member of the support team.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Agent {
    /// His number.
    pub staff_id: StaffId,
    /// His address.
    pub email: String,
    /// His name.
    pub full_name: String,
    /// An inactive one cannot be named as an author.
    pub active: bool,
}

/// A rule with the action "send webhook".
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Where to; may hold placeholders such as `[case_id]`.
    pub url: String,
    /// Whose message sets it off.
    pub on: Trigger,
    /// It also runs on every other change of a case (label, status, note, edit) whose last author suits `on`.
    pub on_updated: bool,
    /// It also runs on a new case.
    pub on_new_case: bool,
    /// Only for cases with this label.
    pub label: Option<i64>,
    /// `POST`, `GET`, `PUT` or `DELETE`.
    pub method: String,
    /// What is sent.
    pub body: RuleBody,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// How the delivery goes.
    pub delivery: Delivery,
}

impl Default for Rule {
    fn default() -> Self {
        Rule {
            url: String::new(),
            on: Trigger::Any,
            on_updated: false,
            on_new_case: true,
            label: None,
            method: "POST".into(),
            body: RuleBody::Variables,
            headers: Vec::new(),
            delivery: Delivery::default(),
        }
    }
}

impl Rule {
    /// A rule that posts the whole captured variable set to `url`.
    pub fn to(url: impl Into<String>, on: Trigger) -> Self {
        Rule {
            url: url.into(),
            on,
            ..Rule::default()
        }
    }
}

/// Whose message sets off a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An agent's.
    AgentReply,
    /// The customer's, by whatever way it came: through the API too.
    CustomerReply,
    /// Anybody's.
    Any,
}

/// What a rule's webhook carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleBody {
    /// JSON, the whole captured variable set, every value a string.
    Variables,
    /// JSON with `case_id` and `last_message_id` as strings.
    Ids,
    /// The text with `[name]` replaced by the variables; `escape` makes the values safe within a JSON string.
    Template {
        text: String,
        /// Are quotes and line ends in values escaped? Not known of the real service.
        escape: bool,
    },
    /// Form encoded, values URL-encoded twice: name and placeholder or literal.
    Form(Vec<(String, String)>),
    /// Nothing.
    Empty,
}

/// How webhooks travel. The default: one, at once, in the background.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// Sent, and its answer awaited, before the API call that caused it is answered.
    pub before_answer: bool,
    /// Sent only after this time.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// Sent this many times more.
    pub duplicates: u32,
    /// Never sent.
    pub drop: bool,
    /// Each second one overtakes the one before it; a last one without successor goes after two seconds.
    pub reorder: bool,
}

/// A custom channel of the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CustomChannel {
    /// `cch3`.
    pub channel: String,
    /// Mail-like or live chat.
    pub kind: ChannelKind,
    /// Where agents' messages are posted.
    pub webhook_url: Option<String>,
    /// How they are encoded.
    pub encoding: Encoding,
    /// Every message is posted: ours and notes too.
    pub all_messages: bool,
    /// How the delivery goes.
    pub delivery: Delivery,
}

impl Default for CustomChannel {
    fn default() -> Self {
        CustomChannel {
            channel: "cch3".into(),
            kind: ChannelKind::Async,
            webhook_url: None,
            encoding: Encoding::Form,
            all_messages: false,
            delivery: Delivery::default(),
        }
    }
}

/// Mail-like or live chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Live chat: its cases are active chats, hidden from lists, until finished.
    Sync,
    /// Mail-like.
    Async,
}

/// How a channel's webhook is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `object[content]=…`, with PHP's brackets.
    Form,
    Json,
}

mod millis {
    //! Durations as whole milliseconds.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Ok(Duration::from_millis(u64::deserialize(deserializer)?))
    }
}
