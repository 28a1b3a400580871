//! A case that holds a stranger's message: was it merged, this one into another, or another one into this?

use std::fmt::Display;
use std::time::Duration;

use super::Cases;
use super::read::DEFERRED;
use crate::deskie::{CallError, Case, CaseQuery, Message, Outcome, Sort, Writer};
use crate::lanes::{Call, Class, Cost};
use crate::model::{CaseId, UserId};
use crate::store::{Parent, StoreError, Ticket};

/// A case that is another ticket's is looked at again after this; a webhook brings it sooner.
pub(super) const ASKED_AGAIN: Duration = Duration::from_secs(600);

/// Why nothing is taken from a case.
pub(super) enum Whose {
    /// It is another ticket's, and why.
    Anothers(String),
    /// That could not be asked.
    Unknown(String),
}

impl Cases {
    /// A message of a customer whom the case did not have before: perhaps his other address, perhaps Deskie shows another
    /// case in place of one that was merged into it, perhaps his own ticket's case was merged into this one. That costs a
    /// look at each of these cases; true: the ticket goes on elsewhere, or its case is read again later.
    pub(super) async fn is_elsewhere(&self, ticket: &Ticket, case: CaseId, messages: &[Message]) -> bool {
        let stranger = |message: &Message| match (message.author(), ticket.user_id) {
            (Writer::Customer(user), Some(ours)) if user != ours => Some(user),
            _ => None,
        };
        let strangers: Vec<UserId> = messages.iter().filter_map(stranger).collect();
        if strangers.is_empty() {
            return false;
        }
        let shown = match self.show(case).await {
            Ok(shown) => shown,
            Err(error) => return self.put_off(ticket, case, &error).await,
        };
        if shown.case_id == case {
            return self.has_changed_hands(ticket, &shown).await
                || self.absorb(ticket, &shown, &strangers).await;
        }
        let is_anothers = shown.user_id != ticket.user_id;
        let parent = Parent {
            case_id: shown.case_id,
            case_number: shown.case_number,
            since: Parent::since(is_anothers, shown.updated_at),
        };
        if let Err(error) = self.store.merges().follow(ticket.id, case, &parent).await {
            tracing::warn!(ticket = %ticket.key, %case, "a merge could not be stored, it is looked at again: {error}");
        }
        true
    }

    /// The tickets of these customers whose cases were merged into this one, of another ticket: what they wrote is known
    /// by them from now on, and is not the other ticket's. True: that could not be asked, the case is read again later.
    async fn absorb(&self, ticket: &Ticket, into: &Case, users: &[UserId]) -> bool {
        let theirs = match self.store.merges().suspects(ticket.id, users).await {
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
            if let Err(error) = self.store.merges().follow(other, case, &parent).await {
                return self.put_off(ticket, into.case_id, &error).await;
            }
        }
        self.absorb_foreign(ticket, into, users).await
    }

    /// The same where their cases are no tickets of the site: what was said in them before the merge is told by its time.
    async fn absorb_foreign(&self, ticket: &Ticket, into: &Case, users: &[UserId]) -> bool {
        for user in users {
            let query = CaseQuery {
                user_id: Some(*user),
                sort: Some(Sort::UpdatedDesc),
                page: Some(1),
                limit: Some(100),
                show_merged_cases: true,
                ..CaseQuery::default()
            };
            let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
            let answer = self.client.cases(&query).await;
            self.meter.settle(call, &answer);
            let cases = match answer {
                Ok(answer) => answer.value.items,
                Err(error) if error.outcome() == Outcome::Refused => continue,
                Err(error) => return self.put_off(ticket, into.case_id, &error).await,
            };
            let merged = cases
                .iter()
                .filter(|case| case.parent_case_id == Some(into.case_id))
                .filter_map(|case| Parent::since(true, case.updated_at))
                .max();
            let Some(until) = merged else { continue };
            match self.store.merges().absorb(ticket.id, until).await {
                Ok(false) => {}
                Ok(true) => tracing::warn!(
                    ticket = %ticket.key,
                    "another customer's case was merged into case {}: what was said in it is not shown in the ticket",
                    into.case_id
                ),
                Err(error) => return self.put_off(ticket, into.case_id, &error).await,
            }
        }
        false
    }

    /// Before anything of a case is written to the site: whether the case is another ticket's, and why (rule 11). `shown`:
    /// what Deskie has shown of it since all that is to be written stood in it; else it is asked now.
    pub(super) async fn is_anothers(
        &self,
        ticket: &Ticket,
        case: CaseId,
        shown: Option<&Result<Case, CallError>>,
    ) -> Result<Option<Whose>, StoreError> {
        let asked = match shown {
            Some(_) => None,
            None => Some(self.show(case).await),
        };
        let shown = match shown.or(asked.as_ref()) {
            Some(Ok(shown)) => shown,
            Some(Err(error)) => return Ok(Some(Whose::Unknown(error.to_string()))),
            None => return Ok(Some(Whose::Unknown("it was not asked".to_owned()))),
        };
        // Another one is shown in place of one that was merged into it: that is a merge's business.
        if shown.case_id != case {
            return Ok(None);
        }
        match shown.claims(self.config.deskie.ticket_field) {
            Some(claims) if !self.config.deskie.is_claim_of(claims, &ticket.claim) => {
                Ok(Some(Whose::Anothers(format!(
                    "case {case} says in its ticket field that it is the ticket {claims}: put the field right in Deskie"
                ))))
            }
            claims => self.is_anothers_customer(ticket, shown, claims.is_some()).await,
        }
    }

    /// Nothing is taken from the case, and nothing added to it, until it is the ticket's own again.
    pub(super) async fn estrange(&self, ticket: &Ticket, whose: &Whose) -> Result<(), StoreError> {
        match whose {
            Whose::Unknown(why) => {
                tracing::warn!(ticket = %ticket.key, "whose the case is could not be asked: {why}");
                self.store.tickets().read_failed(ticket.id, why, DEFERRED).await
            }
            Whose::Anothers(why) => {
                if self.store.tickets().estrange(ticket.id, Some(why)).await? {
                    tracing::error!(
                        ticket = %ticket.key,
                        "{why}: until then nothing is sent to it or written from it"
                    );
                }
                self.store.wake.account.notify_one();
                self.store
                    .tickets()
                    .read_failed(ticket.id, why, ASKED_AGAIN)
                    .await
            }
        }
    }

    async fn show(&self, case: CaseId) -> Result<Case, CallError> {
        let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
        self.show_by(case, call).await
    }

    /// The case as Deskie shows it; `call` was taken out of the budget for it.
    pub(super) async fn show_by(&self, case: CaseId, call: Call) -> Result<Case, CallError> {
        let answer = self.client.case(case).await;
        self.meter.settle(call, &answer);
        answer.map(|answer| answer.value)
    }

    /// Nothing is taken for the customer's own until that is known.
    pub(super) async fn put_off(&self, ticket: &Ticket, case: CaseId, error: &(dyn Display + Sync)) -> bool {
        tracing::warn!(ticket = %ticket.key, %case, "whose a new customer's message is could not be asked: {error}");
        let text = error.to_string();
        if let Err(error) = self.store.tickets().read_failed(ticket.id, &text, DEFERRED).await {
            tracing::debug!(%case, "the read could not be put off: {error}");
        }
        true
    }
}
