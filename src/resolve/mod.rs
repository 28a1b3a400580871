//! Events → what Deskie needs. The mapping runs here, as SQL on the site's database, and nowhere before.
//!
//! Events are taken in commit order, whole transactions at a time, by one task; what they mean is written in one
//! transaction together with their removal, so a crash repeats a batch or nothing of it. A row enters its ticket's
//! lane once (rules 5 and 6): [`crate::store::Link`] says what is known of its key. What cannot be decided yet stays
//! in its place in the lane as *unresolved* and is tried again here. What becomes of a row is decided in
//! [`crate::decide`]; ordinary neighbours are asked about and written together, as a *run* (`set`).
//!
//! A statement of the mapping that Postgres refuses as such (a dropped column) stops resolving, loudly, and loses
//! nothing: events go on being captured, and resolving goes on where it was.
//!
//! Invariant: nothing here calls Deskie, and nothing here writes to the site.

mod again;
mod ask;
mod clock;
mod compiled;
mod edit;
mod enter;
mod file_list;
mod files;
mod flood;
mod fold;
mod given;
mod moves;
mod newest;
mod round;
mod row;
mod set;
mod status;
mod thread;
mod ticket_edit;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, OpenOn};
use crate::model::{DeliveryId, EventId, LaneId, Op, Section, Seen, TroubleKind};
use crate::postgres::Pool;
use crate::store::{CreatedAt, Event, Link, LinkState, MappedSince, Step, Store, StoreError};

use compiled::{Compiled, cell, key_of};
use enter::DROPPED;
use moves::STAYS;
use round::Next;
use row::Lane;

/// Why a round of resolving stopped.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Our own tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The site's database cannot be asked now.
    #[error("the site's database cannot be asked: {0}")]
    Site(String),
    /// The session may know the tables as they were.
    #[error("the tables have changed under a session: {0}")]
    Stale(String),
    /// The mapping does not fit the database.
    #[error(
        "the mapping does not fit the database: {0}; mend the table or the config, nothing is lost meanwhile"
    )]
    Mapping(String),
    /// A captured row does not hold what it would be known by.
    #[error("{0}")]
    Keyless(String),
}

/// Turns captured events into deliveries.
pub struct Resolver {
    store: Store,
    site: Pool,
    config: Arc<Config>,
    compiled: tokio::sync::Mutex<Option<Arc<Compiled>>>,
    /// Nothing has shown so far that the last process did not die of what waits.
    careful: AtomicBool,
    begun: std::time::Instant,
    /// So many events are taken at once, as long as rounds are quick.
    most: AtomicI64,
    /// How often in a row the site's connection broke.
    breaks: AtomicU32,
    /// What was counted for attempts that the process has survived.
    owed: tokio::sync::Mutex<(Vec<EventId>, Vec<DeliveryId>)>,
    /// Of a transaction that is longer than a round, which events are of rows that it changes again.
    followed: tokio::sync::Mutex<Option<(u64, Option<Vec<EventId>>)>>,
    /// Each event goes the way of one event: what runs are compared with.
    one_by_one: bool,
}

/// Why a row is passed over whose table was emptied in the same transaction.
const LOADED_AGAIN: &str = "its whole table was loaded again in one transaction";

/// Why a row that was there before is passed over.
const FROM_BEFORE: &str = "an update of a row from before the connector";

/// The same where its `created_at` says neither that nor the contrary.
const UNTOLD: &str = "an update of a row that created_at tells neither new nor old: its INSERT was not seen, so it counts as old";

/// An event that is there and not ready is looked at again after this, then after twice as long each time: most are not
/// visible yet for a moment only.
const SOON: Duration = Duration::from_millis(2);

/// The longest of these; once that has passed, the beat says that something waits.
const LATER: Duration = Duration::from_millis(500);

/// So long after what is held it is looked whether it still is.
const HELD: Duration = Duration::from_millis(200);

/// While nothing rings it is said so often that it is waited for.
const TURN: Duration = Duration::from_secs(20);

impl Resolver {
    /// A resolver; nothing is asked before the first round.
    pub fn new(store: Store, site: Pool, config: Arc<Config>) -> Resolver {
        Resolver {
            store,
            site,
            config,
            compiled: tokio::sync::Mutex::new(None),
            careful: AtomicBool::new(true),
            most: AtomicI64::new(i64::MAX),
            begun: crate::model::clock::monotonic(),
            breaks: AtomicU32::new(0),
            owed: tokio::sync::Mutex::default(),
            followed: tokio::sync::Mutex::default(),
            one_by_one: false,
        }
    }

    /// The same, with runs switched off: what the test of runs compares them with.
    pub fn one_by_one(self) -> Resolver {
        Resolver {
            one_by_one: true,
            ..self
        }
    }

    /// Resolves until cancelled; `turned` is called whenever a round went well.
    pub async fn run(&self, cancel: CancellationToken, turned: impl Fn()) {
        let (mut failures, mut soon) = (0u32, SOON);
        loop {
            let round = self.round().await;
            if round.is_ok() {
                turned();
                if failures > 0 {
                    failures = 0;
                    tracing::info!("resolving goes on");
                    if let Err(error) = self
                        .store
                        .troubles()
                        .over(TroubleKind::ResolvingStopped, "")
                        .await
                    {
                        tracing::warn!("that resolving goes on could not be noted: {error}");
                    }
                }
            }
            // Until then nothing but a bell is heeded; `None`: nothing else.
            let pause = match round {
                Ok(Next::Now) => {
                    soon = SOON;
                    Some(Duration::ZERO)
                }
                Ok(Next::Soon) if soon <= LATER => {
                    soon *= 2;
                    Some(soon / 2)
                }
                Ok(_) => {
                    soon = SOON;
                    None
                }
                Err(ResolveError::Store(error)) if error.lost_leadership() => return,
                // Either a person has to decide, which ends the term, or rows that were written anew are compared.
                Err(ResolveError::Store(error)) if error.is_held() => {
                    self.store.wake.hold.notify_one();
                    Some(HELD)
                }
                Err(error) => {
                    failures += 1;
                    *self.compiled.lock().await = None;
                    tracing::error!(attempt = failures, "resolving stopped: {error}");
                    let text = format!("resolving stopped: {error}");
                    let trouble = Seen::new(TroubleKind::ResolvingStopped, text);
                    if let Err(error) = self.store.troubles().seen(&trouble).await {
                        tracing::warn!("the error could not be noted: {error}");
                    }
                    Some(Duration::from_secs(u64::from(failures.min(10))))
                }
            };
            loop {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = self.store.wake.events.notified(), if failures == 0 => {}
                    () = self.store.wake.due_events.notified(), if pause.is_none() => {}
                    () = tokio::time::sleep(pause.unwrap_or(TURN)) => {
                        if pause.is_none() {
                            turned();
                            continue;
                        }
                    }
                }
                break;
            }
        }
    }

    async fn compiled(&self) -> Result<Arc<Compiled>, ResolveError> {
        let mut compiled = self.compiled.lock().await;
        if let Some(found) = compiled.as_ref() {
            return Ok(found.clone());
        }
        let client = self
            .site
            .get()
            .await
            .map_err(|error| ResolveError::Site(error.to_string()))?;
        let made = Arc::new(Compiled::load(&client, &self.config).await?);
        self.store.clocks().declare(&made.created_at).await?;
        *compiled = Some(made.clone());
        Ok(made)
    }
}

/// What one round works with.
struct Batch<'a> {
    store: &'a Store,
    config: &'a Config,
    compiled: Arc<Compiled>,
    site: deadpool_postgres::Object,
    started_at: jiff::Timestamp,
    /// The tables that were mapped after the start.
    later: HashMap<String, MappedSince>,
    /// What is known of `created_at`.
    clocks: tokio::sync::Mutex<Vec<CreatedAt>>,
    moves: HashSet<(EventId, Section)>,
    /// The transaction that goes on in the next round.
    cut: Option<u64>,
    /// By which transactions sections were emptied: what they insert is loaded again, not new.
    emptied: HashSet<(u64, Section)>,
    /// The sessions were just made anew.
    is_fresh: bool,
    /// No runs.
    one_by_one: bool,
    /// Some change is parked, which one of these may overtake.
    has_parked: bool,
    /// The transactions of which something is kept and nothing was decided.
    counted: HashSet<u64>,
    /// By which transactions lanes without a case got their first message.
    opens: std::sync::Mutex<Vec<(u64, LaneId)>>,
}

impl Batch<'_> {
    async fn event(&self, step: &Step<'_>, event: &Event) -> Result<(), ResolveError> {
        for section in self.compiled.sections_of(&event.relation) {
            if event.op == Op::Truncate {
                if self.has_parked {
                    step.parked_events()
                        .overtaken(&event.relation, None, event)
                        .await?;
                }
                step.links().set_all_gone(section, event, DROPPED).await?;
                step.journal()
                    .add(None, "truncate", &event.relation.to_string())
                    .await?;
                continue;
            }
            let shape = self.compiled.shape(section);
            let columns = &shape.key;
            let row = if event.op == Op::Delete {
                event.old_key.as_ref()
            } else {
                Some(&event.image)
            };
            let is_thread = section == Section::Message && self.compiled.thread.is_some();
            let key = |row: &Value| key_of(row, columns);
            let Some(new_key) = row.and_then(key) else {
                if event.op == Op::Insert
                    && let Some(column) = shape.generated_key()
                {
                    return Err(ResolveError::Keyless(format!(
                        "the stream does not hold {column}, by which the mapping knows the rows of {}: the server generates \
                         it; name columns that are not generated as `key`, restart, and `failed retry` takes it",
                        shape.relation
                    )));
                }
                step.skipped()
                    .count("a change without the mapped key (replica identity)")
                    .await?;
                continue;
            };
            let has_moved = self.moves.contains(&(event.id, section));
            if event.op == Op::Delete && !has_moved && self.stays(event, shape, &new_key).await? {
                step.skipped().count(STAYS).await?;
                continue;
            }
            if self.has_parked
                && event.op != Op::Insert
                && let Some(key) = row.map(|row| enter::key_image(row, columns))
            {
                step.parked_events()
                    .overtaken(&event.relation, Some(&key), event)
                    .await?;
            }
            match event.op {
                Op::Delete if has_moved => {}
                Op::Delete if is_thread => self.thread_deleted(step, event, &new_key).await?,
                Op::Delete => {
                    self.delete_noted(step, event, section, &new_key).await?;
                    self.deleted(step, section, &new_key, event).await?;
                }
                _ => {
                    let old_key = event.old_key.as_ref().and_then(key).filter(|old| *old != new_key);
                    if is_thread {
                        self.thread_written(step, event, &new_key, old_key.as_deref())
                            .await?;
                        continue;
                    }
                    self.written(step, event, section, &new_key, old_key.as_deref())
                        .await?;
                }
            }
        }
        // After the row's other meanings: the message that it may be as well takes its own file along.
        for attached in self.compiled.attachments_of(&event.relation) {
            self.file_event(step, event, attached).await?;
        }
        Ok(())
    }

    async fn deleted(
        &self,
        step: &Step<'_>,
        section: Section,
        key: &str,
        event: &Event,
    ) -> Result<(), ResolveError> {
        let known = step.links().find(section, key).await?;
        if known.is_none() && self.cut == Some(event.xid) {
            // The rest of the transaction, which may bring it back, is not seen yet.
            let reason = Some("from before the connector");
            let link = step
                .links()
                .add(section, key, 1, None, LinkState::Skipped, reason);
            step.links().set_gone(link.await?, event).await?;
        }
        if let Some(link) = known.filter(|link| !link.gone) {
            step.links().set_gone(link.id, event).await?;
            // The rest of the transaction, which may bring it back, is seen.
            if self.cut != Some(event.xid) {
                step.deliveries().forget(link.id).await?;
            }
            if step
                .deliveries()
                .drop_unsent(link.id, "the site deleted the row before it was sent")
                .await?
                + step
                    .files()
                    .drop_unsent(link.id, "the site deleted it before it was sent")
                    .await?
                > 0
            {
                step.links()
                    .set_state(link.id, LinkState::Skipped, Some(DROPPED))
                    .await?;
                step.files().release_of(link.id).await?;
            }
        }
        if section == Section::Ticket
            && let Some(ticket) = step.tickets().newest(key).await?.filter(|ticket| !ticket.gone)
        {
            step.tickets().set_gone(ticket.id, true).await?;
            step.deliveries().wake(ticket.id).await?;
            step.journal()
                .add(Some(ticket.id), "ticket deleted on the site", "")
                .await?;
        }
        Ok(())
    }

    async fn written(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        key: &str,
        old_key: Option<&str>,
    ) -> Result<(), ResolveError> {
        if let Some(old_key) = old_key
            && let Some(link) = step
                .links()
                .find(section, old_key)
                .await?
                .filter(|link| !link.gone)
        {
            step.links().set_key(link.id, key).await?;
        }
        if section == Section::Ticket
            && let Some(old_key) = old_key
        {
            step.tickets().set_key(old_key, key).await?;
        }
        let mut known = step.links().find(section, key).await?;
        let mut is_insert = event.op == Op::Insert && !self.moves.contains(&(event.id, section));
        let is_another = match &known {
            Some(link) => self.is_another_row(step, event, (section, key), link).await?,
            None => false,
        };
        if is_another {
            self.delete_noted(step, event, section, key).await?;
            self.deleted(step, section, key, event).await?;
            known = step.links().find(section, key).await?;
            is_insert = true;
        } else if let Some(link) = known.as_mut().filter(|_| is_insert)
            && self.came_back(step, event, section, key, link).await?
        {
            is_insert = false;
        }
        if section == Section::Ticket && !is_insert {
            self.status_changed(step, event).await?;
            if !event.echo {
                self.customer_changed(step, event, key).await?;
            }
            if !event.echo && !self.opening_changed(step, event, key).await? {
                self.ticket_changed(step, event, key).await?;
            }
        }
        if event.echo {
            // Our own write, or a row that a trigger of the site added to it (rule 8).
            if known.as_ref().is_none_or(|link| link.gone && is_insert) && is_insert {
                let generation = known.map_or(1, |link| link.generation + 1);
                step.links()
                    .add(
                        section,
                        key,
                        generation,
                        None,
                        LinkState::Written,
                        Some("written by us"),
                    )
                    .await?;
            }
            return Ok(());
        }
        match known {
            Some(link) if is_insert && !link.gone => {
                step.skipped().count("a known key was inserted again").await?;
                Ok(())
            }
            Some(_)
                if is_another
                    && self.emptied.contains(&(event.xid, section))
                    && self.made_after_start(section, event).await? != Some(true) =>
            {
                Ok(step.skipped().count(LOADED_AGAIN).await?)
            }
            Some(link) if is_insert => {
                self.first_seen(step, event, section, key, link.generation + 1)
                    .await
            }
            Some(link) => self.changed(step, event, section, key, link).await,
            None if is_insert && self.emptied.contains(&(event.xid, section)) => {
                if self.made_after_start(section, event).await? == Some(true) {
                    return self.first_seen(step, event, section, key, 1).await;
                }
                Ok(step.skipped().count(LOADED_AGAIN).await?)
            }
            None if is_insert => {
                self.learn_clock(step, event, section).await?;
                self.first_seen(step, event, section, key, 1).await
            }
            None => self.changed_unknown(step, event, section, key).await,
        }
    }

    /// An UPDATE of a row whose INSERT was not seen: ours only if it was made after the start.
    async fn changed_unknown(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        key: &str,
    ) -> Result<(), ResolveError> {
        if section == Section::Ticket
            && let Some(ticket) = step.tickets().newest(key).await?
        {
            step.deliveries().wake(ticket.id).await?;
        }
        match self.made_after_start(section, event).await? {
            Some(true) => return self.first_seen(step, event, section, key, 1).await,
            Some(false) => step.skipped().count(FROM_BEFORE).await?,
            None => step.skipped().count(UNTOLD).await?,
        }
        Ok(())
    }

    /// A known row changed.
    async fn changed(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        key: &str,
        link: Link,
    ) -> Result<(), ResolveError> {
        if section == Section::Ticket
            && let Some(ticket) = step.tickets().newest(key).await?
        {
            step.deliveries().wake(ticket.id).await?;
            if self.config.ticket.open_on == OpenOn::Message {
                return Ok(());
            }
        }
        if section == Section::Message && !self.waiting_changed(step, event, section, &link).await? {
            self.edited(step, event, &link).await?;
        }
        if link.state == LinkState::Seen {
            let Some(image) = self.newest_image(event, section).await? else {
                return Ok(step
                    .links()
                    .set_state(link.id, LinkState::Skipped, Some(DROPPED))
                    .await?);
            };
            match self.lane_of(section, key, &image).await? {
                Lane::None => {}
                Lane::Untold(why) => {
                    self.park_stray(step, event, section, link.id, &image, &why)
                        .await?;
                }
                Lane::Of(ticket_key) => {
                    let ticket = step.tickets().find_or_add(&ticket_key).await?;
                    step.links().set_ticket(link.id, ticket.id).await?;
                    self.enter(step, event, &image, section, link.id, &ticket).await?;
                }
            }
        }
        Ok(())
    }
}
