//! A read at once, for a webhook that has named a message: whose the case is, which has to be known before anything of it
//! is written to the site, is asked along with its messages.

use super::Cases;
use crate::deskie::{CallError, Case};
use crate::lanes::{Call, Class, Cost};
use crate::model::{CaseId, MessageId};
use crate::store::{NewRemote, Ticket, WantedRead};

/// What Deskie has shown of a case while its messages were read.
pub(super) struct Early {
    /// The message that was named before it was asked.
    named: MessageId,
    pub(super) shown: Result<Case, CallError>,
}

impl Early {
    /// The same, where all of `new` stood in the case by then, the one that was named among them: what came later may have
    /// come after the case was given to another ticket.
    pub(super) fn of(&self, new: &[NewRemote]) -> Option<&Result<Case, CallError>> {
        let newest = new.iter().map(|remote| remote.message_id).max();
        (newest == Some(self.named)).then_some(&self.shown)
    }

    /// Whether the case's status is another one than we know.
    pub(super) fn has_another_status(&self, ticket: &Ticket) -> bool {
        let shown = self.shown.as_ref().ok().map(|case| case.status.as_str());
        shown.is_some() && shown != ticket.case_status.as_deref()
    }
}

impl Cases {
    /// Reads a case that was handed on; `call` was taken out of the budget for the first page. True where more may be to be
    /// done.
    pub async fn read_handed(&self, read: WantedRead, call: Call) -> bool {
        self.read(read.ticket.clone(), call, Some(&read)).await
    }

    /// What Deskie shows of a case, where that is of use whatever the read brings, and the budget has a call to spare at once.
    pub(super) async fn show_early(&self, case: CaseId, handed: Option<&WantedRead>) -> Option<Early> {
        // Nothing new may be in it: then the case tells its status.
        let handed = handed.filter(|read| read.is_news || self.config.status.is_some())?;
        let named = handed.named?;
        let call = self.meter.try_acquire(Class::WebhookRead, Cost::Read)?;
        let shown = self.show_by(case, call).await;
        Some(Early { named, shown })
    }
}
