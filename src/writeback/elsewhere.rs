//! A case that holds a stranger's message: was it merged, this one into another, or another one into this?

use std::fmt::Display;

use super::WriteBack;
use super::read::DEFERRED;
use crate::deskie::{CallError, Case, Message, Outcome, Writer};
use crate::lanes::{Class, Cost};
use crate::model::{CaseId, MessageId, UserId};
use crate::store::{Parent, Ticket};

impl WriteBack {
    /// A message of a customer whom the case did not have before: perhaps his other address, perhaps Deskie shows another
    /// case in place of one that was merged into it, perhaps his own ticket's case was merged into this one. That costs a
    /// look at each of these cases; true: the ticket goes on elsewhere, or its case is read again later.
    pub(super) async fn is_elsewhere(&self, ticket: &Ticket, case: CaseId, messages: &[Message]) -> bool {
        let stranger = |message: &Message| match (message.author(), ticket.user_id) {
            (Writer::Customer(user), Some(ours)) if user != ours => Some((message.message_id, user)),
            _ => None,
        };
        let mut strangers: Vec<(MessageId, UserId)> = messages.iter().filter_map(stranger).collect();
        let ids: Vec<MessageId> = strangers.iter().map(|(id, _)| *id).collect();
        let known = match self.store.remote_known(&ids).await {
            Ok(known) => known,
            Err(error) => {
                tracing::debug!(%case, "what is known could not be asked: {error}");
                return false;
            }
        };
        strangers.retain(|(id, _)| !known.contains(id));
        if strangers.is_empty() {
            return false;
        }
        let shown = match self.show(case).await {
            Ok(shown) => shown,
            Err(error) => return self.put_off(ticket, case, &error).await,
        };
        if shown.case_id == case {
            let users: Vec<UserId> = strangers.iter().map(|(_, user)| *user).collect();
            return self.absorb(ticket, &shown, &users).await;
        }
        let is_anothers = shown.user_id != ticket.user_id;
        let parent = Parent {
            case_id: shown.case_id,
            case_number: shown.case_number,
            since: Parent::since(is_anothers, shown.updated_at),
        };
        if let Err(error) = self.store.merge_follow(ticket.id, case, &parent).await {
            tracing::warn!(ticket = %ticket.key, %case, "a merge could not be stored, it is looked at again: {error}");
        }
        true
    }

    /// The tickets of these customers whose cases were merged into this one, of another ticket: what they wrote is known
    /// by them from now on, and is not the other ticket's. True: that could not be asked, the case is read again later.
    async fn absorb(&self, ticket: &Ticket, into: &Case, users: &[UserId]) -> bool {
        let theirs = match self.store.merge_suspects(ticket.id, users).await {
            Ok(theirs) => theirs,
            Err(error) => return self.put_off(ticket, into.case_id, &error).await,
        };
        for (other, case) in theirs {
            let found = match self.show(case).await {
                Ok(found) => found,
                // One that was deleted for good is part of nothing.
                Err(error) if error.outcome() == Outcome::Refused => continue,
                Err(error) => return self.put_off(ticket, into.case_id, &error).await,
            };
            if found.case_id != into.case_id && found.parent_case_id != Some(into.case_id) {
                continue;
            }
            let parent = Parent {
                case_id: into.case_id,
                case_number: into.case_number.clone(),
                since: Parent::since(true, found.updated_at),
            };
            if let Err(error) = self.store.merge_follow(other, case, &parent).await {
                return self.put_off(ticket, into.case_id, &error).await;
            }
        }
        false
    }

    async fn show(&self, case: CaseId) -> Result<Case, CallError> {
        let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
        let answer = self.client.case(case).await;
        self.meter.settle(call, &answer);
        answer.map(|answer| answer.value)
    }

    /// Nothing is taken for the customer's own until that is known.
    async fn put_off(&self, ticket: &Ticket, case: CaseId, error: &(dyn Display + Sync)) -> bool {
        tracing::warn!(ticket = %ticket.key, %case, "whose a new customer's message is could not be asked: {error}");
        let text = error.to_string();
        if let Err(error) = self.store.ticket_read_failed(ticket.id, &text, DEFERRED).await {
            tracing::debug!(%case, "the read could not be put off: {error}");
        }
        true
    }
}
