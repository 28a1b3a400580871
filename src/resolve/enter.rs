//! A row on its way into its ticket's lane, and further attempts at what could not be decided.
//!
//! A row of which the mapping cannot tell the ticket is in no lane: it is parked by itself and stops nothing else. A
//! customer's message that is a copy of what we wrote to the site a moment ago is parked as well (rule 8): a trigger of
//! the site that writes within our transaction is known by its mark, a job that writes later only by its words.

use std::time::Duration;

use super::row::{Lane, Ruling};
use super::{Batch, ResolveError, cell};
use crate::config::OpenOn;
use crate::model::{EventId, Kind, LaneId, LinkId, Op, Section, TicketKey};
use crate::store::{self, Event, Heard, LinkState, NewDelivery, Step, Stray, Ticket, Unresolved, Written};
use crate::text::{self, Body};

/// Why a message is parked that looks like our own reply. A retry of such a one is a person's decision.
const ECHO: &str = "an echo";

/// A shorter text may be said again by chance (a greeting, thanks): it counts once another reply was copied as well.
const TELLING: usize = 16;

/// So many automatic replies within ten minutes are a conversation of machines.
const AUTOMATIC_REPLIES: usize = 10;

/// What a row that was not sent before it went away is left with.
pub(super) use crate::store::DROPPED;

impl Batch<'_> {
    /// The row's key is seen for the first time.
    pub(super) async fn first_seen(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        key: &str,
        generation: i32,
    ) -> Result<(), ResolveError> {
        let image = self.newest_image(event, section).await?;
        let add = async |ticket: Option<LaneId>, state, reason| {
            step.links()
                .add(section, key, generation, ticket, state, reason)
                .await
        };
        let Some(image) = image else {
            add(None, LinkState::Skipped, Some(DROPPED)).await?;
            return Ok(());
        };
        let ticket_key = match self.lane_of(section, key, &image).await? {
            Lane::Of(ticket_key) => ticket_key,
            Lane::None => {
                add(None, LinkState::Seen, Some("it belongs to no ticket")).await?;
                return Ok(());
            }
            Lane::Untold(why) => {
                let link = add(None, LinkState::Parked, Some(&why)).await?;
                return self.park_stray(step, event, section, link, &image, &why).await;
            }
        };
        let ticket = step.tickets().find_or_add(&ticket_key).await?;
        let link = add(Some(ticket.id), LinkState::Seen, None).await?;
        if section == Section::Ticket && self.config.ticket.open_on == OpenOn::Message {
            return Ok(());
        }
        self.enter(step, event, &image, section, link, &ticket).await
    }

    /// The ticket that a row belongs to.
    pub(super) async fn lane_of(
        &self,
        section: Section,
        key: &str,
        image: &serde_json::Value,
    ) -> Result<Lane, ResolveError> {
        match section {
            Section::Ticket => Ok(Lane::Of(TicketKey(key.to_owned()))),
            _ => self.ticket_key_of(image).await,
        }
    }

    /// Decides whether a row is for Deskie now, and puts it into its lane.
    pub(super) async fn enter(
        &self,
        step: &Step<'_>,
        event: &Event,
        image: &serde_json::Value,
        section: Section,
        link: LinkId,
        ticket: &Ticket,
    ) -> Result<(), ResolveError> {
        let has_case = ticket.case_id.is_some();
        let committed_at = event.committed_at.as_second();
        let found = self
            .resolve(step, section, image, &ticket.key, has_case, committed_at)
            .await?;
        self.enter_found(step, event, image, section, link, ticket, found)
            .await
    }

    /// The same once it is decided.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn enter_found(
        &self,
        step: &Step<'_>,
        event: &Event,
        image: &serde_json::Value,
        section: Section,
        link: LinkId,
        ticket: &Ticket,
        found: Ruling,
    ) -> Result<(), ResolveError> {
        match &found {
            Ruling::NotNow(reason) => {
                step.links()
                    .set_state(link, LinkState::Seen, Some(reason))
                    .await?;
                return Ok(());
            }
            Ruling::Never(reason) => {
                step.links()
                    .set_state(link, LinkState::Skipped, Some(reason))
                    .await?;
                step.skipped().count(reason).await?;
                return Ok(());
            }
            _ => {}
        }
        let committed_at = event.committed_at.as_second();
        let new = NewDelivery {
            position: if section == Section::Ticket { 0 } else { event.id.0 },
            ticket_id: Some(ticket.id),
            link,
            section,
            image,
            committed_at,
            backfill: false,
        };
        let delivery = step.deliveries().add(&new).await?;
        step.links().set_state(link, LinkState::Queued, None).await?;
        if ticket.case_id.is_none() {
            self.opens(event, ticket.id);
        }
        let found = self
            .unless_echo(step, section, ticket.id, committed_at, found)
            .await?;
        match found {
            Ruling::Ready(found) => self.ready(step, delivery, ticket.id, *found).await?,
            Ruling::Wait { why, bounded } => {
                // A ticket that is none of ours is no news: it may be most of the site's.
                if bounded {
                    tracing::info!(ticket = %ticket.key, "waits: {why}");
                }
                step.deliveries()
                    .wait(delivery, &why, Duration::from_secs(1), !bounded)
                    .await?;
            }
            Ruling::Park(why) => {
                tracing::error!(ticket = %ticket.key, "parked: {why}; `deskie-cdc failed show d{delivery}`");
                step.deliveries().park(delivery, &why).await?;
            }
            Ruling::NotNow(_) | Ruling::Never(_) => {}
        }
        Ok(())
    }

    /// Parks a row by itself: no lane can be named.
    pub(super) async fn park_stray(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        link: LinkId,
        image: &serde_json::Value,
        why: &str,
    ) -> Result<(), ResolveError> {
        let new = NewDelivery {
            position: event.id.0,
            ticket_id: None,
            link,
            section,
            image,
            committed_at: event.committed_at.as_second(),
            backfill: false,
        };
        let delivery = step.deliveries().add(&new).await?;
        tracing::error!(
            "a row of {} is parked: {why}; `deskie-cdc failed show d{delivery}`",
            event.relation
        );
        step.deliveries().park(delivery, why).await?;
        Ok(())
    }

    /// A person wants a row tried again of which the ticket could not be told.
    pub(super) async fn stray(&self, step: &Step<'_>, stray: &Stray) -> Result<(), ResolveError> {
        if self.compiled.thread.is_some() {
            let event = Event {
                id: EventId(stray.position),
                xid: 0,
                commit_lsn: crate::model::Lsn::default(),
                committed_at: jiff::Timestamp::from_second(stray.committed_at).unwrap_or_default(),
                relation: self.compiled.shape(Section::Message).relation.clone(),
                op: Op::Update,
                image: stray.image.clone(),
                old_key: None,
                echo: false,
                failures: 0,
                found: false,
            };
            return self.thread_written(step, &event, &stray.key, None).await;
        }
        match self.ticket_key_of(&stray.image).await? {
            Lane::Of(key) => {
                let ticket = step.tickets().find_or_add(&key).await?;
                step.deliveries().move_to(stray.link, ticket.id).await?;
            }
            Lane::None => {
                let reason = "it belongs to no ticket";
                step.deliveries().withdraw(stray.id, reason).await?;
                step.links()
                    .set_state(stray.link, LinkState::Seen, Some(reason))
                    .await?;
            }
            Lane::Untold(why) => {
                tracing::error!(
                    "a row is parked again: {why}; `deskie-cdc failed show d{}`",
                    stray.id
                );
                step.deliveries().park(stray.id, &why).await?;
            }
        }
        Ok(())
    }

    /// Another attempt at a row that could not be resolved.
    pub(super) async fn unresolved(&self, step: &Step<'_>, waiting: &Unresolved) -> Result<(), ResolveError> {
        // Asked now: this round may have brought the row back.
        let is_gone = step
            .tickets()
            .by_id(waiting.ticket_id)
            .await?
            .is_none_or(|ticket| ticket.gone);
        if is_gone {
            if step
                .links()
                .may_come_back(Section::Ticket, waiting.ticket_key.as_str())
                .await?
            {
                return Ok(());
            }
            step.deliveries()
                .withdraw(waiting.id, "the site deleted the ticket before it was sent")
                .await?;
            step.links()
                .set_state(
                    waiting.link,
                    LinkState::Skipped,
                    Some("ticket deleted before it was sent"),
                )
                .await?;
            return Ok(());
        }
        step.files().release(waiting.id).await?;
        // One that was ours stays so: how old it is does not matter any more, and when it was written is known.
        let at = if waiting.is_again { 0 } else { waiting.committed_at };
        let mut found = match (&self.compiled.thread, waiting.section) {
            (Some(_), Section::Message) => self.resolve_element(step, waiting, at).await?,
            _ => {
                let of = (&waiting.image, &waiting.ticket_key);
                self.resolve(step, waiting.section, of.0, of.1, waiting.has_case, at)
                    .await?
            }
        };
        if let Ruling::Ready(ready) = &mut found
            && ready.resolution.written_at == 0
        {
            ready.resolution.written_at = waiting.committed_at;
        }
        // One that was parked as an echo is here because a person said that it is none.
        if !waiting
            .error
            .as_ref()
            .is_some_and(|error| error.starts_with(ECHO))
        {
            found = self
                .unless_echo(
                    step,
                    waiting.section,
                    waiting.ticket_id,
                    waiting.committed_at,
                    found,
                )
                .await?;
        }
        match found {
            Ruling::Ready(found) => self.ready(step, waiting.id, waiting.ticket_id, *found).await?,
            Ruling::NotNow(reason) => {
                step.deliveries().withdraw(waiting.id, &reason).await?;
                step.links()
                    .set_state(waiting.link, LinkState::Seen, Some(&reason))
                    .await?;
            }
            Ruling::Never(reason) => {
                step.deliveries().withdraw(waiting.id, &reason).await?;
                // The site may take back as well what made it another's.
                let state = match waiting.is_again {
                    true => LinkState::Seen,
                    false => LinkState::Skipped,
                };
                step.links().set_state(waiting.link, state, Some(&reason)).await?;
            }
            Ruling::Wait { why, bounded }
                if bounded && waiting.waited > self.config.ticket.wait.as_secs_f64() =>
            {
                let why = format!("{why}; waited {} s for it", waiting.waited.round());
                tracing::error!(ticket = %waiting.ticket_key, "parked: {why}; `deskie-cdc failed show d{}`", waiting.id);
                step.deliveries().park(waiting.id, &why).await?;
            }
            Ruling::Wait { why, bounded } => {
                // 1 s, 2 s, 4 s …; a change of the ticket's row ends the wait at once. Tickets that are not for us
                // may be most of the site's, and are asked about ever more rarely.
                let longest = Duration::from_secs(if bounded { 60 } else { 3600 });
                let after = Duration::from_secs(1 << waiting.attempts.clamp(0, 12)).min(longest);
                step.deliveries().wait(waiting.id, &why, after, !bounded).await?;
            }
            Ruling::Park(why) => {
                tracing::error!(ticket = %waiting.ticket_key, "parked: {why}; `deskie-cdc failed show d{}`", waiting.id);
                step.deliveries().park(waiting.id, &why).await?;
            }
        }
        Ok(())
    }

    /// Parks what looks like a copy of our own reply, or like an answer of a machine to a machine.
    async fn unless_echo(
        &self,
        step: &Step<'_>,
        section: Section,
        ticket: LaneId,
        committed_at: i64,
        found: Ruling,
    ) -> Result<Ruling, ResolveError> {
        let Ruling::Ready(ready) = found else {
            return Ok(found);
        };
        let resolution = &ready.resolution;
        if section != Section::Message || resolution.author != Kind::Customer {
            return Ok(Ruling::Ready(ready));
        }
        let written = step.remotes().written(ticket, committed_at).await?;
        let (why, copies) = echo_of(&resolution.bodies, &written, committed_at).await;
        if !copies.is_empty() {
            step.remotes().copied(&copies).await?;
        }
        Ok(why.map_or(Ruling::Ready(ready), Ruling::Park))
    }
}

/// Why a customer's message looks like a copy of our own reply, or like an answer of a machine to a machine; and which
/// replies it is the first copy of. `written`: what was written to its ticket; `at`: when it was committed.
pub(super) async fn echo_of(bodies: &[Body], written: &[Written], at: i64) -> (Option<String>, Vec<i64>) {
    if written.is_empty() {
        return (None, Vec::new());
    }
    let heard = Heard::of(written, &said(bodies).await, at);
    let length = bodies
        .iter()
        .map(|body| text::normalise(&body.text).chars().count());
    let is_telling = length.sum::<usize>() >= TELLING;
    let why = if heard.is_copy && (is_telling || heard.copied_before) {
        Some(format!(
            "{ECHO}: a customer's message with the very text of an agent's reply that was written to the site shortly before; \
             a job of the site seems to copy replies. Leave such rows out with [message] where or author; `failed \
             retry` sends it all the same"
        ))
    } else if heard.automatic >= AUTOMATIC_REPLIES {
        Some(format!(
            "{ECHO}: rules of Deskie wrote {} replies to this ticket within ten minutes, and the site answers each; \
             leave them out with [reply] where = \"not :via_rule::boolean\"; `failed retry` sends it all the same",
            heard.automatic
        ))
    } else {
        None
    };
    (why, heard.copies)
}

/// What makes a message known again.
async fn said(bodies: &[Body]) -> Vec<String> {
    match bodies {
        [body] => store::fingerprints(&body.text, &body.html).await,
        bodies => {
            let whole = bodies.iter().map(|body| body.text.as_str()).collect::<String>();
            store::fingerprints(&whole, "").await
        }
    }
}

/// The columns of a key in an image.
pub(super) fn key_image(image: &serde_json::Value, columns: &[String]) -> serde_json::Value {
    let cells = columns.iter().filter_map(|name| {
        let value = cell(image, name)?;
        Some((name.clone(), serde_json::Value::String(value.to_owned())))
    });
    serde_json::Value::Object(cells.collect())
}
