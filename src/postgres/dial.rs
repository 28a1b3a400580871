//! Which addresses to try, in which order, with or without TLS; the same for both kinds of connections.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{ConnectError, ConnectFault};
use super::url::{ConnectUrl, Host, HostPort, SslMode};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One try.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// The host as it was written: the name in its certificate.
    pub(super) place: HostPort,
    pub(super) address: Address,
    pub(super) tls: Tls,
    /// `user@host:port/database`, for messages.
    pub(super) label: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    /// The socket's directory.
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// None.
    No,
    /// Where the server has it.
    IfOffered(SslMode),
    /// Always.
    Yes(SslMode),
}

impl Attempt {
    pub(super) fn ssl_mode(&self) -> Option<SslMode> {
        match self.tls {
            Tls::No => None,
            Tls::IfOffered(mode) | Tls::Yes(mode) => Some(mode),
        }
    }
}

/// Calls `connect` for each address until one works. Each try has `connect_timeout` (default 10 s) for everything, log-in
/// included. As in libpq, the next address is tried if this one could not be reached, is not ready or is not what
/// `target_session_attrs` asks for, but not if it refused us.
pub(super) async fn first_that_connects<T, F>(
    url: &ConnectUrl,
    mut connect: impl FnMut(Attempt) -> F,
) -> Result<T, ConnectError>
where
    F: Future<Output = Result<T, ConnectError>>,
{
    let limit = url.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    let mut last = ConnectError::new(ConnectFault::HostUnknown, url.redacted());
    for place in &url.hosts {
        let label = format!("{}@{place}/{}", url.user, url.database);
        let addresses = match tokio::time::timeout(limit, addresses(place, &label)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => {
                last = error;
                continue;
            }
            Err(_) => {
                last = ConnectError::new(ConnectFault::TimedOut, &label);
                continue;
            }
        };
        for address in addresses {
            for tls in plan(url.ssl_mode(place)) {
                let (place, address, label) = (place.clone(), address.clone(), label.clone());
                let attempt = Attempt {
                    place,
                    address,
                    tls: *tls,
                    label: label.clone(),
                };
                match tokio::time::timeout(limit, connect(attempt)).await {
                    Ok(Ok(connected)) => return Ok(connected),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = ConnectError::new(ConnectFault::TimedOut, &label),
                }
                if !matches!(
                    last.fault,
                    ConnectFault::Tls | ConnectFault::NoTls | ConnectFault::NotAllowed
                ) {
                    break;
                }
            }
            if !last.is_transient() || last.fault == ConnectFault::TooManyConnections {
                return Err(last);
            }
        }
    }
    Err(last)
}

/// The ways that a mode allows, in order.
fn plan(mode: SslMode) -> &'static [Tls] {
    match mode {
        SslMode::Disable => &[Tls::No],
        SslMode::Allow => &[Tls::No, Tls::Yes(SslMode::Allow)],
        SslMode::Prefer => &[Tls::IfOffered(SslMode::Prefer), Tls::No],
        SslMode::Require => &[Tls::Yes(SslMode::Require)],
        SslMode::VerifyCa => &[Tls::Yes(SslMode::VerifyCa)],
        SslMode::VerifyFull => &[Tls::Yes(SslMode::VerifyFull)],
    }
}

async fn addresses(place: &HostPort, label: &str) -> Result<Vec<Address>, ConnectError> {
    let name = match (&place.host, place.address) {
        (_, Some(address)) => return Ok(vec![Address::Tcp((address, place.port).into())]),
        (Host::Unix(directory), None) => return Ok(vec![Address::Unix(directory.clone())]),
        (Host::Tcp(name), None) => name,
    };
    let unknown = || ConnectError::new(ConnectFault::HostUnknown, label);
    let found = tokio::net::lookup_host((name.as_str(), place.port)).await;
    let found: Vec<Address> = found
        .map_err(|error| unknown().caused(error))?
        .map(Address::Tcp)
        .collect();
    if found.is_empty() {
        Err(unknown())
    } else {
        Ok(found)
    }
}
