//! Whose a case is: by the ticket field that we wrote, and by its customer.

use super::{CallError, Case, Client, Meter};
use crate::lanes::{Class, Cost};

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
        let Some(user) = self.user_id else {
            return Ok(false);
        };
        let call = meter.acquire(class, Cost::Read).await;
        let answer = client.user(user).await;
        meter.settle(call, &answer);
        let user = answer?.value;
        Ok(user.is_contact(customer.email, customer.phone, customer.custom_id))
    }
}
