//! The files of messages and tickets.
//!
//! A message's files are looked for when it is resolved, by its key, whatever brought them: those that were there
//! before it, in its transaction, or after it while it settled. Each gets a link and goes with the message; what comes
//! later becomes a message of its own. A ticket's files go with what opens its case. A message without a text is one
//! once it has a file.
//!
//! Only the key of an attachment's row is captured, so a row is what stands in the table now. One that is there no
//! more is left alone: its DELETE is on its way.

use serde_json::Value;

use super::row::Ruling;
use super::{Batch, ResolveError, key_of};
use crate::config::AttachmentOf;
use crate::decide::{Outputs, Ready};
use crate::files::{Attached, FileRow};
use crate::mapping::shape::{key_text, key_values};
use crate::mapping::{Reading, Shape};
use crate::model::{DeliveryId, Kind, LaneId, LinkId, Op, Section, TicketKey};
use crate::store::{Event, FileRef, Link, LinkState, NewFile, Resolution, Step, Ticket};
use crate::text;

/// Why a row whose parent column is NULL is not sent.
const OF_NOTHING: &str = "it belongs to nothing so far";

/// A file of a row that is being resolved, and of which section it is.
#[derive(Debug, Clone)]
pub struct FoundFile {
    link_key: String,
    /// The row whose list it stands in.
    row_name: Option<String>,
    source: String,
    row: FileRow,
}

impl FoundFile {
    /// Whether it goes with the row.
    pub fn is_ours(&self) -> bool {
        self.row.is_ours
    }
}

/// The names of those that go with the row.
pub(super) fn names(files: &[FoundFile]) -> Vec<&str> {
    let ours = files.iter().filter(|file| file.is_ours());
    ours.map(|file| file.row.name.as_str()).collect()
}

impl Batch<'_> {
    /// The files of a message or ticket that went nowhere yet; an error is what becomes of the row.
    pub(super) async fn files_of(
        &self,
        step: &Step<'_>,
        of: AttachmentOf,
        parent: &str,
    ) -> Result<Result<Vec<FoundFile>, Ruling>, ResolveError> {
        let mut found: Vec<FoundFile> = Vec::new();
        for attached in self.compiled.attachments.iter().filter(|a| a.config.of == of) {
            let Some(values) = key_values(parent, attached.of_parent.columns.len()) else {
                continue;
            };
            let values: Vec<Option<String>> = values.into_iter().map(Some).collect();
            let shape = self.compiled.shape(match of {
                AttachmentOf::Ticket => Section::Ticket,
                AttachmentOf::Message => Section::Message,
            });
            let of_parent = (shape, shape.key.as_slice());
            let rows = match self
                .ask_all(&attached.of_parent.sql, values.clone(), of_parent)
                .await?
            {
                Ok(rows) => rows.iter().map(|cells| attached.row(cells)).collect(),
                Err(error) => match self.files_one_by_one(attached, values, of_parent, error).await? {
                    Ok(rows) => rows,
                    Err(why) => return Ok(Err(Ruling::Park(why))),
                },
            };
            for row in rows {
                let link_key = attached.link_key(&row.key);
                if let Some(other) = found.iter().find(|other| other.link_key == link_key) {
                    if !row.is_ours && !other.is_ours() {
                        continue;
                    }
                    let why = "the join of [[attachment]] gives several rows for one row";
                    return Ok(Err(Ruling::Park(why.to_owned())));
                }
                let known = step.links().find(Section::Attachment, &link_key).await?;
                let is_free = |link: Link| link.gone || link.state == LinkState::Seen || link.is_baseline;
                if known.is_none_or(is_free) {
                    found.push(FoundFile {
                        link_key,
                        row_name: attached.row_name(&row.key),
                        source: attached.source.clone(),
                        row,
                    });
                }
            }
        }
        Ok(Ok(found))
    }

    /// The same where the database refuses a value of one of them: one that `where` leaves out does not matter.
    async fn files_one_by_one(
        &self,
        attached: &Attached,
        parent: Vec<Option<String>>,
        of_parent: (&Shape, &[String]),
        error: String,
    ) -> Result<Result<Vec<FileRow>, String>, ResolveError> {
        let Ok(eligible) = self.ask_all(&attached.eligible.sql, parent, of_parent).await? else {
            return Ok(Err(format!("[[attachment]]: {error}")));
        };
        let mut rows = Vec::new();
        for cells in eligible {
            let of_where = FileRow {
                name: String::new(),
                ..attached.row(cells.get(..2).unwrap_or_default())
            };
            if !of_where.is_ours {
                rows.push(of_where);
                continue;
            }
            match self.ask_file(attached, &attached.by_key, &of_where.key).await? {
                Outputs::Row(cells) => rows.push(attached.row(&cells)),
                Outputs::NoRow => {}
                Outputs::SeveralRows => {
                    return Ok(Err(
                        "the join of [[attachment]] gives several rows for one row".to_owned()
                    ));
                }
                Outputs::Refused(error) => return Ok(Err(format!("[[attachment]]: {error}"))),
            }
        }
        Ok(Ok(rows))
    }

    /// A row is resolved: it is queued, and takes its files along.
    pub(super) async fn ready(
        &self,
        step: &Step<'_>,
        delivery: DeliveryId,
        ticket: LaneId,
        mut found: Resolved,
    ) -> Result<(), ResolveError> {
        for file in found.files {
            let known = step.links().find(Section::Attachment, &file.link_key).await?;
            let state = if file.row.is_ours {
                LinkState::Queued
            } else {
                LinkState::Seen
            };
            let why = (!file.row.is_ours).then_some(NOT_OURS);
            let generation = known.as_ref().map_or(0, |link| link.generation);
            let link = match known.filter(|link| !link.gone) {
                Some(link) => {
                    step.links().set_state(link.id, state, why).await?;
                    step.links().set_ticket(link.id, ticket).await?;
                    link.id
                }
                None => {
                    step.links()
                        .add(
                            Section::Attachment,
                            &file.link_key,
                            generation + 1,
                            Some(ticket),
                            state,
                            why,
                        )
                        .await?
                }
            };
            if let Some(row) = &file.row_name {
                step.links().set_row(link, row).await?;
            }
            if file.row.is_ours {
                found
                    .resolution
                    .files
                    .push(file_ref(link, &file.source, file.row));
            }
        }
        if let Some(told) = found.told {
            tracing::warn!(%delivery, "a body does not go to Deskie as it stands: {told}");
            step.journal()
                .add(Some(ticket), "not sent as written", told)
                .await?;
        }
        Ok(step.deliveries().resolved(delivery, &found.resolution).await?)
    }

    /// A change in an attachment table.
    pub(super) async fn file_event(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
    ) -> Result<(), ResolveError> {
        if attached.of_row.is_some() {
            return self.file_list_event(step, event, attached).await;
        }
        if event.op == Op::Truncate {
            return Ok(step.files().set_all_gone(&attached.source, event.xid).await?);
        }
        let row = match event.op {
            Op::Delete => event.old_key.as_ref(),
            _ => Some(&event.image),
        };
        let key = |row: &Value| key_of(row, &attached.shape.key);
        let Some(new_key) = row.and_then(key) else {
            step.skipped()
                .count("a change without the mapped key (replica identity)")
                .await?;
            return Ok(());
        };
        let link_key = attached.link_key(&new_key);
        let has_moved = self.moves.contains(&(event.id, Section::Attachment));
        if event.op == Op::Delete {
            if !has_moved && !self.stays(event, &attached.shape, &new_key).await? {
                self.deleted(step, Section::Attachment, &link_key, event).await?;
            }
            return Ok(());
        }
        if let Some(old_key) = event.old_key.as_ref().and_then(key).filter(|old| *old != new_key)
            && let Some(link) = step
                .links()
                .find(Section::Attachment, &attached.link_key(&old_key))
                .await?
            && !link.gone
        {
            step.links().set_key(link.id, &link_key).await?;
        }
        let is_insert = event.op == Op::Insert && !has_moved;
        let known = step.links().find(Section::Attachment, &link_key).await?;
        let came_back = known.as_ref().is_some_and(|link| link.gone_in == Some(event.xid));
        match known {
            Some(link)
                if !came_back
                    && link.gone
                    && is_insert
                    && self.file_is_back(step, attached, &link, &new_key).await? =>
            {
                Ok(step.links().set_back(link.id).await?)
            }
            Some(link) if came_back => {
                step.links().set_back(link.id).await?;
                if event.echo {
                    return Ok(());
                }
                self.file_enters(step, event, attached, link.id, &new_key).await
            }
            Some(link) if !link.gone => match link.state {
                _ if event.echo => Ok(()),
                LinkState::Seen => self.file_enters(step, event, attached, link.id, &new_key).await,
                // Perhaps the site has mended what it was parked for.
                LinkState::Parked => Ok(step.files().retry(link.id).await?),
                LinkState::Queued if !is_insert => {
                    self.waiting_file_changed(step, event, attached, &link, &new_key)
                        .await
                }
                _ => Ok(()),
            },
            known if is_insert => {
                let generation = known.map_or(1, |link| link.generation + 1);
                let (state, why) = match event.echo {
                    true => (LinkState::Written, Some("written by us")),
                    false => (LinkState::Seen, None),
                };
                let link = step
                    .links()
                    .add(Section::Attachment, &link_key, generation, None, state, why)
                    .await?;
                if event.echo {
                    return Ok(());
                }
                self.file_enters(step, event, attached, link, &new_key).await
            }
            _ => Ok(step
                .skipped()
                .count("an update of a file from before the connector")
                .await?),
        }
    }

    /// Whether an inserted row is the file that was deleted: it has the name under which that was sent with a message, or
    /// with what opened a case, whose row is there. Of one that is replaced the message's row is there as well, under another
    /// name.
    async fn file_is_back(
        &self,
        step: &Step<'_>,
        attached: &Attached,
        link: &Link,
        key: &str,
    ) -> Result<bool, ResolveError> {
        let Some(sent) = step.files().sent_as(link.id).await? else {
            return Ok(false);
        };
        Ok(match self.ask_file(attached, &attached.by_key, key).await? {
            Outputs::Row(cells) => attached.row(&cells).name == sent,
            _ => false,
        })
    }

    /// Asks for one file by its key.
    async fn ask_file(
        &self,
        attached: &Attached,
        reading: &Reading,
        key: &str,
    ) -> Result<Outputs, ResolveError> {
        let Some(values) = attached.file_values(key) else {
            return Ok(Outputs::NoRow);
        };
        let values = values.into_iter().map(Some).collect();
        let of = (&attached.shape, attached.shape.key.as_slice());
        self.ask(&reading.sql, values, of).await
    }

    /// Where a file goes that is nowhere yet.
    pub(super) async fn file_enters(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
        link: LinkId,
        key: &str,
    ) -> Result<(), ResolveError> {
        let place = match self.file_place(step, event, attached, key).await? {
            Place::Lane(place) => place,
            Place::Later(why) => {
                return Ok(step.links().set_state(link, LinkState::Seen, Some(&why)).await?);
            }
            Place::Nowhere(why) => {
                return Ok(step
                    .links()
                    .set_state(link, LinkState::Skipped, Some(&why))
                    .await?);
            }
            Place::Taken => return Ok(()),
        };
        let row = match self.ask_file(attached, &attached.by_key, key).await? {
            Outputs::Row(cells) => attached.row(&cells),
            Outputs::NoRow => return self.file_seen(step, link, NOT_THERE).await,
            Outputs::SeveralRows => {
                let why = "the join of [[attachment]] gives several rows for one row";
                return self.file_seen(step, link, why).await;
            }
            Outputs::Refused(error) => {
                return self
                    .file_seen(step, link, &format!("[[attachment]]: {error}"))
                    .await;
            }
        };
        if !row.is_ours {
            return self.file_seen(step, link, NOT_OURS).await;
        }
        let body = text::names_of_files(&[row.name.as_str()]);
        let file = file_ref(link, &attached.source, row);
        step.links().set_ticket(link, place.ticket).await?;
        step.files()
            .queue(&NewFile {
                position: event.id.0,
                ticket_id: place.ticket,
                author: place.author,
                body: &body,
                file: &file,
                at: event.committed_at.as_second(),
            })
            .await?;
        step.links().set_state(link, LinkState::Queued, None).await?;
        Ok(())
    }

    async fn file_seen(&self, step: &Step<'_>, link: LinkId, why: &str) -> Result<(), ResolveError> {
        Ok(step.links().set_state(link, LinkState::Seen, Some(why)).await?)
    }

    /// In whose lane a file goes as a message of its own.
    pub(super) async fn file_ticket(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
        key: &str,
    ) -> Result<Option<LaneId>, ResolveError> {
        Ok(match self.file_place(step, event, attached, key).await? {
            Place::Lane(lane) => Some(lane.ticket),
            Place::Later(_) | Place::Nowhere(_) | Place::Taken => None,
        })
    }

    async fn file_place(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
        key: &str,
    ) -> Result<Place, ResolveError> {
        let later = |why: &str| Ok(Place::Later(why.to_owned()));
        let row = attached
            .row_values(key)
            .map(|values| TicketKey(key_text(&values)));
        let Some(row) = row else { return later(NOT_THERE) };
        let parent = match self.ask_table(&attached.parent_of, &attached.shape, &row).await? {
            Outputs::Row(values) => values.into_iter().collect::<Option<Vec<String>>>(),
            Outputs::NoRow => return later(NOT_THERE),
            Outputs::SeveralRows => return later("[[attachment]] parent gives several rows for one row"),
            Outputs::Refused(error) => return Ok(Place::Later(format!("[[attachment]] parent: {error}"))),
        };
        let Some(parent) = parent.map(|values| key_text(&values)) else {
            return later(OF_NOTHING);
        };
        if attached.config.of == AttachmentOf::Ticket {
            let ticket = step
                .tickets()
                .newest(&parent)
                .await?
                .filter(|ticket| !ticket.gone);
            return match ticket {
                Some(ticket) if step.files().late_for_ticket(ticket.id).await? => Ok(Place::Lane(Lane {
                    ticket: ticket.id,
                    author: Kind::Customer,
                })),
                Some(_) => later("it goes with what opens its ticket's case"),
                None => later("its ticket is not known"),
            };
        }
        let message = step.links().find(Section::Message, &parent).await?;
        let Some(message) = message.filter(|link| !link.gone) else {
            return later("its message is not known");
        };
        match (message.state, message.ticket_id) {
            (LinkState::Skipped | LinkState::Discarded | LinkState::Written, _) => {
                Ok(Place::Nowhere("its message is not for Deskie".to_owned()))
            }
            (LinkState::Seen, Some(ticket)) => {
                if let Some(ticket) = step.tickets().by_id(ticket).await? {
                    self.message_again(step, event, &parent, message.id, &ticket)
                        .await?;
                }
                let own = step
                    .links()
                    .find(Section::Attachment, &attached.link_key(key))
                    .await?;
                match own.map(|link| link.state) {
                    Some(LinkState::Seen) | None => later("its message is not for Deskie so far"),
                    Some(_) => Ok(Place::Taken),
                }
            }
            (LinkState::Seen, None) => later("its message belongs to no ticket"),
            (_, ticket) => match (step.files().late_for(message.id).await?, ticket) {
                (Some(author), Some(ticket)) => Ok(Place::Lane(Lane { ticket, author })),
                _ => later("it goes with its message"),
            },
        }
    }

    /// A message that was not for Deskie so far may be, now that it has a file.
    async fn message_again(
        &self,
        step: &Step<'_>,
        event: &Event,
        key: &str,
        link: LinkId,
        ticket: &Ticket,
    ) -> Result<(), ResolveError> {
        let columns = &self.compiled.shape(Section::Message).key;
        let Some(values) = key_values(key, columns.len()) else {
            return Ok(());
        };
        let cells = columns.iter().cloned().zip(values.into_iter().map(Value::String));
        let image = Value::Object(cells.collect());
        self.enter(step, event, &image, Section::Message, link, ticket)
            .await
    }
}

/// The mapping does not want it.
const NOT_OURS: &str = "[[attachment]] where does not hold";

/// Nothing is known of it beyond its key.
const NOT_THERE: &str = "its row is not there, or not visible to us";

/// A resolved row with the files that it takes along.
pub struct Resolved {
    /// The row.
    pub resolution: Resolution,
    pub files: Vec<FoundFile>,
    /// Its text is nothing but the names of its files.
    pub is_files_only: bool,
    /// What is to be told of its body.
    pub told: Option<&'static str>,
}

impl Resolved {
    pub(super) fn of(ready: Ready, files: Vec<FoundFile>) -> Resolved {
        Resolved {
            is_files_only: ready.is_files_only,
            told: ready.told,
            resolution: Resolution {
                author: ready.author,
                bodies: ready.bodies,
                opening: ready.opening,
                written_at: ready.written_at,
                files: Vec::new(),
            },
            files,
        }
    }
}

/// Where a file goes.
enum Place {
    /// Into this lane, as a message of its own.
    Lane(Lane),
    /// Nowhere so far.
    Later(String),
    Nowhere(String),
    /// Its message has taken it.
    Taken,
}

struct Lane {
    ticket: LaneId,
    author: Kind,
}

fn file_ref(link: LinkId, source: &str, row: FileRow) -> FileRef {
    FileRef {
        link,
        source: source.to_owned(),
        key: row.key,
        name: row.name,
        size: None,
        is_link: false,
    }
}
