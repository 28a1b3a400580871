//! The domain's words, shared by every room: ids, positions in the log, rows, and the clock.
//!
//! Invariants: the `Debug` of what holds a customer's text does not show it; nothing here does I/O (but for a crash point
//! that a test has armed), and nothing here imports another room.

pub mod charset;
pub mod clock;
pub mod crash;
mod ids;
mod lsn;
mod row;
pub mod row_clock;
mod trouble;
mod words;

/// `Debug` of a type that holds a customer's text: these fields of it, and no others.
macro_rules! debug_shows {
    ($type:ty: $($field:ident),*) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use debug_shows;

pub use charset::Charset;
pub use crash::CrashPoint;
pub use ids::{
    CaseId, DeliveryId, Epoch, EventId, InboxId, LaneId, LinkId, MessageId, StaffId, TicketKey, UserId,
};
pub use lsn::{Lsn, ParseLsnError};
pub use row::{BodyFormat, Cell, RelationName, Row};
pub use row_clock::RowClock;
pub use trouble::{Seen, TroubleKind};
pub(crate) use words::words;
pub use words::{CallKind, DeliveryState, Kind, Op, Section, Word};
