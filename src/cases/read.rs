//! Reading a case: which of its messages are new, and whose they are.

use std::collections::VecDeque;
use std::time::Duration;

use super::Cases;
use super::early::Early;
use super::verdict::{seen, still_for_the_site, verdict};
use crate::deskie::{self, CallError, Message, Order, Writer};
use crate::lanes::{
    self, Call, Class, Cost, CreatedAtKept, Lookup, MessageCandidate, MessageIntent, Verdict, backoff,
};
use crate::model::{CaseId, CrashPoint, DeliveryId, DeliveryState, MessageId, StaffId, UserId, clock};
use crate::store::{
    self, Delivery, KnownOf, NewRemote, ReadCase, RemoteState, StoreError, Ticket, WantedRead,
};
use crate::text::{self, Shown};

/// Deskie shows so many pages of 100 messages.
const PAGES: u32 = 500;

/// So many new messages are taken at once, the oldest first; the others with the next read.
const ROUND: usize = 5_000;

/// So many pages of one read go by the class of the read; what is behind them is history and stands behind live traffic.
const URGENT_PAGES: u32 = 10;

/// How long a read is put off while one of our own messages is in doubt.
pub(super) const DEFERRED: Duration = Duration::from_secs(5);

/// A case is read again this long after a refusal that all calls got.
const OF_ALL: Duration = Duration::from_secs(30);

/// What was changed so shortly before a read is not taken for explained by it.
const EXPLAINED_UNTIL: Duration = Duration::from_secs(2);

/// A call that was given up out of doubt was carried out this long after its intent at most.
const CARRIED_OUT_WITHIN: i64 = 300;

/// What a read found.
struct Page {
    /// Those that are not known, oldest first.
    messages: Vec<Message>,
    /// The oldest message of the case, where it is among them.
    first: Option<MessageId>,
    /// There are newer ones than these: they are left for the next read, so that the order stays.
    has_more: bool,
    /// Those that are known and wait for being written; `None`: nothing does, or that was not asked.
    waiting: Option<Vec<Message>>,
    /// What cannot be read.
    unreadable: Vec<String>,
    /// Something of ours may be among them whose number we do not know.
    has_unidentified: bool,
    /// Which of them are known was handed on with the wish.
    is_by_what_was_known: bool,
    /// Deskie's clock at the first page.
    date: Option<jiff::Timestamp>,
    /// How many messages the case has, where Deskie tells, and everything that it shows was read.
    whole: Option<i64>,
}

/// Which class a wanted read belongs to.
pub fn class_of_read(wanted: i16) -> Class {
    match wanted {
        0 => Class::WebhookRead,
        2 => Class::Sweep,
        _ => Class::Backfill,
    }
}

impl Cases {
    /// Reads a ticket's case; `call` was taken out of the budget for the first page. True where more may be to be done.
    pub async fn read_case(&self, ticket: Ticket, call: Call) -> bool {
        self.read(ticket, call, None).await
    }

    /// The same; `handed`: what was handed on with the wish.
    pub(super) async fn read(&self, ticket: Ticket, call: Call, handed: Option<&WantedRead>) -> bool {
        let (Some(case), Some((wanted, wanted_at))) = (ticket.case_id, ticket.read_wanted) else {
            self.meter.unused(call);
            return true;
        };
        // Whose the case is has to be known before anything of it is written: it is asked along with the messages.
        let (read, early) = futures::join!(
            self.read_pages(&ticket, case, (class_of_read(wanted), call), handed),
            self.show_early(case, handed)
        );
        let result = match read {
            Ok(page) if self.is_elsewhere(&ticket, case, &page.messages).await => Ok(true),
            Ok(page) => match self
                .sort_out(&ticket, case, page, wanted_at, early.as_ref())
                .await
            {
                // A webhook brought no message: the sweep compares statuses itself.
                Ok(sorted) if sorted.new == 0 && wanted != 2 => {
                    self.read_status(case, class_of_read(wanted), early).await;
                    Ok(true)
                }
                Ok(sorted) => {
                    // An agent answers and closes: one read may see both, and what was shown along with it costs nothing.
                    if early
                        .as_ref()
                        .is_some_and(|early| early.has_another_status(&ticket))
                    {
                        self.read_status(case, class_of_read(wanted), early).await;
                    }
                    Ok(sorted.has_more)
                }
                Err(error) => Err(error),
            },
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Call(error)) => {
                let (attempt, now) = (ticket.read_attempts.unsigned_abs() + 1, clock::monotonic());
                let verdict = lanes::verdict(error.outcome(), Cost::Read, attempt, rand::random(), now);
                let is_of_all =
                    error.may_be_of_all() && deskie::is_answering(&self.client, &self.meter).await.is_err();
                let after = match verdict {
                    Verdict::Park if is_of_all => OF_ALL,
                    // The API's own word about this case: a person has to do something, and a webhook hastens it.
                    Verdict::Park => Duration::from_secs(3600),
                    Verdict::StopAll => Duration::from_secs(30),
                    Verdict::RetryAt(at) => at.saturating_duration_since(now),
                    Verdict::PauseAll { .. } | Verdict::EnterDoubt => Duration::ZERO,
                };
                tracing::warn!(ticket = %ticket.key, %case, "the case could not be read: {error}; {}", error.remedy());
                let why = format!("{error}; {}", error.remedy());
                // A case that is gone has nothing more to say, and nobody has to mend that.
                let noted = match error.is_refusal() && !is_of_all {
                    true => self.store.tickets().read_refused(ticket.id, &why, after).await,
                    false => self.store.tickets().read_failed(ticket.id, &why, after).await,
                };
                noted.map(|()| true)
            }
        };
        if let Err(error) = &result {
            tracing::warn!(ticket = %ticket.key, %case, "what was read could not be stored, it is read again: {error}");
            // Not at once: what cannot be stored this time may not be stored the next time either.
            let after = backoff::retry_delay(ticket.read_attempts.unsigned_abs() + 1, rand::random());
            if let Err(error) = self
                .store
                .tickets()
                .read_failed(ticket.id, &error.to_string(), after)
                .await
            {
                tracing::debug!("nor could that be noted: {error}");
            }
        }
        result.unwrap_or(true)
    }

    /// The newest pages, until nothing unknown can be behind them. A page that holds nothing unknown is no proof: what
    /// was merged in stands where its date belongs. So the case's count is compared with what is known of it.
    async fn read_pages(
        &self,
        ticket: &Ticket,
        case: CaseId,
        (class, call): (Class, Call),
        handed: Option<&WantedRead>,
    ) -> Result<Page, Failed> {
        let mut call = Some(call);
        // Newest first.
        let mut messages: VecDeque<Message> = VecDeque::new();
        let mut page = Page {
            messages: Vec::new(),
            first: None,
            has_more: false,
            waiting: None,
            unreadable: Vec::new(),
            has_unidentified: false,
            is_by_what_was_known: false,
            date: None,
            whole: None,
        };
        let (mut new, mut seen) = (0, std::collections::HashSet::new());
        for number in 1..=PAGES {
            let class = if number > URGENT_PAGES {
                Class::Sweep
            } else {
                class
            };
            let fetch = |page, limit| self.client.messages(case, Order::Desc, page, limit);
            let answer = deskie::page(&self.meter, class, call.take(), number, fetch).await;
            let answer = answer.map_err(Failed::Call)?;
            if number == 1 {
                page.date = answer.date.or_else(|| Some(clock::now()));
            }
            let list = answer.value;
            let complete = list.len() < 100;
            page.unreadable
                .extend(list.unreadable.iter().map(ToString::to_string));
            let (items, total) = (list.items, list.total);
            let ids: Vec<MessageId> = items.iter().map(|message| message.message_id).collect();
            let told = handed
                .filter(|_| number == 1)
                .and_then(|read| read.known_of(&ids));
            page.is_by_what_was_known |= told.is_some();
            let known = match told {
                Some(known) => KnownOf {
                    known,
                    ..KnownOf::default()
                },
                None => {
                    let known = self.store.remotes().known_of(ticket.id, &ids).await;
                    known.map_err(Failed::Store)?
                }
            };
            page.has_unidentified |= known.has_unidentified;
            if !known.waiting.is_empty() {
                let waits = |message: &&Message| known.waiting.contains(&message.message_id);
                let waiting = page.waiting.get_or_insert_default();
                waiting.extend(items.iter().filter(waits).cloned());
            }
            let known = known.known;
            // A message that arrived between two pages shifts them: the same one may come twice.
            let fresh: Vec<Message> = items
                .into_iter()
                .filter(|message| seen.insert(message.message_id))
                .collect();
            if complete {
                page.first = fresh.last().or(messages.back()).map(|message| message.message_id);
            }
            let is_fresh = !fresh.is_empty() || !list.unreadable.is_empty();
            let unknown: Vec<Message> = fresh
                .into_iter()
                .filter(|message| !known.contains(&message.message_id))
                .collect();
            new += unknown.len();
            // A server that knows no pages gives the same one again.
            let repeats = number > 1 && !is_fresh;
            let knows_all = unknown.is_empty();
            messages.extend(unknown);
            while messages.len() > ROUND {
                messages.pop_front();
                page.has_more = true;
            }
            if complete || repeats || number == PAGES {
                // What cannot be read is not explained: the next read goes as far back, and asks for it again.
                let unreadable = i64::try_from(page.unreadable.len()).unwrap_or(i64::MAX);
                page.whole = total.map(|total| total - unreadable);
                break;
            }
            if knows_all
                && self
                    .is_all(ticket, case, total, new)
                    .await
                    .map_err(Failed::Store)?
            {
                break;
            }
        }
        // Oldest first, whichever way they came.
        let place = |message: &Message| (message.created_at, message.message_id);
        page.messages = messages.into();
        if page.messages.first().map(place) > page.messages.last().map(place) {
            page.messages.reverse();
            page.first = page
                .first
                .and(page.messages.first().map(|message| message.message_id));
        }
        Ok(page)
    }

    /// Whether the case has no more messages than are known and `new`; without its count nobody can tell.
    async fn is_all(
        &self,
        ticket: &Ticket,
        case: CaseId,
        total: Option<i64>,
        new: usize,
    ) -> Result<bool, StoreError> {
        let Some(total) = total else { return Ok(true) };
        let known = self.store.remotes().count(case).await? + i64::try_from(new).unwrap_or(i64::MAX);
        Ok(total - known == ticket.read_surplus.unwrap_or(0))
    }

    /// What becomes of the messages that were not known.
    async fn sort_out(
        &self,
        ticket: &Ticket,
        case: CaseId,
        page: Page,
        wanted_at: jiff::Timestamp,
        early: Option<&Early>,
    ) -> Result<Sorted, StoreError> {
        // A channel's webhook may have brought some since: storing them again changes nothing.
        let unknown: Vec<&Message> = page.messages.iter().collect();
        // A merge that the read itself has brought to light makes the other ticket's messages ours.
        let is_ours = |message: &&Message| match message.author() {
            Writer::Customer(user) => Some(user) == ticket.user_id,
            _ => true,
        };
        let unidentified = match page.has_unidentified || !unknown.iter().all(is_ours) {
            true if !unknown.is_empty() => self.store.deliveries().unidentified(ticket.id).await?,
            _ => Vec::new(),
        };
        let (mut openings, doubtful): (Vec<Delivery>, Vec<Delivery>) = unidentified
            .into_iter()
            .partition(|delivery| delivery.state == DeliveryState::Delivered);
        let mut identified = Vec::new();
        for opening in openings.drain(..) {
            let found = first_message(
                &opening,
                &unknown,
                unknown
                    .iter()
                    .copied()
                    .find(|message| Some(message.message_id) == page.first),
                page.date,
            )
            .await;
            identified.extend(found.map(|id| (opening, id)));
        }
        let absorbed = match unknown.is_empty() || page.is_by_what_was_known {
            true => None,
            false => self.store.merges().absorbed(ticket.id, case).await?,
        };
        let mut new = Vec::new();
        let mut found_since = Vec::new();
        let mut deferred = None;
        let (mut given_up, open): (Vec<&Delivery>, Vec<&Delivery>) = doubtful
            .iter()
            .partition(|delivery| delivery.state == DeliveryState::Discarded);
        for message in unknown {
            let ours = identified.iter().find(|(_, id)| *id == message.message_id);
            if let Some((delivery, _)) = ours {
                new.push(NewRemote {
                    delivery: Some(delivery.id),
                    ..seen(message, RemoteState::Ours, None)
                });
                continue;
            }
            // It was parked out of doubt, and a person said that it stands there: each stands for one message.
            let is_of_then = |delivery: &Delivery| is_of_then(delivery, message, page.date);
            if let Some(place) = first_that_may_be(&given_up, message, page.date, is_of_then).await {
                let delivery = given_up.remove(place);
                found_since.push((delivery.id, message.message_id));
                new.push(NewRemote {
                    delivery: Some(delivery.id),
                    ..seen(message, RemoteState::Ours, Some("found after it was given up"))
                });
                continue;
            }
            let undecided = first_that_may_be(&open, message, page.date, |_| true).await;
            match undecided.and_then(|place| open.get(place)) {
                // A person has to settle it; the others go on.
                Some(delivery) if delivery.state == DeliveryState::Parked => {
                    deferred = deferred.or(Some(Duration::from_secs(300)));
                    continue;
                }
                // It will be settled soon; what comes behind waits, so that the order stays.
                Some(_) => {
                    deferred = Some(DEFERRED);
                    break;
                }
                None => new.push(verdict(message, ticket, absorbed)),
            }
        }
        CrashPoint::ReadFetched.reached();
        let is_pending = |remote: &NewRemote| remote.state == RemoteState::Pending;
        if (new.iter().any(is_pending) || ticket.is_estranged)
            && let Some(why) = self
                .is_anothers(ticket, case, early.and_then(|early| early.of(&new)))
                .await?
        {
            let sorted = Sorted {
                new: 0,
                has_more: true,
            };
            return self.estrange(ticket, &why).await.map(|()| sorted);
        }
        found_since.extend(
            identified
                .iter()
                .map(|(delivery, message)| (delivery.id, *message)),
        );
        let is_at_once = early.is_some();
        self.store_read(
            (ticket, case),
            &page,
            (wanted_at, is_at_once),
            (new, found_since),
            deferred,
        )
        .await
    }

    /// Stores what a read has brought: `new` messages, and what of ours was `found` among them.
    async fn store_read(
        &self,
        (ticket, case): (&Ticket, CaseId),
        page: &Page,
        (wanted_at, is_at_once): (jiff::Timestamp, bool),
        (new, found): (Vec<NewRemote>, Vec<(DeliveryId, MessageId)>),
        deferred: Option<Duration>,
    ) -> Result<Sorted, StoreError> {
        // Deskie's dates are whole seconds: the last two may still get company.
        let explained = page.date.and_then(|date| date.checked_sub(EXPLAINED_UNTIL).ok());
        let deferred = deferred.or(page.has_more.then_some(Duration::ZERO));
        let read = ReadCase {
            new,
            identified: found,
            explained: explained.filter(|_| deferred.is_none()),
            whole: page.whole.filter(|_| deferred.is_none()),
            wanted_at,
            again_after: deferred,
            is_at_once,
            is_by_what_was_known: page.is_by_what_was_known,
        };
        // Before the read counts as made: what waited for long is held until then.
        if let Some(waiting) = &page.waiting {
            let shown: Vec<_> = waiting.iter().map(still_for_the_site).collect();
            let is_whole = page.whole.is_some() && page.unreadable.is_empty() && !page.has_more;
            let changed = self
                .store
                .remotes()
                .follow(ticket.id, case, &shown, is_whole)
                .await?;
            if changed > 0 {
                tracing::info!(ticket = %ticket.key, %case, "{changed} that wait for the site were changed or deleted in Deskie");
            }
        }
        let Some(pending) = self.store.remotes().read(ticket, case, &read).await? else {
            return Ok(Sorted {
                new: 0,
                has_more: true,
            });
        };
        CrashPoint::ReadStored.reached();
        for line in self
            .store
            .journal()
            .add_unreadable(Some(ticket.id), &page.unreadable)
            .await?
        {
            tracing::warn!(ticket = %ticket.key, %case, "{line}; it is passed over, and looked at again with each read");
        }
        if page.has_more {
            tracing::info!(ticket = %ticket.key, %case, "the case has more than {ROUND} new messages: it is read on");
        }
        if pending > 0 {
            tracing::info!(ticket = %ticket.key, %case, "{pending} new in Deskie");
        }
        Ok(Sorted {
            new: read.new.len(),
            has_more: deferred.is_some(),
        })
    }
}

/// What a read has brought.
struct Sorted {
    /// How many messages were not known.
    new: usize,
    /// The case is to be read again.
    has_more: bool,
}

enum Failed {
    Call(CallError),
    Store(StoreError),
}

/// The message that create_case made, which its answer does not name: the oldest of the customer's with its text;
/// where Deskie changed the text, the very first one of the case, if its time fits.
async fn first_message(
    opening: &Delivery,
    unknown: &[&Message],
    first: Option<&Message>,
    date: Option<jiff::Timestamp>,
) -> Option<MessageId> {
    let by_customer = |message: &Message| match (message.author(), opening.user_id) {
        (Writer::Customer(user), Some(customer)) => user == customer,
        _ => false,
    };
    for message in unknown {
        if by_customer(message) && same(opening, message).await.same {
            return Some(message.message_id);
        }
    }
    let fits = |message: &&Message| {
        let Some(at) = message.created_at.map(jiff::Timestamp::as_second) else {
            return true;
        };
        let intended = opening.intended_at(date, Duration::ZERO);
        let sent = intended.map_or(at, jiff::Timestamp::as_second);
        at == opening.written_at || (sent - 2..=sent + 60).contains(&at)
    };
    let very_first = || {
        first
            .filter(|message| by_customer(message))
            .filter(fits)
            .filter(|message| {
                unknown
                    .iter()
                    .any(|candidate| candidate.message_id == message.message_id)
            })
    };
    very_first().map(|message| message.message_id)
}

/// How a message stands to what we sent; it is the same with the same files alone.
async fn same(delivery: &Delivery, message: &Message) -> Shown {
    let shown = store::shown(&delivery.body, &message.content, &message.content_html).await;
    Shown {
        same: shown.same && text::same_files(&delivery.told_files(), &message.told_files()),
        ..shown
    }
}

/// The place of the first of these that the message may be.
async fn first_that_may_be(
    deliveries: &[&Delivery],
    message: &Message,
    date: Option<jiff::Timestamp>,
    also: impl Fn(&Delivery) -> bool,
) -> Option<usize> {
    for (place, delivery) in deliveries.iter().enumerate() {
        if may_be(delivery, message, date).await && also(delivery) {
            return Some(place);
        }
    }
    None
}

/// Whether a message may be the one that we sent and have no answer for.
async fn may_be(delivery: &Delivery, message: &Message, date: Option<jiff::Timestamp>) -> bool {
    let shown = same(delivery, message).await;
    let candidate = MessageCandidate {
        message_id: message.message_id,
        user_id: message.user_id.unwrap_or(UserId(0)),
        staff_id: message.staff_id.unwrap_or(StaffId(0)),
        note: message.note,
        // Of what our state has forgotten, several may have gone together.
        same_text: shown.same || (delivery.ask_first && shown.held),
        created_at: message.created_at,
        known: false,
    };
    let intent = MessageIntent {
        author: delivery.author_there(),
        created_at: jiff::Timestamp::from_second(delivery.written_at).ok(),
        sent_not_before: delivery
            .intended_at(date, Duration::ZERO)
            .unwrap_or(jiff::Timestamp::MIN),
        kept: CreatedAtKept::Unknown,
    };
    matches!(lanes::match_messages(&[candidate], &intent), Lookup::One(_))
}

/// Whether a message is from the very time of a call: the same text later is the customer's own.
fn is_of_then(delivery: &Delivery, message: &Message, date: Option<jiff::Timestamp>) -> bool {
    let Some(at) = message.created_at.map(jiff::Timestamp::as_second) else {
        return false;
    };
    let intended = delivery.intended_at(date, Duration::ZERO);
    at == delivery.written_at
        || intended.is_some_and(|intended| at <= intended.as_second().saturating_add(CARRIED_OUT_WITHIN))
}
