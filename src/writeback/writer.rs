//! Who wrote a message of Deskie's: an agent, the case's customer, or a third person who was in copy.

use super::WriteBack;
use super::refusal::WriteError;
use super::staff::Agent;
use crate::deskie::Outcome;
use crate::lanes::{Class, Cost};
use crate::mapping::Parameters;
use crate::model::UserId;
use crate::store::Opening;

/// So often a reply waits for its writer's name.
const NAME_ATTEMPTS: i32 = 3;

/// The numbers under which Deskie names a writer.
pub(super) struct WrittenBy {
    /// The agent.
    pub(super) staff: Option<i64>,
    /// The person.
    pub(super) user: Option<i64>,
    /// The case's customer.
    pub(super) customer: Option<UserId>,
}

impl WriteBack {
    /// Sets what tells of the writer and of the case's customer. A name that Deskie does not tell holds up nothing, one
    /// that could not be asked for a little.
    pub(super) async fn set_writer(
        &self,
        parameters: &mut Parameters,
        by: &WrittenBy,
        opening: &Opening,
        attempts: i32,
    ) -> Result<(), WriteError> {
        let may_wait = attempts < NAME_ATTEMPTS;
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parameters.set(name, value);
            }
        };
        set("customer_email", opening.email.clone());
        set("customer_name", opening.name.clone());
        // Of a case whose customer is not known (an older state) whoever is no agent is taken for him.
        let third = by
            .user
            .filter(|user| by.customer.is_some_and(|customer| customer.0 != *user));
        let is_customer = by.staff.is_none() && third.is_none();
        set("is_customer", Some(is_customer.to_string()));
        if let Some(id) = by.staff {
            let agent = self.staff.find(id).await;
            if agent == Agent::NotAsked && may_wait {
                return Err(WriteError::Passing("the agents' names could not be read".into()));
            }
            let staff = agent.known();
            set("agent_id", Some(id.to_string()));
            set("author_name", staff.as_ref().map(|staff| staff.full_name.clone()));
            set("author_email", staff.as_ref().map(|staff| staff.email.clone()));
            set("agent_email", staff.map(|staff| staff.email));
        } else if let Some(id) = third {
            let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
            let answer = self.client.user(UserId(id)).await;
            self.meter.settle(call, &answer);
            match answer {
                Ok(answer) => {
                    set("author_name", Some(answer.value.full_name));
                    set("author_email", answer.value.email);
                }
                Err(error) if error.outcome() != Outcome::Refused && may_wait => {
                    return Err(WriteError::Passing(format!(
                        "the writer could not be asked for: {error}"
                    )));
                }
                Err(error) => tracing::warn!("a writer's name is not known: {error}; {}", error.remedy()),
            }
        } else {
            set("author_name", opening.name.clone());
            set("author_email", opening.email.clone());
        }
        Ok(())
    }
}
