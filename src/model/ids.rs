//! Newtypes for everything that is counted, so that a case id can never be passed as a message id.
//! Deskie's ids exceed 32 bits (a user id of 5,654,846,848 was seen), so all are `i64`.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Deskie's internal number of a case (`case_id`), the one that its paths take.
    CaseId
);
id!(
    /// Deskie's number of a message in a case.
    MessageId
);
id!(
    /// Deskie's number of a customer.
    UserId
);
id!(
    /// Deskie's number of an agent.
    StaffId
);
id!(
    /// A captured row change: `event.id`, in commit order.
    EventId
);
id!(
    /// One call to be made to Deskie: `delivery.id`.
    DeliveryId
);
id!(
    /// A row of the site that is known to us: `link.id`.
    LinkId
);
id!(
    /// A ticket as a lane of ours: `ticket.id`. A key that the site uses anew is another lane.
    LaneId
);
id!(
    /// A stored webhook: `inbox.id`.
    InboxId
);
id!(
    /// The leader's term of office (rule 13): raised at each take-over.
    Epoch
);

/// The site's key of a ticket as text: the column's text, or a JSON array of texts for a key of several columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketKey(pub String);

impl TicketKey {
    /// The key as Deskie's custom field and the state tables hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
