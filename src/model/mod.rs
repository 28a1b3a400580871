//! The domain's words, shared by every room: ids, positions in the log, rows, and the clock.
//!
//! Invariant: nothing here does I/O, and nothing here imports another room.

pub mod clock;
mod ids;
mod lsn;
mod row;

pub use ids::{
    CaseId, DeliveryId, Epoch, EventId, InboxId, LaneId, LinkId, MessageId, StaffId, TicketKey, UserId,
};
pub use lsn::{Lsn, ParseLsnError};
pub use row::{BodyFormat, Cell, Kind, Op, RelationName, Row, Section};
