//! Whose a case is, its ticket's customer's or another one's: Deskie can give the case to another customer, and the site
//! the ticket. Until both are one person's nothing goes either way (rule 11).

use super::Cases;
use super::elsewhere::{ASKED_AGAIN, Whose};
use crate::deskie::{CallError, Case, Identity};
use crate::lanes::Class;
use crate::model::UserId;
use crate::store::{Opening, StoreError, Ticket};

impl Cases {
    /// Whether the case, as it is shown, is another customer's than its ticket, and why. One that is his under another
    /// profile goes on as that. `claims`: it says that it is this ticket's.
    pub(super) async fn is_anothers_customer(
        &self,
        ticket: &Ticket,
        shown: &Case,
        claims: bool,
    ) -> Result<Option<Whose>, StoreError> {
        let given_to = match ticket.is_estranged {
            true => self.store.tickets().given_to(ticket.id).await?,
            false => None,
        };
        if let Some((by, why)) = given_to {
            return Ok(match self.is_of_person(shown, &by, None).await {
                Ok(true) => {
                    let user = shown.user_id;
                    self.store.tickets().taken_over(ticket.id, &by, user).await?;
                    tracing::info!(ticket = %ticket.key, "its case is its new customer's: it goes on");
                    None
                }
                Ok(false) => Some(Whose::Anothers(why)),
                Err(error) => Some(Whose::Unknown(error.to_string())),
            });
        }
        let is_same = shown.user_id == ticket.user_id || shown.user_id.is_none();
        // In a case that has others' cases merged into it he may be one of several.
        if ticket.read_from.is_some() || is_same && claims {
            return self.reconcile(ticket).await;
        }
        let Some(opening) = self.store.deliveries().opening(ticket.id).await? else {
            return self.reconcile(ticket).await;
        };
        let found = match is_same {
            true => {
                let identity = identity(&opening);
                shown
                    .is_of(identity, &self.client, &self.meter, Class::WebhookRead)
                    .await
            }
            false => self.is_of_person(shown, &opening, ticket.user_id).await,
        };
        let case = shown.case_id;
        match (found, claims) {
            (Err(error), _) => Ok(Some(Whose::Unknown(error.to_string()))),
            (Ok(true), _) => {
                if let Some(user) = shown.user_id.filter(|_| !is_same) {
                    self.store.tickets().follow_customer(ticket.id, user).await?;
                    tracing::info!(ticket = %ticket.key, %case, "the customer has another profile in Deskie");
                }
                self.reconcile(ticket).await
            }
            (Ok(false), true) => Ok(Some(Whose::Anothers(format!(
                "case {case} was given to another customer in Deskie: give it back, or link the two profiles if they are one \
                 person's, or give the ticket to that customer on the site"
            )))),
            (Ok(false), false) => Ok(Some(Whose::Anothers(format!(
                "case {case} does not say which ticket it is, and is another customer's"
            )))),
        }
    }

    /// A case whose customer is another one than we know. True where it is held, or goes on under another profile: what it
    /// holds is read again with that.
    pub(super) async fn has_changed_hands(&self, ticket: &Ticket, shown: &Case) -> bool {
        let is_same = shown.user_id == ticket.user_id || shown.user_id.is_none();
        if is_same || ticket.read_from.is_some() || ticket.is_estranged {
            return false;
        }
        let case = shown.case_id;
        let sorted = match self.is_anothers(ticket, case, Some(&Ok(shown.clone()))).await {
            Ok(Some(whose)) => self.estrange(ticket, &whose).await,
            Ok(None) => return true,
            Err(error) => Err(error),
        };
        // Profiles may be linked without a change of the case that a sweep would see.
        let tickets = self.store.tickets();
        let asked_again = match sorted {
            Ok(()) => tickets.want_read(ticket.id, 2, ASKED_AGAIN).await,
            failed => failed,
        };
        match asked_again {
            Ok(()) => true,
            Err(error) => self.put_off(ticket, case, &error).await,
        }
    }

    async fn is_of_person(
        &self,
        shown: &Case,
        opening: &Opening,
        known: Option<UserId>,
    ) -> Result<bool, CallError> {
        let identity = identity(opening);
        shown
            .is_of_person(identity, known, &self.client, &self.meter, Class::WebhookRead)
            .await
    }

    /// The case is the ticket's own, whatever was said before.
    async fn reconcile(&self, ticket: &Ticket) -> Result<Option<Whose>, StoreError> {
        if ticket.is_estranged {
            self.store.tickets().estrange(ticket.id, None).await?;
        }
        Ok(None)
    }
}

fn identity(opening: &Opening) -> Identity<'_> {
    Identity {
        email: opening.email.as_deref(),
        phone: opening.phone.as_deref(),
        custom_id: opening.custom_id.as_deref(),
    }
}
