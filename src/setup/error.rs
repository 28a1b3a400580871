//! Why setting up, checking or removing failed, with the mend.

use std::fmt;

use crate::config::Config;
use crate::postgres::replication::{Blocker, ReplicationError};
use crate::postgres::{ConnectError, ConnectFault, PoolError, describe, quote_literal};
use crate::store::StoreError;

/// How an administrator comes into play where the connector's own user may not do something.
pub(super) const ASK_ADMINISTRATOR: &str = "run `deskie-cdc setup --admin-url postgres://ADMIN@HOST/DATABASE` with the \
    tables' owner or a superuser, or give the output of `deskie-cdc setup --print-sql` (where the role is missing: with --admin-url as well) to your administrator";

/// The config's keys of the two connections.
pub(super) const URL: &str = "postgres.url";
pub(super) const STREAMING_URL: &str = "postgres.replication_url";

/// Where a connection for replication is refused though ordinary ones are taken.
const NO_SENDER: &str = "no connection for replication is left: raise max_wal_senders (0 forbids replication) and restart \
    the server, or end another one's (select pid, application_name from pg_stat_replication)";

/// A failure in the user's terms.
#[derive(Debug)]
pub enum SetupError {
    /// The config does not fit the database: every fault with line and caret.
    Config(String),
    /// Something else.
    Refused {
        /// What and why.
        message: String,
        /// What to do about it.
        mend: Option<String>,
        /// It ends once whoever should answers again: the server itself, and not a pooler in front of it.
        ends_by_itself: bool,
    },
}

impl SetupError {
    /// A failure without a known mend.
    pub(super) fn new(message: impl Into<String>) -> SetupError {
        SetupError::Refused {
            message: message.into(),
            mend: None,
            ends_by_itself: false,
        }
    }

    /// A failure and what to do about it.
    pub(super) fn with(message: impl Into<String>, mend: impl Into<String>) -> SetupError {
        SetupError::Refused {
            message: message.into(),
            mend: Some(mend.into()),
            ends_by_itself: false,
        }
    }

    /// The same, where it ends once whoever should answers again.
    pub(super) fn of_the_way_there(mut self) -> SetupError {
        if let SetupError::Refused { ends_by_itself, .. } = &mut self {
            *ends_by_itself = true;
        }
        self
    }

    /// Whether it ends without anybody's decision.
    pub fn ends_by_itself(&self) -> bool {
        matches!(
            self,
            SetupError::Refused {
                ends_by_itself: true,
                ..
            }
        )
    }

    /// The same of the connection that streams, where that has a URL of its own: which one is meant stands in it, for what
    /// is told of connections names the usual one.
    pub(super) fn of_streaming(self, config: &Config) -> SetupError {
        let SetupError::Refused {
            message,
            mend,
            ends_by_itself,
        } = self
        else {
            return self;
        };
        let (message, mend) = of_streaming(config, message, mend);
        SetupError::Refused {
            message,
            mend,
            ends_by_itself,
        }
    }

    /// Whether the config is to blame: exit status 2.
    pub fn is_config(&self) -> bool {
        matches!(self, SetupError::Config(_))
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Config(faults) => f.write_str(faults),
            SetupError::Refused {
                message, mend: None, ..
            } => write!(f, "error: {message}"),
            SetupError::Refused {
                message,
                mend: Some(mend),
                ..
            } => write!(f, "error: {message}\nmend: {mend}"),
        }
    }
}

impl std::error::Error for SetupError {}

impl From<ConnectError> for SetupError {
    fn from(error: ConnectError) -> SetupError {
        SetupError::with(error.to_string(), connect_mend(&error)).of_the_way_there()
    }
}

fn connect_mend(error: &ConnectError) -> String {
    match error.fault {
        // The server says the same for a wrong password and for a user that is not there.
        ConnectFault::Authentication => {
            format!(
                "{}; if the user does not exist yet, {ASK_ADMINISTRATOR}",
                error.mend()
            )
        }
        _ => error.mend().to_owned(),
    }
}

impl From<tokio_postgres::Error> for SetupError {
    fn from(error: tokio_postgres::Error) -> SetupError {
        SetupError::new(describe(&error)).of_the_way_there()
    }
}

impl From<StoreError> for SetupError {
    fn from(error: StoreError) -> SetupError {
        SetupError::new(error.to_string()).of_the_way_there()
    }
}

impl From<PoolError> for SetupError {
    fn from(error: PoolError) -> SetupError {
        match error {
            PoolError::Connect(error) => error.into(),
            other => SetupError::new(other.to_string()).of_the_way_there(),
        }
    }
}

/// As [`SetupError::of_streaming`], for a message and its mend.
pub(super) fn of_streaming(
    config: &Config,
    message: String,
    mend: Option<String>,
) -> (String, Option<String>) {
    if config.postgres.replication_url.is_none() {
        return (message, mend);
    }
    let named = |text: String| text.replace(URL, STREAMING_URL);
    (format!("{STREAMING_URL}: {}", named(message)), mend.map(named))
}

/// What to do about a failure of the replication connection.
pub(super) fn replication_mend(error: &ReplicationError) -> Option<String> {
    if error.not_a_replication_server() {
        return Some(
            "use the direct connection string of the database in postgres.url, not the pooler's".into(),
        );
    }
    if error.no_slot_left() {
        return Some(
            "drop a slot that nobody uses (select slot_name, active from pg_replication_slots), or raise \
             max_replication_slots and restart the server"
                .into(),
        );
    }
    match error {
        ReplicationError::SlotBlocked { blockers, .. } => Some(match blockers.first() {
            Some(Blocker {
                prepared: Some((gid, database)),
                ..
            }) => format!(
                "end it in the database {database}, as its owner: rollback prepared {gid} (or commit prepared {gid}, where its \
                 transaction manager says so); then run setup again",
                gid = quote_literal(gid)
            ),
            Some(blocker) => format!(
                "wait until that transaction ends, or end it: select pg_terminate_backend({}); then run setup again",
                blocker.pid
            ),
            None => "wait for the oldest transaction (select pid, xact_start, query from pg_stat_activity order by \
                     xact_start), then run setup again"
                .into(),
        }),
        // 42501: must be superuser or replication role.
        _ if error.sqlstate() == Some("42501") => {
            Some(format!("the user needs the REPLICATION attribute: {ASK_ADMINISTRATOR}"))
        }
        ReplicationError::Connect(error) if error.fault == ConnectFault::TooManyConnections => {
            Some(NO_SENDER.to_owned())
        }
        ReplicationError::Connect(error) => Some(connect_mend(error)),
        _ => None,
    }
}

impl From<ReplicationError> for SetupError {
    fn from(error: ReplicationError) -> SetupError {
        // A right that is missing is given by a person, whatever else the refusal has of a connection that was not made.
        let lacks_right = error.sqlstate() == Some("42501");
        SetupError::Refused {
            ends_by_itself: !lacks_right && (error.not_a_replication_server() || error.is_connection_lost()),
            message: error.to_string(),
            mend: replication_mend(&error),
        }
    }
}
