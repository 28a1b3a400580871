//! What the site does to a message after it went to Deskie: `on_edit`, `on_delete` and `on_hide`.
//!
//! An edit is told where the mapped body differs from what was sent last; any other change of the row says nothing.
//! A deletion that comes with the deletion of the whole ticket is not told for each message. With `on_hide` a message that
//! leaves `where` counts as deleted; that is told once, and once more if it comes back.

use super::row::Ruling;
use super::verdict::{Holds, Of};
use super::{Batch, ResolveError};
use crate::config::{OnDelete, OnEdit, OnHide};
use crate::model::{BodyFormat, Kind, Section};
use crate::store::{Act, Event, FollowUp, Link, LinkState, Step};
use crate::text::{self, Body};

/// What stands above the new text of a message.
const EDITED: &str = "The customer edited this message on the site:";
/// What stands above the text of a deleted one.
const DELETED: &str = "This message was deleted on the site:";
/// What stands above the text of one that is back.
const BACK: &str = "This message is on the site again:";

impl Batch<'_> {
    /// A message that is known was changed.
    pub(super) async fn edited(
        &self,
        step: &Step<'_>,
        event: &Event,
        link: &Link,
    ) -> Result<(), ResolveError> {
        let Some(config) = self
            .config
            .message
            .as_ref()
            .filter(|config| config.tells_changes())
        else {
            return Ok(());
        };
        if !is_sent(link) {
            return Ok(());
        }
        let Some(last) = step.edits().last(link.id).await?.filter(|last| !last.ticket_gone) else {
            return Ok(());
        };
        let Some(image) = self.newest_image(event, Section::Message).await? else {
            return Ok(());
        };
        let is_hidden = self.hidden(step, event, link, Of::Image(&image, None)).await?;
        if is_hidden || config.on_edit == OnEdit::Ignore {
            return Ok(());
        }
        // As if it were new: how old the message is does not matter here.
        let found = self
            .resolve(step, Section::Message, &image, &last.ticket_key, true, 0)
            .await?;
        self.edited_to(step, event, link, found).await
    }

    /// With `on_hide`, whether a message that was sent is out of its `where` now; that is told once.
    pub(super) async fn hidden(
        &self,
        step: &Step<'_>,
        event: &Event,
        link: &Link,
        of: Of<'_>,
    ) -> Result<bool, ResolveError> {
        let (Some(config), Some(deciding)) = (&self.config.message, &self.compiled.deciding_message) else {
            return Ok(false);
        };
        if config.on_hide == OnHide::Ignore || !is_sent(link) {
            return Ok(false);
        }
        let holds = self.holds(&deciding.filter, Section::Message, of).await?;
        let is_hidden = holds == Holds::No;
        if holds == Holds::Untold || !step.links().set_hidden(link.id, is_hidden).await? {
            return Ok(is_hidden);
        }
        let Some(last) = step.edits().last(link.id).await?.filter(|last| !last.ticket_gone) else {
            return Ok(is_hidden);
        };
        if last.is_sent {
            let line = if is_hidden { DELETED } else { BACK };
            self.message_noted(step, event, link, line, last.text).await?;
            return Ok(is_hidden);
        }
        // What was not sent yet is not sent as long as it is hidden.
        if is_hidden
            && step
                .deliveries()
                .drop_unsent(link.id, "it left [message] where before it was sent")
                .await?
                > 0
        {
            step.links().set_hidden(link.id, false).await?;
            step.links()
                .set_state(link.id, LinkState::Seen, Some("[message] where does not hold"))
                .await?;
            step.files().release_of(link.id).await?;
        }
        Ok(is_hidden)
    }

    /// Tells of a message with the text that Deskie has of it.
    async fn message_noted(
        &self,
        step: &Step<'_>,
        event: &Event,
        link: &Link,
        line: &str,
        text: Option<String>,
    ) -> Result<(), ResolveError> {
        let shown: String = text.unwrap_or_default().chars().take(500).collect();
        let body = under(line, &text::outgoing(&shown, BodyFormat::Text));
        step.edits()
            .queue(&FollowUp {
                link: link.id,
                event: event.id,
                act: Act::Note,
                body: &body,
                text: None,
                at: event.committed_at.as_second(),
            })
            .await?;
        Ok(())
    }

    /// What a known message is now.
    pub(super) async fn edited_to(
        &self,
        step: &Step<'_>,
        event: &Event,
        link: &Link,
        found: Ruling,
    ) -> Result<(), ResolveError> {
        let on_edit = self.config.message.as_ref().map(|message| message.on_edit);
        let Some(on_edit) = on_edit.filter(|_| is_sent(link)) else {
            return Ok(());
        };
        let Some(last) = step.edits().last(link.id).await?.filter(|last| !last.ticket_gone) else {
            return Ok(());
        };
        let Ruling::Ready(found) = found else {
            return Ok(());
        };
        // The names of files are no text of the customer's.
        if found.is_files_only {
            return Ok(());
        }
        let found = found.resolution;
        let whole = found.whole_text();
        let Some(before) = last.text else {
            step.skipped()
                .count("an edit of a message whose text is past [capture] retain")
                .await?;
            return Ok(());
        };
        if shows(&before).eq(shows(&whole)) {
            return Ok(());
        }
        let is_edit =
            on_edit == OnEdit::Edit && last.parts == 1 && !last.as_note && found.author == Kind::Customer;
        let (act, bodies) = match found.bodies.as_slice() {
            [body] if is_edit => (Act::Edit, vec![body.clone()]),
            [first, rest @ ..] => {
                let first = under(EDITED, first);
                (Act::Note, std::iter::once(first).chain(rest.to_vec()).collect())
            }
            [] => return Ok(()),
        };
        for body in &bodies {
            step.edits()
                .queue(&FollowUp {
                    link: link.id,
                    event: event.id,
                    act,
                    body,
                    text: Some(&whole),
                    at: event.committed_at.as_second(),
                })
                .await?;
        }
        Ok(())
    }

    /// A message or ticket was deleted; before that is noted.
    pub(super) async fn delete_noted(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
        key: &str,
    ) -> Result<(), ResolveError> {
        if section == Section::Ticket {
            return self.ticket_delete_noted(step, event, key).await;
        }
        let on_delete = self.config.message.as_ref().map(|message| message.on_delete);
        if section != Section::Message || event.echo || on_delete != Some(OnDelete::Note) {
            return Ok(());
        }
        let link = step.links().find(section, key).await?;
        let Some(link) = link.filter(|link| !link.gone && is_sent(link)) else {
            return Ok(());
        };
        // What was not sent yet is not sent at all.
        let last = step.edits().last(link.id).await?;
        let Some(last) = last.filter(|last| !last.ticket_gone && last.is_sent) else {
            return Ok(());
        };
        // It was told when it left `where`.
        if step.links().set_hidden(link.id, false).await? {
            return Ok(());
        }
        self.message_noted(step, event, &link, DELETED, last.text).await
    }
}

fn is_sent(link: &Link) -> bool {
    matches!(link.state, LinkState::Delivered | LinkState::Queued)
}

/// A text as Deskie shows it: no blanks at the ends of its lines, and no empty lines around it.
fn shows(text: &str) -> impl Iterator<Item = &str> {
    text.trim().lines().map(str::trim_end)
}

/// A body with a line above it.
pub(super) fn under(line: &str, body: &Body) -> Body {
    Body {
        text: format!("{line}\n\n{}", body.text),
        html: format!("<p><b>{line}</b></p>{}", body.html),
    }
}
