//! A Deskie to try things against: real HTTP, in memory (or kept in a folder), built from the facts known of the API and not from what our
//! client sends. It has the real one's unpleasant habits (numeric-key lists in no order, `"-"` for no date, writes
//! that cost two), takes faults by script, and keeps its own books of what really exists.
//!
//! # Control port
//! JSON over HTTP under `/_control/`, on the API's own port unless `control_listen` is given. No authorisation.
//!
//! | call | does |
//! |---|---|
//! | `GET /_control/` | examples for curl ([`describe`]) |
//! | `GET /_control/books` | [`Books`]: calls, cases and messages that exist, webhooks, e-mails |
//! | `GET`, `PUT /_control/options` | [`Options`]; a `PUT` changes the keys given and leaves the others |
//! | `GET`, `POST`, `DELETE /_control/faults` | the pending [`Fault`]s; adds one or a list; forgets all |
//! | `POST /_control/faults/random` | [`RandomFaults`] from now on |
//! | `POST /_control/people` | an [`Action`]: `{"do":"agent_reply","case":420000000,"html":"…"}`; without `case` the newest |
//! | `POST`, `DELETE /_control/rules` | adds one [`Rule`] or a list; forgets all |
//! | `POST`, `DELETE /_control/channels` | adds one [`CustomChannel`] or a list; forgets all |
//! | `POST /_control/reset` | forgets everything but the options |
//!
//! # Not simulated
//! Ratings, ideas, linking of users, companies, chat widgets; mail is only written down.

mod action;
mod api;
mod books;
mod connection;
mod control;
mod fault;
pub(crate) mod form;
mod ids;
mod kept;
mod options;
mod people;
mod server;
mod spoil;
mod state;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use action::{Acted, Action, NewFile, Says};
pub use books::{
    AttachmentRecord, Books, Call, CaseRecord, EmailRecord, MessageRecord, Origin, UserRecord,
    WebhookOutcome, WebhookRecord,
};
pub use fault::{Done, Fault, FaultKind, Match, RandomFaults};
pub use ids::{CaseId, MessageId, StaffId, UserId};
pub use options::{
    API_STAFF, Absorbed, Agent, Bodies, ChannelKind, CustomChannel, CustomField, DEFAULT_AGENT, Delivery,
    EmptyList, Encoding, Options, Rule, RuleBody, Trigger,
};
pub use spoil::Spoilt;

use connection::{Connection, CuttingListener};
use kept::Keeper;
use state::State;

/// How long [`Simulator::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the simulator could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The kept books cannot be read, or not be written.
    #[error("cannot keep the books in `{folder}`")]
    Books {
        /// Where.
        folder: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The sender of webhooks could not be made.
    #[error("cannot make an HTTP client for webhooks")]
    Client(#[from] reqwest::Error),
    /// There is no such case.
    #[error("no such case: `{0}`")]
    NoSuchCase(CaseId),
    /// There is no such message.
    #[error("no such message: `{0}`")]
    NoSuchMessage(MessageId),
    /// A control request that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What was waited for did not come.
    #[error("waited {after:?} in vain for {what} (at {caller}): {summary}")]
    InVain {
        /// For what.
        what: String,
        /// For how long.
        after: Duration,
        /// Who waited.
        caller: &'static Location<'static>,
        /// How the books stand.
        summary: String,
    },
}

/// A running simulator; it ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    control_address: SocketAddr,
    _stop: DropGuard,
}

/// What the listeners, the handle and the background tasks share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    keeper: Mutex<Option<Keeper>>,
    changed: watch::Sender<u64>,
    http: reqwest::Client,
    stop: CancellationToken,
    runtime: tokio::runtime::Handle,
    control_apart: bool,
}

impl Shared {
    /// Does something to the state, and wakes those who wait for a change.
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let result = self.with_quietly(|state| {
            let result = act(state);
            self.keep(state);
            result
        });
        self.changed.send_modify(|version| *version += 1);
        result
    }

    fn keep(&self, state: &State) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = keeper.as_mut().map(|keeper| keeper.keep(state)) {
            tracing::error!("the simulator's books could not be kept: {error}");
        }
    }

    /// As [`Shared::with`], where nothing changes that the books show.
    fn with_quietly<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Spawns a task that ends when the simulator stops. Its shutdown is the simulator's own: it runs beside the
    /// connector in tests and in the demo, not under `run`.
    fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let stop = self.stop.clone();
        self.runtime
            .spawn(async move { stop.run_until_cancelled(task).await })
    }
}

/// Those who work in a simulated Deskie: what they see, and what they do.
#[derive(Debug, Clone)]
pub struct People(Arc<Shared>);

impl People {
    /// Something that somebody does.
    pub fn act(&self, action: Action) -> Result<Acted, Error> {
        self.0.act(action)
    }

    /// The books as they stand.
    pub fn books(&self) -> Books {
        self.0.with_quietly(|state| state.books())
    }

    /// The name of an agent; of one whom the account does not have, his number.
    pub fn agent(&self, staff: StaffId) -> String {
        let agents = self.0.with_quietly(|state| state.options.agents.clone());
        agents
            .into_iter()
            .find(|agent| agent.staff_id == staff)
            .map_or_else(|| format!("#{staff}"), |agent| agent.full_name)
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Simulator {
    /// Binds its ports and serves.
    pub async fn start(options: Options) -> Result<Simulator, Error> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (api, address) = listen(options.listen).await?;
        let control = match options.control_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let stop = CancellationToken::new();
        let (keeper, mut state) = match options.books.clone() {
            Some(folder) => {
                let opened = Keeper::open(&folder, options);
                let (keeper, state) = opened.map_err(|source| Error::Books { folder, source })?;
                (Some(keeper), state)
            }
            None => (None, State::new(options)),
        };
        state.base_url = match &state.options.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            keeper: Mutex::new(keeper),
            changed: watch::Sender::new(0),
            http: reqwest::Client::builder().no_proxy().build()?,
            stop: stop.clone(),
            runtime: tokio::runtime::Handle::current(),
            control_apart: control.is_some(),
        });

        let service = axum::Router::new()
            .fallback(server::serve_api)
            .with_state(Arc::clone(&shared));
        let service = service.into_make_service_with_connect_info::<Connection>();
        let listener = CuttingListener {
            inner: api,
            stop: stop.clone(),
        };
        shared.spawn(async move { axum::serve(listener, service).await });

        let mut control_address = address;
        if let Some((control, bound)) = control {
            control_address = bound;
            let service = axum::Router::new()
                .fallback(server::serve_control)
                .with_state(Arc::clone(&shared));
            let listener = CuttingListener {
                inner: control,
                stop: stop.clone(),
            };
            shared.spawn(async move { axum::serve(listener, service).await });
        }
        Ok(Simulator {
            shared,
            address,
            control_address,
            _stop: stop.drop_guard(),
        })
    }

    /// The API's address: `http://127.0.0.1:1234`, to which `/api/…` is added.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The control port's: `http://127.0.0.1:1235/_control`.
    pub fn control_url(&self) -> String {
        format!("http://{}/_control", self.control_address)
    }

    /// Closes every connection, and ends all of its tasks.
    pub fn stop(self) {
        self.shared.stop.cancel();
    }

    /// Those who work in it, for somebody who outlives this handle's borrow.
    pub fn people(&self) -> People {
        People(Arc::clone(&self.shared))
    }

    /// The books as they stand.
    pub fn books(&self) -> Books {
        self.shared.with_quietly(|state| state.books())
    }

    /// Waits until the books suit `condition`, ten seconds at most. A failure names the caller's line.
    #[track_caller]
    pub fn wait_for<F>(&self, what: &str, condition: F) -> impl Future<Output = Result<Books, Error>>
    where
        F: FnMut(&Books) -> bool,
    {
        self.wait_for_within(PATIENCE, what, condition)
    }

    /// As [`Simulator::wait_for`], with a time-out of one's own.
    #[track_caller]
    pub fn wait_for_within<F>(
        &self,
        after: Duration,
        what: &str,
        mut condition: F,
    ) -> impl Future<Output = Result<Books, Error>>
    where
        F: FnMut(&Books) -> bool,
    {
        let caller = Location::caller();
        let what = what.to_owned();
        let shared = Arc::clone(&self.shared);
        async move {
            let mut changes = shared.changed.subscribe();
            let waiting = async {
                loop {
                    changes.borrow_and_update();
                    let books = shared.with_quietly(|state| state.books());
                    if condition(&books) || changes.changed().await.is_err() {
                        return books;
                    }
                }
            };
            tokio::time::timeout(after, waiting).await.map_err(|_| {
                let summary = shared.with_quietly(|state| state.books()).summary();
                Error::InVain {
                    what,
                    after,
                    caller,
                    summary,
                }
            })
        }
    }

    /// The options as they stand.
    pub fn options(&self) -> Options {
        self.shared.with_quietly(|state| state.options.clone())
    }

    /// Changes the options; where it listens stays as it is.
    pub fn set_options(&self, change: impl FnOnce(&mut Options)) {
        self.shared.with(|state| change(&mut state.options));
    }

    /// Adds a rule.
    pub fn add_rule(&self, rule: Rule) {
        self.set_options(|options| options.rules.push(rule));
    }

    /// Adds a custom channel.
    pub fn add_channel(&self, channel: CustomChannel) {
        self.set_options(|options| options.channels.push(channel));
    }

    /// Puts a fault at the end of the script.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.with(|state| state.faults.add(fault));
    }

    /// Faults at random from now on, behind the scripted ones; `None` ends them.
    pub fn set_random_faults(&self, random: Option<RandomFaults>) {
        self.shared.with(|state| state.faults.randomise(random));
    }

    /// Forgets all faults, scripted and random.
    pub fn clear_faults(&self) {
        self.shared.with(|state| state.faults.clear());
    }

    /// Forgets everything but the options.
    pub fn reset(&self) {
        self.shared.with(State::reset);
    }

    /// Somebody does something in Deskie.
    pub fn act(&self, action: Action) -> Result<Acted, Error> {
        self.shared.act(action)
    }

    /// An agent answers.
    pub fn agent_reply(&self, case: CaseId, says: Says) -> Result<MessageId, Error> {
        self.say(Action::AgentReply { case, says })
    }

    /// The customer answers by mail.
    pub fn customer_mail_reply(&self, case: CaseId, says: Says) -> Result<MessageId, Error> {
        self.say(Action::CustomerMailReply {
            case,
            says,
            from: None,
            quote: false,
        })
    }

    /// The customer answers in the help centre.
    pub fn helpcentre_reply(&self, case: CaseId, says: Says) -> Result<MessageId, Error> {
        self.say(Action::HelpcentreReply { case, says })
    }

    /// An agent writes an internal note.
    pub fn note(&self, case: CaseId, says: Says) -> Result<MessageId, Error> {
        self.say(Action::Note { case, says })
    }

    /// A message turns up with a smaller id than all of its case.
    pub fn late_message(&self, case: CaseId, says: Says, seconds_ago: i64) -> Result<MessageId, Error> {
        self.say(Action::LateMessage {
            case,
            says,
            by_customer: false,
            seconds_ago,
        })
    }

    /// An agent's message that takes its id now and appears later.
    pub fn scheduled_message(&self, case: CaseId, says: Says, after: Duration) -> Result<MessageId, Error> {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.say(Action::ScheduledMessage { case, says, after_ms })
    }

    /// `case` is absorbed by `into`.
    pub fn merge(&self, case: CaseId, into: CaseId) -> Result<(), Error> {
        self.act(Action::Merge { case, into }).map(drop)
    }

    /// `open`, `waiting` or `closed`.
    pub fn set_status(&self, case: CaseId, status: &str) -> Result<(), Error> {
        self.act(Action::SetStatus {
            case,
            status: status.to_owned(),
        })
        .map(drop)
    }

    fn say(&self, action: Action) -> Result<MessageId, Error> {
        self.act(action)?
            .message_id
            .ok_or(Error::NoSuchMessage(MessageId(0)))
    }
}

/// What to type to play with it: examples for curl.
pub fn describe(url: &str, control_url: &str) -> String {
    let control = format!(
        "{}/_control",
        control_url.trim_end_matches("/_control").trim_end_matches('/')
    );
    include_str!("describe.txt")
        .replace("{api}", url.trim_end_matches('/'))
        .replace("{control}", &control)
}
