//! A message's newer text. The call is a state, not an addition: one whose answer was lost is simply made again.

use std::time::Duration;

use super::{Deliverer, SEND_WITHIN};
use crate::deskie::{Content, Outcome};
use crate::lanes::{Call, backoff};
use crate::model::{CrashPoint, clock};
use crate::store::Delivery;

/// Its name in `delivery.call`.
const EDIT_MESSAGE: &str = "edit_message";

/// After so many attempts to learn the message's number a person is asked.
const UNKNOWN_TARGET: i32 = 20;

impl Deliverer {
    /// Sends the newest text; `call` was taken out of the budget for it.
    pub(super) async fn send_edit(&self, delivery: &Delivery, call: Call) {
        let id = delivery.id;
        let target = match self.store.edit_target(delivery).await {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!(delivery = %id, "not sent, the message could not be found: {error}");
                return self.meter.unused(call);
            }
        };
        let (Some(case), Some(message)) = (delivery.case_id, target) else {
            self.meter.unused(call);
            return self.target_unknown(delivery).await;
        };
        let asked_at = clock::monotonic();
        match self
            .store
            .delivery_intend(id, EDIT_MESSAGE, SEND_WITHIN, &[])
            .await
        {
            Ok(Some(_)) => {}
            Ok(None) => return self.meter.unused(call),
            Err(error) => {
                tracing::warn!(delivery = %id, "not sent, the intent could not be stored: {error}");
                return self.meter.unused(call);
            }
        }
        CrashPoint::IntentStored.reached();
        if clock::monotonic().duration_since(asked_at) > SEND_WITHIN {
            self.meter.unused(call);
            let retry = || {
                self.store
                    .delivery_retry(id, "the database was slow", Duration::ZERO)
            };
            return self.durably("a late intent", retry).await;
        }
        metrics::counter!("deskie_cdc_calls_total", "call" => EDIT_MESSAGE).increment(1);
        let content = Content::both(&delivery.body.text, &delivery.body.html);
        let answer = self.client.edit_message(case, message, &content).await;
        self.meter.settle(call, &answer);
        let error = match answer {
            Ok(answer) => {
                CrashPoint::EditAnswered.reached();
                let done = || async {
                    let mut client = self.store.client().await?;
                    let step = self.store.step(&mut client).await?;
                    step.edit_done(delivery, message, answer.date).await?;
                    step.commit().await
                };
                if !self.answered(delivery, "an edited message", done).await {
                    return;
                }
                tracing::info!(ticket = %delivery.ticket_key, %case, %message, "edit sent");
                self.store.wake.lanes.notify_one();
                return self.store.wake.inbox.notify_one();
            }
            Err(error) => error,
        };
        let text = format!("{error}; {}", error.remedy());
        metrics::counter!("deskie_cdc_call_errors_total").increment(1);
        let attempts = delivery.attempts.saturating_add(1);
        if error.is_gone() {
            return self.case_gone(delivery, case, &error, attempts).await;
        }
        let after = match self.outcome(delivery, &error).await {
            Outcome::Refused => {
                tracing::error!(ticket = %delivery.ticket_key, "parked: {text}");
                let park = || self.store.delivery_park(id, &text);
                return self.durably("a refusal", park).await;
            }
            Outcome::Throttled(_) | Outcome::KeyRevoked => Duration::ZERO,
            Outcome::Retry | Outcome::Doubt => backoff::retry_delay(attempts.unsigned_abs(), rand::random()),
        };
        tracing::warn!(ticket = %delivery.ticket_key, "the edit was not sent yet: {text}");
        let retry = || self.store.delivery_retry(id, &text, after);
        self.durably("a retry", retry).await;
    }

    /// The first message of a case has no number until the case was read: that is asked for.
    async fn target_unknown(&self, delivery: &Delivery) {
        let id = delivery.id;
        if delivery.looks >= UNKNOWN_TARGET {
            let why = "the message to be edited was not found in its case";
            let park = || self.store.delivery_park(id, why);
            return self.durably("an edit", park).await;
        }
        self.durably("an edit", || async {
            self.store
                .ticket_want_read(delivery.ticket_id, 0, Duration::ZERO)
                .await?;
            self.store.edit_wait(id, Duration::from_secs(3)).await
        })
        .await;
    }
}
