//! Postgres's logical replication messages (`pgoutput`, protocol version 1): bytes → messages → rows.
//!
//! [`decode()`] turns the bytes of one `XLogData` frame into a [`Message`]; [`Relations`] remembers the tables that the
//! stream has described and turns tuples into [`Row`](crate::model::Row)s by column name.
//!
//! Invariants: PURE, no socket, no clock. No input panics: truncated or hostile bytes are a [`DecodeError`]. Nothing
//! is converted (rule 15): a cell stays the text that Postgres wrote.
//!
//! Protocol: <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

mod decode;
#[cfg(test)]
pub(crate) mod encode;
mod relations;

pub use decode::{
    Column, DecodeError, Message, OldTuple, Relation, ReplicaIdentity, Tuple, TupleCell, decode, decode_in,
};
pub use relations::{AssembleError, Change, MAX_CELL, Relations, Streamed};
