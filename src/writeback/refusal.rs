//! Why something could not be written to the site, and whose matter that is: the connection's, the mapping's as a whole, or
//! this one message's.

use super::same_row::UNSURE;
use crate::postgres::describe;
use crate::store::StoreError;

/// Why a message could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It may go better later.
    #[error("{0}")]
    Passing(String),
    /// A person has to mend something.
    #[error("{0}")]
    Refused(String),
    /// The database refuses a value that it gives.
    #[error("{text}")]
    Value {
        /// The SQLSTATE.
        code: String,
        /// In the server's words.
        text: String,
    },
    /// The ticket's row is not there for us.
    #[error("{0}")]
    Hidden(String),
    /// The database refuses what every message may ask of it: a column, a right, a table that is not as the mapping says.
    #[error("{0}")]
    Mapping(String),
    /// A file could not be stored in the folder for it.
    #[error("{0}")]
    Folder(String),
    /// The session may know the tables as they were.
    #[error("{0}")]
    Stale(String),
    /// Somebody holds a lock that it needs.
    #[error("{0}")]
    Locked(String),
    /// A column that must not be NULL got no value.
    #[error("{text}")]
    NoValue {
        column: String,
        /// In the server's words.
        text: String,
    },
    /// A value meets a row that is there already, or misses one that is not: what others write just now may change that.
    #[error("{text}")]
    Taken {
        /// The constraint's schema.
        schema: String,
        /// Its name, which is its index's.
        index: String,
        /// In the server's words.
        text: String,
    },
    /// The ticket's row is just being changed: it is looked at again.
    #[error("{UNSURE}")]
    Unsure,
    /// A row that had been sighted was not there to be locked.
    #[error("{0}")]
    Missed(String),
    /// It had been written already.
    #[error("it had been written already")]
    Already,
    #[error("another instance leads")]
    NotLeader,
}

impl From<crate::postgres::shape::ShapeError> for WriteError {
    fn from(error: crate::postgres::shape::ShapeError) -> WriteError {
        match error.is_about_the_connection() {
            true => WriteError::Passing(error.to_string()),
            false => WriteError::Mapping(error.to_string()),
        }
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> WriteError {
        if error.lost_leadership() {
            WriteError::NotLeader
        } else {
            WriteError::Passing(error.to_string())
        }
    }
}

pub(super) fn classify(error: &tokio_postgres::Error) -> WriteError {
    let text = describe(error);
    let Some(database) = error.as_db_error() else {
        return WriteError::Passing(text);
    };
    match database.code().code() {
        "DC001" => WriteError::NotLeader,
        "DC003" => WriteError::Already,
        "DC004" => WriteError::Unsure,
        "DC005" => WriteError::Passing(database.message().to_owned()),
        "DC006" => WriteError::Missed(database.message().to_owned()),
        "DC008" => WriteError::Value {
            code: "DC008".to_owned(),
            text: database.message().to_owned(),
        },
        "DC007" => WriteError::Hidden(database.message().to_owned()),
        "DC002" => WriteError::Refused(database.message().to_owned()),
        // Plans of tables that have changed, and of types that were dropped with that.
        "0A000" | "XX000" => WriteError::Stale(text),
        "23502" => WriteError::NoValue {
            column: database.column().unwrap_or_default().to_owned(),
            text,
        },
        "23503" | "23505" | "23P01" => WriteError::Taken {
            schema: database.schema().unwrap_or_default().to_owned(),
            index: database.constraint().unwrap_or_default().to_owned(),
            text,
        },
        // A sequence at its end, or past its column's type, and a table without a partition for the row: the site's own INSERTs
        // are refused alike. Whose matter another value is, a neutral one tells.
        "2200H" | "22003" => WriteError::Mapping(text),
        "23514" if database.constraint().is_none() => WriteError::Mapping(text),
        // A table that another publication has made refuse its UPDATE.
        "55000" => WriteError::Mapping(text),
        // What the server cannot read or store, whoever asks.
        code if ["42", "3F", "58", "XX"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            WriteError::Mapping(text)
        }
        "55P03" => WriteError::Locked(text),
        // Locks, deadlocks, serialisation, cancelled, shutting down, out of resources, idle too long.
        code if ["40", "53", "57", "08"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            WriteError::Passing(text)
        }
        code if code.starts_with("55") || code.starts_with("25") => WriteError::Passing(text),
        code => WriteError::Value {
            code: code.to_owned(),
            text,
        },
    }
}

/// Whether another session may do better: of this one's state or its end, which a setting that somebody has left in it may have
/// caused.
pub(super) fn is_of_the_session(error: &tokio_postgres::Error) -> bool {
    let Some(database) = error.as_db_error() else {
        return true;
    };
    let code = database.code().code();
    code.starts_with("25") || code.starts_with("57")
}
