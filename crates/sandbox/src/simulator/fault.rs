//! Faults: a scripted queue, and a random lot for soak tests.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::spoil::Spoilt;

/// One scripted fault. Over the control port: `{"match":"create","kind":"lose_answer_after","times":1,"skip":0}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// Which calls.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// What befalls them.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// How many calls it befalls.
    #[serde(default = "once")]
    pub times: u32,
    /// How many matching calls go well before.
    #[serde(default)]
    pub skip: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Befalls the next matching call.
    pub fn on(matches: Match, kind: FaultKind) -> Self {
        Fault {
            matches,
            kind,
            times: 1,
            skip: 0,
        }
    }

    /// Befalls `times` calls.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets `skip` matching calls pass first.
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }
}

/// Which calls a fault befalls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// All.
    #[default]
    Any,
    /// `POST cases.json`.
    Create,
    /// `POST cases/<id>/messages.json`.
    Add,
    /// `GET cases/<id>/messages.json`.
    ListMessages,
    /// `GET cases.json`.
    ListCases,
    /// `GET cases/<id>.json`.
    GetCase,
    /// `GET staff.json`.
    ListStaff,
    /// Every `POST`, `PUT` and `DELETE`.
    Write,
    /// Every `GET`.
    Read,
}

impl Match {
    /// Does it cover a call of `method` on `path` (without `/api/` and `.json`)?
    pub(super) fn covers(self, method: &str, path: &[&str]) -> bool {
        match self {
            Match::Any => true,
            Match::Create => method == "POST" && path == ["cases"],
            Match::Add => method == "POST" && matches!(path, ["cases", _, "messages"]),
            Match::ListMessages => method == "GET" && matches!(path, ["cases", _, "messages"]),
            Match::ListCases => method == "GET" && path == ["cases"],
            Match::GetCase => method == "GET" && matches!(path, ["cases", _]),
            Match::ListStaff => method == "GET" && path == ["staff"],
            Match::Write => method != "GET",
            Match::Read => method == "GET",
        }
    }
}

/// What befalls a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Refused with this answer; nothing is done.
    RejectBefore {
        /// The HTTP status.
        status: u16,
        /// The body, sent as JSON.
        #[serde(default)]
        body: String,
    },
    /// Done; then the connection is closed without an answer.
    LoseAnswerAfter,
    /// The connection is closed before anything is done.
    CloseBefore,
    /// No answer for `ms`; then the connection is closed.
    Hang {
        /// For how long.
        ms: u64,
        /// Is the call done, and when?
        #[serde(default)]
        done: Done,
    },
    /// Done at once, answered after `ms`.
    RespondSlowly {
        /// How slowly.
        ms: u64,
    },
    /// A maintenance page with status 200.
    HtmlWith200 {
        /// Is the call done nevertheless?
        #[serde(default)]
        done: bool,
    },
    /// Status 200 and JSON that breaks off.
    NotJson {
        /// Is the call done nevertheless?
        #[serde(default)]
        done: bool,
    },
    /// Any answer whatever, from the API or from something in front of it.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: String,
        /// Is the call done nevertheless?
        #[serde(default)]
        done: bool,
    },
    /// Done; something stands before and behind the answer's JSON.
    Surround {
        /// Such as a PHP notice.
        #[serde(default)]
        before: String,
        /// Such as a comment.
        #[serde(default)]
        after: String,
    },
    /// Done; the answer's entry that says this is spoilt, where it has one, each time until the faults are cleared.
    Spoil {
        /// The text of a message or the subject of a case.
        says: String,
        /// What is odd about it.
        how: Spoilt,
    },
    /// 429; nothing is done.
    TooManyRequests {
        /// The value of the `retry_after` header, if there is one.
        #[serde(default)]
        retry_after: Option<u64>,
    },
}

/// When a hanging call is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Not at all.
    #[default]
    Never,
    /// Before it hangs.
    Before,
    /// After it has hung, whether the caller still waits or not: the request that arrives late.
    Late,
}

impl FaultKind {
    fn only_spoils(&self) -> bool {
        matches!(self, FaultKind::Spoil { .. })
    }

    /// The word that the books hold.
    pub(super) fn name(&self) -> &'static str {
        match self {
            FaultKind::RejectBefore { .. } => "reject_before",
            FaultKind::LoseAnswerAfter => "lose_answer_after",
            FaultKind::CloseBefore => "close_before",
            FaultKind::Hang { .. } => "hang",
            FaultKind::RespondSlowly { .. } => "respond_slowly",
            FaultKind::HtmlWith200 { .. } => "html_with_200",
            FaultKind::NotJson { .. } => "not_json",
            FaultKind::Answer { .. } => "answer",
            FaultKind::Surround { .. } => "surround",
            FaultKind::Spoil { .. } => "spoil",
            FaultKind::TooManyRequests { .. } => "too_many_requests",
        }
    }
}

/// Faults at random, each with its probability between 0 and 1; the same seed gives the same sequence.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomFaults {
    /// The sequence.
    pub seed: u64,
    /// Refused with 503.
    pub reject_before: f64,
    /// Done, then no answer.
    pub lose_answer_after: f64,
    /// Not done, no answer.
    pub close_before: f64,
    /// Done or not, no answer for `hang_ms`.
    pub hang: f64,
    /// How long a hanging call hangs.
    pub hang_ms: u64,
    /// Answered after `slow_ms`.
    pub respond_slowly: f64,
    /// How slow.
    pub slow_ms: u64,
    /// A page with 200, done or not.
    pub html_with_200: f64,
    /// JSON that breaks off, done or not.
    pub not_json: f64,
    /// 429 with `retry_after: 1`.
    pub too_many_requests: f64,
}

/// The scripted faults first, in the order given; then the random ones.
#[derive(Debug, Default)]
pub(super) struct Faults {
    script: Vec<Fault>,
    random: Option<(RandomFaults, StdRng)>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.script.push(fault);
    }

    pub fn randomise(&mut self, random: Option<RandomFaults>) {
        self.random = random.map(|random| {
            let rng = StdRng::seed_from_u64(random.seed);
            (random, rng)
        });
    }

    pub fn clear(&mut self) {
        *self = Faults::default();
    }

    /// The scripted faults that have not come to pass yet.
    pub fn pending(&self) -> &[Fault] {
        &self.script
    }

    /// What befalls this call. A fault that lets it pass counts it towards its `skip`; those behind
    /// the one that strikes do not see it.
    pub fn next(&mut self, method: &str, path: &[&str]) -> Option<FaultKind> {
        let mut hit = None;
        for fault in self
            .script
            .iter_mut()
            .filter(|fault| !fault.kind.only_spoils() && fault.matches.covers(method, path))
        {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                hit = Some(fault.kind.clone());
                break;
            }
        }
        self.script.retain(|fault| fault.times > 0);
        hit.or_else(|| self.roll())
    }

    /// What is odd in the answer to this call, as long as the faults are there.
    pub fn spoilt(&self, method: &str, path: &[&str]) -> Vec<(String, Spoilt)> {
        let odd = |fault: &Fault| match &fault.kind {
            FaultKind::Spoil { says, how } if fault.matches.covers(method, path) => {
                Some((says.clone(), *how))
            }
            _ => None,
        };
        self.script.iter().filter_map(odd).collect()
    }

    fn roll(&mut self) -> Option<FaultKind> {
        let (random, rng) = self.random.as_mut()?;
        let mut dice: f64 = rng.random();
        let done: bool = rng.random();
        let when = if done { Done::Before } else { Done::Never };
        let lots = [
            (
                random.reject_before,
                FaultKind::RejectBefore {
                    status: 503,
                    body: String::new(),
                },
            ),
            (random.lose_answer_after, FaultKind::LoseAnswerAfter),
            (random.close_before, FaultKind::CloseBefore),
            (
                random.hang,
                FaultKind::Hang {
                    ms: random.hang_ms,
                    done: when,
                },
            ),
            (
                random.respond_slowly,
                FaultKind::RespondSlowly { ms: random.slow_ms },
            ),
            (random.html_with_200, FaultKind::HtmlWith200 { done }),
            (random.not_json, FaultKind::NotJson { done }),
            (
                random.too_many_requests,
                FaultKind::TooManyRequests { retry_after: Some(1) },
            ),
        ];
        for (probability, kind) in lots {
            if dice < probability {
                return Some(kind);
            }
            dice -= probability;
        }
        None
    }
}
