//! Many events at once: what one statement can say of all of them is asked and written so.
//!
//! Neighbours that are *ordinary* make a run ([`Batch::entry`]): an INSERT, or an UPDATE that leaves the key alone, of a
//! table that is one section. For a run one statement finds what is known of all keys, one a section evaluates the mapping
//! over all images, one finds the lanes; the decisions are those of [`crate::decide`], taken row by row in order; one
//! statement each writes what follows ([`effects`]).
//!
//! Whatever is not plain for a row (its cells are not all there, the mapping gives it none or several answers or refuses
//! it, it is known in a state that something follows from, files) is *alone*: it goes the
//! way of one event, [`Batch::event`], in its place, after the effects of all before it are written. So a run means exactly
//! what its events mean one after the other; a test compares both.

mod asked;
mod course;
mod effects;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use self::course::Course;
use self::effects::{Effects, Enters};
use super::compiled::key_of;
use super::enter::echo_of;
use super::given::may_be_given;
use super::row::Lane;
use super::{Batch, FROM_BEFORE, ResolveError, UNTOLD};
use crate::config::{AttachmentOf, Message, OpenOn};
use crate::decide::{self, MessageRow, Need, Outputs, Ruling, seconds};
use crate::mapping::read::{MESSAGE_OUTPUTS, TICKET_OUTPUTS, TicketKeyOf};
use crate::model::{CrashPoint, EventId, Kind, LaneId, Op, Section, TicketKey};
use crate::store::{Asked, CreatedAt, Ended, Event, Lanes, LinkState, Step, Ticket, Within, Written};

/// So many events are dealt with at once: where one is not plain all begin anew.
const AT_ONCE: usize = 64;

/// What a row that was found in the table is counted for: its cells are read later.
const FOUND_BYTES: usize = 4 << 10;

/// An event of a run, and what was found out about it.
pub(super) struct Entry<'a> {
    event: &'a Event,
    section: Section,
    key: String,
    course: Course,
    /// What its row holds, where the event has the key alone.
    image: Option<Value>,
    /// The ticket that it belongs to; `None`: not asked.
    lane: Option<Lane>,
    /// What the mapping gave.
    outputs: Option<Outputs>,
    /// `created_at`, where the outputs do not have it.
    created_at: Option<f64>,
    /// It may tell a change of a ticket's status.
    tells_status: bool,
}

impl Entry<'_> {
    /// What is known of its row.
    fn image(&self) -> &Value {
        self.image.as_ref().unwrap_or(&self.event.image)
    }

    /// About how much of it is in memory, or will be.
    pub(super) fn bytes(&self) -> usize {
        let cells = self.event.image.as_object().into_iter().flatten();
        let here: usize = cells.map(|(_, cell)| cell.as_str().map_or(0, str::len)).sum();
        here + if self.event.found { FOUND_BYTES } else { 0 }
    }
}

/// What is known of the tickets of a run.
#[derive(Default)]
struct Known {
    /// The newest lane of each key.
    lanes: HashMap<String, Ticket>,
    /// The replies that were written to them lately.
    written: HashMap<LaneId, Vec<Written>>,
    /// What the mapping gives for tickets that have no case.
    openings: HashMap<String, Outputs>,
    /// Lanes with something that is to open a case and was made before the ticket's row was changed.
    made_before: HashSet<LaneId>,
    /// The keys of messages and tickets that have files.
    with_files: HashSet<(AttachmentOf, String)>,
}

impl Known {
    /// The lane that the site means by a key now, if there is one.
    fn lane(&self, key: &TicketKey) -> Option<&Ticket> {
        self.lanes.get(key.as_str()).filter(|lane| !lane.gone)
    }

    /// Looks up the lanes of these keys.
    async fn look(
        &mut self,
        within: Within<'_>,
        run: &[Entry<'_>],
        keys: &[&str],
    ) -> Result<(), ResolveError> {
        if !keys.is_empty() {
            self.add(within.lanes_find(keys, between(run)).await?, keys);
        }
        Ok(())
    }

    /// What was found of the lanes of these keys.
    fn add(&mut self, found: Lanes, keys: &[&str]) {
        for lane in keys.iter().filter_map(|key| found.newest.get(*key)) {
            self.written.remove(&lane.id);
        }
        self.lanes.extend(found.newest);
        self.written.extend(found.written);
    }

    fn has_files(&self, of: AttachmentOf, key: &str) -> bool {
        !self.with_files.is_empty() && self.with_files.contains(&(of, key.to_owned()))
    }

    fn has_case(&self, key: &TicketKey) -> bool {
        self.lane(key).is_some_and(|lane| lane.case_id.is_some())
    }
}

/// Whether an event was dealt with.
enum Done {
    Yes,
    /// It goes the way of one event.
    Alone,
}

impl Batch<'_> {
    /// The event as part of a run, where it is an ordinary one.
    pub(super) fn entry<'a>(&self, event: &'a Event) -> Option<Entry<'a>> {
        let [section] = self.compiled.sections_of(&event.relation)[..] else {
            return None;
        };
        let columns = &self.compiled.shape(section).key;
        let key = key_of(&event.image, columns)?;
        let old_key = event.old_key.as_ref().and_then(|row| key_of(row, columns));
        // What is told of a change needs the row as it was.
        let tells_changes = match section {
            Section::Ticket => self.config.ticket.tells_changes(),
            Section::Message => {
                let message = self.config.message.as_ref();
                event.op == Op::Update && message.is_some_and(Message::tells_changes)
            }
            Section::Attachment => false,
        };
        let goes_alone = !matches!(event.op, Op::Insert | Op::Update)
            || self.one_by_one
            || !self.config.capture.settle.is_zero()
            // What is parked of the row has to know.
            || (self.has_parked && event.op == Op::Update)
            || self.compiled.attachments_of(&event.relation).next().is_some()
            || tells_changes
            || old_key.is_some_and(|old| old != key)
            || (section == Section::Message && self.compiled.thread.is_some())
            || self.moves.contains(&(event.id, section))
            || self.emptied.contains(&(event.xid, section));
        (!goes_alone).then_some(Entry {
            event,
            section,
            key,
            course: Course::Alone,
            image: None,
            lane: None,
            outputs: None,
            created_at: None,
            tells_status: false,
        })
    }

    /// Deals with the events of a run, in order.
    pub(super) async fn run_of(&self, step: &Step<'_>, mut run: Vec<Entry<'_>>) -> Result<(), ResolveError> {
        if run.is_empty() {
            return Ok(());
        }
        let known = self.find(Within::Step(step), &mut run).await?;
        self.take_in_order(step, &run, known).await
    }

    /// Deals with a few ordinary events without a transaction around it: what is known of them is read, it is decided, and
    /// what follows is written in one statement with their end. Whether anything that waits may have become due by it; `None`
    /// where one of them is not plain, or where they were too many: nothing is done then.
    ///
    /// What was read may have changed by the time of the write as it may between two statements of a transaction: what
    /// must not happen twice is kept apart by unique keys (rule 5), and fails here as it does there.
    pub(super) async fn run_at_once(&self, events: &[&Event]) -> Result<Option<bool>, ResolveError> {
        if events.len() > AT_ONCE {
            return Ok(None);
        }
        let run: Option<Vec<Entry<'_>>> = events.iter().map(|event| self.entry(event)).collect();
        let Some(mut run) = run else {
            return Ok(None);
        };
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        // Of a status that we wrote it is noted that the site has it.
        let is_echo = |entry: &Entry<'_>| {
            entry.event.echo && !(is_ticket_update(entry) && self.config.ticket.status.is_some())
        };
        if run.iter().all(is_echo) && self.leaves_nothing() {
            let inserted: Vec<(Section, &str)> = run
                .iter()
                .filter(|entry| entry.event.op == Op::Insert)
                .map(|entry| (entry.section, entry.key.as_str()))
                .collect();
            if self.store.events().end_echoes(&ids, &inserted).await? {
                return Ok(Some(false));
            }
        }
        let mut known = self.find(Within::Alone(self.store), &mut run).await?;
        let mut effects = Effects::default();
        let mut touched: HashSet<(Section, &str)> = HashSet::new();
        for entry in &run {
            let key = (entry.section, entry.key.as_str());
            if touched.contains(&key) {
                return Ok(None);
            }
            if let Done::Alone = self.take(entry, &known, &mut effects).await? {
                return Ok(None);
            }
            if entry.course.touches() {
                touched.insert(key);
            }
        }
        if effects.is_plain(&known) && self.leaves_nothing() {
            CrashPoint::ResolveDecided.reached();
            let wakes: Vec<LaneId> = effects.wakes.iter().copied().collect();
            let clocks = self.clocks.lock().await.clone();
            let learned = |clock: &&CreatedAt| effects.clocks.contains(&clock.section);
            let ended = Ended {
                events: &ids,
                wakes: &wakes,
                clock: clocks.iter().find(learned),
            };
            let written = self
                .write_links(Within::Alone(self.store), &effects, &known, Some(ended))
                .await?;
            match written.head {
                Some(head) => self.store.handed().add_delivery(head),
                None if written.has_rows => self.store.wake.lanes.notify_one(),
                None => {}
            }
            return Ok(Some(written.wakes));
        }
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        self.write(&step, &mut effects, &mut known).await?;
        self.transactions_end(&step).await?;
        CrashPoint::ResolveDecided.reached();
        step.events().delete_unheld(&ids).await?;
        step.commit().await?;
        self.store.wake.lanes.notify_one();
        Ok(Some(true))
    }

    /// Finds out about a run all that is needed to decide about it.
    async fn find(&self, within: Within<'_>, run: &mut [Entry<'_>]) -> Result<Known, ResolveError> {
        let mut known = Known::default();
        // A ticket that can be told already is looked up along with the keys.
        let lanes: Vec<Option<String>> = run.iter().map(|entry| self.lane_told(entry)).collect();
        let mut seen: HashSet<&str> = HashSet::new();
        let asked: Vec<Asked<'_>> = run
            .iter()
            .zip(&lanes)
            .map(|(entry, lane)| Asked {
                section: entry.section,
                key: &entry.key,
                lane: lane.as_deref().filter(|lane| seen.insert(lane)),
            })
            .collect();
        let (links, found) = within.run_find(&asked, between(run)).await?;
        known.add(found, &[]);
        for (entry, link) in run.iter_mut().zip(links) {
            entry.course = self.course(entry.event, entry.section, link);
        }
        self.complete(run).await?;
        self.find_lanes(run).await?;
        let missing: Vec<&str> = lane_keys(run)
            .into_iter()
            .filter(|key| !seen.contains(key))
            .collect();
        known.look(within, run, &missing).await?;
        for entry in run.iter_mut() {
            // The status of a ticket that we have may have changed.
            entry.tells_status = is_ticket_update(entry)
                && self.config.ticket.status.is_some()
                && known.lanes.get(&entry.key).is_some_and(|lane| !lane.gone);
        }
        Box::pin(self.evaluate(run, &mut known)).await?;
        self.find_times(run).await?;
        self.find_openings(run, &mut known).await?;
        self.find_files(run, &mut known).await?;
        self.find_made_before(within, run, &mut known).await?;
        Ok(known)
    }

    /// The ticket of a row that may matter, where the image alone tells it.
    fn lane_told(&self, entry: &Entry<'_>) -> Option<String> {
        match (entry.section, &self.compiled.many.ticket_key_of) {
            (Section::Ticket, _) => Some(entry.key.clone()),
            (_, Some(TicketKeyOf::Columns(columns))) if entry.event.op == Op::Insert && !entry.event.echo => {
                key_of(&entry.event.image, columns)
            }
            _ => None,
        }
    }

    /// Decides about each, in order, and writes what follows.
    async fn take_in_order(
        &self,
        step: &Step<'_>,
        run: &[Entry<'_>],
        mut known: Known,
    ) -> Result<(), ResolveError> {
        let mut effects = Effects::default();
        // Keys of which more is known than when they were looked up.
        let mut touched: HashSet<(Section, &str)> = HashSet::new();
        for entry in run {
            let key = (entry.section, entry.key.as_str());
            let done = match touched.contains(&key) {
                true => Done::Alone,
                false => self.take(entry, &known, &mut effects).await?,
            };
            if entry.course.touches() {
                touched.insert(key);
            }
            if let Done::Alone = done {
                self.write(step, &mut effects, &mut known).await?;
                self.event(step, entry.event).await?;
                touched.insert(key);
                let lanes = match &entry.lane {
                    Some(Lane::Of(key)) => vec![key.as_str()],
                    Some(Lane::None) => Vec::new(),
                    // It is not known which lane it has made.
                    Some(Lane::Untold(_)) | None => lane_keys(run),
                };
                known.look(Within::Step(step), run, &lanes).await?;
            }
        }
        self.write(step, &mut effects, &mut known).await
    }

    /// What follows from one event that nothing before it has touched.
    async fn take<'a>(
        &self,
        entry: &'a Entry<'_>,
        known: &Known,
        effects: &mut Effects<'a>,
    ) -> Result<Done, ResolveError> {
        if entry.tells_status && self.status_may_change(entry, known, effects) {
            return Ok(Done::Alone);
        }
        // What wakes its lane does so whatever else it means.
        if is_ticket_update(entry)
            && !entry.event.echo
            && let Some(lane) = known.lanes.get(&entry.key)
            && !matches!(entry.course, Course::Alone)
        {
            if known.made_before.contains(&lane.id) || may_be_given(lane, entry.event) {
                return Ok(Done::Alone);
            }
            effects.wakes.insert(lane.id);
        }
        match &entry.course {
            Course::Alone => return Ok(Done::Alone),
            Course::Nothing => {}
            Course::Again => effects.skip("a known key was inserted again"),
            Course::Echo { generation } => {
                effects.add(effects::Added {
                    entry: (entry.section, entry.key.as_str()),
                    generation: *generation,
                    lane: None,
                    state: LinkState::Written,
                    reason: Some("written by us".to_owned()),
                    enters: None,
                });
            }
            Course::Old => match self
                .is_after_start(entry.section, entry.event, entry.created_at)
                .await
            {
                Some(true) => return Ok(Done::Alone),
                Some(false) => effects.skip(FROM_BEFORE),
                None => effects.skip(UNTOLD),
            },
            Course::First { .. } | Course::Seen { .. } => return self.take_new(entry, known, effects).await,
        }
        Ok(Done::Yes)
    }

    /// The same for a row that may be for Deskie.
    async fn take_new<'a>(
        &self,
        entry: &'a Entry<'_>,
        known: &Known,
        effects: &mut Effects<'a>,
    ) -> Result<Done, ResolveError> {
        let lane = match &entry.lane {
            Some(Lane::Of(key)) => Some(key),
            Some(Lane::None) => None,
            Some(Lane::Untold(_)) | None => return Ok(Done::Alone),
        };
        if let Some(lane) = lane
            && self.is_evaluated(entry)
            && !matches!((&entry.outputs, lane), (Some(Outputs::Row(_)), _))
        {
            return Ok(Done::Alone);
        }
        if let Course::First { is_new: true, .. } = entry.course
            && !entry.event.found
        {
            self.learn(entry, effects).await;
        }
        let (state, reason, enters) = match lane {
            None => (LinkState::Seen, Some("it belongs to no ticket".to_owned()), None),
            Some(_) if !self.is_evaluated(entry) => (LinkState::Seen, None, None),
            Some(lane) => match self.decide(entry, lane, known, effects).await {
                None => return Ok(Done::Alone),
                Some(Ruling::NotNow(why)) => (LinkState::Seen, Some(why), None),
                Some(Ruling::Never(why)) => {
                    effects.skip(&why);
                    (LinkState::Skipped, Some(why), None)
                }
                Some(Ruling::Ready(ready)) => (LinkState::Queued, None, Some(Enters::Ready(ready))),
                Some(Ruling::Wait { why, bounded }) => {
                    // A ticket that is none of ours is no news: it may be most of the site's.
                    if bounded {
                        tracing::info!(ticket = %lane, "waits: {why}");
                    }
                    (LinkState::Queued, None, Some(Enters::Waits(why, !bounded)))
                }
                Some(Ruling::Park(why)) => {
                    tracing::error!(ticket = %lane, "parked: {why}; `deskie-cdc failed list`");
                    (LinkState::Parked, Some(why.clone()), Some(Enters::Parked(why)))
                }
            },
        };
        match (&entry.course, enters, reason, lane) {
            (Course::First { generation, .. }, enters, reason, _) => effects.add(effects::Added {
                entry: (entry.section, entry.key.as_str()),
                generation: *generation,
                lane,
                state,
                reason,
                enters: enters.map(|enters| (entry.event, enters)),
            }),
            (Course::Seen { link }, None, Some(reason), Some(lane)) => {
                effects.changed.push((*link, lane, state, reason));
            }
            (Course::Seen { .. }, None, None, None) | (Course::Seen { .. }, None, Some(_), None) => {}
            // What was withdrawn once has its place in its lane already.
            _ => return Ok(Done::Alone),
        }
        Ok(Done::Yes)
    }

    /// What becomes of a row with its one answer; `None`: more has to be looked at.
    async fn decide(
        &self,
        entry: &Entry<'_>,
        lane: &TicketKey,
        known: &Known,
        effects: &mut Effects<'_>,
    ) -> Option<Ruling> {
        let outputs = entry.outputs.as_ref()?;
        let times = self
            .times(entry.section, entry.event.committed_at.as_second())
            .await;
        if entry.section == Section::Ticket {
            let found = Box::pin(self.ticket_found(lane, outputs, times)).await;
            let goes_alone = match &found {
                Ruling::Ready(ready) => {
                    ready.told.is_some() || known.has_files(AttachmentOf::Ticket, &entry.key)
                }
                _ => false,
            };
            return (!goes_alone).then_some(found);
        }
        let mut row = MessageRow {
            outputs,
            ticket: lane,
            has_case: known.has_case(lane),
            times,
            files: (!known.has_files(AttachmentOf::Message, &entry.key)).then_some(&[]),
            ticket_outputs: known.openings.get(lane.as_str()),
            ticket_exists: None,
            body: None,
        };
        let mut found = decide::message(self.config, &row);
        let body;
        if found == Err(Need::Body) {
            body = Box::pin(self.body_of(Section::Message, outputs)).await;
            row.body = Some(&body);
            found = decide::message(self.config, &row);
        }
        let found = found.ok()?;
        let Ruling::Ready(ready) = &found else {
            return Some(found);
        };
        let has_files = ready.opening.is_some() && known.has_files(AttachmentOf::Ticket, lane.as_str());
        if ready.told.is_some() || has_files {
            return None;
        }
        let written = known
            .lane(lane)
            .and_then(|lane| known.written.get(&lane.id))
            .filter(|_| ready.author == Kind::Customer);
        if let Some(written) = written {
            let at = entry.event.committed_at.as_second();
            let (why, copies) = Box::pin(echo_of(&ready.bodies, written, at)).await;
            effects.copied.extend(copies);
            return Some(why.map_or(found, Ruling::Park));
        }
        Some(found)
    }

    /// Whether a change of a ticket's row may be one of its status; one that leaves it as it was says nothing.
    fn status_may_change(&self, entry: &Entry<'_>, known: &Known, effects: &mut Effects<'_>) -> bool {
        let lane = known.lanes.get(&entry.key);
        let Some(Outputs::Row(row)) = entry.outputs.as_ref().filter(|_| !entry.event.echo) else {
            return true;
        };
        let Ok(word) = decide::ticket_status(row) else {
            return true;
        };
        word.is_some_and(|word| {
            effects.tells_status_of(&entry.key)
                || lane.is_none_or(|lane| lane.site_status.as_ref() != Some(&word))
        })
    }

    /// Whether the whole mapping matters for a row of that section.
    fn is_evaluated(&self, entry: &Entry<'_>) -> bool {
        entry.section == Section::Message || self.config.ticket.open_on == OpenOn::Ticket
    }
}

fn is_ticket_update(entry: &Entry<'_>) -> bool {
    entry.section == Section::Ticket && entry.event.op == Op::Update
}

/// When the first and the last row of a run were committed, in seconds since 1970.
fn between(run: &[Entry<'_>]) -> (i64, i64) {
    let times = run.iter().map(|entry| entry.event.committed_at.as_second());
    times.clone().min().zip(times.max()).unwrap_or_default()
}

/// The keys of the tickets that matter for a run, each once.
fn lane_keys<'a>(run: &'a [Entry<'_>]) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let of = |entry: &'a Entry<'_>| match &entry.lane {
        Some(Lane::Of(key)) if entry.course.is_new() || is_ticket_update(entry) => Some(key.as_str()),
        _ => None,
    };
    run.iter()
        .filter_map(of)
        .filter(|key| seen.insert(*key))
        .collect()
}

/// `created_at` in the outputs of a section.
fn created_at_of(section: Section, row: &[Option<String>]) -> Option<f64> {
    let names: &[&str] = match section {
        Section::Message => &MESSAGE_OUTPUTS,
        _ => &TICKET_OUTPUTS,
    };
    let place = names.iter().position(|name| *name == "created_at")?;
    seconds(row.get(place)?.as_deref())
}
