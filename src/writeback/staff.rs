//! Who the agents are: names and addresses by number, asked for when an unknown one turns up.
//!
//! The whole list is read, since there is no call for one agent. An agent who is not in it is asked for again after a
//! minute, then ever more rarely; a list that cannot be read is asked for again after seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::deskie::{CallError, Client, Meter, Outcome, Staff};
use crate::lanes::{Class, Cost, backoff};
use crate::model::clock;

/// When an unknown agent makes us ask again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The longest pause before an unknown agent makes us ask again.
const ASK_RARELY: Duration = Duration::from_secs(1800);

/// How long the budget may hold up the question, and every reply with it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest pause after a list that could not be read.
const RETRY_WITHIN: Duration = Duration::from_secs(60);

/// The most pages of agents.
const PAGES: u32 = 50;

/// The agents that are known.
pub struct Directory {
    client: Client,
    meter: Arc<Meter>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    staff: HashMap<i64, Staff>,
    ask_at: Option<Instant>,
    /// Lists in a row that did not bring whom they were asked for.
    in_vain: u32,
    /// Lists in a row that could not be read.
    failures: u32,
}

/// Who an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// This one.
    Known(Box<Staff>),
    /// Deskie does not name him.
    Unknown,
    /// Deskie could not be asked; it is asked again soon.
    NotAsked,
}

impl Agent {
    /// The agent, where he is known.
    pub fn known(self) -> Option<Staff> {
        match self {
            Agent::Known(staff) => Some(*staff),
            Agent::Unknown | Agent::NotAsked => None,
        }
    }
}

impl Directory {
    /// Knows nobody yet.
    pub fn new(client: Client, meter: Arc<Meter>) -> Directory {
        Directory {
            client,
            meter,
            known: Mutex::default(),
        }
    }

    /// The agent of that number.
    pub async fn find(&self, id: i64) -> Agent {
        let mut known = self.known.lock().await;
        let due = known.ask_at.is_none_or(|at| at <= clock::monotonic());
        if !known.staff.contains_key(&id) && due {
            let now = clock::monotonic();
            let may_ask = self.meter.budget().can_start(Class::WebhookRead, Cost::Read, now);
            if may_ask.is_err_and(|not_before| not_before > now + PATIENCE) {
                // Every other reply would wait behind this question.
                return Agent::NotAsked;
            }
            let read = self.read().await;
            let pause = match read {
                Ok(staff) => {
                    known.staff = staff;
                    known.failures = 0;
                    known.in_vain = match known.staff.contains_key(&id) {
                        true => 0,
                        false => known.in_vain.saturating_add(1),
                    };
                    ASK_AGAIN * 2u32.saturating_pow(known.in_vain.saturating_sub(1).min(5))
                }
                // It will be refused again: the key may not see the staff.
                Err(error) if error.outcome() == Outcome::Refused => {
                    tracing::warn!(
                        "the agents' names may not be read, :author_name is NULL: {error}; {}",
                        error.remedy()
                    );
                    known.failures = 0;
                    ASK_RARELY
                }
                Err(error) => {
                    known.failures = known.failures.saturating_add(1);
                    tracing::warn!(
                        attempt = known.failures,
                        "the agents' names could not be read: {error}; {}",
                        error.remedy()
                    );
                    backoff::retry_delay(known.failures, rand::random()).min(RETRY_WITHIN)
                }
            };
            known.ask_at = clock::monotonic().checked_add(pause.min(ASK_RARELY));
        }
        match known.staff.get(&id) {
            Some(staff) => Agent::Known(Box::new(staff.clone())),
            None if known.failures > 0 => Agent::NotAsked,
            None => Agent::Unknown,
        }
    }

    async fn read(&self) -> Result<HashMap<i64, Staff>, CallError> {
        let mut found = HashMap::new();
        for page in 1..=PAGES {
            let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
            let answer = self.client.staff(page).await;
            self.meter.settle(call, &answer);
            let list = answer?.value;
            let (read, before) = (list.len(), found.len());
            found.extend(list.items.into_iter().map(|staff| (staff.staff_id.0, staff)));
            // A server that knows no pages gives the same one again.
            if read < 100 || found.len() == before {
                break;
            }
        }
        Ok(found)
    }
}
