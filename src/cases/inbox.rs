//! What the inbox holds besides rule webhooks of known cases: custom channel messages, and unknown cases.

use std::time::Duration;

use super::Cases;
use crate::deskie::webhook::ChannelMessage;
use crate::deskie::{Case, CaseQuery, Outcome, Sort};
use crate::files::name_of_path;
use crate::lanes::{Call, Class, Cost, backoff};
use crate::model::{CrashPoint, Kind, LaneId};
use crate::store::{Birth, File, InboxRow, NewRemote, Payload, RemoteState, StoreError};

/// So long a channel's message is held: webhooks overtake each other, and each carries but its own message.
const HOLD: Duration = Duration::from_millis(500);

/// More unknown cases than these are no live traffic.
const FEW: usize = 4;

impl Cases {
    /// Deals with what waits in the inbox; true where something was done.
    pub async fn inbox_round(&self) -> Result<bool, StoreError> {
        let taken = self.store.inbox().take().await?;
        if taken.rules {
            CrashPoint::InboxTaken.reached();
        }
        if !taken.others {
            return Ok(false);
        }
        let mut moved = taken.rules;
        moved |= self.store.inbox().hasten_doubts().await? > 0;
        let mut unknown = Vec::new();
        for row in self.store.inbox().waiting(100, HOLD).await? {
            moved |= match (row.ticket_id, row.message.clone()) {
                (Some(ticket), Some(message)) => self.channel_message(&row, ticket, message).await?,
                (None, _) => {
                    unknown.push(row);
                    false
                }
                // A rule webhook whose case has just become known: the next round turns it into a read.
                (Some(_), None) => true,
            };
        }
        if !unknown.is_empty() && !self.store.inbox().must_wait_for_creates().await? {
            self.unknown_cases(&unknown).await?;
            return Ok(true);
        }
        if let (false, Some(held)) = (moved, self.store.inbox().held(HOLD).await?) {
            // A new webhook ends the wait: it may be the one that was overtaken.
            let _ = tokio::time::timeout(held, self.store.wake.inbox.notified()).await;
            return Ok(true);
        }
        Ok(moved)
    }

    /// A custom channel's message carries everything: it becomes pending without a look-up.
    async fn channel_message(
        &self,
        row: &InboxRow,
        ticket: LaneId,
        message: serde_json::Value,
    ) -> Result<bool, StoreError> {
        let message: ChannelMessage = serde_json::from_value(message)
            .map_err(|error| StoreError::Damaged(format!("inbox {}: {error}", row.id)))?;
        let is_agent = message.staff_id.is_some();
        // The customer's own messages come here as well where the channel is set so; ours are known by number, the
        // first one of a case is not: for that the case is read. So it is for one that was overtaken by more than the
        // hold: only the case tells when it was written, which is what the site shows it by.
        let is_unknown = self
            .store
            .remotes()
            .known(&[message.message_id])
            .await?
            .is_empty();
        // Only the case itself tells whose it is where the webhook does not name the ticket's own customer (rule 11).
        let known = self
            .store
            .tickets()
            .get(ticket)
            .await?
            .and_then(|ticket| ticket.custom_id);
        let is_customers = known.is_some() && known == message.custom_user_id;
        let needs_read = !is_agent
            || !is_customers
            || self
                .store
                .remotes()
                .overtaken(row.case_id, message.message_id)
                .await?;
        if is_unknown && needs_read {
            self.store.tickets().want_read(ticket, 0, Duration::ZERO).await?;
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            step.inbox().done(row.id).await?;
            step.commit().await?;
            return Ok(true);
        }
        let payload = Payload {
            content: message.content,
            content_html: message.content_html,
            created_at: None,
            staff_id: message.staff_id.map(|id| id.0),
            user_id: message.user_id.map(|id| id.0),
            via_rule: message.sent_via_rule,
            attachments: message
                .attachments
                .into_iter()
                .map(|url| File {
                    name: name_of_path(&url).unwrap_or_else(|| "file".to_owned()),
                    url,
                    mime: String::new(),
                    size: None,
                })
                .collect(),
        };
        let remote = NewRemote {
            message_id: message.message_id,
            state: if message.note {
                RemoteState::Note
            } else {
                RemoteState::Pending
            },
            reason: None,
            kind: Some(if is_agent { Kind::Agent } else { Kind::Customer }),
            payload: serde_json::to_value(payload).ok().filter(|_| !message.note),
            delivery: None,
        };
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        step.remotes().add(row.case_id, ticket, &remote).await?;
        step.inbox().done(row.id).await?;
        step.commit().await?;
        self.store.wake.ring_remotes();
        Ok(true)
    }

    /// Cases that we do not know: perhaps one that is being opened right now, perhaps none of ours. Each costs one read,
    /// once; many of them, as when an agent closes hundreds of others, stand behind live traffic, and one list tells of a
    /// hundred. A new webhook ends the wait for the budget: it may be of a known case.
    async fn unknown_cases(&self, rows: &[InboxRow]) -> Result<(), StoreError> {
        let (many, Some(first)) = (rows.len() > FEW, rows.first()) else {
            return Ok(());
        };
        let class = if many { Class::Sweep } else { Class::WebhookRead };
        let call = tokio::select! {
            biased;
            call = self.meter.acquire(class, Cost::Read) => call,
            () = self.store.wake.inbox.notified() => return Ok(()),
        };
        let fresh: Vec<&InboxRow> = rows.iter().filter(|row| row.attempts == 0).collect();
        match many && fresh.len() > FEW {
            true => self.unknown_in_a_list(&fresh, call).await,
            false => self.unknown_case(first, call).await,
        }
    }

    /// What a webhook tells of was updated just now: the newest ones of the list tell what these cases are.
    async fn unknown_in_a_list(&self, rows: &[&InboxRow], call: Call) -> Result<(), StoreError> {
        let query = CaseQuery {
            sort: Some(Sort::UpdatedDesc),
            page: Some(1),
            limit: Some(100),
            show_merged_cases: true,
            show_active_chats: true,
            ..CaseQuery::default()
        };
        let answer = self.client.cases(&query).await;
        self.meter.settle(call, &answer);
        let cases = match answer {
            Ok(answer) => answer.value.items,
            Err(error) => {
                tracing::debug!("unknown cases could not be looked up together: {error}");
                Vec::new()
            }
        };
        for row in rows {
            match cases.iter().find(|case| case.case_id == row.case_id) {
                Some(case) => self.unknown_is(row, case).await?,
                // It is asked for by itself.
                None => {
                    let why = "not among the cases that were updated last";
                    self.store.inbox().retry(row.id, why, Duration::ZERO).await?;
                }
            }
        }
        Ok(())
    }

    async fn unknown_case(&self, row: &InboxRow, call: Call) -> Result<(), StoreError> {
        // The create may have been settled since the row was read; so may another webhook of the case: this one is laid
        // aside with the next round.
        if self.store.tickets().of_case(row.case_id).await?.is_some()
            || self.store.inbox().is_foreign(row.case_id).await?
        {
            self.meter.unused(call);
            return Ok(());
        }
        let answer = self.client.case(row.case_id).await;
        self.meter.settle(call, &answer);
        match answer {
            Ok(answer) => self.unknown_is(row, &answer.value).await?,
            Err(error) if error.outcome() == Outcome::Refused => {
                self.store.inbox().note_foreign(row.case_id, None).await?
            }
            Err(error) => {
                let after = backoff::retry_delay(row.attempts.unsigned_abs() + 1, rand::random());
                self.store
                    .inbox()
                    .retry(row.id, &error.to_string(), after)
                    .await?;
            }
        }
        Ok(())
    }

    /// What an unknown case is.
    async fn unknown_is(&self, row: &InboxRow, case: &Case) -> Result<(), StoreError> {
        // The create of it may have been settled since the row was read.
        if self.store.tickets().of_case(row.case_id).await?.is_some() {
            return Ok(());
        }
        let field = format!("cf_{}", self.config.deskie.ticket_field);
        let ticket = case.custom_fields.get(&field).filter(|key| !key.is_empty());
        let since = self.store.meta().read().await?.cases_since();
        if let Some(birth) = Birth::of_case(&self.config, case, since) {
            self.store.births().add(&[birth]).await?;
            return Ok(());
        }
        let named = match ticket {
            Some(held) => self.store.tickets().named(&self.config.deskie, held).await?,
            None => None,
        };
        if ticket.is_some() && named.is_none() {
            self.store.claims().lay_aside_other_sites(&[row.case_id]).await?;
        }
        if let Some(key) = &named {
            tracing::warn!(
                case = %row.case_id,
                "a case that we did not open says that it is ticket {key}; it is laid aside, see `failed list`"
            );
        }
        self.store
            .inbox()
            .note_foreign(row.case_id, named.as_deref())
            .await
    }
}
