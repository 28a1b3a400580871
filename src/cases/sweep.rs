//! Asks Deskie for recently updated cases, so that a webhook that never came costs minutes and not a reply. Without
//! any webhook the product works by this alone.
//!
//! The first sweep of a term answers another question, too: does Deskie have anything of ours that we do not know
//! (rule 11)? `swept_to` is as old as the rest of our state, so whatever that has forgotten is in the list.
//!
//! Invariant: nothing is decided here about a message; a case that was updated is read like any other.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Cases;
use crate::deskie::{self, CallError, Case, CaseQuery, Message, Order, Sort, Status, Unreadable, Writer};
use crate::lanes::{Class, Cost, backoff};
use crate::model::{CaseId, CrashPoint, DeliveryState, LaneId, MessageId, Seen, TroubleKind, UserId, clock};
use crate::store::{self, Birth, Claim, Claimed, HoldKind, Meta, Parent, SeenCase, SeenStatus, StoreError};

/// Deskie's list may lag behind, and its dates are whole seconds: so far back it is asked again.
const MARGIN: Duration = Duration::from_secs(300);

/// The most pages of one sweep; Deskie gives 500.
const PAGES: u32 = 500;

/// A sweep that failed is tried again after this at most; before the first one of a term nothing is sent.
const AGAIN: Duration = Duration::from_secs(30);

/// Deskie's clock may be so far behind the server's.
pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A sweep that begins so long before the connector's start asks all cases which ticket they are: they were adopted.
const ADOPTED: Duration = Duration::from_secs(86_400);

/// How often it is looked whether held tickets can be let go of.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// So many sweeps in a row that fail are a trouble: one may meet a moment's conflict in the database.
const FAILING: u32 = 2;

/// So many that are not answered, while other calls are: a minute and more, with the usual pauses.
const UNANSWERED: u32 = 6;

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Refused(Box<CallError>),
    /// An outage of Deskie's, or of its list alone.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Unanswered(Box<CallError>),
    /// The site's database cannot be asked now.
    #[error("the site's database cannot be asked: {0}")]
    Site(String),
}

impl Cases {
    /// Sweeps until cancelled. Nothing is sent before the first sweep of a term (rule 11): `asked` is cancelled then.
    pub async fn sweep(&self, cancel: CancellationToken, asked: CancellationToken) {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.sweep_on(&asked) => {}
        }
    }

    async fn sweep_on(&self, asked: &CancellationToken) {
        let (mut failures, mut held) = (0u32, None);
        let mut unanswered_since = None;
        // One that another process or an earlier term has left is ended as well.
        let mut is_told = true;
        // After a silence of Deskie's it may be another one that answers.
        let mut is_proved = false;
        let mut due = clock::monotonic();
        loop {
            if due <= clock::monotonic() {
                let begun = clock::monotonic();
                let is_first = !asked.is_cancelled();
                let end = match is_first {
                    true => self.store.recall().begin().await.map(Some),
                    false => Ok(None),
                };
                let round = match end {
                    Ok(end) => self
                        .round(is_first, is_proved)
                        .await
                        .map(|asked| asked.then_some(end)),
                    Err(error) => Err(error.into()),
                };
                is_proved = matches!(round, Ok(Some(_)));
                let pause = match round {
                    Ok(Some(end)) => {
                        held = end.or(held);
                        failures = 0;
                        unanswered_since = None;
                        self.tell_failing(None, &mut is_told).await;
                        asked.cancel();
                        self.config.deskie.sweep
                    }
                    // Soon: an outage that is over is not waited out.
                    Ok(None) | Err(_) => {
                        failures += 1;
                        match round {
                            Err(Failed::Unanswered(error)) => {
                                tracing::warn!("the sweep could not ask Deskie: {error}; {}", error.remedy());
                                // Where nothing is answered that is told as such, by whoever meets it.
                                let since = *unanswered_since.get_or_insert_with(clock::monotonic);
                                if failures >= UNANSWERED && self.meter.answered_since(since) {
                                    let error = Failed::Unanswered(error);
                                    self.tell_failing(Some((&error, is_first)), &mut is_told).await;
                                }
                            }
                            Err(error) if failures >= FAILING => {
                                self.tell_failing(Some((&error, is_first)), &mut is_told).await;
                            }
                            Err(error) => tracing::warn!("the sweep failed and is tried again: {error}"),
                            Ok(_) => {}
                        }
                        let longest = if is_first {
                            AGAIN
                        } else {
                            self.config.deskie.sweep.min(AGAIN)
                        };
                        backoff::retry_delay(failures, rand::random()).min(longest)
                    }
                };
                due = begun.checked_add(pause).unwrap_or(begun);
            }
            if let Some(end) = held {
                match self.store.recall().settle(end, self.config.agent_call()).await {
                    Ok(true) => held = None,
                    Ok(false) => {}
                    Err(error) => tracing::warn!("held tickets could not be released yet: {error}"),
                }
            }
            let wake = due.saturating_duration_since(clock::monotonic());
            let wake = held.map_or(wake, |_| wake.min(SETTLE_EVERY));
            tokio::select! {
                () = tokio::time::sleep(wake) => {}
                () = self.store.wake.account.notified() => {
                    if let Err(error) = self.account_is_ours().await {
                        tracing::warn!("Deskie's account could not be proved: {error}");
                    }
                }
            }
        }
    }

    /// A failure that is no outage of all of Deskie, and whether it is of the first sweep; or its end (rule 21). `is_told`: there
    /// may be something to end.
    async fn tell_failing(&self, failed: Option<(&Failed, bool)>, is_told: &mut bool) {
        let noted = match failed {
            // The next leader sweeps.
            Some((Failed::Store(error), _)) if error.lost_leadership() => return,
            Some((error, is_first)) => {
                let text = match is_first {
                    true => {
                        format!("Deskie was not asked yet what it has, and nothing is sent before: {error}")
                    }
                    false => format!(
                        "Deskie's list of updated cases cannot be taken, so that answers whose webhook was lost are not \
                         found: {error}"
                    ),
                };
                tracing::warn!("{text}; it is tried again");
                *is_told = true;
                let trouble = Seen::new(TroubleKind::SweepFailing, text);
                self.store.troubles().seen(&trouble).await
            }
            None if std::mem::take(is_told) => {
                self.store.troubles().over(TroubleKind::SweepFailing, "").await
            }
            None => return,
        };
        if let Err(error) = noted {
            tracing::debug!("that could not be noted: {error}");
        }
    }

    /// What the cases of a page say of our own state: of known ones in the first sweep of a term, of unknown ones always.
    async fn recall(
        &self,
        cases: &[Case],
        unknown: &[CaseId],
        is_first: bool,
        meta: &Meta,
    ) -> Result<(), StoreError> {
        let field = self.config.deskie.ticket_field;
        let (mut claims, mut others) = (Vec::new(), Vec::new());
        for case in cases.iter().filter(|case| unknown.contains(&case.case_id)) {
            let Some(held) = case.claims(field) else { continue };
            let case_id = case.case_id;
            match self.store.tickets().named(&self.config.deskie, held).await? {
                Some(key) => claims.push(Claim { case_id, key }),
                None => others.push(case_id),
            }
        }
        self.store.claims().lay_aside_other_sites(&others).await?;
        let kept = match claims.is_empty() {
            true => 0,
            false => self.store.claims().add(&claims).await?,
        };
        // A person has said that they are of the site's tickets.
        let before = meta
            .started_at
            .checked_sub(ADOPTED)
            .unwrap_or(jiff::Timestamp::MIN);
        let is_adopted = meta.swept_to.is_some_and(|to| to < before);
        if is_adopted {
            // A webhook that came while everything was held may have laid some aside already.
            let all: Vec<CaseId> = cases.iter().map(|case| case.case_id).collect();
            self.store.claims().adopt(&all).await?;
        } else if kept > 0 {
            tracing::error!(
                "{kept} cases in Deskie say that they are tickets of the site, but the connector does not know them: its \
                 state went back (a restore, a failover), or somebody has filled in the field; they are laid aside, see \
                 `failed list`"
            );
            if self.store.holds().is_copy_suspected().await? {
                let reason = format!(
                    "this server may be a copy of another one: its slot was lost, or its timeline is new, and Deskie has {kept} \
                     cases of the site that are not known here. Nothing is sent, so that no customer gets a message twice or \
                     from a test. If it is to take over, run `deskie-cdc setup --adopt`; if it is a copy, stop the connector \
                     here and run `deskie-cdc uninstall`"
                );
                if self.store.holds().set(HoldKind::Copy, &reason).await? {
                    tracing::error!("{reason}");
                }
            }
        }
        if is_first {
            let held = self.store.recall().hold(&seen(cases)).await?;
            if held > 0 {
                tracing::info!(
                    "{held} cases changed since our last call; what waits for them is looked for first"
                );
            }
        }
        Ok(())
    }

    /// So many of the youngest cases at most, merged ones too.
    pub(super) async fn newest_cases(&self, limit: u32) -> Result<Vec<Case>, CallError> {
        let query = CaseQuery {
            sort: Some(Sort::CreatedDesc),
            page: Some(1),
            limit: Some(limit),
            show_active_chats: true,
            show_merged_cases: true,
            ..CaseQuery::default()
        };
        let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
        let answer = self.client.cases(&query).await;
        self.meter.settle(call, &answer);
        Ok(answer?.value.items)
    }

    /// Whether nothing is known here and Deskie has cases of the site's tickets all the same, from before the connector was
    /// set up: our tables were left behind in a move, or this is a copy of a site that another connector serves. Then
    /// everything is held. True as well where that could not be asked yet.
    async fn is_beside_others(&self, meta: &Meta) -> Result<bool, Failed> {
        if !self.store.recall().is_fresh().await? {
            return Ok(false);
        }
        let newest = match self.newest_cases(100).await {
            Ok(newest) => newest,
            Err(error) if error.is_refusal() => return Err(Failed::Refused(Box::new(error))),
            Err(error) => {
                tracing::warn!("the sweep could not ask Deskie: {error}; {}", error.remedy());
                return Ok(true);
            }
        };
        let start = meta
            .started_at
            .checked_sub(CLOCK_SKEW)
            .unwrap_or(jiff::Timestamp::MIN);
        let before = newest
            .iter()
            .filter(|case| !case.deleted && case.created_at.is_some_and(|created| created < start));
        for case in before {
            let Some(held) = case.claims(self.config.deskie.ticket_field) else {
                continue;
            };
            let Some(key) = self.store.tickets().named(&self.config.deskie, held).await? else {
                continue;
            };
            let reason = format!(
                "Deskie has cases of the site's tickets from before this connector was set up (case {}: ticket {key}), and \
                 nothing is known of them here: the schema was left behind when the database was moved, or this is a copy of a \
                 site that another connector serves. Nothing is sent, so that no ticket gets a second case. Bring the schema \
                 over; or, if this one is to take over as it is, run `deskie-cdc setup --adopt`: a ticket goes on in its case \
                 once something is said in it",
                case.case_id
            );
            if self.store.holds().set(HoldKind::Copy, &reason).await? {
                tracing::error!("{reason}");
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// A case that cannot be read is passed over and not its neighbours; what happens to it is not learned meanwhile.
    async fn tell_unreadable(&self, entries: &[Unreadable]) -> Result<(), StoreError> {
        let lines: Vec<String> = entries
            .iter()
            .map(|entry| format!("the list of updated cases: {entry}"))
            .collect();
        for line in self.store.journal().add_unreadable(None, &lines).await? {
            tracing::warn!("{line}; it is passed over, and looked at again with the next sweep");
        }
        Ok(())
    }

    /// What the cases of a page say of the tickets that we know them as.
    async fn said(&self, cases: &[Case]) -> Result<Vec<Claimed>, StoreError> {
        let field = self.config.deskie.ticket_field;
        let claim = |case: &Case| {
            let key = case.claims(field)?.to_owned();
            Some(Claim {
                case_id: case.case_id,
                key,
            })
        };
        let claims: Vec<Claim> = cases.iter().filter_map(claim).collect();
        self.store.tickets().claims(&self.config.deskie, &claims).await
    }

    /// The cases without those that say that they are another ticket's than that which we know: nothing is believed of
    /// them, and they speak against the account.
    async fn own_cases(&self, mut cases: Vec<Case>, said: &[Claimed]) -> Result<Vec<Case>, StoreError> {
        for other in said.iter().filter(|claimed| !claimed.is_own) {
            let why = format!(
                "case {} says in its ticket field that it is another ticket's",
                other.case_id
            );
            if self.store.tickets().estrange(other.ticket_id, Some(&why)).await? {
                tracing::error!(ticket = %other.key, "{why}: nothing is sent to it or written from it");
            }
            self.store.wake.account.notify_one();
        }
        let users: Vec<(CaseId, UserId)> = cases
            .iter()
            .filter_map(|case| Some((case.case_id, case.user_id?)))
            .collect();
        for (place, ticket) in self.store.tickets().of_others(&users).await? {
            let shown = users
                .get(place)
                .and_then(|(id, _)| cases.iter().find(|case| case.case_id == *id));
            if let Some(shown) = shown {
                self.has_changed_hands(&ticket, shown).await;
            }
        }
        cases.retain(|case| {
            said.iter()
                .all(|claimed| claimed.is_own || claimed.case_id != case.case_id)
        });
        Ok(cases)
    }

    /// The list brings each case's status for nothing.
    async fn statuses(&self, cases: &[Case]) -> Result<(), StoreError> {
        let write = self.config.status.is_some();
        // Where the site has a status of its own, the site says when a case is open.
        if self.config.ticket.status.is_none() {
            let closed: Vec<(CaseId, jiff::Timestamp)> = cases
                .iter()
                .filter(|case| case.status == Status::Closed && !case.deleted && !case.spam)
                .filter_map(|case| Some((case.case_id, case.closed_at?)))
                .collect();
            if !closed.is_empty() {
                self.store.case_statuses().reopen_stale(&closed).await?;
            }
        }
        let seen: Vec<SeenStatus> = cases
            .iter()
            .filter(|case| !case.deleted && !case.spam && !matches!(case.status, Status::Other(_)))
            .filter_map(|case| {
                Some(SeenStatus {
                    case_id: case.case_id,
                    status: case.status.as_str().to_owned(),
                    at: case.updated_at?,
                })
            })
            .collect();
        self.store.case_statuses().seen(&seen, write).await?;
        Ok(())
    }

    /// Cases that name a parent: merged into it, if that holds messages of theirs; else only its children.
    async fn merges(&self, cases: &[Case]) -> Result<(), StoreError> {
        let parents: Vec<(CaseId, CaseId)> = cases
            .iter()
            .filter_map(|case| Some((case.case_id, case.parent_case_id?)))
            .collect();
        if parents.is_empty() {
            return Ok(());
        }
        for (ticket, case, parent) in self.store.merges().candidates(&parents).await? {
            let absorbed = cases.iter().find(|absorbed| absorbed.case_id == case);
            let call = self.meter.acquire(Class::Sweep, Cost::Read).await;
            let answer = self.client.messages(parent, Order::Desc, 1, 100).await;
            self.meter.settle(call, &answer);
            let call = self.meter.acquire(Class::Sweep, Cost::Read).await;
            let into = self.client.case(parent).await;
            self.meter.settle(call, &into);
            let (messages, into) = match (answer, into) {
                (Ok(messages), Ok(into)) => (messages.value.items, into.value),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%case, "whether it was merged into {parent} could not be asked yet: {error}");
                    continue;
                }
            };
            match self.is_held(ticket, &messages).await? {
                Some(true) => {}
                Some(false) => {
                    self.store.merges().rule_out(ticket, parent).await?;
                    continue;
                }
                None => continue,
            }
            let of_another = absorbed.is_none_or(|absorbed| absorbed.user_id != into.user_id);
            let parent = Parent {
                case_id: parent,
                case_number: into.case_number,
                since: Parent::since(of_another, absorbed.and_then(|absorbed| absorbed.updated_at)),
            };
            self.store.merges().follow(ticket, case, &parent).await?;
        }
        Ok(())
    }

    /// Whether messages of a ticket are among these; `None`: its first one has no number yet, a later sweep may tell.
    async fn is_held(&self, ticket: LaneId, messages: &[Message]) -> Result<Option<bool>, StoreError> {
        let ids: Vec<MessageId> = messages.iter().map(|message| message.message_id).collect();
        if self.store.merges().holds(ticket, &ids).await? {
            return Ok(Some(true));
        }
        let unidentified = self.store.deliveries().unidentified(ticket).await?;
        for sent in &unidentified {
            for message in messages {
                let by_him = matches!(message.author(), Writer::Customer(user) if Some(user) == sent.user_id);
                if by_him
                    && store::shown(&sent.body, &message.content, &message.content_html)
                        .await
                        .same
                {
                    return Ok(Some(true));
                }
            }
        }
        let is_open = unidentified
            .iter()
            .any(|sent| sent.state == DeliveryState::Delivered);
        Ok((!is_open).then_some(false))
    }

    /// One sweep; false where Deskie could not be asked.
    async fn round(&self, is_first: bool, mut is_proved: bool) -> Result<bool, Failed> {
        let meta = self.store.meta().read().await?;
        let from = meta.swept_to.unwrap_or(meta.started_at);
        let from = from.checked_sub(MARGIN).unwrap_or(from);
        let (mut wanted, mut begun, mut position, mut page) = (0, None, from, 1);
        let mut adopted = Vec::new();
        let mut met = std::collections::HashSet::new();
        for _ in 0..PAGES {
            let query = CaseQuery {
                from_updated_time: Some(position),
                sort: Some(Sort::UpdatedAsc),
                show_active_chats: true,
                show_merged_cases: true,
                ..CaseQuery::default()
            };
            let class = match is_first {
                true => Class::WebhookRead,
                false => Class::Sweep,
            };
            let fetch = |page, limit| {
                let query = CaseQuery {
                    page: Some(page),
                    limit: Some(limit),
                    ..query.clone()
                };
                async move { self.client.cases(&query).await }
            };
            let answer = match deskie::page(&self.meter, class, None, page, fetch).await {
                Ok(answer) => answer,
                Err(error) if error.is_refusal() => {
                    return Err(Failed::Refused(Box::new(error)));
                }
                Err(error) => return Err(Failed::Unanswered(Box::new(error))),
            };
            begun = begun.or(answer.date);
            if is_first && page == 1 && position == from && self.is_beside_others(&meta).await? {
                return Ok(false);
            }
            let count = answer.value.len();
            self.tell_unreadable(&answer.value.unreadable).await?;
            let said = self.said(&answer.value.items).await?;
            // First of all: is it ours? Mostly the list itself tells.
            if !is_proved && !self.list_proves(&said).await? && !self.account_is_ours().await? {
                return Ok(false);
            }
            is_proved = true;
            let cases = &self.own_cases(answer.value.items, &said).await?;
            // First of all: a case that is part of another one is not read by its own number any more.
            self.merges(cases).await?;
            let seen = seen(cases);
            let (asked, unknown) = self.store.tickets().sweep(&seen).await?;
            wanted += asked;
            self.recall(cases, &unknown, is_first, &meta).await?;
            adopted.extend(self.adopted(cases, &meta).await?);
            let births: Vec<Birth> = cases
                .iter()
                .filter(|case| unknown.contains(&case.case_id))
                .filter_map(|case| Birth::of_case(&self.config, case, meta.cases_since()))
                .collect();
            self.store.births().add(&births).await?;
            self.statuses(cases).await?;
            let fresh = cases.iter().filter(|case| met.insert(case.case_id)).count();
            // A server that knows no pages gives the same one again.
            if count < 100 || (page > 1 && fresh == 0) {
                CrashPoint::SweepWanted.reached();
                self.take_adopted(&adopted, &meta).await?;
                let swept_to = begun.unwrap_or_else(clock::now);
                self.store.meta().set_swept(swept_to).await?;
                CrashPoint::SweepStored.reached();
                if wanted > 0 {
                    tracing::info!("the sweep asks for {wanted} cases");
                }
                return Ok(true);
            }
            (position, page) = next_page(position, page, &seen);
        }
        self.take_adopted(&adopted, &meta).await?;
        // There is more than one sweep may read: the next one goes on there, with its margin.
        self.store.meta().set_swept(position).await?;
        Ok(true)
    }
}

fn seen(cases: &[Case]) -> Vec<SeenCase> {
    let seen = |case: &Case| {
        Some(SeenCase {
            case_id: case.case_id,
            updated_at: case.updated_at?,
        })
    };
    cases.iter().filter_map(seen).collect()
}

/// Where the next page begins. A case that is updated meanwhile goes to the end of the list and shifts all behind it, so
/// pages are not counted: the next one begins a second before this one's last case. Only where that is no progress
/// is it counted on.
fn next_page(position: jiff::Timestamp, page: u32, seen: &[SeenCase]) -> (jiff::Timestamp, u32) {
    let last = seen.iter().map(|case| case.updated_at).max();
    let next = last.and_then(|last| last.checked_sub(Duration::from_secs(1)).ok());
    // Only an order that was kept says where the rest is.
    let next = next.filter(|_| seen.is_sorted_by_key(|case| case.updated_at));
    match next.filter(|next| next.as_second() > position.as_second()) {
        Some(next) => (next, 1),
        None => (position, page + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_page_begins_where_the_last_one_ended_and_not_at_a_number() {
        let seen = |seconds: &[i64]| -> Vec<SeenCase> {
            let seen = |second: &i64| SeenCase {
                case_id: CaseId(*second),
                updated_at: at(*second),
            };
            seconds.iter().map(seen).collect()
        };
        assert_eq!(next_page(at(5), 1, &seen(&[5, 7, 9])), (at(8), 1));
        assert_eq!(next_page(at(8), 1, &seen(&[9, 9, 9])), (at(8), 2));
        assert_eq!(next_page(at(8), 2, &seen(&[9, 9, 12])), (at(11), 1));
        assert_eq!(next_page(at(9), 1, &[]), (at(9), 2));
    }
}
