//! A case's status, as it is compared with the site's.

use super::Cases;
use super::early::Early;
use crate::deskie::{Case, Status};
use crate::lanes::{Class, Cost};
use crate::model::CaseId;
use crate::store::SeenStatus;

/// A case as its status is compared; one in the trash tells nothing.
pub(super) fn seen(case: &Case) -> Option<SeenStatus> {
    match &case.status {
        Status::Other(_) => None,
        status => Some(SeenStatus {
            case_id: case.case_id,
            status: status.as_str().to_owned(),
            at: case.updated_at?,
        })
        .filter(|_| !case.deleted && !case.spam),
    }
}

impl Cases {
    /// A webhook brought no new message: perhaps the status changed. Costs one read, where the case was not shown already,
    /// and only with `[status]`.
    pub(super) async fn read_status(&self, case: CaseId, class: Class, early: Option<Early>) {
        if self.config.status.is_none() {
            return;
        }
        let answer = match early {
            Some(early) => early.shown,
            None => {
                let call = self.meter.acquire(class, Cost::Read).await;
                self.show_by(case, call).await
            }
        };
        let seen = match answer {
            Ok(case) => seen(&case),
            // The sweep brings it, too.
            Err(error) => return tracing::warn!(%case, "its status could not be read: {error}"),
        };
        if let Some(seen) = seen
            && let Err(error) = self.store.case_statuses().seen(&[seen], true).await
        {
            tracing::warn!(%case, "its status could not be stored, the sweep brings it: {error}");
        }
    }
}
