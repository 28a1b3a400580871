//! Where and how to connect: libpq's URLs and key=value strings, read by ourselves (rule 18).
//!
//! tokio-postgres refuses `sslmode=verify-full`, `sslrootcert` and options that only other clients know. Two things
//! differ from libpq on purpose: a remote host without `sslmode` means `verify-full`, and neither the environment nor
//! password files are read.
//!
//! Invariant: no error, no `Debug` and no [`ConnectUrl::redacted`] ever shows the password.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::url_text::{self, Pairs};

/// A connection's parameters, checked.
#[derive(Clone)]
pub struct ConnectUrl {
    pub(super) hosts: Vec<HostPort>,
    pub(super) user: String,
    pub(super) password: Option<SecretString>,
    pub(super) database: String,
    pub(super) ssl_mode: Option<SslMode>,
    pub(super) root_cert: Option<RootCert>,
    pub(super) client_cert: Option<(PathBuf, PathBuf)>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) options: Option<String>,
    pub(super) target: TargetSession,
    pub(super) channel_binding: ChannelBinding,
    pub(super) warnings: Vec<String>,
}

/// One address to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The name that a certificate has to bear, or the socket's directory.
    pub host: Host,
    /// `hostaddr`: the address to use instead of looking the name up.
    pub address: Option<IpAddr>,
    pub port: u16,
}

/// A server's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or address.
    Tcp(String),
    /// The directory of a unix socket.
    Unix(PathBuf),
}

/// `sslmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses a plain connection.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, with whomever.
    Require,
    /// TLS, the certificate signed by a known authority.
    VerifyCa,
    /// TLS, the certificate signed by a known authority and made out for this host.
    VerifyFull,
}

/// `sslrootcert`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// A PEM file.
    File(PathBuf),
    /// The operating system's authorities.
    System,
}

/// `target_session_attrs`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetSession {
    /// Any server.
    #[default]
    Any,
    /// One that takes writes (`read-write` and `primary`).
    Primary,
    /// One in recovery (`read-only` and `standby`).
    Standby,
}

/// `channel_binding`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Without it no log-in.
    Require,
}

/// What is wrong with a connection string; never shows any of its secret parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither a URL nor key=value pairs.
    #[error("not a Postgres connection string: write postgres://user@host:5432/database")]
    NotPostgres,
    /// The pairs cannot be told apart.
    #[error("key=value pairs are expected, such as host=db user=me; a value with blanks needs single quotes")]
    Pairs,
    /// A `%` that is not followed by two hexadecimal digits, or not UTF-8.
    #[error("the {0} is not properly percent-encoded")]
    Encoding(&'static str),
    /// The port is none.
    #[error(
        "the port is not a number from 1 to 65535; in a password write `/` as %2F, `@` as %40, `?` as %3F, `#` as %23"
    )]
    Port,
    /// The lists of hosts, addresses and ports do not go together.
    #[error("{0} hosts, but {1} {2}")]
    Count(usize, usize, &'static str),
    /// A value that the option does not have.
    #[error("{option} is {expected}")]
    Value {
        option: &'static str,
        /// Its values.
        expected: &'static str,
    },
    #[error("no user is named: write postgres://USER@host/database")]
    NoUser,
    /// A certificate without its key or the reverse.
    #[error("sslcert and sslkey are needed together")]
    ClientCert,
    /// An unsafe combination that libpq refuses as well.
    #[error("sslrootcert=system needs sslmode=verify-full")]
    WeakSystem,
    #[error("a connection string cannot hold a zero byte")]
    ZeroByte,
}

impl ConnectUrl {
    /// Reads a URL or key=value pairs.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let pairs = url_text::read(text.trim())?;
        Self::from_pairs(pairs)
    }

    fn from_pairs(mut pairs: Pairs) -> Result<Self, UrlError> {
        let hosts = hosts(&mut pairs)?;
        let user = pairs.take("user").ok_or(UrlError::NoUser)?;
        let database = pairs.take("dbname").unwrap_or_else(|| user.clone());
        let root_cert = pairs.take("sslrootcert").map(|file| match file.as_str() {
            "system" => RootCert::System,
            _ => RootCert::File(file.into()),
        });
        let ssl_mode = match (pairs.take("sslmode"), pairs.take("ssl")) {
            (Some(mode), _) => Some(mode.parse()?),
            (None, Some(ssl)) if ssl == "true" => Some(SslMode::Require),
            (None, _) => None,
        };
        if root_cert == Some(RootCert::System) && ssl_mode.is_some_and(|mode| mode < SslMode::VerifyFull) {
            return Err(UrlError::WeakSystem);
        }
        let client_cert = match (pairs.take("sslcert"), pairs.take("sslkey")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => return Err(UrlError::ClientCert),
        };
        let connect_timeout = pairs
            .take("connect_timeout")
            .map(|text| timeout(&text))
            .transpose()?;
        Ok(Self {
            hosts,
            user,
            password: pairs.take("password").map(SecretString::from),
            database,
            ssl_mode,
            root_cert,
            client_cert,
            connect_timeout: connect_timeout.flatten(),
            options: pairs.take("options"),
            target: pairs
                .take("target_session_attrs")
                .map_or(Ok(TargetSession::Any), |text| text.parse())?,
            channel_binding: pairs
                .take("channel_binding")
                .map_or(Ok(ChannelBinding::Prefer), |text| text.parse())?,
            warnings: pairs
                .into_names()
                .map(|name| format!("the option `{name}` is ignored"))
                .collect(),
        })
    }

    /// The first host: a name, an address, or a socket's directory.
    pub fn host(&self) -> String {
        self.hosts
            .first()
            .map(|place| place.host.to_string())
            .unwrap_or_default()
    }

    /// The first host's port.
    pub fn port(&self) -> u16 {
        self.hosts
            .first()
            .map_or(url_text::DEFAULT_PORT, |place| place.port)
    }

    /// The addresses to try, in order.
    pub fn hosts(&self) -> &[HostPort] {
        &self.hosts
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The user's password, for making the user.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// The same for another database of the server.
    pub fn with_database(&self, database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            ..self.clone()
        }
    }

    /// What was in the text but has no effect here, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The `sslmode` that holds for a host: what was asked for, else `verify-full`, or `prefer` on this machine.
    pub fn ssl_mode(&self, place: &HostPort) -> SslMode {
        match (&place.host, self.ssl_mode) {
            (Host::Unix(_), _) => SslMode::Disable,
            (_, Some(mode)) => mode,
            (_, None) if self.root_cert.is_some() => SslMode::VerifyFull,
            (_, None) if place.is_local() => SslMode::Prefer,
            (_, None) => SslMode::VerifyFull,
        }
    }

    /// For messages: everything but the password.
    pub fn redacted(&self) -> String {
        let password = if self.password.is_some() { ":***" } else { "" };
        let places: Vec<String> = self.hosts.iter().map(HostPort::to_string).collect();
        format!(
            "postgres://{}{password}@{}/{}",
            self.user,
            places.join(","),
            self.database
        )
    }
}

impl FromStr for ConnectUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Debug for ConnectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectUrl").field(&self.redacted()).finish()
    }
}

impl HostPort {
    /// On this machine, so that nobody else can listen in.
    fn is_local(&self) -> bool {
        match (&self.host, self.address) {
            (Host::Unix(_), _) => true,
            (_, Some(address)) => address.is_loopback(),
            (Host::Tcp(name), None) => {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Tcp(name) => name.fmt(f),
            Host::Unix(directory) => directory.display().fmt(f),
        }
    }
}

/// `host`, `hostaddr` and `port` are lists of equal length; one port serves for all.
fn hosts(pairs: &mut Pairs) -> Result<Vec<HostPort>, UrlError> {
    let list = |text: Option<String>| -> Vec<String> {
        let texts = text.filter(|text| !text.is_empty());
        texts
            .map(|text| text.split(',').map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let names = list(pairs.take("host"));
    let addresses = list(pairs.take("hostaddr"));
    let ports = list(pairs.take("port"));
    let count = names.len().max(addresses.len()).max(1);
    if !addresses.is_empty() && !names.is_empty() && addresses.len() != names.len() {
        return Err(UrlError::Count(names.len(), addresses.len(), "addresses"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(UrlError::Count(count, ports.len(), "ports"));
    }
    (0..count)
        .map(|index| {
            let address = addresses.get(index).map(|text| {
                text.parse::<IpAddr>().map_err(|_| UrlError::Value {
                    option: "hostaddr",
                    expected: "a numeric address",
                })
            });
            let address = address.transpose()?;
            let port = ports.get(index).or(ports.first()).map_or("", String::as_str);
            let host = match names.get(index).map_or("", String::as_str) {
                "" => address.map_or_else(default_host, |address| Host::Tcp(address.to_string())),
                name if name.starts_with('/') => Host::Unix(name.into()),
                name => Host::Tcp(name.to_owned()),
            };
            Ok(HostPort {
                host,
                address,
                port: url_text::port(port)?,
            })
        })
        .collect()
}

/// As libpq has it on most systems: the socket, if there is a directory for it.
fn default_host() -> Host {
    let directory = Path::new("/var/run/postgresql");
    if directory.is_dir() {
        Host::Unix(directory.to_owned())
    } else {
        Host::Tcp("localhost".to_owned())
    }
}

/// Zero and less mean the default, as in libpq they mean no limit.
fn timeout(text: &str) -> Result<Option<Duration>, UrlError> {
    let seconds: i64 = text.trim().parse().map_err(|_| UrlError::Value {
        option: "connect_timeout",
        expected: "a number of seconds",
    })?;
    Ok(u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs))
}

impl FromStr for SslMode {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                let expected = "one of disable, allow, prefer, require, verify-ca, verify-full";
                return Err(UrlError::Value {
                    option: "sslmode",
                    expected,
                });
            }
        })
    }
}

impl FromStr for TargetSession {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Ok(match text {
            "any" | "prefer-standby" => Self::Any,
            "read-write" | "primary" => Self::Primary,
            "read-only" | "standby" => Self::Standby,
            _ => {
                let expected = "one of any, read-write, read-only, primary, standby, prefer-standby";
                return Err(UrlError::Value {
                    option: "target_session_attrs",
                    expected,
                });
            }
        })
    }
}

impl FromStr for ChannelBinding {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            _ => {
                let expected = "one of disable, prefer, require";
                return Err(UrlError::Value {
                    option: "channel_binding",
                    expected,
                });
            }
        })
    }
}

#[cfg(test)]
mod tests;
