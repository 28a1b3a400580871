//! A message's newer text.

use std::time::Duration;

use super::Deliverer;
use super::attempt::Attempt;
use crate::deskie::Content;
use crate::lanes::Call;
use crate::model::{CallKind, CrashPoint};
use crate::store::Delivery;

/// After so many attempts to learn the message's number a person is asked.
const UNKNOWN_TARGET: i32 = 20;

impl Deliverer {
    /// Sends the newest text; `call` was taken out of the budget for it.
    pub(super) async fn send_edit(&self, mut delivery: Delivery, call: Call) {
        let id = delivery.id;
        let target = match self.store.edits().target(&delivery).await {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!(delivery = %id, "not sent, the message could not be found: {error}");
                return self.meter.unused(call);
            }
        };
        let (Some(case), Some(message)) = (delivery.case_id, target) else {
            self.meter.unused(call);
            return self.target_unknown(&delivery).await;
        };
        let content = Content::both(&delivery.body.text, &delivery.body.html);
        let request = || self.client.edit_message(case, message, &content);
        let attempt = Attempt::of(CallKind::EditMessage);
        let Some(answer) = self.attempt(&mut delivery, call, attempt, request).await else {
            return;
        };
        CrashPoint::EditAnswered.reached();
        let delivery = &delivery;
        let done = || async {
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            step.edits().done(delivery, message, answer.date).await?;
            step.commit().await
        };
        if self.answered(delivery, "an edited message", false, done).await {
            tracing::info!(ticket = %delivery.ticket_key, %case, %message, "edit sent");
            self.store.wake.inbox.notify_one();
        }
    }

    /// The first message of a case has no number until the case was read: that is asked for.
    async fn target_unknown(&self, delivery: &Delivery) {
        let id = delivery.id;
        if delivery.looks >= UNKNOWN_TARGET {
            let why = "the message to be edited was not found in its case";
            return self.park(delivery, why, None).await;
        }
        self.durably("an edit", || async {
            self.store
                .tickets()
                .want_read(delivery.ticket_id, 0, Duration::ZERO)
                .await?;
            self.store.edits().wait(id, Duration::from_secs(3)).await
        })
        .await;
    }
}
