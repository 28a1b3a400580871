//! Deskie's numbers, so that one of a case can never be passed as one of a message. They exceed 32 bits.

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
