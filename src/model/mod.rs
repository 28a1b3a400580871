//! The domain's words, shared by every room: ids, positions in the log, rows, and the clock.
//!
//! Invariant: nothing here does I/O (but for a crash point that a test has armed), and nothing here imports another room.

pub mod charset;
pub mod clock;
pub mod crash;
mod ids;
mod lsn;
mod row;
pub mod row_clock;
mod trouble;

pub use charset::Charset;
pub use crash::CrashPoint;
pub use ids::{
    CaseId, DeliveryId, Epoch, EventId, InboxId, LaneId, LinkId, MessageId, StaffId, TicketKey, UserId,
};
pub use lsn::{Lsn, ParseLsnError};
pub use row::{BodyFormat, Cell, Kind, Op, RelationName, Row, Section};
pub use row_clock::RowClock;
pub use trouble::{Seen, TroubleKind};
