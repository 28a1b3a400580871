//! A row that waits to be sent, and that the site changes meanwhile: while Deskie is away its author, its customer, its files
//! and its ticket may become others. What was not sent yet goes as the row stands, and to whom it is of now.

use super::row::{Lane, Ruling};
use super::{Batch, ResolveError};
use crate::config::OpenOn;
use crate::files::Attached;
use crate::model::{DeliveryId, Section};
use crate::store::{Event, Link, LinkState, Step, Ticket};

/// Why a file is not sent with what it was of.
const ANOTHERS: &str = "the site made it a file of something else before it was sent";

/// Why a message is not sent that the site took out of its ticket.
const OF_NO_TICKET: &str = "it belongs to no ticket";

impl Batch<'_> {
    /// A row changed that may wait in its lane. True where nothing of it was sent: it goes as it is now, and nothing else is to be told
    /// of the change.
    pub(super) async fn waiting_changed(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        link: &Link,
    ) -> Result<bool, ResolveError> {
        if !matches!(link.state, LinkState::Queued | LinkState::Parked) {
            return Ok(false);
        }
        let Some(image) = self.newest_image(event, section).await? else {
            return Ok(false);
        };
        let again = match link.state {
            LinkState::Queued => step.deliveries().again(link.id, &image, event.found).await?,
            _ => None,
        };
        if again.is_none() {
            step.deliveries()
                .newer_image(link.id, &image, event.found)
                .await?;
        }
        if section == Section::Message {
            match self.ticket_key_of(&image).await? {
                Lane::Of(key) => {
                    let ticket = step.tickets().find_or_add(&key).await?;
                    if link.ticket_id != Some(ticket.id) {
                        step.deliveries().move_to(link.id, ticket.id).await?;
                    }
                }
                Lane::None if again.is_some() => {
                    step.deliveries().drop_unsent(link.id, OF_NO_TICKET).await?;
                    step.links()
                        .set_state(link.id, LinkState::Seen, Some(OF_NO_TICKET))
                        .await?;
                    return Ok(true);
                }
                Lane::None | Lane::Untold(_) => {}
            }
        }
        self.resolve_again(step, again).await
    }

    /// The row of a ticket changed, of which what is to open its case was made. True where that was not sent yet: it goes
    /// as it is now, and nothing else is to be told of the change.
    pub(super) async fn opening_changed(
        &self,
        step: &Step<'_>,
        event: &Event,
        key: &str,
    ) -> Result<bool, ResolveError> {
        if self.config.ticket.open_on == OpenOn::Ticket {
            let link = step.links().find(Section::Ticket, key).await?;
            return match link.filter(|link| !link.gone) {
                Some(link) => self.waiting_changed(step, event, Section::Ticket, &link).await,
                None => Ok(false),
            };
        }
        let ticket = step.tickets().newest(key).await?;
        let Some(ticket) = ticket.filter(|ticket| !ticket.gone && ticket.case_id.is_none()) else {
            return Ok(false);
        };
        let again = step
            .deliveries()
            .opening_again(ticket.id, event.committed_at)
            .await?;
        self.resolve_again(step, again).await
    }

    /// The row of a file changed that waits with its message, or as one of its own: it may be of something else now.
    pub(super) async fn waiting_file_changed(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
        link: &Link,
        key: &str,
    ) -> Result<(), ResolveError> {
        step.files().changed(link.id).await?;
        let again = step.deliveries().message_of_file_again(link.id).await?;
        if self.resolve_again(step, again).await? {
            let name = attached.link_key(key);
            let now = step.links().find(Section::Attachment, &name).await?;
            // Its message has taken it along again.
            if now.is_some_and(|now| now.state != LinkState::Seen) {
                return Ok(());
            }
        } else if self.file_ticket(step, event, attached, key).await? == link.ticket_id
            || step.files().drop_unsent(link.id, ANOTHERS).await? == 0
        {
            return Ok(());
        }
        self.file_enters(step, event, attached, link.id, key).await
    }

    /// Whether a message waits to be sent just as the mapping gives it now: one of a long list mostly does.
    pub(super) async fn waits_as_it_is(
        &self,
        step: &Step<'_>,
        link: &Link,
        ticket: &Ticket,
        found: &Ruling,
    ) -> Result<bool, ResolveError> {
        let Ruling::Ready(found) = found else {
            return Ok(false);
        };
        if link.state != LinkState::Queued || link.ticket_id != Some(ticket.id) {
            return Ok(false);
        }
        let last = step.edits().last(link.id).await?;
        let author = found.resolution.author;
        Ok(
            last.is_some_and(|last| {
                last.author == author && last.text == Some(found.resolution.whole_text())
            }),
        )
    }

    async fn resolve_again(&self, step: &Step<'_>, again: Option<DeliveryId>) -> Result<bool, ResolveError> {
        let Some(id) = again else { return Ok(false) };
        if let Some(waiting) = step.deliveries().to_resolve(id).await? {
            self.unresolved(step, &waiting).await?;
        }
        Ok(true)
    }
}
