//! The configuration: text in, a [`Config`] that cannot be wrong out, or every fault at once with line and caret.
//!
//! Two steps: `read` gives out the file's values, each with its place, and gathers what is wrong with them; the
//! sections (`connection`, `mapping`, `reply`) make the types below from it, which nobody downstream has to check
//! again. What only the database can tell (does this column exist?) is `check`'s part; for that each [`Expr`] keeps
//! its [`Span`] in the file, and [`Config::fault`] points at it.
//!
//! Invariants: this room reads the config file and the environment, and nothing else of the outside; no fault and no
//! `Debug` shows a secret; no text makes it panic.

mod connection;
mod env;
mod exposed;
mod fault;
mod keys;
mod load;
mod mapping;
mod read;
mod reply;
mod secret;
mod section;
mod site_name;
#[cfg(test)]
mod tests;
mod value;

use crate::model::CallKind;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use env::{
    CONFIG_VARIABLE, CRASH_VARIABLE, DEFAULT_PATH, FREEZE_VARIABLE, arm_crash_point, default_path,
    process_env,
};
pub use exposed::Exposed;
pub use fault::{ConfigError, Fault};
pub use site_name::Named;

/// A place in the config file, in bytes.
pub type Span = Range<usize>;

/// One value of the mapping: SQL as the user wrote it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// The SQL, environment variables already put in.
    pub sql: String,
    /// Where it stands in the file.
    pub span: Span,
    /// Its dotted name, e.g. `ticket.customer.email`, `reply.set.author`, `reply.after[0]`.
    pub name: String,
}

/// The whole configuration, checked.
#[derive(Clone)]
pub struct Config {
    /// The file and its text, for messages that point at a line.
    pub source: Source,
    pub postgres: Postgres,
    pub deskie: Deskie,
    pub server: Server,
    pub capture: Capture,
    pub ticket: Ticket,
    pub message: Option<Message>,
    pub attachments: Vec<Attachment>,
    pub reply: Option<Reply>,
    pub status: Option<Status>,
    pub case: Option<Case>,
    pub alert: Alert,
}

impl Config {
    /// The call by which an agent's answer on the site goes to Deskie.
    pub fn agent_call(&self) -> CallKind {
        match self.message.as_ref().map(|message| message.agent_as) {
            Some(AgentAs::Staff) => CallKind::AddMessage,
            _ => CallKind::AddNote,
        }
    }
}

/// `[alert]`: who is told of troubles. Not `Debug`: the address may hold a secret.
#[derive(Clone)]
pub struct Alert {
    /// Where a short JSON text is posted at each change of state; `None`: nowhere.
    pub url: Option<url::Url>,
    /// What the text calls the site; `None`: its database.
    pub name: Option<String>,
    /// Longer than this the oldest thing should not wait.
    pub after: std::time::Duration,
}

impl Default for Alert {
    fn default() -> Alert {
        Alert {
            url: None,
            name: None,
            after: std::time::Duration::from_secs(600),
        }
    }
}

/// The config file as it was read. Its text may hold secrets: `Debug` masks them, and so does every [`Fault`].
#[derive(Clone)]
pub struct Source {
    /// Its path as the user gave it.
    pub path: PathBuf,
    pub text: String,
}

/// `[postgres]`: the site's database and the names of our things in it.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// The libpq URL (or key=value string), unparsed; it may hold a password.
    pub url: SecretString,
    /// Where `url` stands.
    pub url_span: Span,
    /// The same database as a role that streams and does nothing else; `None`: `url`'s does that, too.
    pub replication_url: Option<StreamingAddress>,
    /// The publication of tables with a replica identity; `<publication>_insert` takes the others.
    pub publication: String,
    /// The slot; `None`: `deskie_cdc_<database>`, which only a connection can tell.
    pub slot: Option<String>,
    /// The schema of all our state.
    pub schema: String,
}

/// `[postgres] replication_url`.
#[derive(Debug, Clone)]
pub struct StreamingAddress {
    /// The libpq URL (or key=value string), unparsed; it may hold a password.
    pub url: SecretString,
    /// Where it stands.
    pub span: Span,
}

/// `[deskie]`: the account and how to use it.
#[derive(Debug, Clone)]
pub struct Deskie {
    /// `https://<domain>`, without a trailing slash or path.
    pub url: url::Url,
    /// The staff e-mail that calls are made as.
    pub staff_email: String,
    pub api_key: SecretString,
    /// N of the case custom field `cf_N` that holds the site's ticket key.
    pub ticket_field: i64,
    /// The most requests a minute that we may use; `None`: what the server's headers say.
    pub requests_per_minute: Option<u32>,
    /// Label ids set on every case that we open.
    pub labels: Vec<i64>,
    /// The group that our cases go to.
    pub group_id: Option<i64>,
    /// The language of our cases.
    pub language_id: Option<i64>,
    /// How long a call may take (default 30 s).
    pub timeout: Duration,
    /// How often Deskie is asked for replies whose webhook did not come (default 2 min).
    pub sweep: Duration,
    /// How long a call with a lost answer is looked for before it is sent again (default 120 s).
    pub doubt_wait: Duration,
    /// Longer texts go as several messages, in bytes (default 60 kB).
    pub max_body: usize,
    /// Of a text no more is sent, in bytes; a line says so (default 1 MB).
    pub max_text: usize,
    /// The custom channel (`cch3`) for customers without e-mail and phone.
    pub channel: Option<String>,
    /// What goes before the key in the ticket field; `None`: the field holds the key alone.
    pub site: Option<String>,
}

impl Deskie {
    /// The account's address, however it is written: without scheme, `www.`, case, and the usual port.
    pub fn account(&self) -> String {
        let host = self
            .url
            .host_str()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_lowercase();
        let host = host.strip_prefix("www.").unwrap_or(&host);
        let port = self.url.port().map_or(String::new(), |port| format!(":{port}"));
        format!("{host}{port}{}", self.url.path().trim_end_matches('/'))
    }
}

/// `[server]`: what we listen on.
#[derive(Debug, Clone)]
pub struct Server {
    /// Webhooks (default `0.0.0.0:8787`).
    pub listen: SocketAddr,
    /// What `rules` prints as our address.
    pub public_url: Option<url::Url>,
    /// Health, metrics and console (default `127.0.0.1:8788`).
    pub admin_listen: SocketAddr,
    /// The secrets accepted in a webhook's path; two while rotating; empty: no webhooks, the sweep finds all replies.
    pub webhook_secrets: Vec<SecretString>,
    /// Needed to change things in the console.
    pub admin_token: Option<SecretString>,
    /// Names with a dot under which the admin port is asked; addresses, `localhost` and names without one need no word.
    pub admin_hosts: Vec<String>,
}

/// What is done once `max_wal` is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMaxWal {
    /// Say so.
    Warn,
    /// Drop the slot; repaired afterwards.
    DropSlot,
}

/// `[capture]`
#[derive(Debug, Clone)]
pub struct Capture {
    /// How long a message is held after its commit (default 0).
    pub settle: Duration,
    /// Statements run on our ordinary connections before reading and writing.
    pub session: Vec<Expr>,
    /// A row whose `created_at` lies further than this before its own commit is an import (default 1 day).
    pub max_age: Duration,
    /// More new cases out of one transaction wait for a person (default 500).
    pub max_new_cases: usize,
    /// The most WAL that our slot may hold, in bytes (default 10 GB).
    pub max_wal: u64,
    /// What happens beyond.
    pub on_max_wal: OnMaxWal,
    /// How long delivered rows are kept (default 30 days).
    pub retain: Duration,
}

/// Where a case opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenOn {
    /// The ticket row holds the first message.
    Ticket,
    /// The first customer message opens it.
    Message,
}

/// A table's name as the config wrote it: `schema.table` or `table`, each part may be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema, unquoted; `None`: found through the search path.
    pub schema: Option<String>,
    /// The table, unquoted.
    pub table: String,
    /// Where it stands.
    pub span: Span,
}

/// `[ticket]`, alias `t`.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub table: TableName,
    /// Key columns, unquoted; empty: the primary key.
    pub key: Vec<String>,
    /// Joins, as written.
    pub join: Option<Expr>,
    /// Which tickets are ours.
    pub filter: Option<Expr>,
    /// Where a case opens.
    pub open_on: OpenOn,
    /// The case's subject.
    pub subject: Option<Expr>,
    /// The first message, with `open_on = "ticket"`.
    pub body: Option<Expr>,
    /// `'text'`, `'html'` or `'markdown'`; `None`: text.
    pub format: Option<Expr>,
    /// → `open`, `waiting`, `closed`.
    pub status: Option<Expr>,
    /// When the ticket was made.
    pub created_at: Option<Expr>,
    /// → `cchN`, or NULL for e-mail and phone.
    pub channel: Option<Expr>,
    /// Who the customer is.
    pub customer: Customer,
    /// How long to wait for a customer identity (default 1 h).
    pub wait: Duration,
    /// Custom fields: N of `cf_N` → expression.
    pub fields: BTreeMap<i64, Expr>,
    /// An expression that gives an array of label ids.
    pub labels: Option<Expr>,
    /// `low`, `normal`, `high` or `critical`.
    pub priority: Option<Expr>,
    /// The group of the case.
    pub group_id: Option<Expr>,
    /// The language of the case.
    pub language_id: Option<Expr>,
    /// What an edit of subject or body becomes; never [`OnEdit::Edit`].
    pub on_edit: OnEdit,
    /// What a deletion becomes.
    pub on_delete: OnDelete,
    /// What a row that leaves `where` after it was sent becomes.
    pub on_hide: OnHide,
}

impl Ticket {
    /// Whether a change of a ticket's row may be told in its case.
    pub fn tells_changes(&self) -> bool {
        self.on_edit != OnEdit::Ignore || self.on_hide != OnHide::Ignore
    }
}

/// `[ticket] customer`: the first identity that is there is used; `custom_id` only with a channel.
#[derive(Debug, Clone, Default)]
pub struct Customer {
    /// E-mail address.
    pub email: Option<Expr>,
    /// Phone number.
    pub phone: Option<Expr>,
    /// Identity in a custom channel.
    pub custom_id: Option<Expr>,
    /// Full name.
    pub name: Option<Expr>,
}

/// What an agent's answer that was written on the site becomes in Deskie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentAs {
    /// Nothing.
    Ignore,
    /// An internal note.
    Note,
    /// A reply as staff.
    Staff,
}

/// What an edit on the site becomes in Deskie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEdit {
    /// Nothing.
    Ignore,
    /// The message is edited.
    Edit,
    /// An internal note.
    Note,
}

/// What a deletion on the site becomes in Deskie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// Nothing.
    Ignore,
    /// An internal note.
    Note,
}

/// What a row that leaves `where` after it was sent (a soft delete) becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHide {
    /// Nothing.
    Ignore,
    /// It counts as deleted: `on_delete` says what becomes of it.
    Delete,
}

/// `[message]`, alias `m`.
#[derive(Debug, Clone)]
pub struct Message {
    pub table: TableName,
    /// Key columns, unquoted; empty: the primary key. With `expand` these are names that may be columns of the row.
    pub key: Vec<String>,
    /// With `expand`, what names one of a row's messages: all entries of `key`.
    pub element: Vec<Expr>,
    /// The key of the ticket that the message belongs to (one expression for each key column).
    pub ticket: Vec<Expr>,
    /// Joins, as written.
    pub join: Option<Expr>,
    /// Which messages are ours.
    pub filter: Option<Expr>,
    /// `customer`, `agent` or `skip`; `None`: customer.
    pub author: Option<Expr>,
    /// The text.
    pub body: Expr,
    /// `'text'`, `'html'` or `'markdown'`; `None`: text.
    pub format: Option<Expr>,
    /// When the message was written.
    pub created_at: Option<Expr>,
    /// What an agent's answer on the site becomes.
    pub agent_as: AgentAs,
    /// A lateral join, for a column that holds many messages.
    pub expand: Option<Expr>,
    /// What an edit becomes.
    pub on_edit: OnEdit,
    /// What a deletion becomes.
    pub on_delete: OnDelete,
    /// What a message that leaves `where` after it was sent becomes.
    pub on_hide: OnHide,
    /// Join messages that wait together into one.
    pub coalesce: bool,
}

impl Message {
    /// Whether a change of a message that was sent may be told in its case.
    pub fn tells_changes(&self) -> bool {
        self.on_edit != OnEdit::Ignore || self.on_hide != OnHide::Ignore
    }
}

/// Which section an attachment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttachmentOf {
    Ticket,
    Message,
}

/// Where an attachment's bytes are.
#[derive(Debug, Clone)]
pub enum AttachmentSource {
    /// At an address.
    Url(Expr),
    /// In a file below `base`.
    Path {
        /// The path, relative to `base`.
        path: Expr,
        /// The folder that holds the files.
        base: PathBuf,
    },
    /// In a bytea column.
    Bytes(Expr),
}

/// One `[[attachment]]`, alias `a`.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// What it belongs to.
    pub of: AttachmentOf,
    pub table: TableName,
    /// Key columns, unquoted; empty: the primary key. With `expand` these are names that may be columns of the row.
    pub key: Vec<String>,
    /// With `expand`, what names one of a row's files: all entries of `key`.
    pub element: Vec<Expr>,
    /// A lateral join, for a column that holds a list of files.
    pub expand: Option<Expr>,
    /// The key of the message or ticket.
    pub parent: Vec<Expr>,
    /// Joins, as written.
    pub join: Option<Expr>,
    /// Which attachments are ours.
    pub filter: Option<Expr>,
    /// The file's name.
    pub name: Option<Expr>,
    /// Its MIME type.
    pub mime: Option<Expr>,
    /// Where its bytes are.
    pub source: AttachmentSource,
    /// How long to wait for a file that appears later.
    pub wait: Duration,
    /// Whether `url` may point at private addresses.
    pub allow_private: bool,
}

/// How attachments of a reply reach the site.
#[derive(Debug, Clone)]
pub enum ReplyAttachments {
    /// Appended to `:text` and `:html` as links.
    Links,
    /// Left to `:attachments`.
    Json,
    /// Statements run once an attachment.
    Statements(Vec<Expr>),
}

/// The part of `[reply]` that may stand under `[reply.agent]` and `[reply.customer]` too.
#[derive(Debug, Clone, Default)]
pub struct ReplyPart {
    /// Column (unquoted) → expression, in the file's order.
    pub set: Vec<(String, Expr)>,
    /// Statements run after the INSERT.
    pub after: Vec<Expr>,
}

/// `[reply]`: how a Deskie message becomes a row.
#[derive(Debug, Clone)]
pub struct Reply {
    /// For both kinds.
    pub both: ReplyPart,
    /// For agents' answers, in addition.
    pub agent: ReplyPart,
    /// For customers' answers, in addition.
    pub customer: ReplyPart,
    /// Which replies are written, over the parameters.
    pub filter: Option<Expr>,
    /// How attachments come.
    pub attachments: ReplyAttachments,
    /// The folder that attachments are stored in.
    pub files_dir: Option<PathBuf>,
}

/// `[status]`
#[derive(Debug, Clone)]
pub struct Status {
    /// Statements that write a status.
    pub sql: Vec<Expr>,
    /// Deskie's `open`, `waiting`, `closed` → the site's values.
    pub map: BTreeMap<String, String>,
}

/// `[case]`: statements that make a site ticket; the last one returns its key.
#[derive(Debug, Clone)]
pub struct Case {
    /// The statements.
    pub sql: Vec<Expr>,
}
