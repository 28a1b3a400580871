//! Looking in Deskie for what is in doubt (rule 9).

use std::sync::PoisonError;
use std::time::Duration;

use super::Deliverer;
use super::attempt::is_repeatable;
use super::files::Stored;
use crate::deskie::{self, CallError, Case, CaseQuery, Message, Order, Outcome, Sort, Unreadable};
use crate::lanes::{
    self, Call, CaseCandidate, CaseIntent, Class, Cost, CreatedAtKept, DoubtState, Judgement, Lookup,
    MessageCandidate, MessageIntent,
};
use crate::model::{CallKind, CaseId, CrashPoint, MessageId, StaffId, UserId, clock};
use crate::store::{self, Delivery, Opening, StoreError};
use crate::text;

/// Why a look-up brought nothing.
enum Failed {
    Call(CallError),
    Store(StoreError),
    /// What was looked for is not there, but it may be an entry that cannot be read. `true`: so it was all along.
    Unreadable(String, bool),
}

impl Failed {
    fn found<Id>(&self) -> Lookup<Id> {
        match self {
            Failed::Call(error) => Lookup::LookupFailed {
                permanent: error.outcome() == Outcome::Refused,
            },
            Failed::Store(_) => Lookup::LookupFailed { permanent: false },
            Failed::Unreadable(_, lasts) => Lookup::LookupFailed { permanent: *lasts },
        }
    }

    fn text(&self) -> String {
        match self {
            Failed::Call(error) => format!("the look-up failed: {error}"),
            Failed::Store(error) => format!("the look-up failed: {error}"),
            Failed::Unreadable(entry, _) => format!("it may be what cannot be read in Deskie: {entry}"),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error)
    }
}

/// Deskie's clock may be so far behind.
const BEFORE_THE_INTENT: Duration = Duration::from_secs(60);

/// An entry that cannot be read in so many looks stays so: a person is asked.
const LOOKS: i32 = 8;

/// The most pages that one look reads.
const PAGES: u32 = 5;

impl Deliverer {
    /// Looks for a delivery that is in doubt; `call` was taken out of the budget for the first read.
    pub async fn look(&self, delivery: Delivery, call: Call) {
        if is_repeatable(delivery.act) {
            self.meter.unused(call);
            let again = || {
                self.store
                    .deliveries()
                    .retry(delivery.id, "is sent again", Duration::ZERO)
            };
            return self.durably("a call that may be repeated", again).await;
        }
        let mut state = {
            let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
            // After a restart the doubt's clock begins anew: `deliveries().adopt` has waited for the call to be over.
            let now = clock::monotonic();
            doubts
                .remove(&delivery.id)
                .unwrap_or_else(|| DoubtState::enter(now, now))
        };
        state.look_begins(clock::monotonic());
        if delivery.call == Some(CallKind::CreateCase) {
            let looked = self.look_for_case(&delivery, call).await;
            let (mut found, mut case, mut failure) = match looked {
                Ok((found, cases)) => {
                    let case = match &found {
                        Lookup::One(id) => cases.into_iter().find(|case| case.case_id == *id),
                        _ => None,
                    };
                    (found, case, None)
                }
                Err(failed) => (self.failed_look(&failed).await, None, Some(failed.text())),
            };
            if let Some(forgotten) = case.as_ref().filter(|_| delivery.ask_first) {
                match self.opens_with(&delivery, forgotten).await {
                    Ok(true) => {}
                    Ok(false) => return self.found_case(&delivery, forgotten).await,
                    Err(failed) => {
                        (found, case, failure) = (self.failed_look(&failed).await, None, Some(failed.text()));
                    }
                }
            }
            match (self.judge(&delivery, state, found, failure).await, case) {
                (
                    Some(_),
                    Some(Case {
                        case_id,
                        case_number,
                        user_id: Some(user),
                        status,
                        updated_at,
                        ..
                    }),
                ) => {
                    let shown = (status.as_str(), updated_at);
                    self.done_case(&delivery, case_id, &case_number, user, shown, None)
                        .await;
                    self.compare_files(&delivery, Stored::First(case_id), 0).await;
                }
                (Some(case), _) => {
                    let why = format!("case {case} was found, but it names no customer");
                    self.park(&delivery, &why, None).await;
                }
                (None, _) => {}
            }
        } else {
            let (found, failure) = match self.look_for_message(&delivery, call).await {
                Ok(found) => (found, None),
                Err(failed) => (self.failed_look(&failed).await, Some(failed.text())),
            };
            if let Some(message) = self.judge(&delivery, state, found, failure).await {
                self.done_message(&delivery, message, None).await;
                if let Some(case) = delivery.case_id {
                    self.compare_files(&delivery, Stored::Message(case, message), 0)
                        .await;
                }
            }
        }
    }

    /// What a look that failed says. A refusal that every read may get is no word about this one.
    async fn failed_look<Id>(&self, failed: &Failed) -> Lookup<Id> {
        match failed {
            Failed::Call(error)
                if error.may_be_of_all()
                    && deskie::is_answering(&self.client, &self.meter).await.is_err() =>
            {
                Lookup::LookupFailed { permanent: false }
            }
            _ => failed.found(),
        }
    }

    /// Acts on a look; returns what was found to be the result of the call.
    async fn judge<Id: std::fmt::Display>(
        &self,
        delivery: &Delivery,
        mut state: DoubtState,
        found: Lookup<Id>,
        failure: Option<String>,
    ) -> Option<Id> {
        CrashPoint::DoubtLooked.reached();
        let now = clock::monotonic();
        // What our state has forgotten was done long ago: one look decides (rule 11).
        let doubt_wait = match delivery.ask_first {
            true => Duration::ZERO,
            false => self.config.deskie.doubt_wait,
        };
        match state.judge(found, now, doubt_wait) {
            Judgement::Done(id) if delivery.ask_first => {
                tracing::warn!(
                    ticket = %delivery.ticket_key,
                    "our own state went back: Deskie has this already, it is not sent again: {id}"
                );
                // What was said in the case since is forgotten as well.
                let read = || {
                    self.store
                        .tickets()
                        .want_read(delivery.ticket_id, 2, Duration::ZERO)
                };
                self.durably("a question", read).await;
                return Some(id);
            }
            Judgement::Done(id) => {
                tracing::info!(ticket = %delivery.ticket_key, "the lost answer's call had been done: {id}");
                return Some(id);
            }
            Judgement::SendAgain if delivery.ask_first => {
                let retry = || {
                    self.store
                        .deliveries()
                        .retry(delivery.id, "Deskie was asked first", Duration::ZERO)
                };
                self.durably("a question", retry).await;
                self.store.wake.lanes.notify_one();
            }
            Judgement::SendAgain => {
                tracing::warn!(ticket = %delivery.ticket_key, "the lost answer's call was not done: it is sent again");
                let after = std::time::Duration::ZERO;
                let retry = || {
                    self.store
                        .deliveries()
                        .retry(delivery.id, "was not done, is sent again", after)
                };
                self.durably("a doubt", retry).await;
                self.store.wake.lanes.notify_one();
            }
            Judgement::LookAgainAt(at) => {
                let after = at.saturating_duration_since(now);
                let text = failure.unwrap_or_else(|| "in doubt: not found in Deskie so far".into());
                self.doubts
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(delivery.id, state);
                self.durably("a doubt", || {
                    self.store.deliveries().look_again(delivery.id, &text, after)
                })
                .await;
            }
            Judgement::Park(ids) => {
                let ids: Vec<String> = ids.iter().map(Id::to_string).collect();
                let found = failure.unwrap_or_else(|| format!("found in Deskie: {}", ids.join(", ")));
                let why = format!(
                    "it is not known whether Deskie did it ({found}); look at the case, then `failed retry` (sends it \
                     again) or `failed discard` (it stands there)"
                );
                self.park(delivery, &why, None).await;
            }
        }
        CrashPoint::DoubtJudged.reached();
        None
    }

    /// Whether a case that our state has forgotten was opened with this very message: another one of its ticket may have
    /// opened it, and this one is not in it then.
    async fn opens_with(&self, delivery: &Delivery, case: &Case) -> Result<bool, Failed> {
        let written = jiff::Timestamp::from_second(delivery.written_at).ok();
        if written.is_some()
            && case.created_at.map(jiff::Timestamp::as_second) == written.map(jiff::Timestamp::as_second)
        {
            return Ok(true);
        }
        let fetch = |page, limit| self.client.messages(case.case_id, Order::Asc, page, limit);
        let answer = deskie::page(&self.meter, Class::Doubt, None, 1, fetch).await;
        let list = answer.map_err(Failed::Call)?.value;
        let Some(first) = list.items.iter().find(|message| !message.note) else {
            return Ok(true);
        };
        let shown = store::shown(&delivery.body, &first.content, &first.content_html).await;
        match list.unreadable.first().filter(|_| !shown.same) {
            Some(entry) => Err(Failed::Unreadable(entry.to_string(), delivery.looks >= LOOKS)),
            None => Ok(shown.same || shown.held),
        }
    }

    /// A case that our state has forgotten is the ticket's; this message is looked for in it before it is sent there.
    async fn found_case(&self, delivery: &Delivery, case: &Case) {
        let Some(user) = case.user_id else {
            let why = format!("case {} was found, but it names no customer", case.case_id);
            return self.park(delivery, &why, None).await;
        };
        tracing::warn!(
            ticket = %delivery.ticket_key, case = %case.case_id,
            "our own state went back: the ticket has a case in Deskie, and goes on in it"
        );
        self.durably("a question", || async {
            let since = self.store.meta().read().await?.started_at;
            let since = Some(since).filter(|since| case.created_at.is_some_and(|created| created < *since));
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            let held = self.config.deskie.field_value(delivery.ticket_key.as_str());
            step.recall()
                .found_case(delivery, (case.case_id, &case.case_number, &held), user, since)
                .await?;
            step.recall()
                .found_lane(delivery, self.config.agent_call())
                .await?;
            step.case_statuses()
                .opened(delivery.ticket_id, None, case.status.as_str(), case.updated_at)
                .await?;
            step.commit().await
        })
        .await;
        self.store.wake.lanes.notify_one();
    }

    async fn look_for_case(
        &self,
        delivery: &Delivery,
        call: Call,
    ) -> Result<(Lookup<CaseId>, Vec<Case>), Failed> {
        let field = format!("cf_{}", self.config.deskie.ticket_field);
        let value = self.config.deskie.field_value(delivery.ticket_key.as_str());
        let mut call = Some(call);
        // A webhook may have told already which case it is; the list may lag behind it.
        for named in self
            .store
            .inbox()
            .cases_named(delivery.ticket_key.as_str())
            .await?
        {
            let begun = clock::monotonic();
            let taken = match call.take() {
                Some(call) => call,
                None => self.meter.acquire(Class::Doubt, Cost::Read).await,
            };
            let answer = self.client.case(named).await;
            self.meter.settle(taken, &answer);
            let Ok(answer) = answer else { continue };
            let intended = delivery.intended_at(answer.date, clock::monotonic().duration_since(begun));
            let found = self
                .match_cases(delivery, std::slice::from_ref(&answer.value), intended)
                .await?;
            if matches!(found, Lookup::One(_)) {
                return Ok((found, vec![answer.value]));
            }
        }
        let (begun, mut intended) = (clock::monotonic(), None);
        let (mut cases, mut unreadable, mut page) = (Vec::new(), Vec::new(), 1);
        loop {
            let fetch = |page, limit| {
                let query = CaseQuery {
                    custom_field: Some((field.clone(), value.clone())),
                    sort: Some(Sort::CreatedDesc),
                    page: Some(page),
                    limit: Some(limit),
                    show_merged_cases: true,
                    show_active_chats: true,
                    ..CaseQuery::default()
                };
                async move { self.client.cases(&query).await }
            };
            let answer = deskie::page(&self.meter, Class::Doubt, call.take(), page, fetch).await;
            let answer = answer.map_err(Failed::Call)?;
            intended = intended
                .or_else(|| delivery.intended_at(answer.date, clock::monotonic().duration_since(begun)));
            let list = answer.value;
            let full = list.len() >= 100;
            cases.extend(list.items);
            unreadable.extend(list.unreadable);
            if !full || page >= PAGES {
                break;
            }
            page += 1;
        }
        let is_ours =
            |case: &Case| case.custom_fields.get(&field).map(|held| held.trim()) == Some(value.trim());
        if !cases.iter().any(is_ours) && !delivery.ask_first {
            // Whether carets make a custom field's filter exact is not known (open question 3): without it, then.
            let fetch = |page, limit| {
                let query = CaseQuery {
                    from_updated_time: intended.and_then(|at| at.checked_sub(BEFORE_THE_INTENT).ok()),
                    sort: Some(Sort::UpdatedDesc),
                    page: Some(page),
                    limit: Some(limit),
                    show_merged_cases: true,
                    show_active_chats: true,
                    ..CaseQuery::default()
                };
                async move { self.client.cases(&query).await }
            };
            let answer = deskie::page(&self.meter, Class::Doubt, None, 1, fetch).await;
            let list = answer.map_err(Failed::Call)?.value;
            unreadable.extend(list.unreadable);
            cases = list.items;
        }
        let found = self.match_cases(delivery, &cases, intended).await?;
        match may_be_unreadable(&found, &unreadable, delivery) {
            Some(failed) => Err(failed),
            None => Ok((found, cases)),
        }
    }

    async fn match_cases(
        &self,
        delivery: &Delivery,
        cases: &[Case],
        intended: Option<jiff::Timestamp>,
    ) -> Result<Lookup<CaseId>, Failed> {
        let field = format!("cf_{}", self.config.deskie.ticket_field);
        let opening = delivery.opening.clone().unwrap_or_default();
        let mut candidates = Vec::new();
        for case in cases {
            let ticket_field = match case.custom_fields.get(&field) {
                Some(held) => self.store.tickets().named(&self.config.deskie, held).await?,
                None => None,
            };
            let alike = ticket_field.as_deref().map(str::trim) == Some(delivery.ticket_key.as_str().trim());
            candidates.push(CaseCandidate {
                case_id: case.case_id,
                same_customer: alike && self.same_customer(case, &opening).await?,
                ticket_field,
                created_at: case.created_at,
                deleted: case.deleted,
                known: self.store.tickets().of_case(case.case_id).await?.is_some(),
            });
        }
        let made = opening
            .created_at
            .and_then(|at| jiff::Timestamp::from_second(at).ok());
        let intent = |kept| CaseIntent {
            ticket: delivery.ticket_key.clone(),
            created_at: jiff::Timestamp::from_second(delivery.written_at).ok(),
            not_before: made.or(intended).unwrap_or(jiff::Timestamp::MIN),
            kept,
        };
        let found = lanes::match_cases(&candidates, &intent(self.kept()));
        // What our state has forgotten may have been opened with another message of the ticket.
        Ok(match (found, delivery.ask_first) {
            (Lookup::None, true) => lanes::match_cases(&candidates, &intent(CreatedAtKept::No)),
            (found, _) => found,
        })
    }

    /// Whether a case belongs to the customer for whom it was to be opened.
    async fn same_customer(&self, case: &Case, opening: &Opening) -> Result<bool, Failed> {
        let same = |ours: &Option<String>, theirs: &str| {
            ours.as_ref()
                .is_some_and(|ours| ours.trim().eq_ignore_ascii_case(theirs.trim()))
        };
        if same(&opening.email, &case.recipient) {
            return Ok(true);
        }
        let Some(user) = case.user_id else {
            return Ok(false);
        };
        let taken = self.meter.acquire(Class::Doubt, Cost::Read).await;
        let answer = self.client.user(user).await;
        self.meter.settle(taken, &answer);
        let user = answer.map_err(Failed::Call)?.value;
        Ok(user.is_contact(
            opening.email.as_deref(),
            opening.phone.as_deref(),
            opening.custom_id.as_deref(),
        ))
    }

    async fn look_for_message(&self, delivery: &Delivery, call: Call) -> Result<Lookup<MessageId>, Failed> {
        let Some(case) = delivery.case_id else {
            return Ok(Lookup::None);
        };
        let mut call = Some(call);
        let (begun, mut intended) = (clock::monotonic(), None);
        let (mut messages, mut unreadable, mut page): (Vec<Message>, Vec<Unreadable>, u32) =
            (Vec::new(), Vec::new(), 1);
        loop {
            let fetch = |page, limit| self.client.messages(case, Order::Desc, page, limit);
            let answer = deskie::page(&self.meter, Class::Doubt, call.take(), page, fetch).await;
            let answer = answer.map_err(Failed::Call)?;
            intended = intended
                .or_else(|| delivery.intended_at(answer.date, clock::monotonic().duration_since(begun)));
            let list = answer.value;
            let full = list.len() >= 100;
            messages.extend(list.items);
            unreadable.extend(list.unreadable);
            if !full || page >= PAGES {
                break;
            }
            page += 1;
        }
        let ids: Vec<MessageId> = messages.iter().map(|message| message.message_id).collect();
        let known = self.store.remotes().known(&ids).await?;
        let (mut candidates, mut held) = (Vec::new(), Vec::new());
        for message in &messages {
            let known = known.contains(&message.message_id);
            let shown = store::shown(&delivery.body, &message.content, &message.content_html).await;
            candidates.push(MessageCandidate {
                message_id: message.message_id,
                user_id: message.user_id.unwrap_or(UserId(0)),
                staff_id: message.staff_id.unwrap_or(StaffId(0)),
                note: message.note,
                same_text: shown.same && text::same_files(&delivery.told_files(), &message.told_files()),
                created_at: message.created_at,
                known,
            });
            if !known && message.user_id == delivery.user_id && shown.held {
                held.push(message.message_id);
            }
        }
        let intent = MessageIntent {
            author: delivery.author_there(),
            created_at: jiff::Timestamp::from_second(delivery.written_at).ok(),
            sent_not_before: intended.unwrap_or(jiff::Timestamp::MIN),
            kept: self.kept(),
        };
        let found = lanes::match_messages(&candidates, &intent);
        // What our state has forgotten may have gone together with what followed it: nobody but a person can tell then.
        let coalesces = self
            .config
            .message
            .as_ref()
            .is_some_and(|message| message.coalesce);
        if matches!(found, Lookup::None) && delivery.ask_first && coalesces && !held.is_empty() {
            return Ok(Lookup::Many(held));
        }
        match may_be_unreadable(&found, &unreadable, delivery) {
            Some(failed) => Err(failed),
            None => Ok(found),
        }
    }
}

/// What is not found among what can be read may be what cannot: then it is not absent, and is never sent again for that.
fn may_be_unreadable<Id>(
    found: &Lookup<Id>,
    unreadable: &[Unreadable],
    delivery: &Delivery,
) -> Option<Failed> {
    let entry = unreadable.first().filter(|_| matches!(found, Lookup::None))?;
    Some(Failed::Unreadable(entry.to_string(), delivery.looks >= LOOKS))
}
