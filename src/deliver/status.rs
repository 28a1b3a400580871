//! A ticket's status to its case.

use super::Deliverer;
use super::attempt::Attempt;
use crate::deskie::{CaseUpdate, Status};
use crate::lanes::Call;
use crate::model::{CallKind, CrashPoint};
use crate::store::Delivery;

impl Deliverer {
    /// Sends the newest status; `call` was taken out of the budget for it.
    pub(super) async fn send_status(&self, mut delivery: Delivery, call: Call) {
        let id = delivery.id;
        let Some(case) = delivery.case_id else {
            self.meter.unused(call);
            let skip = || {
                self.store
                    .deliveries()
                    .skip(id, "a status before there is a case")
            };
            return self.durably("a status", skip).await;
        };
        let update = CaseUpdate {
            status: Some(Status::from(delivery.body.text.as_str())),
            ..CaseUpdate::default()
        };
        let request = || self.client.update_case(case, &update);
        let attempt = Attempt::of(CallKind::UpdateCase);
        let Some(answer) = self.attempt(&mut delivery, call, attempt, request).await else {
            return;
        };
        CrashPoint::StatusAnswered.reached();
        let (delivery, changed_at) = (&delivery, answer.value.updated_at);
        let sent = || async {
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            step.case_statuses()
                .sent(delivery, changed_at, answer.date)
                .await?;
            step.commit().await
        };
        if self.answered(delivery, "a sent status", false, sent).await {
            tracing::info!(ticket = %delivery.ticket_key, %case, status = delivery.body.text, "status sent");
            self.store.wake.inbox.notify_one();
        }
    }
}
