//! One round: everything that waits is tried together, and what fails as a set is halved until it is alone (rule 19).
//!
//! A piece of a round is one transaction. A transaction of the site that falls into several pieces is dealt with like
//! one that is longer than a round. What fails alone is counted, before it is tried again, and in the end it is
//! parked with its cause; all others go on. After a start, while nothing has shown yet that the last process did not
//! die of what waits, pieces are counted before they are tried: what kills the process finds itself alone in the end.
//!
//! Not an item's matter: the connection, our own tables, another leader, and a mapping that fits no row.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Batch, Compiled, ResolveError, Resolver, moves};
use crate::mapping::shape::key_values;
use crate::model::{CrashPoint, DeliveryId, EventId, Op, Section, TicketKey, clock};
use crate::postgres::describe;
use crate::store::{Event, Facts, Place, Round, StoreError, Stray, Unresolved};

/// The most events of one round; a transaction is taken whole.
const BATCH: i64 = 1000;

/// The fewest that are taken where rounds are slow.
const LEAST: i64 = 50;

/// A round that takes longer keeps the rows of its tickets for too long: what is sent and read meanwhile waits for them.
const SLOW: Duration = Duration::from_secs(2);

/// The most rows of one round that are tried again one by one.
const AGAIN: i64 = 200;

/// What is known of the rows of a run is in memory several times over.
const RUN_BYTES: usize = 512 << 10;

/// At so many failures an item is parked: three by itself, since two deaths of the process among others prove nothing
/// about one of them; somebody may simply have killed it.
const FAILURES: i16 = 5;

/// So many go together that have failed, or died with the process, once.
const SUSPECTS: usize = 20;

/// What killed the last process has come again by then.
const CAREFUL_FOR: Duration = Duration::from_secs(60);

/// An item that has failed alone for what may pass is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A connection that broke so often in a row, while the database answers, is broken by what is asked.
const BREAKS: u32 = 3;

/// When the next round is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// More is there.
    Now,
    /// What is there is not ready.
    Soon,
    /// Once something rings.
    OnceRung,
}

/// One thing that is tried.
enum Item {
    /// A row change.
    Event(Event),
    /// One that was parked, and that a person wants to be tried again.
    Again(Event),
    /// A row in its lane that could not be resolved.
    Waiting(Box<Unresolved>),
    /// A row in no lane, which a person wants to be tried again.
    Stray(Stray),
}

impl Item {
    fn failures(&self) -> i16 {
        match self {
            Item::Event(event) | Item::Again(event) => event.failures,
            Item::Waiting(waiting) => waiting.failures,
            Item::Stray(stray) => stray.failures,
        }
    }

    /// What may be tried together is of one kind.
    fn kind(&self) -> u8 {
        match self {
            Item::Again(_) => 0,
            Item::Event(_) => 1,
            Item::Waiting(_) => 2,
            Item::Stray(_) => 3,
        }
    }
}

/// How many are taken next, after a round of at most so many has taken so long.
fn next_most(most: i64, took: Duration) -> i64 {
    match took {
        took if took > SLOW => (most / 4).max(LEAST),
        took if took < SLOW / 4 => (most * 2).min(BATCH),
        _ => most,
    }
}

impl Resolver {
    /// One round.
    pub(super) async fn round(&self) -> Result<Next, ResolveError> {
        // Before there is anything to do: a mapping that does not fit is told at the start, not with the first row.
        let compiled = self.compiled().await?;
        self.settle_counts().await?;
        let is_careful = self.careful.load(Ordering::Relaxed);
        let most = self.most.load(Ordering::Relaxed).clamp(LEAST, BATCH);
        let Round {
            facts,
            events,
            goes_on,
            has_more,
        } = self
            .store
            .events()
            .round(most, self.config.capture.settle, is_careful)
            .await?;
        let mut items: Vec<Item> = Vec::new();
        if facts.has_again {
            let parked = self.store.parked_events().retried().await?;
            items.extend(parked.into_iter().map(Item::Again));
        }
        let next = match (items.is_empty(), events.is_empty(), has_more) {
            (false, ..) | (_, false, true) => Next::Now,
            (_, true, true) => Next::Soon,
            (_, _, false) => Next::OnceRung,
        };
        let events = self.as_left(events, goes_on, &compiled).await?;
        items.extend(events.into_iter().map(Item::Event));
        if facts.has_again {
            let waiting = self.store.deliveries().unresolved(AGAIN).await?.into_iter();
            items.extend(waiting.map(|waiting| Item::Waiting(Box::new(waiting))));
            let strays = self.store.deliveries().strays(AGAIN).await?.into_iter();
            items.extend(strays.map(Item::Stray));
        }
        if items.is_empty() {
            if self.begun.elapsed() > CAREFUL_FOR {
                self.careful.store(false, Ordering::Relaxed);
            }
            return Ok(next);
        }
        let begun = clock::monotonic();
        let follows = self.pieces(&items, goes_on, &mut Some(facts), is_careful).await?;
        self.most
            .store(next_most(most, begun.elapsed()), Ordering::Relaxed);
        Ok(if follows { Next::Now } else { next })
    }

    /// Tries all pieces, in order; `facts`: what was just read, for the first of them. Whether anything that waits may have
    /// become due by it.
    async fn pieces(
        &self,
        items: &[Item],
        goes_on: Option<u64>,
        facts: &mut Option<Facts>,
        is_careful: bool,
    ) -> Result<bool, ResolveError> {
        let (mut follows, mut is_halved) = (false, false);
        let mut todo: Vec<(usize, usize)> = pieces(items);
        todo.reverse();
        while let Some((from, to)) = todo.pop() {
            let Some(piece) = items.get(from..to) else {
                continue;
            };
            let cut = cut_of(items, to, goes_on);
            let is_suspect = piece.first().is_some_and(|item| item.failures() > 0);
            if let [item] = piece
                && is_suspect
            {
                self.alone(item, cut).await?;
                follows = true;
                continue;
            }
            // Events that have not failed yet were counted as they were taken.
            let is_counted = is_careful && !is_halved && matches!(piece.first(), Some(Item::Event(_)));
            if is_suspect || is_careful && !is_counted {
                self.count_attempt(piece).await?;
            }
            let error = match self.piece(piece, cut, facts).await {
                Ok(more) => {
                    follows |= more;
                    continue;
                }
                Err(error) => error,
            };
            (follows, is_halved) = (true, true);
            // Whatever it was, the process has survived it.
            if is_careful || is_suspect {
                self.owe_counts(piece).await;
            }
            if self.is_of_everybody(&error).await {
                if is_careful {
                    self.owe_untried(items.get(to..).unwrap_or_default()).await;
                }
                return Err(error);
            }
            self.settle_counts().await?;
            match piece {
                [item] => self.alone(item, cut).await?,
                _ => {
                    let middle = from + piece.len() / 2;
                    todo.push((middle, to));
                    todo.push((from, middle));
                }
            }
        }
        Ok(follows)
    }

    /// Tries one item by itself until it goes well, or is parked. Each attempt is counted before it is made.
    async fn alone(&self, item: &Item, cut: Option<u64>) -> Result<(), ResolveError> {
        let piece = std::slice::from_ref(item);
        let mut why = "the program ended each time while it was at this".to_owned();
        for _ in item.failures()..FAILURES {
            self.count_attempt(piece).await?;
            let Err(error) = self.piece(piece, cut, &mut None).await else {
                return Ok(());
            };
            if self.is_of_everybody(&error).await {
                self.owe_counts(piece).await;
                return Err(error);
            }
            why = error.of_the_row();
            tracing::warn!("one item alone cannot be resolved: {why}");
            if !error.is_certain() {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
        self.park(item, cut, &why).await
    }

    /// What was counted for an attempt that the process has survived is taken back, at the latest before the next one.
    async fn owe_counts(&self, piece: &[Item]) {
        let (events, deliveries) = ids(piece);
        let mut owed = self.owed.lock().await;
        owed.0.extend(events);
        owed.1.extend(deliveries);
    }

    /// The same of what was counted as it was taken, and not tried.
    async fn owe_untried(&self, items: &[Item]) {
        let untried = live(items).filter(|event| event.failures == 0);
        self.owed.lock().await.0.extend(untried.map(|event| event.id));
    }

    async fn settle_counts(&self) -> Result<(), ResolveError> {
        let mut owed = self.owed.lock().await;
        if !owed.0.is_empty() || !owed.1.is_empty() {
            self.store.attempts().take_back(&owed.0, &owed.1).await?;
            *owed = Default::default();
        }
        Ok(())
    }

    async fn count_attempt(&self, piece: &[Item]) -> Result<(), ResolveError> {
        let (events, deliveries) = ids(piece);
        if !events.is_empty() {
            self.store.attempts().count_events(&events).await?;
        }
        if !deliveries.is_empty() {
            self.store.attempts().count_deliveries(&deliveries).await?;
        }
        Ok(())
    }

    /// Whether a failure is no item's matter.
    async fn is_of_everybody(&self, error: &ResolveError) -> bool {
        match error {
            ResolveError::Mapping(_) | ResolveError::Stale(_) => true,
            ResolveError::Keyless(_) => false,
            // A backend that dies of one row takes its connection along.
            ResolveError::Site(_) => {
                let breaks = self.breaks.fetch_add(1, Ordering::Relaxed) + 1;
                breaks < BREAKS || self.store.ping().await.is_err()
            }
            ResolveError::Store(error) => match error.is_of_the_values() {
                Some(is_of_the_values) => !is_of_the_values,
                None => self.store.ping().await.is_err(),
            },
        }
    }

    /// One piece; where the session's plans may be those of tables that have changed, once more with new ones.
    async fn piece(
        &self,
        piece: &[Item],
        cut: Option<u64>,
        facts: &mut Option<Facts>,
    ) -> Result<bool, ResolveError> {
        let done = match self.try_piece(piece, cut, facts.take(), false).await {
            Err(ResolveError::Stale(text)) => {
                tracing::info!("the tables seem to have changed: all sessions are made anew ({text})");
                self.site.renew();
                *self.compiled.lock().await = None;
                self.try_piece(piece, cut, None, true).await
            }
            done => done,
        };
        if done.is_ok() {
            self.breaks.store(0, Ordering::Relaxed);
        }
        done
    }

    async fn batch(
        &self,
        piece: &[Item],
        cut: Option<u64>,
        facts: Option<Facts>,
        is_fresh: bool,
    ) -> Result<Batch<'_>, ResolveError> {
        let compiled: Arc<Compiled> = self.compiled().await?;
        let events: Vec<&Event> = events_of(piece).collect();
        let facts = match facts {
            Some(facts) => facts,
            None => self.store.events().facts().await?,
        };
        let mut emptied = facts.emptied;
        emptied.extend(moves::emptied(&events, &compiled));
        let site = self.site.get().await;
        Ok(Batch {
            is_fresh,
            one_by_one: self.one_by_one,
            cut,
            emptied,
            store: &self.store,
            config: &self.config,
            moves: moves::moves(&events, &compiled),
            site: site.map_err(|error| ResolveError::Site(error.to_string()))?,
            compiled,
            started_at: facts.started_at,
            later: facts.later,
            clocks: tokio::sync::Mutex::new(facts.clocks),
            has_parked: facts.has_parked,
            counted: facts.counted,
            opens: std::sync::Mutex::default(),
        })
    }

    /// Whether anything that waits may have become due by it.
    async fn try_piece(
        &self,
        piece: &[Item],
        cut: Option<u64>,
        facts: Option<Facts>,
        is_fresh: bool,
    ) -> Result<bool, ResolveError> {
        let batch = self.batch(piece, cut, facts, is_fresh).await?;
        let events: Vec<&Event> = live(piece).collect();
        if events.len() == piece.len()
            && let Some(follows) = Box::pin(batch.run_at_once(&events)).await?
        {
            CrashPoint::ResolveStored.reached();
            return Ok(follows);
        }
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        let (mut run, mut bytes) = (Vec::new(), 0);
        for item in piece {
            if let Item::Event(event) = item
                && let Some(entry) = batch.entry(event)
            {
                bytes += entry.bytes();
                run.push(entry);
                if bytes > RUN_BYTES {
                    Box::pin(batch.run_of(&step, std::mem::take(&mut run))).await?;
                    bytes = 0;
                }
                continue;
            }
            Box::pin(batch.run_of(&step, std::mem::take(&mut run))).await?;
            match item {
                Item::Event(event) => Box::pin(batch.event(&step, event)).await?,
                Item::Again(event) => {
                    Box::pin(batch.event(&step, event)).await?;
                    step.parked_events().done(event.id).await?;
                }
                // An event of this round may have changed it, or handed it to another ticket.
                Item::Waiting(waiting) => {
                    if let Some(now) = step.deliveries().to_resolve(waiting.id).await? {
                        Box::pin(batch.unresolved(&step, &now)).await?;
                    }
                }
                Item::Stray(stray) => Box::pin(batch.stray(&step, stray)).await?,
            }
        }
        Box::pin(batch.run_of(&step, run)).await?;
        let (ids, deliveries) = ids(piece);
        if !deliveries.is_empty() {
            step.attempts().went_well(&deliveries).await?;
        }
        if matches!(piece.first(), Some(Item::Event(_))) {
            batch.transactions_end(&step).await?;
        }
        CrashPoint::ResolveDecided.reached();
        // Last of all: what was read by key up to now was read by the keys that are noted.
        step.events().delete_unheld(&ids).await?;
        step.commit().await?;
        CrashPoint::ResolveStored.reached();
        self.store.wake.lanes.notify_one();
        Ok(true)
    }

    /// Puts an item out of the way of all others, with its cause.
    async fn park(&self, item: &Item, cut: Option<u64>, why: &str) -> Result<(), ResolveError> {
        let place = match item {
            Item::Event(event) | Item::Again(event) => self.place_of(event).await,
            _ => Place::default(),
        };
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        match item {
            Item::Event(event) | Item::Again(event) => {
                tracing::error!(ticket = ?place.ticket_key, "a change of {} is parked: {why}; `deskie-cdc failed show e{}`", event.relation, event.id);
                step.events().park(event.id, &place, why).await?;
                if matches!(item, Item::Event(_)) {
                    super::flood::judge(&step, &self.config, cut).await?;
                }
            }
            Item::Waiting(waiting) => {
                tracing::error!(ticket = %waiting.ticket_key, "parked: {why}; `deskie-cdc failed show d{}`", waiting.id);
                step.deliveries().park(waiting.id, why).await?;
            }
            Item::Stray(stray) => {
                tracing::error!(
                    "a row is parked again: {why}; `deskie-cdc failed show d{}`",
                    stray.id
                );
                step.deliveries().park(stray.id, why).await?;
            }
        }
        step.commit().await?;
        self.store.wake.lanes.notify_one();
        Ok(())
    }

    /// The lane of a change that could not be taken, as far as it can be told.
    async fn place_of(&self, event: &Event) -> Place {
        let piece = [Item::Event(event.clone())];
        let untold = Place {
            position: event.id.0,
            ..Place::default()
        };
        let Ok(batch) = self.batch(&piece, None, None, true).await else {
            return untold;
        };
        let told = batch.lane_of_event(event).await;
        let Ok(Some((section, key))) = told else {
            return untold;
        };
        let lane = async {
            let mut client = self.store.client().await.ok()?;
            let step = self.store.step(&mut client).await.ok()?;
            let ticket = step.tickets().find_or_add(&key).await.ok()?;
            step.commit().await.ok()?;
            Some(ticket.id)
        };
        // What a later thing of the ticket must not overtake is what brings something to Deskie.
        let blocks = match (section, event.op) {
            (_, Op::Delete | Op::Truncate) => false,
            (Section::Ticket, op) => op == Op::Insert,
            _ => true,
        };
        let ticket_id = if blocks { lane.await } else { None };
        Place {
            ticket_id,
            position: if section == Section::Ticket { 0 } else { event.id.0 },
            ticket_key: Some(key.0.clone()),
        }
    }
}

impl Batch<'_> {
    /// Of which section a change is, and of which ticket.
    async fn lane_of_event(&self, event: &Event) -> Result<Option<(Section, TicketKey)>, ResolveError> {
        let row = match event.op {
            Op::Delete => event.old_key.as_ref().unwrap_or(&event.image),
            _ => &event.image,
        };
        for section in self.compiled.sections_of(&event.relation) {
            let Some(key) = self.key_of(section, row) else {
                continue;
            };
            if section == Section::Ticket {
                return Ok(Some((section, TicketKey(key))));
            }
            if let super::row::Lane::Of(ticket) = self.ticket_key_of(row).await?
                && key_values(ticket.as_str(), self.compiled.ticket.key.len()).is_some()
            {
                return Ok(Some((section, ticket)));
            }
        }
        Ok(None)
    }
}

impl ResolveError {
    /// For one item that failed alone.
    fn of_the_row(&self) -> String {
        match self {
            ResolveError::Store(StoreError::Postgres(error)) => {
                format!("it could not be taken: {}", describe(error))
            }
            other => format!("it could not be taken: {other}"),
        }
    }

    /// Another attempt a moment later ends no better.
    fn is_certain(&self) -> bool {
        match self {
            ResolveError::Keyless(_) => true,
            ResolveError::Store(error) => error.is_of_the_values() == Some(true),
            _ => false,
        }
    }
}

/// What is tried together: neighbours of one kind; suspects apart from the others, and alone from their third time on.
fn pieces(items: &[Item]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let most = |item: &Item| match (item.kind(), item.failures()) {
        // Each of them has failed before.
        (0, _) => 1,
        (_, 0) => usize::MAX,
        (_, 1) => SUSPECTS,
        _ => 1,
    };
    for (n, item) in items.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|before| items.get(before));
        let joins =
            before.is_some_and(|before| before.kind() == item.kind() && before.failures() == item.failures());
        match found.last_mut() {
            Some((from, to)) if joins && *to - *from < most(item) => *to = n + 1,
            _ => found.push((n, n + 1)),
        }
    }
    found
}

/// The transaction that goes on behind a piece that ends before `to`.
fn cut_of(items: &[Item], to: usize, goes_on: Option<u64>) -> Option<u64> {
    let event = |n: usize| match items.get(n) {
        Some(Item::Event(event)) => Some(event.xid),
        _ => None,
    };
    let last = event(to.checked_sub(1)?)?;
    match event(to) {
        Some(next) => (next == last).then_some(last),
        None => goes_on.filter(|xid| *xid == last),
    }
}

fn events_of(piece: &[Item]) -> impl Iterator<Item = &Event> {
    piece.iter().filter_map(|item| match item {
        Item::Event(event) | Item::Again(event) => Some(event),
        _ => None,
    })
}

fn live(piece: &[Item]) -> impl Iterator<Item = &Event> {
    piece.iter().filter_map(|item| match item {
        Item::Event(event) => Some(event),
        _ => None,
    })
}

fn ids(piece: &[Item]) -> (Vec<EventId>, Vec<DeliveryId>) {
    let events = events_of(piece).map(|event| event.id).collect();
    let deliveries = piece.iter().filter_map(|item| match item {
        Item::Waiting(waiting) => Some(waiting.id),
        Item::Stray(stray) => Some(stray.id),
        _ => None,
    });
    (events, deliveries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_rounds_become_small_and_quick_ones_large_again() {
        let (mut most, slow, quick) = (BATCH, SLOW * 30, SLOW / 20);
        let mut sizes = Vec::new();
        for took in [slow, slow, slow, SLOW, quick, quick, quick, quick, quick, quick] {
            most = next_most(most, took);
            sizes.push(most);
        }
        assert_eq!(sizes, [250, 62, 50, 50, 100, 200, 400, 800, 1000, 1000]);
    }
}
