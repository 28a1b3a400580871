//! Rows that hold many messages (`[message] expand`). How they are told apart is in [`crate::mapping::expand`].
//!
//! Each change of such a row is compared with what is known of it: a name that is not known is a new message, and what
//! stood in the table at the start is known from then on. The names come from the captured version of the row; each of
//! our own changes is seen by itself, in its place between those of the site, so exactly what a write-back of ours added
//! is *written by us*, and a later version that shows it again says nothing new.
//!
//! A list that the image does not carry (unchanged TOAST, a cell over 64 kB) is read by key, and may then be newer than
//! its event. Where a later change of the row is captured already, that one decides. Else what we have written to the
//! ticket and not found yet is known by its text. What it does not guarantee: in a list of more than 64 kB a reply that
//! `[reply]` writes in other words than `:text` or `:html` is parked instead of being known.
//!
//! A message that leaves the list stays known. Before it was sent it is dropped; afterwards `on_delete` decides.

use std::collections::HashMap;

use super::enter::{DROPPED, key_image};
use super::row::{Lane, Ruling};
use super::verdict::Of;
use super::{Batch, ResolveError};
use crate::config::OnEdit;
use crate::decide::{Outputs, body_format};
use crate::model::{LaneId, LinkId, Section, TicketKey};
use crate::store::{Event, LinkState, RowLink, Step, Ticket, Unresolved, beside};
use crate::text;

/// One message of a row.
struct Element {
    key: String,
    identity: String,
}

/// The outputs of a row's messages, by identity.
type Spoken = HashMap<String, Vec<Vec<Option<String>>>>;

/// What could be read of a row.
enum Told<T> {
    There(T),
    /// The row is gone, and what was not captured of it with it.
    Gone,
    /// The database refused its values.
    Refused(String),
}

/// Which messages a row shows.
struct Compared<'a> {
    /// New ones, each with the generation of its key.
    fresh: Vec<(&'a Element, i32)>,
    /// Those that were there.
    changed: Vec<(&'a Element, &'a RowLink)>,
}

/// A row with messages in it, as it is looked at.
#[derive(Clone, Copy)]
struct WrittenRow<'a> {
    image: &'a serde_json::Value,
    /// What the mapping says of all of them.
    spoken: &'a Told<Spoken>,
    /// All of them.
    elements: &'a [Element],
    ticket: &'a TicketKey,
    has_case: bool,
    committed_at: i64,
}

impl Batch<'_> {
    /// A row with messages in it was deleted.
    pub(super) async fn thread_deleted(
        &self,
        step: &Step<'_>,
        event: &Event,
        row_key: &str,
    ) -> Result<(), ResolveError> {
        for known in step.links().of_row(Section::Message, row_key).await? {
            if !known.link.gone {
                self.delete_noted(step, event, Section::Message, &known.key)
                    .await?;
            }
            // One that had left the list before is past as well: the row's key may be used anew.
            if !known.link.gone || known.link.gone_in.is_none() {
                self.deleted(step, Section::Message, &known.key, event).await?;
                step.links().set_gone(known.link.id, event).await?;
            }
        }
        Ok(())
    }

    /// A row with messages in it was written.
    pub(super) async fn thread_written(
        &self,
        step: &Step<'_>,
        event: &Event,
        row_key: &str,
        old_key: Option<&str>,
    ) -> Result<(), ResolveError> {
        let shape = self.compiled.shape(Section::Message);
        let Some(thread) = &self.compiled.thread else {
            return Ok(());
        };
        if let Some(old_key) = old_key {
            step.links().rename_row(old_key, row_key, shape.key.len()).await?;
        }
        let lacks = |column: &String| event.image.get(column).is_none();
        let by_key = thread.reads_ticket || thread.columns.iter().any(lacks);
        if by_key && self.is_superseded(event).await? {
            return Ok(());
        }
        let elements = match self.elements(&event.image).await? {
            Told::There(elements) => elements,
            Told::Gone => return self.row_told(step, row_key).await,
            Told::Refused(why) => return self.row_untold(step, event, row_key, &why).await,
        };
        let known = step.links().of_row(Section::Message, row_key).await?;
        let known = known.into_iter().map(|known| (known.key.clone(), known));
        let known: HashMap<String, RowLink> = known.collect();
        let Compared { fresh, mut changed } = self.compared(step, event, &elements, &known).await?;
        if event.echo && !by_key {
            if fresh.is_empty() {
                return Ok(());
            }
            let ticket = match self.ticket_key_of(&event.image).await? {
                Lane::Of(key) => step.tickets().newest(key.as_str()).await?.map(|ticket| ticket.id),
                Lane::None | Lane::Untold(_) => None,
            };
            if let (Some(ticket), Some((first, _))) = (ticket, fresh.first()) {
                step.remotes().claim_next(ticket, &first.key).await?;
            }
            for (element, generation) in fresh {
                element_add(step, ticket, row_key, (element, generation), OURS).await?;
            }
            return Ok(());
        }
        let tells_changes = self.config.message.as_ref().is_some_and(|m| m.tells_changes());
        let concerns = |known: &&RowLink| match known.link.state {
            LinkState::Seen | LinkState::Queued | LinkState::Parked => true,
            // It is sent if it comes back.
            LinkState::Skipped => known.reason.as_deref() == Some(DROPPED),
            LinkState::Delivered => tells_changes,
            LinkState::Discarded | LinkState::Written => false,
        };
        changed.retain(|(_, known)| concerns(known));
        if fresh.is_empty() && (event.echo || changed.is_empty()) {
            return self.row_told(step, row_key).await;
        }
        let ticket_key = match self.ticket_key_of(&event.image).await? {
            Lane::Of(key) => key,
            Lane::Untold(why) => return self.row_untold(step, event, row_key, &why).await,
            Lane::None => {
                self.row_told(step, row_key).await?;
                for (element, generation) in fresh {
                    let state = (LinkState::Seen, Some("it belongs to no ticket"));
                    element_add(step, None, row_key, (element, generation), state).await?;
                }
                return Ok(());
            }
        };
        self.row_told(step, row_key).await?;
        let ticket = step.tickets().find_or_add(&ticket_key).await?;
        let Some(image) = self.newest_image(event, Section::Message).await? else {
            return Ok(());
        };
        let spoken = self.spoken(&image).await?;
        let of = WrittenRow {
            spoken: &spoken,
            image: &image,
            elements: &elements,
            ticket: &ticket_key,
            has_case: ticket.case_id.is_some(),
            committed_at: event.committed_at.as_second(),
        };
        self.fresh_written(step, event, row_key, (&ticket, by_key), of, fresh)
            .await?;
        match event.echo {
            true => Ok(()),
            false => self.changed_written(step, event, &ticket, of, changed).await,
        }
    }

    /// What a row shows, compared with what is known of it. What is not there any more has left.
    async fn compared<'a>(
        &self,
        step: &Step<'_>,
        event: &Event,
        elements: &'a [Element],
        known: &'a HashMap<String, RowLink>,
    ) -> Result<Compared<'a>, ResolveError> {
        let (mut fresh, mut changed) = (Vec::new(), Vec::new());
        for element in elements {
            match known.get(&element.key) {
                None => fresh.push((element, 1)),
                Some(known) if !known.link.gone => changed.push((element, known)),
                // It is back in its list, or in its table after a move.
                Some(known) if known.link.gone_in.is_none_or(|xid| xid == event.xid) => {
                    step.links().set_back(known.link.id).await?;
                    changed.push((element, known));
                }
                Some(past) => fresh.push((element, past.link.generation + 1)),
            }
        }
        for left in known.values().filter(|known| !known.link.gone) {
            if !elements.iter().any(|element| element.key == left.key) {
                self.element_left(step, event, left).await?;
            }
        }
        Ok(Compared { fresh, changed })
    }

    /// Messages that were not in the row before, each with the generation of its key. `by_key`: replies of ours may be
    /// among them, since what was read is not the row as the event has it.
    async fn fresh_written(
        &self,
        step: &Step<'_>,
        event: &Event,
        row_key: &str,
        (ticket, by_key): (&Ticket, bool),
        of: WrittenRow<'_>,
        fresh: Vec<(&Element, i32)>,
    ) -> Result<(), ResolveError> {
        let shape = self.compiled.shape(Section::Message);
        let still_there = match self.config.capture.settle.is_zero() {
            true => None,
            false => Some(self.elements(of.image).await?),
        };
        let mut theirs = Vec::new();
        for (element, generation) in fresh {
            let said = match by_key {
                true => said(of.spoken, of.elements, element).await,
                false => None,
            };
            if let Some(said) = said
                && step.remotes().claim(ticket.id, &said, &element.key).await?
            {
                element_add(step, Some(ticket.id), row_key, (element, generation), OURS).await?;
            } else {
                theirs.push((element, generation));
            }
        }
        // A reply of ours is among them in other words.
        let untold = event.echo && !theirs.is_empty() && step.remotes().unclaimed(ticket.id).await?;
        for (element, generation) in theirs {
            let state = (LinkState::Seen, None);
            let link = element_add(step, Some(ticket.id), row_key, (element, generation), state).await?;
            let left = |told: &Told<Vec<Element>>| match told {
                Told::There(now) => !now.iter().any(|other| other.key == element.key),
                _ => false,
            };
            let found = if still_there.as_ref().is_some_and(left) {
                Ruling::Never(DROPPED.into())
            } else if untold {
                Ruling::Park(
                    "it appeared together with a reply of ours in a list of more than 64 kB, and cannot be told from it; \
                     `failed discard` if it is the reply, else `failed retry`"
                        .into(),
                )
            } else {
                self.element_found(step, of, element).await?
            };
            let image = image_for(&found, of.image, &shape.key);
            self.enter_found(step, event, &image, Section::Message, link, ticket, found)
                .await?;
        }
        Ok(())
    }

    /// Messages that were in the row before, and may say something else now.
    async fn changed_written(
        &self,
        step: &Step<'_>,
        event: &Event,
        ticket: &Ticket,
        of: WrittenRow<'_>,
        changed: Vec<(&Element, &RowLink)>,
    ) -> Result<(), ResolveError> {
        let shape = self.compiled.shape(Section::Message);
        let on_edit = self.config.message.as_ref().map_or(OnEdit::Ignore, |m| m.on_edit);
        for (element, known) in changed {
            let link = &known.link;
            match link.state {
                LinkState::Queued | LinkState::Parked => {
                    let found = self.element_found(step, of, element).await?;
                    if self.waits_as_it_is(step, link, ticket, &found).await?
                        || self.waiting_changed(step, event, Section::Message, link).await?
                    {
                        continue;
                    }
                }
                LinkState::Seen | LinkState::Skipped => {
                    let found = self.element_found(step, of, element).await?;
                    // Most of what a list holds may be not for us, and stays so.
                    if matches!(&found, Ruling::NotNow(why) if known.reason.as_ref() == Some(why)) {
                        continue;
                    }
                    step.links().set_ticket(link.id, ticket.id).await?;
                    let image = image_for(&found, of.image, &shape.key);
                    self.enter_found(step, event, &image, Section::Message, link.id, ticket, found)
                        .await?;
                }
                LinkState::Delivered | LinkState::Discarded | LinkState::Written => {}
            }
            let of_image = Of::Image(of.image, Some(element.identity.as_str()));
            if !self.hidden(step, event, link, of_image).await? && on_edit != OnEdit::Ignore {
                let as_sent = WrittenRow {
                    has_case: true,
                    committed_at: 0,
                    ..of
                };
                let found = self.element_found(step, as_sent, element).await?;
                self.edited_to(step, event, link, found).await?;
            }
        }
        Ok(())
    }

    /// Another attempt at a message of a row.
    pub(super) async fn resolve_element(
        &self,
        step: &Step<'_>,
        waiting: &Unresolved,
        committed_at: i64,
    ) -> Result<Ruling, ResolveError> {
        let elements = match self.elements(&waiting.image).await? {
            Told::There(elements) => elements,
            Told::Gone => return Ok(Ruling::Never(DROPPED.into())),
            Told::Refused(why) => return Ok(Ruling::Park(format!("[message]: {why}"))),
        };
        let Some(element) = elements.iter().find(|element| element.key == waiting.key) else {
            return Ok(Ruling::Never(DROPPED.into()));
        };
        let spoken = self.spoken(&waiting.image).await?;
        let of = WrittenRow {
            spoken: &spoken,
            image: &waiting.image,
            elements: &elements,
            ticket: &waiting.ticket_key,
            has_case: waiting.has_case,
            committed_at,
        };
        self.element_found(step, of, element).await
    }

    /// What the mapping says of one message of a row.
    async fn element_found(
        &self,
        step: &Step<'_>,
        written: WrittenRow<'_>,
        element: &Element,
    ) -> Result<Ruling, ResolveError> {
        let WrittenRow {
            ticket, committed_at, ..
        } = written;
        let of = Of::Image(written.image, Some(element.identity.as_str()));
        let outputs = match written.spoken {
            // One of them may be to blame for all.
            Told::Refused(why) => match self
                .compiled
                .deciding_message
                .as_ref()
                .and_then(|d| d.element.as_ref())
            {
                Some(alone) => self.alone_row(alone, Section::Message, of).await?,
                None => Outputs::Refused(why.clone()),
            },
            Told::Gone => Outputs::NoRow,
            Told::There(spoken) => {
                let (place, count) = among_equals(written.elements, element);
                match spoken.get(&element.identity) {
                    Some(rows) if rows.len() > count => Outputs::SeveralRows,
                    Some(rows) => rows
                        .get(place)
                        .map_or(Outputs::NoRow, |row| Outputs::Row(row.clone())),
                    None => Outputs::NoRow,
                }
            }
        };
        if !matches!(outputs, Outputs::Row(_))
            && let Some(found) = self.message_verdict(of, ticket, committed_at).await?
        {
            return Ok(found);
        }
        // A message in a list has no row of its own that a file could name.
        self.message_found(step, outputs, None, ticket, written.has_case, committed_at)
            .await
    }

    /// Whether a later change of the row is captured already.
    async fn is_superseded(&self, event: &Event) -> Result<bool, ResolveError> {
        let key = key_image(&event.image, &self.compiled.shape(Section::Message).key);
        let later = self.store.events().later(event.id, &event.relation, &key).await?;
        Ok(!later.is_empty())
    }

    /// The messages of a row, in their order.
    async fn elements(&self, image: &serde_json::Value) -> Result<Told<Vec<Element>>, ResolveError> {
        let Some(thread) = &self.compiled.thread else {
            return Ok(Told::Gone);
        };
        let (from_image, from_table) = (&thread.elements.0, &thread.elements.1);
        let told = self
            .rows(from_image, from_table, thread.reads_ticket, image)
            .await?;
        let Told::There(rows) = told else {
            return Ok(told.without_rows());
        };
        let element = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter();
            Some(Element {
                key: cells.next()??,
                identity: cells.next()??,
            })
        };
        Ok(Told::There(rows.into_iter().filter_map(element).collect()))
    }

    /// What the messages of a row say, with all joins.
    async fn spoken(&self, image: &serde_json::Value) -> Result<Told<Spoken>, ResolveError> {
        let (Some((from_image, from_table)), Some(thread)) = (&self.compiled.messages, &self.compiled.thread)
        else {
            return Ok(Told::Gone);
        };
        let told = self
            .rows(from_image, from_table, thread.reads_ticket, image)
            .await?;
        let Told::There(rows) = told else {
            return Ok(told.without_rows());
        };
        let mut spoken = Spoken::new();
        for mut row in rows {
            if let Some(identity) = row.pop().flatten() {
                spoken.entry(identity).or_default().push(row);
            }
        }
        Ok(Told::There(spoken))
    }

    async fn rows(
        &self,
        from_image: &crate::mapping::Reading,
        from_table: &crate::mapping::Reading,
        by_key: bool,
        image: &serde_json::Value,
    ) -> Result<Told<Vec<Vec<Option<String>>>>, ResolveError> {
        let shape = self.compiled.shape(Section::Message);
        if !by_key {
            match self.image_values(from_image, Section::Message, image).await? {
                // A cell that no longer casts is read by key (rule 15).
                Ok(values) => {
                    let of = (shape, from_image.columns.as_slice());
                    if let Ok(rows) = self.ask_all(&from_image.sql, values, of).await? {
                        return Ok(Told::There(rows));
                    }
                }
                Err(Outputs::NoRow) => return Ok(Told::Gone),
                Err(_) => {}
            }
        }
        let values = shape
            .key
            .iter()
            .map(|column| super::cell(image, column).map(str::to_owned));
        Ok(
            match self
                .ask_all(&from_table.sql, values.collect(), (shape, &shape.key))
                .await?
            {
                Ok(rows) => Told::There(rows),
                Err(why) => Told::Refused(why),
            },
        )
    }

    /// A message left its list.
    async fn element_left(&self, step: &Step<'_>, event: &Event, left: &RowLink) -> Result<(), ResolveError> {
        self.delete_noted(step, event, Section::Message, &left.key)
            .await?;
        let (links, why) = (step.links(), "it left its list before it was sent");
        if step.deliveries().drop_unsent(left.link.id, why).await? > 0 {
            links
                .set_state(left.link.id, LinkState::Skipped, Some(DROPPED))
                .await?;
            step.files().release_of(left.link.id).await?;
        }
        Ok(links.set_left(left.link.id).await?)
    }

    /// A row whose messages, or whose ticket, cannot be told is parked by itself.
    async fn row_untold(
        &self,
        step: &Step<'_>,
        event: &Event,
        row_key: &str,
        why: &str,
    ) -> Result<(), ResolveError> {
        if event.echo {
            return Ok(());
        }
        let why = format!("[message] expand of the row {row_key}: {why}");
        let link = match step.links().find(Section::Message, row_key).await? {
            Some(link) if link.state == LinkState::Parked => {
                return Ok(step
                    .deliveries()
                    .newer_image(link.id, &event.image, event.found)
                    .await?);
            }
            // It was one message before the config knew that it holds many.
            Some(link) if link.ticket_id.is_some() => {
                return Ok(step.skipped().count("a list that cannot be told").await?);
            }
            Some(link) => link.id,
            None => {
                step.links()
                    .add(Section::Message, row_key, 1, None, LinkState::Parked, Some(&why))
                    .await?
            }
        };
        if step.deliveries().park_again(link, &event.image, &why).await? {
            return Ok(());
        }
        self.park_stray(step, event, Section::Message, link, &event.image, &why)
            .await
    }

    /// The row can be told again.
    async fn row_told(&self, step: &Step<'_>, row_key: &str) -> Result<(), ResolveError> {
        let parked = [LinkState::Parked, LinkState::Queued];
        if let Some(link) = step.links().find(Section::Message, row_key).await?
            && parked.contains(&link.state)
        {
            step.deliveries()
                .withdraw_row(link.id, "its messages can be told now")
                .await?;
        }
        Ok(())
    }
}

impl<T> Told<T> {
    fn without_rows<U>(self) -> Told<U> {
        match self {
            Told::Refused(why) => Told::Refused(why),
            Told::There(_) | Told::Gone => Told::Gone,
        }
    }
}

/// What is known of a message that we wrote ourselves.
const OURS: (LinkState, Option<&str>) = (LinkState::Written, Some("written by us"));

/// Makes a message of a row known.
async fn element_add(
    step: &Step<'_>,
    ticket: Option<LaneId>,
    row_key: &str,
    (element, generation): (&Element, i32),
    (state, reason): (LinkState, Option<&str>),
) -> Result<LinkId, ResolveError> {
    let link = step
        .links()
        .add(Section::Message, &element.key, generation, ticket, state, reason)
        .await?;
    step.links().set_row(link, row_key).await?;
    Ok(link)
}

/// Which one of those with the same identity it is, and how many there are.
fn among_equals(elements: &[Element], element: &Element) -> (usize, usize) {
    let equals = elements.iter().filter(|other| other.identity == element.identity);
    let keys: Vec<&str> = equals.map(|other| other.key.as_str()).collect();
    let place = keys.iter().position(|key| *key == element.key);
    (place.unwrap_or_default(), keys.len())
}

/// What makes a message of a row known again.
async fn said(spoken: &Told<Spoken>, elements: &[Element], element: &Element) -> Option<Vec<String>> {
    let Told::There(spoken) = spoken else { return None };
    let row = spoken
        .get(&element.identity)?
        .get(among_equals(elements, element).0)?;
    let body = row.get(3)?.as_deref()?;
    let format = body_format(Outputs::get(row, 4).as_deref())?;
    let owned = body.to_owned();
    let work = move || {
        let body = text::outgoing(&owned, format);
        text::fingerprints(&body.text, &body.html)
    };
    match beside(body.len(), work).await {
        Some(said) => Some(said),
        None => Some(text::fingerprints(body, "")),
    }
}

/// The whole row is kept only while it is needed: it holds the other messages as well.
fn image_for(found: &Ruling, image: &serde_json::Value, key: &[String]) -> serde_json::Value {
    match found {
        Ruling::Ready(_) => key_image(image, key),
        _ => image.clone(),
    }
}
