//! Whose a case is: by the ticket field that we wrote, and by its customer.

use super::{CallError, Case, Client, Meter, Outcome, User};
use crate::lanes::{Class, Cost};
use crate::model::UserId;

/// So many of a person's profiles are looked at.
const LINKED: usize = 5;

/// How a customer can be known again.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// His e-mail address.
    pub email: Option<&'a str>,
    /// His telephone number.
    pub phone: Option<&'a str>,
    /// His identity in a custom channel.
    pub custom_id: Option<&'a str>,
}

impl Case {
    /// What the ticket field `cf_<field>` holds, where it holds anything.
    pub fn claims(&self, field: i64) -> Option<&str> {
        let held = self.custom_fields.get(&format!("cf_{field}"))?.trim();
        (!held.is_empty()).then_some(held)
    }

    /// Whether the case is this customer's: by its address, else by a look at its customer, which costs one read.
    pub async fn is_of(
        &self,
        customer: Identity<'_>,
        client: &Client,
        meter: &Meter,
        class: Class,
    ) -> Result<bool, CallError> {
        let recipient = self.recipient.trim();
        if customer
            .email
            .is_some_and(|email| email.trim().eq_ignore_ascii_case(recipient))
        {
            return Ok(true);
        }
        match self.user_id {
            Some(user) => user_of(user, client, meter, class)
                .await
                .map(|user| user.is(customer)),
            None => Ok(false),
        }
    }

    /// Whether the customer of the case is this person: the profile that is `known` as his, one that is linked with it, or
    /// one, be it a linked one, with his identity. Costs one read, and one for each of the first linked profiles.
    pub async fn is_of_person(
        &self,
        customer: Identity<'_>,
        known: Option<UserId>,
        client: &Client,
        meter: &Meter,
        class: Class,
    ) -> Result<bool, CallError> {
        let Some(user) = self.user_id else {
            return Ok(false);
        };
        if Some(user) == known {
            return Ok(true);
        }
        let user = user_of(user, client, meter, class).await?;
        if user.is(customer) || known.is_some_and(|known| user.linked_users.contains(&known)) {
            return Ok(true);
        }
        for linked in user.linked_users.into_iter().take(LINKED) {
            match user_of(linked, client, meter, class).await {
                Ok(linked) if linked.is(customer) => return Ok(true),
                // A profile that was deleted is nobody's.
                Err(error) if error.outcome() != Outcome::Refused => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }
}

impl User {
    fn is(&self, customer: Identity<'_>) -> bool {
        self.is_contact(customer.email, customer.phone, customer.custom_id)
    }
}

async fn user_of(id: UserId, client: &Client, meter: &Meter, class: Class) -> Result<User, CallError> {
    let call = meter.acquire(class, Cost::Read).await;
    let answer = client.user(id).await;
    meter.settle(call, &answer);
    answer.map(|answer| answer.value)
}
