//! What goes wrong on a replication connection, and what it means.

use std::io;
use std::time::Duration;

use super::slot::Blocker;
use crate::postgres::error::{ConnectError, ConnectFault, ServerError};

/// When the server reported an error. The same SQLSTATE says different things at different times, and the message may
/// be in the server's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To one of the small commands.
    Command,
    /// To CREATE_REPLICATION_SLOT.
    CreateSlot,
    /// To START_REPLICATION.
    Start,
    /// While streaming.
    Stream,
}

/// A failure of the replication connection; it cannot be used any more but after [`ReplicationError::Server`] to a
/// command, and after [`ReplicationError::SlotBlocked`].
#[derive(Debug, thiserror::Error)]
pub enum ReplicationError {
    /// There was no connection to begin with.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refused.
    #[error("the server's replication process says: {error}")]
    Server {
        /// When.
        stage: Stage,
        /// Its words.
        error: Box<ServerError>,
    },
    /// The socket failed.
    #[error("the replication connection broke: {0}")]
    Io(#[from] io::Error),
    /// The server hung up.
    #[error("the server closed the replication connection")]
    Closed,
    /// Nothing came, though an answer was asked for.
    #[error("the server's replication process gave no sign of life for {0:?}")]
    Silent(Duration),
    /// A command took too long.
    #[error("no answer in time to {0}")]
    TimedOut(&'static str),
    /// The slot's creation waits for transactions that are open.
    #[error("the slot is not created yet after {waited:?}: it waits for open transactions: {}", list(.blockers))]
    SlotBlocked {
        /// How long it was waited for.
        waited: Duration,
        /// Whose transactions, as far as they could be seen.
        blockers: Vec<Blocker>,
    },
    /// The server does not speak as it should.
    #[error("the server's answer is not understood: {0}")]
    Protocol(String),
}

fn list(blockers: &[Blocker]) -> String {
    let texts: Vec<String> = blockers.iter().map(Blocker::to_string).collect();
    if texts.is_empty() {
        "not known which".to_owned()
    } else {
        texts.join(", ")
    }
}

impl ReplicationError {
    /// The server's words, if it was the server.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server { error, .. } => Some(error),
            Self::Connect(error) => error.server.as_deref(),
            _ => None,
        }
    }

    /// The SQLSTATE.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|error| error.code.as_str())
    }

    fn at(&self, stage: Stage, code: &str) -> Option<&ServerError> {
        match self {
            Self::Server { stage: at, error } if *at == stage && error.code == code => Some(error),
            _ => None,
        }
    }

    /// There is no such slot.
    pub fn slot_missing(&self) -> bool {
        self.at(Stage::Start, "42704").is_some()
    }

    /// Another process uses the slot.
    pub fn slot_active(&self) -> bool {
        self.at(Stage::Start, "55006").is_some()
    }

    /// The server refused to stream, or broke off: what became of the slot is to be asked of the catalog. The same code is
    /// that of a slot whose WAL is gone and of many other things, and the words are in the server's language.
    pub fn is_about_the_stream(&self) -> bool {
        matches!(
            self,
            Self::Server {
                stage: Stage::Start | Stage::Stream,
                ..
            }
        )
    }

    /// There is already a slot of that name.
    pub fn slot_exists(&self) -> bool {
        self.at(Stage::CreateSlot, "42710").is_some()
    }

    /// No slot is free: `max_replication_slots`.
    pub fn no_slot_left(&self) -> bool {
        self.at(Stage::CreateSlot, "53400").is_some()
    }

    /// The server itself fails over a row of the log: one that is larger than it can send, or damaged.
    pub fn undecodable(&self) -> bool {
        ["54000", "XX000", "XX001", "22021", "22P05"]
            .iter()
            .any(|code| self.at(Stage::Stream, code).is_some())
    }

    /// A publication does not exist, or did not when the change was written: this slot is stuck for ever.
    pub fn publication_missing(&self) -> bool {
        self.at(Stage::Stream, "42704").is_some()
    }

    /// The connection is gone; a new one may go on.
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Self::Io(_) | Self::Closed | Self::Silent(_) | Self::TimedOut(_) => true,
            Self::Connect(error) => error.is_transient(),
            Self::Server { error, .. } => error.code.starts_with("57P") || error.code.starts_with("08"),
            Self::SlotBlocked { .. } | Self::Protocol(_) => false,
        }
    }

    /// What answers is a pooler, or a server that took us for an ordinary client.
    pub fn not_a_replication_server(&self) -> bool {
        match self {
            Self::Connect(error) => error.fault == ConnectFault::Pooler,
            Self::Server {
                stage: Stage::Command,
                error,
            } => error.code == "42601" || error.code == "08P01",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_what_its_time_says() {
        let at = |stage, code: &str, message: &str| {
            let error = ServerError {
                code: code.into(),
                message: message.into(),
                ..ServerError::default()
            };
            ReplicationError::Server {
                stage,
                error: Box::new(error),
            }
        };
        assert!(at(Stage::Start, "42704", "слот репликации \"s\" не существует").slot_missing());
        assert!(at(Stage::Stream, "42704", "публикация \"p\" не существует").publication_missing());
        assert!(
            at(
                Stage::Command,
                "42601",
                "syntax error at or near \"IDENTIFY_SYSTEM\""
            )
            .not_a_replication_server()
        );
        assert!(at(Stage::Start, "55000", "слот больше не действует").is_about_the_stream());
        assert!(!at(Stage::Command, "55000", "слот больше не действует").is_about_the_stream());
        assert!(at(Stage::Stream, "57P01", "terminating connection").is_connection_lost());
    }
}
