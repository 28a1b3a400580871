//! Which rows only moved: the halves of a DELETE and INSERT of one key in one transaction.

use std::collections::{HashMap, HashSet};

use super::compiled::Compiled;
use super::enter::DROPPED;
use super::{Batch, ResolveError, key_of};
use crate::decide::Outputs;
use crate::mapping::Shape;
use crate::mapping::read::row_written_in;
use crate::mapping::shape::key_values;
use crate::model::{EventId, Op, Section};
use crate::store::{Event, Link, LinkState, Step};

/// The halves of moves: a DELETE, and later in the same transaction an INSERT of the same key (rule 6). The key is the
/// mapped one: a row that changes its partition may keep it while the primary key, which holds the partition key,
/// becomes another.
pub(super) fn moves(events: &[&Event], compiled: &Compiled) -> HashSet<(EventId, Section)> {
    let mut found = HashSet::new();
    let mut deleted: HashMap<(u64, Section, String), EventId> = HashMap::new();
    for event in events {
        let sections = compiled.sections_of(&event.relation).into_iter();
        let of_files = compiled.attachments_of(&event.relation).take(1);
        let keys = sections
            .map(|section| (section, &compiled.shape(section).key))
            .chain(of_files.map(|attached| (Section::Attachment, &attached.shape.key)));
        for (section, columns) in keys {
            let row = match (event.op, &event.old_key) {
                (Op::Delete, Some(old_key)) => old_key,
                (Op::Insert, _) => &event.image,
                _ => continue,
            };
            let Some(key) = key_of(row, columns) else { continue };
            let place = (event.xid, section, format!("{} {key}", event.relation));
            if event.op == Op::Delete {
                deleted.insert(place, event.id);
            } else if let Some(gone) = deleted.remove(&place) {
                found.insert((gone, section));
                found.insert((event.id, section));
            }
        }
    }
    found
}

/// Why a deletion is passed over.
pub(super) const STAYS: &str =
    "a deletion by the transaction that put the row into another part of its table";

impl Batch<'_> {
    /// Whether a row that was deleted is there all the same, put into another part of its table by the same transaction: what is
    /// written into a partition before it is attached is not streamed, so that splitting one looks like a deletion.
    pub(super) async fn stays(&self, event: &Event, shape: &Shape, key: &str) -> Result<bool, ResolveError> {
        if !self.compiled.in_parts.contains(&shape.relation) {
            return Ok(false);
        }
        let Some(values) = key_values(key, shape.key.len()) else {
            return Ok(false);
        };
        let values = values.into_iter().map(Some).collect();
        let written_in = match self
            .ask(&row_written_in(shape), values, (shape, &shape.key))
            .await
        {
            Ok(Outputs::Row(row)) => row.into_iter().next().flatten(),
            // Rights to some columns are none to this one.
            Ok(_) | Err(ResolveError::Mapping(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(written_in.is_some_and(|xid| xid == (event.xid & u64::from(u32::MAX)).to_string()))
    }

    /// Whether an inserted row is the one that was deleted: its transaction took it away as well (a table that is emptied and
    /// loaded at once, or a move that is longer than a batch), or it was made long before it was deleted (a table that is
    /// loaded again later). One that takes a key over is made after that.
    pub(super) async fn came_back(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        key: &str,
        link: &mut Link,
    ) -> Result<bool, ResolveError> {
        if !link.gone || link.gone_in != Some(event.xid) && !self.is_from_before(event, section, link).await?
        {
            return Ok(false);
        }
        step.links().set_back(link.id).await?;
        link.gone = false;
        if step.links().revive(link.id, DROPPED).await? {
            link.state = LinkState::Seen;
        }
        if section == Section::Ticket
            && let Some(ticket) = step.tickets().newest(key).await?
        {
            step.tickets().set_gone(ticket.id, false).await?;
        }
        Ok(true)
    }

    async fn is_from_before(
        &self,
        event: &Event,
        section: Section,
        link: &Link,
    ) -> Result<bool, ResolveError> {
        let Some(gone_at) = link.gone_at else {
            return Ok(false);
        };
        let created_at = self.created_at(section, &event.image).await?;
        let clock = self.clock(section).await;
        let gone_at = gone_at.as_second() as f64;
        Ok(created_at.is_some_and(|at| clock.latest(at) + CLOCKS_DIFFER < gone_at))
    }
}

/// The clock that made a row's `created_at` may be behind the server's by so many seconds.
const CLOCKS_DIFFER: f64 = 60.0;

/// Which sections transactions empty.
pub(super) fn emptied(events: &[&Event], compiled: &Compiled) -> Vec<(u64, Section)> {
    let truncates = events.iter().filter(|event| event.op == Op::Truncate);
    let sections = |event: &&Event| {
        let sections = compiled.sections_of(&event.relation);
        sections
            .into_iter()
            .map(|section| (event.xid, section))
            .collect::<Vec<_>>()
    };
    truncates.flat_map(sections).collect()
}
