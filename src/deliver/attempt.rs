//! One attempt at a call that changes something in Deskie, the same for every act: the intent is durable, then the deadline
//! is looked at, then the call is made and its cost settled, and what a failure means is said by one table
//! ([`lanes::verdict`]). The acts supply the request and what is stored once it is done.

use std::time::Duration;

use super::{Deliverer, SEND_WITHIN};
use crate::deskie::{Answer, CallError};
use crate::lanes::{self, Call, Cost, DoubtState, Outcome, Verdict};
use crate::model::{CallKind, CrashPoint, DeliveryId, clock};
use crate::store::{Act, Delivery};

/// What is attempted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) kind: CallKind,
    /// The deliveries that go in the same call, each as it was resolved then.
    pub(super) with: &'a [(DeliveryId, jiff::Timestamp)],
    /// A long upload may still be under way when another instance judges the intent: it is told so.
    pub(super) upload_time: Duration,
}

impl Attempt<'_> {
    /// A call by itself.
    pub(super) fn of(kind: CallKind) -> Attempt<'static> {
        Attempt {
            kind,
            with: &[],
            upload_time: Duration::ZERO,
        }
    }
}

impl Deliverer {
    /// Makes the call; `call` was taken out of the budget for it. `None`: it was not made, or it failed, and what becomes of
    /// the delivery is stored.
    pub(super) async fn attempt<T, F>(
        &self,
        delivery: &mut Delivery,
        call: Call,
        attempt: Attempt<'_>,
        request: impl FnOnce() -> F,
    ) -> Option<Answer<T>>
    where
        F: Future<Output = Result<Answer<T>, CallError>>,
    {
        let (id, kind) = (delivery.id, attempt.kind);
        let asked_at = clock::monotonic();
        let within = SEND_WITHIN + attempt.upload_time;
        match self
            .store
            .deliveries()
            .intend(delivery, kind, within, attempt.with)
            .await
        {
            Ok(Some(intent)) => delivery.intent_at = Some(intent.at),
            Ok(None) => {
                self.meter.unused(call);
                return None;
            }
            Err(error) => {
                tracing::warn!(delivery = %id, "not sent, the intent could not be stored: {error}");
                self.meter.unused(call);
                return None;
            }
        }
        delivery.call = Some(kind);
        delivery.attempts = delivery.attempts.saturating_add(1);
        CrashPoint::IntentStored.reached();
        // Checked right before the request is written: whoever judges this intent relies on it (rule 13).
        if clock::monotonic().duration_since(asked_at) > SEND_WITHIN {
            self.meter.unused(call);
            let why = "the database was slow";
            let retry = || self.store.deliveries().retry(id, why, Duration::ZERO);
            self.durably("a late intent", retry).await;
            return None;
        }
        metrics::counter!("deskie_cdc_calls_total", "call" => kind.as_str()).increment(1);
        CrashPoint::RequestWritten.soon();
        let answer = request().await;
        self.meter.settle(call, &answer);
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.failed(delivery, error).await;
                None
            }
        }
    }

    /// What becomes of a delivery whose call failed.
    async fn failed(&self, delivery: &Delivery, error: CallError) {
        metrics::counter!("deskie_cdc_call_errors_total").increment(1);
        if let Some(case) = delivery.case_id.filter(|_| error.is_gone()) {
            return self.case_gone(delivery, case, &error, delivery.attempts).await;
        }
        if let Some(case) = delivery.case_id.filter(|_| error.is_message_not_found()) {
            return self.message_gone(delivery, case, &error).await;
        }
        let outcome = match self.outcome(delivery, &error).await {
            // A state, not an addition: a call whose answer was lost is simply made again.
            Outcome::Doubt if is_repeatable(delivery.act) => Outcome::Retry,
            outcome => outcome,
        };
        let (attempt, now) = (delivery.attempts.unsigned_abs(), clock::monotonic());
        let (text, remedy) = (error.to_string(), error.remedy());
        let (ticket, act) = (&delivery.ticket_key, delivery.act.as_str());
        let after = match lanes::verdict(outcome, Cost::Write, attempt, rand::random(), now) {
            Verdict::EnterDoubt => return self.enter_doubt(delivery, &text).await,
            Verdict::Park => {
                let why = format!("{text}; {remedy}");
                if error.is_unclear() && !is_repeatable(delivery.act) {
                    return self.park_doubted(delivery, &why, error.answered()).await;
                }
                return self.park(delivery, &why, error.answered()).await;
            }
            Verdict::RetryAt(at) => at.saturating_duration_since(now),
            Verdict::PauseAll { .. } | Verdict::StopAll => Duration::ZERO,
        };
        tracing::warn!(%ticket, act, attempt, "not sent yet: {text}; {remedy}");
        let retry = || self.store.deliveries().retry(delivery.id, &text, after);
        self.durably("a retry", retry).await;
    }

    /// A person has to look; `answer`: what Deskie answered, where it refused. It is told once that is stored, so that
    /// whoever is told finds it.
    pub(super) async fn park(&self, delivery: &Delivery, why: &str, answer: Option<&str>) {
        self.durably("a parked delivery", || {
            self.store.deliveries().park(delivery.id, why, answer)
        })
        .await;
        tracing::error!(ticket = %delivery.ticket_key, act = delivery.act.as_str(), "parked: {why}; `deskie-cdc failed show d{}`", delivery.id);
    }

    /// The same where Deskie may have done it all the same.
    async fn park_doubted(&self, delivery: &Delivery, why: &str, answer: Option<&str>) {
        self.durably("a parked delivery", || {
            self.store.deliveries().park_doubted(delivery.id, why, answer)
        })
        .await;
        tracing::error!(ticket = %delivery.ticket_key, act = delivery.act.as_str(), "parked: {why}; `deskie-cdc failed show d{}`", delivery.id);
    }

    /// Nobody knows whether Deskie has done it: it is looked for first.
    pub(super) async fn enter_doubt(&self, delivery: &Delivery, why: &str) {
        tracing::warn!(ticket = %delivery.ticket_key, delivery = %delivery.id, "in doubt: {why}");
        let now = clock::monotonic();
        let state = DoubtState::enter(now, now);
        let first_look = state
            .first_look(self.config.deskie.doubt_wait)
            .saturating_duration_since(now);
        self.doubts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(delivery.id, state);
        self.durably("a doubt", || {
            self.store.deliveries().doubt(delivery.id, why, first_look)
        })
        .await;
        CrashPoint::DoubtStored.reached();
    }
}

/// Whether making a call twice has the effect of making it once.
pub(super) fn is_repeatable(act: Act) -> bool {
    matches!(act, Act::Status | Act::Edit)
}
