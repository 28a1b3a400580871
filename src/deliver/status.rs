//! A ticket's status to its case. The call is a state, not an addition: one whose answer was lost is simply made again.

use std::time::Duration;

use super::{Deliverer, SEND_WITHIN};
use crate::deskie::{CaseUpdate, Outcome, Status};
use crate::lanes::{Call, backoff};
use crate::model::{CrashPoint, clock};
use crate::store::Delivery;

/// Its name in `delivery.call`.
const UPDATE_CASE: &str = "update_case";

impl Deliverer {
    /// Sends the newest status; `call` was taken out of the budget for it.
    pub(super) async fn send_status(&self, delivery: &Delivery, call: Call) {
        let id = delivery.id;
        let Some(case) = delivery.case_id else {
            self.meter.unused(call);
            let skip = || self.store.delivery_skip(id, "a status before there is a case");
            return self.durably("a status", skip).await;
        };
        let asked_at = clock::monotonic();
        match self
            .store
            .delivery_intend(id, UPDATE_CASE, SEND_WITHIN, &[])
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
        metrics::counter!("deskie_cdc_calls_total", "call" => UPDATE_CASE).increment(1);
        let update = CaseUpdate {
            status: Some(Status::from(delivery.body.text.as_str())),
            ..CaseUpdate::default()
        };
        let answer = self.client.update_case(case, &update).await;
        self.meter.settle(call, &answer);
        let error = match answer {
            Ok(answer) => {
                CrashPoint::StatusAnswered.reached();
                let sent = || async {
                    let mut client = self.store.client().await?;
                    let step = self.store.step(&mut client).await?;
                    step.status_sent(delivery, answer.value.updated_at, answer.date)
                        .await?;
                    step.commit().await
                };
                if !self.answered(delivery, "a sent status", sent).await {
                    return;
                }
                tracing::info!(ticket = %delivery.ticket_key, %case, status = delivery.body.text, "status sent");
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
                tracing::error!(ticket = %delivery.ticket_key, "the status is parked: {text}");
                let park = || self.store.delivery_park(id, &text);
                return self.durably("a refusal", park).await;
            }
            Outcome::Throttled(_) | Outcome::KeyRevoked => Duration::ZERO,
            Outcome::Retry | Outcome::Doubt => backoff::retry_delay(attempts.unsigned_abs(), rand::random()),
        };
        tracing::warn!(ticket = %delivery.ticket_key, "the status was not sent yet: {text}");
        let retry = || self.store.delivery_retry(id, &text, after);
        self.durably("a retry", retry).await;
    }
}
