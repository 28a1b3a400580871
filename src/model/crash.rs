//! Crash points: each boundary between a durable write and an effect has a name, and a test lets the process die there.
//!
//! They are there in a build for development, and in any other with the feature `crash-points`; a release leaves them out.
//! They do nothing unless one is armed (`config` reads the variables, `run` arms it). An armed one says so on standard error, then ends the
//! process as a kill would, or, for tests of what a frozen process holds, stops it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

/// What an armed point says before it strikes.
pub const SAYS: &str = "crash point reached: ";

/// So long a thread stays where the process is to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// How long after [`CrashPoint::soon`] the process ends: long enough for a request or an answer to be on the wire.
const SOON: Duration = Duration::from_millis(150);

/// Whether this build has the points.
pub const COMPILED: bool = cfg!(any(debug_assertions, feature = "crash-points"));

/// No point has this number.
const NONE: u8 = u8::MAX;

static ARMED: AtomicU8 = AtomicU8::new(NONE);
static HITS_LEFT: AtomicU32 = AtomicU32::new(0);
static FREEZES: AtomicBool = AtomicBool::new(false);

macro_rules! points {
    ($($point:ident = $name:literal, $what:literal;)+) => {
        /// A place where the process may die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum CrashPoint {
            $(#[doc = $what] $point,)+
        }

        impl CrashPoint {
            /// All of them, in the order of the flows.
            pub const ALL: &[CrashPoint] = &[$(CrashPoint::$point),+];

            /// What it is called in the variable.
            pub fn name(self) -> &'static str {
                match self { $(CrashPoint::$point => $name),+ }
            }
        }
    };
}

points! {
    LeaseTaken = "lease.taken", "The epoch is raised; nothing was begun.";
    SlotMade = "repair.slot_made", "A new slot is there; that there is a gap is not written down.";
    GapStored = "repair.gap_stored", "The gap is written down; its rows were not looked for.";
    RowsQueued = "repair.rows_queued", "The gap's rows are queued; it is still open.";
    GapClosed = "repair.gap_closed", "The gap is closed; streaming has not begun.";
    EventsWritten = "capture.events_written", "Events are written, not committed.";
    EventsStored = "capture.events_stored", "Events are stored, not acknowledged.";
    Acknowledged = "capture.acknowledged", "The position was given to the stream.";
    KeepaliveStored = "capture.keepalive_stored", "A position without rows is stored, not acknowledged.";
    ResolveDecided = "resolve.decided", "A round is decided, not committed.";
    ResolveStored = "resolve.stored", "A round is committed; nobody was woken.";
    IntentStored = "deliver.intent_stored", "The intent is durable; the request is not written.";
    RequestWritten = "deliver.request_written", "The request is written; no answer was read.";
    AnswerReceived = "deliver.answer_received", "Deskie did it; nothing of its answer is stored.";
    AnswerStored = "deliver.answer_stored", "The answer is stored; the lane was not woken.";
    DoubtStored = "doubt.stored", "The doubt is stored; nothing was looked for.";
    DoubtLooked = "doubt.looked", "It was looked for; nothing is judged.";
    DoubtJudged = "doubt.judged", "A look has found nothing, and that is stored.";
    EditAnswered = "edit.answered", "Deskie has the newer text; that is not stored.";
    StatusAnswered = "status.answered", "Deskie has the status; that is not stored.";
    WebhookStored = "webhook.stored", "A webhook is stored, not answered.";
    WebhookAnswered = "webhook.answered", "A webhook is answered.";
    InboxTaken = "inbox.taken", "Webhooks are turned into wanted reads.";
    ReadFetched = "read.fetched", "A case is read; nothing of it is stored.";
    ReadStored = "read.stored", "What a case has that is new is stored; nobody was woken.";
    WritebackOpen = "writeback.open", "All of a write-back but its COMMIT is done: its locks are held.";
    WritebackCommitted = "writeback.committed", "A reply is on the site, with its link.";
    StatusWritten = "writeback.status_written", "A status is on the site.";
    BirthMade = "writeback.birth_made", "A case has become a ticket; its other messages were not read.";
    SweepWanted = "sweep.wanted", "The sweep has asked for reads; its position is not stored.";
    SweepStored = "sweep.stored", "The sweep's position is stored.";
    LeaseGivenBack = "lease.given_back", "The work has ended and the lease is given back; the lock is held.";
}

impl CrashPoint {
    /// The point of that name.
    pub fn named(name: &str) -> Option<CrashPoint> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }

    /// Arms it: the process ends (or, with `freezes`, stops) when it is reached for the `hits`-th time.
    pub fn arm(self, hits: u32, freezes: bool) {
        HITS_LEFT.store(hits, Ordering::SeqCst);
        FREEZES.store(freezes, Ordering::SeqCst);
        ARMED.store(self as u8, Ordering::SeqCst);
    }

    /// Whether it is armed, where a point needs its surroundings to behave otherwise.
    #[inline]
    pub fn is_armed(self) -> bool {
        COMPILED && ARMED.load(Ordering::Relaxed) == self as u8
    }

    /// The flow has come here.
    #[inline]
    pub fn reached(self) {
        if self.is_armed() {
            self.strikes();
        }
    }

    /// The flow goes on from here to something that shows on the wire: an armed point strikes right after that.
    #[inline]
    pub fn soon(self) {
        if self.is_armed() {
            std::thread::spawn(move || {
                std::thread::sleep(SOON);
                self.strikes();
            });
        }
    }

    #[cold]
    fn strikes(self) {
        if HITS_LEFT.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        ARMED.store(NONE, Ordering::SeqCst);
        eprintln!("{SAYS}{}", self.name());
        if !FREEZES.load(Ordering::SeqCst) {
            std::process::abort();
        }
        // Every shell has `kill`; this thread waits for it, and the signal stops all of them.
        let stopped = std::process::Command::new("sh")
            .args(["-c", "kill -STOP \"$1\"", "sh", &std::process::id().to_string()])
            .status();
        if let Err(error) = stopped {
            eprintln!("the process could not be stopped: {error}");
        }
        // The signal reaches this thread by way of another one, which may have to wait for a core.
        std::thread::sleep(STOPS_WITHIN);
    }
}
