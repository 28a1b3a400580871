//! A ticket that is another customer's than its case: the site gave it to him, or another ticket took its key.
//!
//! What is written in it from then on is not the former one's, and what he is answered is not for the new one. A customer
//! who only gets another address stays who he is, so what is compared first are the cells of the ticket's own row by which
//! its customer is found.

use serde_json::Value;

use super::row::Lane;
use super::{Batch, ResolveError};
use crate::decide::{self, Outputs};
use crate::model::{Op, Section};
use crate::store::{Event, Link, Opening, Step, Ticket};

/// Whether cells that said something of a row are others now. A cell that the stream left out has not changed.
fn differ(said_by: &Value, what: &str, image: &Value) -> bool {
    let cells = said_by.get(what).and_then(Value::as_object);
    cells
        .into_iter()
        .flatten()
        .filter_map(|(column, cell)| Some((image.get(column)?, cell)))
        .any(|(now, then)| now != then)
}

/// Whether a change of this ticket's row may be one of its customer, or take that back. Of a row that was found in the table
/// only the key is here.
pub(super) fn may_be_given(ticket: &Ticket, event: &Event) -> bool {
    let is_open = !ticket.gone && ticket.case_id.is_some();
    let named_by = ticket.named_by.as_ref().filter(|_| is_open);
    named_by.is_some_and(|named_by| {
        ticket.is_estranged || event.found || differ(named_by, "customer", &event.image)
    })
}

/// Whose a ticket's row is.
enum Customer {
    /// Whose its case is, or nobody can tell.
    Same(Option<Opening>),
    Another(Opening),
}

impl Batch<'_> {
    /// A ticket's row was changed: is it another customer's now than its case?
    pub(super) async fn customer_changed(
        &self,
        step: &Step<'_>,
        event: &Event,
        key: &str,
    ) -> Result<(), ResolveError> {
        let ticket = step.tickets().newest(key).await?;
        let Some(ticket) = ticket.filter(|ticket| may_be_given(ticket, event)) else {
            return Ok(());
        };
        let Some(image) = self.newest_image(event, Section::Ticket).await? else {
            return Ok(());
        };
        let now = match self.customer(event, &ticket, &image).await? {
            Customer::Same(None) => return Ok(()),
            Customer::Same(Some(now)) => {
                return Ok(step.tickets().is_his(ticket.id, now.named_by.as_ref()).await?);
            }
            Customer::Another(now) => now,
        };
        let case = ticket.case_number.as_deref().unwrap_or("");
        let why = format!(
            "the site has given the ticket to another customer than its case {case} is of: in Deskie give the case to that \
             customer, or link the two profiles if they are one person's; or give the ticket back on the site"
        );
        if step.tickets().give(ticket.id, &now, &why).await? {
            tracing::error!(ticket = %ticket.key, "{why}: until then nothing is sent to it or written from it");
        }
        Ok(())
    }

    /// Whether what comes with a known key is another row: another customer's ticket, made at another time, or a message of
    /// such a ticket. A table that is emptied and filled with other rows in one transaction, or a row that is replaced in it or
    /// while nothing was streamed, looks like rows that stay.
    pub(super) async fn is_another_row(
        &self,
        step: &Step<'_>,
        event: &Event,
        (section, key): (Section, &str),
        link: &Link,
    ) -> Result<bool, ResolveError> {
        let is_found = event.op == Op::Update && event.found;
        if event.op != Op::Insert && !is_found || event.echo {
            return Ok(false);
        }
        if section == Section::Message {
            let Lane::Of(now) = self.ticket_key_of(&event.image).await? else {
                return Ok(false);
            };
            let (Some(now), Some(before)) = (step.tickets().newest(now.as_str()).await?, link.ticket_id)
            else {
                return Ok(false);
            };
            let before = step.tickets().by_id(before).await?;
            return Ok(
                before.is_some_and(|before| before.gone && before.key == now.key && before.id != now.id)
            );
        }
        let ticket = step.tickets().newest(key).await?;
        let Some((ticket, named_by)) =
            ticket.and_then(|ticket| ticket.named_by.clone().map(|by| (ticket, by)))
        else {
            return Ok(false);
        };
        if !is_found && !differ(&named_by, "customer", &event.image) {
            return Ok(false);
        }
        let Customer::Another(now) = self.customer(event, &ticket, &event.image).await? else {
            return Ok(false);
        };
        let made = |by: &Value| {
            by.get("created_at")
                .filter(|made| **made != serde_json::json!({}))
                .cloned()
        };
        let (before, now) = (made(&named_by), now.named_by.as_ref().and_then(made));
        Ok(match before.is_some() {
            true => before != now,
            // A row that was only found again stays, where nothing tells.
            false => !is_found,
        })
    }

    /// Whose the ticket's row is now, beside its case.
    async fn customer(
        &self,
        event: &Event,
        ticket: &Ticket,
        image: &Value,
    ) -> Result<Customer, ResolveError> {
        let reading = &self.compiled.ticket_image;
        let Outputs::Row(outputs) = self.ask_image(reading, Section::Ticket, image).await? else {
            return Ok(Customer::Same(None));
        };
        let times = self.times(Section::Ticket, event.committed_at.as_second()).await;
        // Where nobody is named any more nobody writes in it either.
        let Ok(now) = decide::opening(self.config, &outputs, &ticket.key, &times) else {
            return Ok(Customer::Same(None));
        };
        let who = |named_by: &Option<Value>| named_by.as_ref()?.get("who").cloned();
        let is_same = who(&now.named_by) == who(&ticket.named_by);
        Ok(match is_same {
            true => Customer::Same(Some(now)),
            false => Customer::Another(now),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differ;

    #[test]
    fn another_customer_is_named_by_a_cell_that_is_there_and_differs() {
        let named_by = json!({"customer": {"user_id": "5", "email": null}});
        for (image, is_another) in [
            (
                json!({"id": "1", "user_id": "5", "email": null, "status": "x"}),
                false,
            ),
            (json!({"id": "1", "user_id": "6", "email": null}), true),
            (json!({"id": "1", "user_id": "5", "email": "a@example.org"}), true),
            (json!({"id": "1", "user_id": null, "email": null}), true),
            (json!({"id": "1", "user_id": "5"}), false),
            (json!({"id": "1"}), false),
        ] {
            assert_eq!(differ(&named_by, "customer", &image), is_another, "{image}");
        }
        assert!(!differ(&json!({}), "customer", &json!({"user_id": "6"})));
    }
}
