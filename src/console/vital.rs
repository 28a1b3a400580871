//! What the running parts say of themselves, and what "ready" means.
//!
//! `run` makes one [`Vital`], hands it to each part, and each part reports: a flow calls [`Vital::moved`] on every
//! turn of its loop, idle or not, at least each [`STALLED`] / 2. Nobody asks a part whether it is well: one that hangs
//! would not answer.
//!
//! # Ready
//! The instance can take webhooks, so the database answers; and its own part moves: a standby has none, a leader's
//! capture is connected or has moved within [`STALLED`], and its other flows have moved within [`STALLED`]. A leader
//! that waits for Deskie is ready: webhooks are stored and the site is captured, only nothing is sent. Parked things do
//! not count: they wait for a person, and no restart mends them. A refused start, and what is held until a person has
//! decided, do: nothing at all goes on.
//!
//! What it does not guarantee: a flow that never reported is not judged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::clock;

/// A flow that has not moved for so long has stalled.
pub const STALLED: Duration = Duration::from_secs(60);

/// A stream that was made anew so often within [`UNSTABLE_WITHIN`] is cut by something.
const UNSTABLE_AFTER: usize = 5;

/// What lies further back says nothing about the stream.
const UNSTABLE_WITHIN: Duration = Duration::from_secs(600);

/// The database was reached so lately that one slow answer says nothing.
pub const DATABASE_FRESH: Duration = Duration::from_secs(30);

/// What this instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not yet told.
    Starting,
    /// It captures, sends and writes.
    Leader,
    /// Another instance leads; this one takes webhooks and waits.
    Standby,
    /// It finishes what is in flight.
    Stopping,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Starting => "starting",
            Role::Leader => "leader",
            Role::Standby => "standby",
            Role::Stopping => "stopping",
        }
    }
}

/// The parts of a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// The stream of the site's changes.
    Capture,
    /// The mapping.
    Resolve,
    /// Calls to Deskie.
    Deliver,
    /// Replies into the site's tables.
    Writeback,
}

impl Flow {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Flow::Capture => "capture",
            Flow::Resolve => "resolve",
            Flow::Deliver => "deliver",
            Flow::Writeback => "writeback",
        }
    }
}

/// What is known of Deskie.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum DeskieState {
    /// Nothing was asked yet.
    #[default]
    Unknown,
    /// The last call was answered.
    Reachable,
    /// The last call was not, and why.
    Unreachable(String),
    /// It refuses our API key.
    KeyRevoked,
}

#[derive(Debug)]
struct State {
    role: Role,
    since: Instant,
    moved: BTreeMap<Flow, Instant>,
    stream_connected: bool,
    /// When it was made, the last times.
    streams: VecDeque<Instant>,
    deskie: DeskieState,
    database_seen: Option<Instant>,
    last_error: Option<(String, jiff::Timestamp)>,
    held: Option<String>,
    start_refused: Option<String>,
}

/// What the running parts say of themselves.
#[derive(Debug)]
pub struct Vital {
    started: jiff::Timestamp,
    state: Mutex<State>,
}

/// What the parts have said, at one moment.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Snapshot {
    /// When the process started.
    pub started_at: jiff::Timestamp,
    /// What this instance is.
    pub role: Role,
    /// For how long it has been that.
    pub role_seconds: f64,
    /// Whether the stream of the site's changes is connected.
    pub stream_connected: bool,
    /// How often it was made in the last ten minutes, where that is too often.
    pub stream_unstable: Option<usize>,
    /// What is known of Deskie.
    pub deskie: DeskieState,
    /// Seconds since each flow moved.
    pub idle_seconds: BTreeMap<Flow, f64>,
    /// The last error that concerned everything.
    pub last_error: Option<String>,
    /// When it came.
    pub last_error_at: Option<jiff::Timestamp>,
    /// Why nothing is sent or written until a person has decided.
    pub held: Option<String>,
    /// Why a term cannot begin, where that ends by itself.
    pub start_refused: Option<String>,
}

impl Vital {
    /// Of a process that starts now.
    pub fn new() -> Arc<Vital> {
        Arc::new(Vital {
            started: clock::now(),
            state: Mutex::new(State {
                role: Role::Starting,
                since: clock::monotonic(),
                moved: BTreeMap::new(),
                stream_connected: false,
                streams: VecDeque::new(),
                deskie: DeskieState::Unknown,
                database_seen: None,
                last_error: None,
                held: None,
                start_refused: None,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance changes its role. Its flows begin anew.
    pub fn set_role(&self, role: Role) {
        let mut state = self.state();
        if state.role != role {
            state.role = role;
            state.since = clock::monotonic();
            state.moved.clear();
            state.stream_connected = false;
        }
    }

    /// What this instance is.
    pub fn role(&self) -> Role {
        self.state().role
    }

    /// A flow turned its loop, with or without work.
    pub fn moved(&self, flow: Flow) {
        self.state().moved.insert(flow, clock::monotonic());
    }

    /// The stream of the site's changes is up, or down.
    pub fn set_stream_connected(&self, connected: bool) {
        let mut state = self.state();
        if connected && !state.stream_connected {
            state.streams.push_back(clock::monotonic());
            if state.streams.len() > UNSTABLE_AFTER {
                state.streams.pop_front();
            }
        }
        state.stream_connected = connected;
    }

    /// What a call, or the lack of an answer, told of Deskie. True where that is news.
    pub fn set_deskie(&self, deskie: DeskieState) -> bool {
        let mut state = self.state();
        let news = std::mem::discriminant(&state.deskie) != std::mem::discriminant(&deskie);
        state.deskie = deskie;
        news
    }

    /// The database answered.
    pub fn saw_database(&self) {
        self.state().database_seen = Some(clock::monotonic());
    }

    /// An error that concerns everything.
    pub fn set_error(&self, error: impl std::fmt::Display) {
        self.state().last_error = Some((error.to_string(), clock::now()));
    }

    /// That is over.
    pub fn clear_error(&self) {
        self.state().last_error = None;
    }

    /// Why nothing is sent or written until a person has decided, or a start is not refused any more; `None`: it is not so.
    pub fn set_held(&self, why: Option<String>) {
        self.state().held = why;
    }

    /// Why a term cannot begin, where that ends once whoever should answers again; `None`: it has begun.
    pub fn set_start_refused(&self, why: Option<String>) {
        self.state().start_refused = why;
    }

    /// Whether the database was reached lately.
    pub fn database_is_fresh(&self) -> bool {
        let seen = self.state().database_seen;
        seen.is_some_and(|seen| clock::monotonic().saturating_duration_since(seen) <= DATABASE_FRESH)
    }

    /// What the parts have said.
    pub fn snapshot(&self) -> Snapshot {
        let now = clock::monotonic();
        let seconds = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
        let state = self.state();
        Snapshot {
            started_at: self.started,
            role: state.role,
            role_seconds: seconds(state.since),
            stream_connected: state.stream_connected,
            stream_unstable: unstable(&state.streams, now),
            deskie: state.deskie.clone(),
            idle_seconds: state
                .moved
                .iter()
                .map(|(flow, at)| (*flow, seconds(*at)))
                .collect(),
            last_error: state.last_error.as_ref().map(|(error, _)| error.clone()),
            last_error_at: state.last_error.as_ref().map(|(_, at)| *at),
            held: state.held.clone(),
            start_refused: state.start_refused.clone(),
        }
    }

    /// Why the instance is not ready; empty: it is. `database`: why the database does not answer, if so.
    pub fn judge(&self, database: Option<&str>) -> Vec<String> {
        judge(&self.snapshot(), database)
    }
}

/// `streams`: when the last ones were made, the oldest first.
fn unstable(streams: &VecDeque<Instant>, now: Instant) -> Option<usize> {
    let recent = |at: &&Instant| now.saturating_duration_since(**at) <= UNSTABLE_WITHIN;
    let count = streams.iter().filter(recent).count();
    (count >= UNSTABLE_AFTER).then_some(count)
}

fn judge(vital: &Snapshot, database: Option<&str>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(why) = database {
        reasons.push(format!(
            "the database does not answer, so webhooks cannot be stored: {why}"
        ));
    }
    match vital.role {
        Role::Starting => reasons.push("starting: it is not decided yet whether this instance leads".into()),
        Role::Stopping => reasons.push("stopping".into()),
        Role::Standby => {}
        Role::Leader => reasons.extend(stalled(vital)),
    }
    if let (Role::Leader | Role::Starting, Some(why)) = (vital.role, &vital.held) {
        reasons.push(format!("held: {why}"));
    }
    if let (Role::Leader | Role::Starting, Some(why)) = (vital.role, &vital.start_refused) {
        reasons.push(format!("nothing can be streamed: {why}"));
    }
    reasons
}

fn stalled(vital: &Snapshot) -> Vec<String> {
    let limit = STALLED.as_secs_f64();
    let mut reasons = Vec::new();
    let capture = vital
        .idle_seconds
        .get(&Flow::Capture)
        .copied()
        .unwrap_or(vital.role_seconds);
    if !vital.stream_connected && capture > limit {
        reasons.push(format!(
            "the stream of the site's changes has been down for {capture:.0} s"
        ));
    }
    for (flow, idle) in &vital.idle_seconds {
        // Waiting for Deskie is no fault of ours.
        let excused = match flow {
            Flow::Capture => true,
            Flow::Deliver => !matches!(vital.deskie, DeskieState::Reachable | DeskieState::Unknown),
            Flow::Resolve | Flow::Writeback => false,
        };
        if !excused && *idle > limit {
            reasons.push(format!("{} has not moved for {idle:.0} s", flow.as_str()));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader() -> Snapshot {
        Snapshot {
            started_at: clock::now(),
            role: Role::Leader,
            role_seconds: 1000.0,
            stream_connected: true,
            stream_unstable: None,
            start_refused: None,
            deskie: DeskieState::Reachable,
            idle_seconds: [Flow::Capture, Flow::Resolve, Flow::Deliver]
                .map(|flow| (flow, 1.0))
                .into(),
            last_error: None,
            last_error_at: None,
            held: None,
        }
    }

    #[test]
    fn ready_is_what_can_take_webhooks_and_moves() {
        let with = |change: fn(&mut Snapshot)| {
            let mut vital = leader();
            change(&mut vital);
            judge(&vital, None).join("; ")
        };
        for (name, change, expected) in [
            ("a leader", (|_| {}) as fn(&mut Snapshot), ""),
            (
                "a standby without any flow",
                |v| (v.role, v.idle_seconds) = (Role::Standby, BTreeMap::new()),
                "",
            ),
            (
                "it starts",
                |v| v.role = Role::Starting,
                "starting: it is not decided yet whether this instance leads",
            ),
            (
                "the stream is down for a moment",
                |v| v.stream_connected = false,
                "",
            ),
            (
                "the stream is down",
                |v| {
                    v.stream_connected = false;
                    v.idle_seconds.insert(Flow::Capture, 61.0);
                },
                "the stream of the site's changes has been down for 61 s",
            ),
            (
                "the stream never came up",
                |v| {
                    v.stream_connected = false;
                    v.idle_seconds.remove(&Flow::Capture);
                },
                "the stream of the site's changes has been down for 1000 s",
            ),
            (
                "a person has to decide",
                |v| v.held = Some("another account".into()),
                "held: another account",
            ),
            (
                "another instance leads",
                |v| (v.role, v.held) = (Role::Standby, Some("another account".into())),
                "",
            ),
            (
                "an idle stream",
                |v| v.idle_seconds = [(Flow::Capture, 999.0)].into(),
                "",
            ),
            (
                "resolve hangs",
                |v| v.idle_seconds = [(Flow::Resolve, 90.0)].into(),
                "resolve has not moved for 90 s",
            ),
            (
                "Deskie is away",
                |v| {
                    v.deskie = DeskieState::Unreachable("connection refused".into());
                    v.idle_seconds = [(Flow::Deliver, 900.0)].into();
                },
                "",
            ),
        ] {
            assert_eq!(with(change), expected, "{name}");
        }
        assert!(judge(&leader(), Some("refused"))[0].contains("refused"));
    }

    #[test]
    fn a_new_role_begins_anew() {
        let vital = Vital::new();
        vital.set_role(Role::Leader);
        vital.moved(Flow::Resolve);
        vital.set_stream_connected(true);
        vital.set_role(Role::Standby);
        let snapshot = vital.snapshot();
        assert!(snapshot.idle_seconds.is_empty() && !snapshot.stream_connected);
    }

    #[test]
    fn a_stream_is_unstable_while_five_were_made_within_ten_minutes() {
        let start = clock::monotonic();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let made = |moments: &[u64]| {
            moments
                .iter()
                .map(|seconds| at(*seconds))
                .collect::<VecDeque<_>>()
        };
        for (moments, now, expected) in [
            (&[][..], 0, None),
            (&[0, 1, 2, 3], 4, None),
            (&[0, 1, 2, 3, 4], 4, Some(5)),
            (&[0, 150, 300, 450, 600], 600, Some(5)),
            // The first of them is too long ago.
            (&[0, 150, 300, 450, 600], 601, None),
            (&[0, 200, 400, 600, 800], 800, None),
        ] {
            assert_eq!(
                unstable(&made(moments), at(now)),
                expected,
                "{moments:?} at {now}"
            );
        }
        // One that stays connected is made once, and another role does not forget them.
        let vital = Vital::new();
        for _ in 0..5 {
            assert_eq!(vital.snapshot().stream_unstable, None);
            vital.set_stream_connected(true);
            vital.set_stream_connected(true);
            vital.set_role(Role::Starting);
            vital.set_stream_connected(false);
        }
        assert_eq!(vital.snapshot().stream_unstable, Some(5));
    }

    #[test]
    fn only_a_change_of_deskies_state_is_news() {
        let vital = Vital::new();
        assert!(vital.set_deskie(DeskieState::Unreachable("a".into())));
        assert!(!vital.set_deskie(DeskieState::Unreachable("b".into())));
        assert!(vital.set_deskie(DeskieState::Reachable));
    }
}
