//! Deskie does not find the case that a call is for: merged into another one, in the trash, in spam, or deleted; or it is
//! not Deskie that says so.
//!
//! A merged one is followed. Any other waits for a person: a case is never opened anew, since somebody has taken that one
//! away on purpose.

use std::time::Duration;

use super::{Deliverer, UNCLEAR};
use crate::deskie::{CallError, Case, Outcome};
use crate::lanes::{Class, Cost, backoff};
use crate::model::CaseId;
use crate::store::{Delivery, Parent};

impl Deliverer {
    /// Finds out why, at the cost of two reads at most; `attempts`: that failed. Whatever the call was, it is followed,
    /// tried again or parked alike.
    pub(super) async fn case_gone(
        &self,
        delivery: &Delivery,
        case: CaseId,
        error: &CallError,
        attempts: i32,
    ) {
        let answer = self.get(case).await;
        if answer.as_ref().is_err_and(CallError::is_case_not_found) {
            // Deleted, or never of this account (rule 11).
            self.store.wake.account.notify_one();
        }
        let why = match answer {
            Ok(found) => match parent(&found, case) {
                Some(parent) => return self.follow(delivery, &found, case, parent, attempts).await,
                None if found.deleted => format!(
                    "case {} is in Deskie's trash: restore it there, then `failed retry`, or `failed discard`",
                    found.case_number
                ),
                None if found.spam => format!(
                    "case {} is in Deskie's spam, and takes no message there: restore it, then `failed retry`, or `failed \
                     discard`",
                    found.case_number
                ),
                // It is there, so a 404 was not about it; and the API's own word once may have been a slip.
                None if error.code().is_none() || attempts.unsigned_abs() < UNCLEAR => {
                    return self.later(delivery, error, attempts).await;
                }
                None => format!("{error}; {}", error.remedy()),
            },
            Err(error) if error.is_gone() && !self.is_gone_for_good(delivery, &error).await => {
                return self.later(delivery, &error, attempts).await;
            }
            Err(error) if error.is_gone() || error.outcome() == Outcome::Refused => format!(
                "the case {case} was deleted in Deskie ({error}); the message is not sent into a new case: `failed discard`"
            ),
            Err(error) => return self.later(delivery, &error, attempts).await,
        };
        self.park(delivery, &why, error.answered()).await;
    }

    /// The message that was to be changed is not in its case: the case was merged, or somebody has deleted the message in
    /// Deskie, where there is nothing to change then.
    pub(super) async fn message_gone(&self, delivery: &Delivery, case: CaseId, error: &CallError) {
        let attempts = delivery.attempts;
        match self.get(case).await {
            Ok(found) => match parent(&found, case) {
                Some(parent) => self.follow(delivery, &found, case, parent, attempts).await,
                // The API's own word once may have been a slip.
                None if attempts.unsigned_abs() < UNCLEAR => self.later(delivery, error, attempts).await,
                None => {
                    let why = "the message was deleted in Deskie";
                    tracing::warn!(ticket = %delivery.ticket_key, %case, "an edit is not sent: {why}");
                    let skip = || self.store.deliveries().skip(delivery.id, why);
                    self.durably("an edit of what is gone", skip).await;
                }
            },
            Err(error) => self.later(delivery, &error, attempts).await,
        }
    }

    /// Whether a case that a read does not find either is gone: the API says so itself, or answers other reads.
    async fn is_gone_for_good(&self, delivery: &Delivery, error: &CallError) -> bool {
        error.code().is_some() || self.confirmed(delivery).await.is_ok_and(|times| times >= UNCLEAR)
    }

    async fn get(&self, case: CaseId) -> Result<Case, CallError> {
        let call = self.meter.acquire(Class::Doubt, Cost::Read).await;
        let answer = self.client.case(case).await;
        self.meter.settle(call, &answer);
        answer.map(|answer| answer.value)
    }

    async fn follow(&self, delivery: &Delivery, found: &Case, case: CaseId, parent: CaseId, attempts: i32) {
        let into = match found.case_id == parent {
            true => found.clone(),
            false => match self.get(parent).await {
                Ok(into) => into,
                Err(error) => return self.later(delivery, &error, attempts).await,
            },
        };
        // Without the absorbed case nobody tells when it was merged: until now, that is.
        let merged_at = match found.case_id == parent {
            true => into.updated_at,
            false => found.updated_at,
        };
        let parent = Parent {
            case_id: parent,
            case_number: into.case_number,
            since: Parent::since(into.user_id != delivery.user_id, merged_at),
        };
        self.durably("a merge", || async {
            self.store
                .merges()
                .follow(delivery.ticket_id, case, &parent)
                .await
                .map(drop)
        })
        .await;
        let again = || {
            self.store
                .deliveries()
                .retry(delivery.id, "the case was merged", Duration::ZERO)
        };
        self.durably("a merge", again).await;
        self.store.wake.lanes.notify_one();
    }

    async fn later(&self, delivery: &Delivery, error: &CallError, attempts: i32) {
        tracing::warn!(ticket = %delivery.ticket_key, "what the call is for was not found, and whether it is gone is not known yet: {error}");
        let after = backoff::retry_delay(attempts.unsigned_abs(), rand::random());
        let text = error.to_string();
        self.durably("a retry", || {
            self.store.deliveries().retry(delivery.id, &text, after)
        })
        .await;
    }
}

/// The case that this one is part of now: named by it, or shown in its place.
fn parent(found: &Case, asked: CaseId) -> Option<CaseId> {
    match found.case_id == asked {
        true => found.parent_case_id,
        false => Some(found.case_id),
    }
}
