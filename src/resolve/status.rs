//! The ticket's status from the site's row: what changed there goes to Deskie.
//!
//! What counts is that the site changed it: a row that is touched while its status stays says nothing, whatever Deskie
//! has. What we wrote ourselves is noted and never sent. An older version of the row, which a later event will replace,
//! is passed over.

use super::{Batch, ResolveError, cell};
use crate::decide::{status_word, tell_odd_status};
use crate::mapping::shape::key_text;
use crate::model::{Section, TicketKey};
use crate::store::{Event, Step};

impl Batch<'_> {
    /// Looks at a change of the ticket's row, which was there before.
    pub(super) async fn status_changed(&self, step: &Step<'_>, event: &Event) -> Result<(), ResolveError> {
        if self.config.ticket.status.is_none() {
            return Ok(());
        }
        let columns = &self.compiled.shape(Section::Ticket).key;
        let values: Option<Vec<&str>> = columns.iter().map(|name| cell(&event.image, name)).collect();
        let Some(key) = values.map(|values| TicketKey(key_text(&values))) else {
            return Ok(());
        };
        let Some(ticket) = step.tickets().newest(key.as_str()).await?.filter(|t| !t.gone) else {
            return Ok(());
        };
        let of_image = match status_word(self.ticket_status(Some(&event.image), &key).await?) {
            Ok(Some(word)) => word,
            Ok(None) => return Ok(()),
            Err(word) => {
                tell_odd_status(&key, &word);
                return Ok(step
                    .skipped()
                    .count("[ticket] status is not open, waiting or closed")
                    .await?);
            }
        };
        let Some(known) = step.case_statuses().known(ticket.id).await? else {
            return Ok(());
        };
        if event.echo {
            return Ok(step.case_statuses().set_of_site(ticket.id, &of_image).await?);
        }
        if known.site.as_deref() == Some(&of_image) {
            return Ok(());
        }
        if self.ticket_status(None, &key).await?.as_deref() != Some(&of_image) {
            return Ok(());
        }
        step.case_statuses().set_of_site(ticket.id, &of_image).await?;
        if !known.has_case {
            return Ok(());
        }
        if known.deskie.as_deref() == Some(&of_image) {
            return Ok(step.case_statuses().unqueue(ticket.id, &of_image).await?);
        }
        step.case_statuses()
            .queue(ticket.id, event.id.0, &of_image)
            .await?;
        Ok(())
    }
}
