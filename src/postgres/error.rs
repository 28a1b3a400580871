//! What went wrong while connecting, classified, with its mend; and what the server itself says.

use std::error::Error;
use std::fmt;
use std::io;

/// An error that the server reported. Shown without its detail, which may hold values of rows, and without the values
/// that its message quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `PANIC`.
    pub severity: String,
    /// The SQLSTATE.
    pub code: String,
    /// What happened, without the values that the server quotes.
    pub message: String,
    /// More about it; may hold values of rows.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The function of the server that reported it: never translated. Absent: no Postgres reported it.
    pub routine: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl Error for ServerError {}

impl From<&tokio_postgres::error::DbError> for ServerError {
    fn from(error: &tokio_postgres::error::DbError) -> Self {
        Self {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: super::without_values(error),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            routine: error.routine().map(str::to_owned),
        }
    }
}

/// Why a connection was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFault {
    /// The name is not known.
    HostUnknown,
    /// Nothing listens there.
    Refused,
    /// No answer in time.
    TimedOut,
    /// This machine has no way to that address.
    NoRoute,
    /// TLS failed.
    Tls,
    /// TLS is asked for, and the server has none.
    NoTls,
    /// The password is wrong or missing, or the role does not exist.
    Authentication,
    /// `pg_hba.conf` has no line for us.
    NotAllowed,
    /// There is no such database.
    DatabaseMissing,
    /// The server has no connection left.
    TooManyConnections,
    /// It starts, stops or recovers.
    Unavailable,
    /// A pooler answered.
    Pooler,
    /// It is not the kind of server that `target_session_attrs` asks for.
    WrongServer,
    /// A statement of `[capture] session` failed.
    SessionStatement,
    /// Anything else.
    Other,
}

/// A connection that was not made.
#[derive(Debug, thiserror::Error)]
pub struct ConnectError {
    /// The class.
    pub fault: ConnectFault,
    /// Whom we tried to reach, without password.
    pub place: String,
    /// The server's own words.
    pub server: Option<Box<ServerError>>,
    /// The statement of `[capture] session` that failed.
    pub statement: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            ConnectFault::HostUnknown => "the host is not known",
            ConnectFault::Refused => "nothing listens there",
            ConnectFault::TimedOut => "no answer in time",
            ConnectFault::NoRoute => "there is no way to that address from here",
            ConnectFault::Tls => "no secure connection",
            ConnectFault::NoTls => "the server has no TLS",
            ConnectFault::Authentication => "the log-in was refused",
            ConnectFault::NotAllowed => "the server does not let us in",
            ConnectFault::DatabaseMissing => "there is no such database",
            ConnectFault::TooManyConnections => "the server has no connection left",
            ConnectFault::Unavailable => "the server is not ready",
            ConnectFault::Pooler => "a connection pooler answered",
            ConnectFault::WrongServer => "not the kind of server that target_session_attrs asks for",
            ConnectFault::SessionStatement => "a statement of [capture] session failed",
            ConnectFault::Other => "the connection failed",
        };
        write!(f, "cannot connect to {}: {what}", self.place)?;
        if let Some(statement) = &self.statement {
            write!(f, ": `{statement}`")?;
        }
        match (&self.server, &self.source) {
            (Some(server), _) => write!(f, ": {server}"),
            (None, Some(source)) => write!(f, ": {}", innermost(source.as_ref())),
            (None, None) => Ok(()),
        }
    }
}

impl ConnectError {
    pub(super) fn new(fault: ConnectFault, place: impl Into<String>) -> Self {
        Self {
            fault,
            place: place.into(),
            server: None,
            statement: None,
            source: None,
        }
    }

    pub(super) fn caused(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn from_server(place: &str, server: ServerError) -> Self {
        let mut error = Self::new(fault_of(&server), place);
        error.server = Some(Box::new(server));
        error
    }

    pub(super) fn from_io(place: &str, error: io::Error) -> Self {
        Self::new(io_fault(&error), place).caused(error)
    }

    pub(super) fn from_client(place: &str, error: tokio_postgres::Error) -> Self {
        if let Some(server) = error.as_db_error() {
            return Self::from_server(place, server.into());
        }
        let io = error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>());
        // tokio-postgres keeps its kinds to itself; its words are all there is.
        let text = format!("{error}: {}", innermost(&error));
        let fault = if text.contains("TLS handshake") {
            // A handshake that failed has its own error of the socket; without one none was begun: the server has no TLS.
            if io.is_some() {
                ConnectFault::Tls
            } else {
                ConnectFault::NoTls
            }
        } else if text.contains("authentication") || text.contains("password missing") {
            ConnectFault::Authentication
        } else {
            io.map_or(ConnectFault::Other, io_fault)
        };
        let error = Self::new(fault, place).caused(error);
        if text.contains("password missing") {
            error.caused("the URL holds no password")
        } else {
            error
        }
    }

    pub(super) fn from_statement(place: &str, statement: &str, error: &tokio_postgres::Error) -> Self {
        let server = error.as_db_error().map(|error| Box::new(error.into()));
        let mut failed = Self::new(ConnectFault::SessionStatement, place).caused(error.to_string());
        failed.server = server;
        failed.statement = Some(statement.to_owned());
        failed
    }

    /// The SQLSTATE, if the server answered with one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server.as_ref().map(|server| server.code.as_str())
    }

    /// Trying again later may help, with nothing changed by a human.
    pub fn is_transient(&self) -> bool {
        use ConnectFault::{
            HostUnknown, NoRoute, Other, Refused, TimedOut, TooManyConnections, Unavailable, WrongServer,
        };
        matches!(
            self.fault,
            HostUnknown
                | NoRoute
                | Refused
                | TimedOut
                | TooManyConnections
                | Unavailable
                | WrongServer
                | Other
        )
    }

    /// What to do about it, in one line.
    pub fn mend(&self) -> &'static str {
        match self.fault {
            ConnectFault::HostUnknown => "check the host in postgres.url, and this machine's DNS",
            ConnectFault::Refused => {
                "check host and port in postgres.url, that Postgres runs, and its listen_addresses"
            }
            ConnectFault::TimedOut => {
                "check the firewall between this machine and the server, and its listen_addresses"
            }
            ConnectFault::NoRoute => {
                "check this machine's network; a host that has IPv6 addresses alone needs IPv6 here: use the provider's IPv4 \
                 address, or give this machine IPv6"
            }
            ConnectFault::NoTls => {
                "turn TLS on at the server (ssl = on, with a certificate), or, where nobody can listen on the way, \
                 sslmode=disable"
            }
            ConnectFault::Tls => {
                "name the server's authority with sslrootcert=FILE; sslmode=require encrypts without checking whom"
            }
            ConnectFault::Authentication => {
                "check user and password in postgres.url (% @ / : ? # percent-encoded)"
            }
            ConnectFault::NotAllowed => {
                "add a line for this user, database and address to pg_hba.conf and reload; TLS may be required"
            }
            ConnectFault::DatabaseMissing => "check the database name at the end of postgres.url",
            ConnectFault::TooManyConnections => {
                "raise max_connections, or the limit of the role or the database where that one is reached (alter role … connection \
                 limit, alter database … connection limit), or close connections of other programs"
            }
            ConnectFault::Unavailable => "wait until the server has started; it is tried again by itself",
            ConnectFault::Pooler => "use the direct connection string of the database, not the pooler's",
            ConnectFault::WrongServer => {
                "name the primary in postgres.url; a standby can neither be written to nor hold our slot"
            }
            ConnectFault::SessionStatement => {
                "mend the statement in [capture] session, or grant what it needs"
            }
            ConnectFault::Other => "see the server's log",
        }
    }
}

fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

fn io_fault(error: &io::Error) -> ConnectFault {
    let is_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    match error.kind() {
        _ if is_tls => ConnectFault::Tls,
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => ConnectFault::Refused,
        io::ErrorKind::TimedOut => ConnectFault::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ConnectFault::NoRoute,
        _ => ConnectFault::Other,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>. The server's words come in its own language, so the
/// code decides, and where one code says several things, the function that reported it. Postgres always names that; what
/// names none is something in front of it: PgBouncer refuses a start-up parameter as 08P01, Supavisor all as XX000.
fn fault_of(server: &ServerError) -> ConnectFault {
    match (server.code.as_str(), server.routine.as_deref()) {
        // `pg_hba.conf` is looked at there; that the role is missing or may not log in is said elsewhere.
        ("28000", Some("ClientAuthentication")) => ConnectFault::NotAllowed,
        ("28000" | "28P01", _) => ConnectFault::Authentication,
        ("3D000", _) => ConnectFault::DatabaseMissing,
        ("53300", _) => ConnectFault::TooManyConnections,
        ("57P01" | "57P02" | "57P03", _) => ConnectFault::Unavailable,
        (code, None) if code.starts_with("08") || code.starts_with("XX") => ConnectFault::Pooler,
        _ => ConnectFault::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_without_a_way_is_not_a_firewall() {
        for kind in [io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable] {
            let error = ConnectError::from_io("db", io::Error::from(kind));
            assert!(error.mend().contains("IPv6") && error.is_transient(), "{error}");
        }
        let late = ConnectError::from_io("db", io::Error::from(io::ErrorKind::TimedOut));
        assert!(late.mend().contains("firewall"), "{late}");
    }

    #[test]
    fn what_the_server_says_is_classified_in_any_language() {
        let check = |code: &str, routine: Option<&str>, message: &str, expected: ConnectFault| {
            let server = ServerError {
                code: code.into(),
                message: message.into(),
                routine: routine.map(str::to_owned),
                ..ServerError::default()
            };
            assert_eq!(
                ConnectError::from_server("db", server).fault,
                expected,
                "{message}"
            );
        };
        let auth = Some("auth_failed");
        check(
            "28P01",
            auth,
            "password authentication failed for user \"me\"",
            ConnectFault::Authentication,
        );
        let hba = Some("ClientAuthentication");
        for message in [
            "no pg_hba.conf entry for host",
            "в pg_hba.conf нет записи для компьютера",
            "kein Eintrag",
        ] {
            check("28000", hba, message, ConnectFault::NotAllowed);
        }
        let role = Some("InitializeSessionUserId");
        check(
            "28000",
            role,
            "роль \"pg_hba.conf\" не существует",
            ConnectFault::Authentication,
        );
        let database = Some("InitPostgres");
        check(
            "3D000",
            database,
            "database \"pooler\" does not exist",
            ConnectFault::DatabaseMissing,
        );
        check(
            "53300",
            database,
            "désolé, trop de clients sont déjà connectés",
            ConnectFault::TooManyConnections,
        );
        check(
            "57P03",
            Some("ProcessStartupPacket"),
            "the database system is starting up",
            ConnectFault::Unavailable,
        );
        let pooler = "unsupported startup parameter: replication";
        check("08P01", None, pooler, ConnectFault::Pooler);
        check("XX000", None, "Tenant or user not found", ConnectFault::Pooler);
        check(
            "XX000",
            Some("elog"),
            "internal trouble of the server",
            ConnectFault::Other,
        );
    }
}
