//! What follows from the events of a run, until it is written: a statement for each kind of thing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::{Batch, ResolveError};
use super::{Entry, Known};
use crate::decide::{Outputs, Ready};
use crate::model::{DeliveryState, LaneId, LinkId, Section, TicketKey};
use crate::store::{Delivery, Ended, Event, LinkState, NewLink, NewRow, Step, Within};

/// What follows from events, in their order.
#[derive(Default)]
pub(super) struct Effects<'a> {
    /// Keys that become known.
    links: Vec<Added<'a>>,
    /// Tickets whose status comes with one of them.
    statuses: HashSet<&'a str>,
    /// Known rows that are not for Deskie: their tickets, their states, and why.
    pub(super) changed: Vec<(LinkId, &'a TicketKey, LinkState, String)>,
    /// Lanes of which the ticket's row changed.
    pub(super) wakes: HashSet<LaneId>,
    /// Rows that were passed over, by reason.
    skipped: BTreeMap<String, usize>,
    /// Sections of which more is known of `created_at`.
    pub(super) clocks: HashSet<Section>,
    /// Replies that the site has copied.
    pub(super) copied: Vec<i64>,
}

/// A key that becomes known.
pub(super) struct Added<'a> {
    /// Its section and itself.
    pub(super) entry: (Section, &'a str),
    pub(super) generation: i32,
    /// The ticket that it belongs to.
    pub(super) lane: Option<&'a TicketKey>,
    pub(super) state: LinkState,
    pub(super) reason: Option<String>,
    /// How it enters its lane, and by which event.
    pub(super) enters: Option<(&'a Event, Enters)>,
}

impl Added<'_> {
    /// Nothing waits because of it.
    fn is_over(&self) -> bool {
        !matches!(self.enters, Some((_, Enters::Waits(..))))
    }

    /// The ticket's status, as what opens its case has it.
    fn status(&self) -> Option<&str> {
        match &self.enters {
            Some((_, Enters::Ready(ready))) => ready.opening.as_ref()?.status.as_deref(),
            _ => None,
        }
    }
}

/// What was written of a run.
pub(super) struct Written<'a> {
    /// Rows entered their lanes.
    pub(super) has_rows: bool,
    /// The only one of them, where it may be sent now.
    pub(super) head: Option<Delivery>,
    /// Something that waits has become due.
    pub(super) wakes: bool,
    /// The statuses that come with them, by lane.
    pub(super) statuses: HashMap<LaneId, &'a str>,
}

/// How a row enters its lane.
pub(super) enum Enters {
    /// To be sent.
    Ready(Box<Ready>),
    /// Something is not there yet; or its ticket is none of ours, so that nobody waits for it.
    Waits(String, bool),
    /// A person must look.
    Parked(String),
}

impl<'a> Effects<'a> {
    /// A key becomes known.
    pub(super) fn add(&mut self, added: Added<'a>) {
        if let Some(lane) = added.lane.filter(|_| added.status().is_some()) {
            self.statuses.insert(lane.as_str());
        }
        self.links.push(added);
    }

    /// Whether the mapping gives a status for a ticket that is not written yet.
    pub(super) fn tells_status_of(&self, ticket: &str) -> bool {
        self.statuses.contains(ticket)
    }

    /// Whether all that follows is that keys become known, that rows enter lanes that have their cases, and what else
    /// [`Ended`] says.
    pub(super) fn is_plain(&self, known: &Known) -> bool {
        let is_open = |link: &Added<'_>| link.lane.is_none_or(|lane| known.has_case(lane));
        self.links.iter().all(is_open)
            && self.statuses.is_empty()
            && self.changed.is_empty()
            && (self.wakes.is_empty() || self.links.iter().all(Added::is_over))
            && self.skipped.is_empty()
            && self.clocks.len() < 2
            && self.copied.is_empty()
    }

    /// Counts a row that is passed over.
    pub(super) fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }
}

impl Batch<'_> {
    /// A row's INSERT came with its commit: how far does `created_at` lie from it?
    pub(super) async fn learn(&self, entry: &Entry<'_>, effects: &mut Effects<'_>) {
        let created_at = match &entry.outputs {
            Some(Outputs::Row(row)) => super::created_at_of(entry.section, row),
            _ => entry.created_at,
        };
        if self.learn_from(entry.event, entry.section, created_at).await {
            effects.clocks.insert(entry.section);
        }
    }

    /// Writes what has followed so far; `known` is up to date then.
    pub(super) async fn write(
        &self,
        step: &Step<'_>,
        effects: &mut Effects<'_>,
        known: &mut Known,
    ) -> Result<(), ResolveError> {
        let effects = std::mem::take(effects);
        self.write_lanes(step, &effects, known).await?;
        if !effects.links.is_empty() {
            let written = self
                .write_links(Within::Step(step), &effects, known, None)
                .await?;
            self.write_statuses(step, &written.statuses, known).await?;
        }
        if !effects.copied.is_empty() {
            step.remotes().copied(&effects.copied).await?;
        }
        let lane = |key: &TicketKey| known.lane(key).map(|lane| lane.id);
        if !effects.changed.is_empty() {
            let changed = effects.changed.iter();
            let changed: Vec<_> = changed
                .filter_map(|(link, key, state, reason)| Some((*link, lane(key)?, *state, reason.as_str())))
                .collect();
            step.links().set_all(&changed).await?;
        }
        if !effects.skipped.is_empty() {
            let counts: Vec<(&str, usize)> = effects
                .skipped
                .iter()
                .map(|(reason, count)| (reason.as_str(), *count))
                .collect();
            step.skipped().add(&counts).await?;
        }
        if !effects.wakes.is_empty() {
            let lanes: Vec<LaneId> = effects.wakes.iter().copied().collect();
            step.deliveries().wake_all(&lanes).await?;
        }
        for section in &effects.clocks {
            let clocks = self.clocks.lock().await;
            if let Some(clock) = clocks.iter().find(|clock| clock.section == *section) {
                step.clocks().set(clock).await?;
            }
        }
        Ok(())
    }

    /// The lanes that are not there yet, in the order in which they are needed.
    async fn write_lanes(
        &self,
        step: &Step<'_>,
        effects: &Effects<'_>,
        known: &mut Known,
    ) -> Result<(), ResolveError> {
        let of_changed = effects.changed.iter().map(|(_, key, ..)| *key);
        let needed = effects
            .links
            .iter()
            .filter_map(|link| link.lane)
            .chain(of_changed);
        let mut seen = HashSet::new();
        let missing: Vec<&str> = needed
            .filter(|key| known.lane(key).is_none() && seen.insert(key.as_str()))
            .map(TicketKey::as_str)
            .collect();
        if !missing.is_empty() {
            known.lanes.extend(step.tickets().add_all(&missing).await?);
        }
        Ok(())
    }

    /// The keys that become known, and the rows that enter their lanes; with what ends so.
    pub(super) async fn write_links<'a>(
        &self,
        within: Within<'_>,
        effects: &'a Effects<'_>,
        known: &Known,
        ended: Option<Ended<'_>>,
    ) -> Result<Written<'a>, ResolveError> {
        let lane = |link: &Added<'_>| link.lane.and_then(|key| known.lane(key));
        let mut links = Vec::with_capacity(effects.links.len());
        let mut rows = Vec::new();
        let mut statuses: HashMap<LaneId, &str> = HashMap::new();
        for (place, link) in effects.links.iter().enumerate() {
            let lane = lane(link);
            links.push(NewLink {
                section: link.entry.0,
                key: link.entry.1,
                generation: link.generation,
                ticket: lane.map(|lane| lane.id),
                state: link.state,
                reason: link.reason.as_deref(),
            });
            let (Some((event, enters)), Some(lane)) = (&link.enters, lane) else {
                continue;
            };
            if lane.case_id.is_none() {
                self.opens(event, lane.id);
            }
            let row = NewRow {
                event: event.id,
                position: if link.entry.0 == Section::Ticket {
                    0
                } else {
                    event.id.0
                },
                ticket: lane.id,
                link: place,
                section: link.entry.0,
                state: DeliveryState::Unresolved,
                author: None,
                body: None,
                opening: None,
                written_at: event.committed_at.as_second(),
                part: 1,
                parts: 1,
                error: None,
                dormant: false,
            };
            match enters {
                Enters::Waits(why, dormant) => rows.push(NewRow {
                    error: Some(why),
                    dormant: *dormant,
                    ..row
                }),
                Enters::Parked(why) => rows.push(NewRow {
                    state: DeliveryState::Parked,
                    error: Some(why),
                    ..row
                }),
                Enters::Ready(ready) => {
                    let parts = i32::try_from(ready.bodies.len()).unwrap_or(i32::MAX);
                    for (part, body) in (1..).zip(&ready.bodies) {
                        rows.push(NewRow {
                            state: DeliveryState::Queued,
                            author: Some(ready.author),
                            body: Some(body),
                            opening: ready.opening.as_ref(),
                            written_at: ready.written_at,
                            part,
                            parts,
                            ..row.clone()
                        });
                    }
                    if let Some(status) = link.status() {
                        statuses.insert(lane.id, status);
                    }
                }
            }
        }
        let entered = within.enter(&links, &rows, ended).await?;
        let head = match (entered.head, &rows[..], effects.links.iter().find_map(lane)) {
            (Some(head), [row], Some(lane)) if lane.id == row.ticket => Delivery::entered(head, lane, row),
            _ => None,
        };
        Ok(Written {
            has_rows: !rows.is_empty(),
            head,
            wakes: entered.wakes,
            statuses,
        })
    }

    /// What the mapping gave for the statuses of lanes.
    async fn write_statuses(
        &self,
        step: &Step<'_>,
        statuses: &HashMap<LaneId, &str>,
        known: &mut Known,
    ) -> Result<(), ResolveError> {
        if statuses.is_empty() {
            return Ok(());
        }
        let all: Vec<(LaneId, &str)> = statuses.iter().map(|(lane, status)| (*lane, *status)).collect();
        step.case_statuses().set_of_site_all(&all).await?;
        for lane in known.lanes.values_mut() {
            if let Some(status) = statuses.get(&lane.id) {
                lane.site_status = Some((*status).to_owned());
            }
        }
        Ok(())
    }
}
