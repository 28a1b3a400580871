//! What the site does to a ticket whose case Deskie has: `[ticket] on_edit`, `on_delete`, `on_hide`.
//!
//! An edit is told where the mapped subject, or with `open_on = "ticket"` the mapped body, differs from what was told
//! last; any other change of the row says nothing. Each becomes a note in the case.

use super::edit::under;
use super::row::Ruling;
use super::verdict::{Holds, Of};
use super::{Batch, ResolveError};
use crate::config::{OnDelete, OnEdit, OnHide, OpenOn};
use crate::model::{BodyFormat, LinkId, Section};
use crate::store::{Event, LinkState, Step, Ticket, TicketNote, TicketSent};
use crate::text::{self, Body};

/// What stands above the new texts of a ticket.
const EDITED: &str = "The customer edited this ticket on the site:";
/// What stands above the subject of a deleted one.
const DELETED: &str = "This ticket was deleted on the site:";
/// What stands above the subject of one that is back.
const BACK: &str = "This ticket is on the site again:";

impl Batch<'_> {
    /// A ticket's row, which was there before, was changed.
    pub(super) async fn ticket_changed(
        &self,
        step: &Step<'_>,
        event: &Event,
        key: &str,
    ) -> Result<(), ResolveError> {
        let config = &self.config.ticket;
        if !config.tells_changes() {
            return Ok(());
        }
        let Some(ticket) = step.tickets().newest(key).await?.filter(|ticket| !ticket.gone) else {
            return Ok(());
        };
        let Some(sent) = step.tickets().sent(ticket.id).await? else {
            return Ok(());
        };
        let Some(image) = self.newest_image(event, Section::Ticket).await? else {
            return Ok(());
        };
        if config.on_hide == OnHide::Delete {
            let filter = &self.compiled.deciding_ticket.filter;
            let holds = self
                .holds(filter, Section::Ticket, Of::Image(&image, None))
                .await?;
            let is_hidden = holds == Holds::No;
            let is_news = holds != Holds::Untold && step.tickets().set_hidden(ticket.id, is_hidden).await?;
            // One that is not sent yet is behind its opening in the lane.
            if is_news {
                let line = if is_hidden { DELETED } else { BACK };
                let note = under(line, &text::outgoing(&sent.subject, BodyFormat::Text));
                self.ticket_noted(step, event, &ticket, &note, None).await?;
            }
            if is_hidden {
                return Ok(());
            }
        }
        if config.on_edit == OnEdit::Ignore {
            return Ok(());
        }
        // As if it were new: how old the ticket is does not matter here.
        let found = self
            .resolve(step, Section::Ticket, &image, &ticket.key, true, 0)
            .await?;
        self.ticket_edited(step, event, &ticket, &sent, found).await
    }

    async fn ticket_edited(
        &self,
        step: &Step<'_>,
        event: &Event,
        ticket: &Ticket,
        sent: &TicketSent,
        found: Ruling,
    ) -> Result<(), ResolveError> {
        let Ruling::Ready(found) = found else {
            return Ok(());
        };
        let found = found.resolution;
        let whole = found.whole_text();
        let subject = found.opening.map(|opening| opening.subject).unwrap_or_default();
        let has_body = self.config.ticket.open_on == OpenOn::Ticket;
        let body = has_body.then_some(whole.as_str());
        if has_body && sent.body.is_none() {
            step.skipped()
                .count("an edit of a ticket whose text is past [capture] retain")
                .await?;
        }
        let is_subject = subject != sent.subject;
        let is_body = body
            .zip(sent.body.as_deref())
            .is_some_and(|(now, before)| now != before);
        if !is_subject && !is_body {
            return Ok(());
        }
        let mut parts: Vec<Body> = if is_body { found.bodies } else { Vec::new() };
        if is_subject {
            let line = text::outgoing(&format!("Subject: {subject}"), BodyFormat::Text);
            match parts.first_mut() {
                Some(first) => {
                    *first = Body {
                        text: format!("{}\n\n{}", line.text, first.text),
                        html: format!("<p>{}</p>{}", line.html, first.html),
                    };
                }
                None => parts.push(line),
            }
        }
        // What is past `retain` is not known by this either.
        let told = (subject.as_str(), body.filter(|_| sent.body.is_some()));
        for (n, part) in parts.iter().enumerate() {
            let headed = (n == 0).then(|| under(EDITED, part));
            let body = headed.as_ref().unwrap_or(part);
            self.ticket_noted(step, event, ticket, body, Some(told)).await?;
        }
        Ok(())
    }

    /// A ticket's row was deleted; before that is noted.
    pub(super) async fn ticket_delete_noted(
        &self,
        step: &Step<'_>,
        event: &Event,
        key: &str,
    ) -> Result<(), ResolveError> {
        if event.echo || self.config.ticket.on_delete != OnDelete::Note {
            return Ok(());
        }
        let Some(ticket) = step.tickets().newest(key).await?.filter(|ticket| !ticket.gone) else {
            return Ok(());
        };
        // What was not sent yet is not sent at all.
        let sent = step.tickets().sent(ticket.id).await?.filter(|sent| sent.is_sent);
        let Some(sent) = sent else { return Ok(()) };
        // It was told when it left `where`.
        if step.tickets().set_hidden(ticket.id, false).await? {
            return Ok(());
        }
        let note = under(DELETED, &text::outgoing(&sent.subject, BodyFormat::Text));
        self.ticket_noted(step, event, &ticket, &note, None).await
    }

    async fn ticket_noted(
        &self,
        step: &Step<'_>,
        event: &Event,
        ticket: &Ticket,
        body: &Body,
        told: Option<(&str, Option<&str>)>,
    ) -> Result<(), ResolveError> {
        let note = TicketNote {
            ticket: ticket.id,
            link: self.ticket_link(step, ticket).await?,
            event: event.id,
            body,
            told,
            at: event.committed_at.as_second(),
        };
        Ok(step.tickets().note(&note).await?)
    }

    /// The link of a ticket's row; one from before the connector, whose case a later message opened, has none yet.
    async fn ticket_link(&self, step: &Step<'_>, ticket: &Ticket) -> Result<LinkId, ResolveError> {
        let key = ticket.key.as_str();
        let known = step.links().find(Section::Ticket, key).await?;
        if let Some(link) = known.as_ref().filter(|link| !link.gone) {
            return Ok(link.id);
        }
        let generation = known.map_or(1, |link| link.generation + 1);
        let reason = Some("from before the connector");
        let state = LinkState::Skipped;
        Ok(step
            .links()
            .add(Section::Ticket, key, generation, Some(ticket.id), state, reason)
            .await?)
    }
}
