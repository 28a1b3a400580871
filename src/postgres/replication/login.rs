//! From nothing to ReadyForQuery: socket, TLS, password.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding as Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::error::ReplicationError;
use super::wire::{Backend, Socket, Wire, server_error};
use crate::postgres::dial::{Address, Attempt, Tls};
use crate::postgres::error::{ConnectError, ConnectFault, ServerError};
use crate::postgres::tls;
use crate::postgres::url::{ChannelBinding, ConnectUrl, SslMode};

/// A socket, and what a log-in may be bound to.
struct Opened {
    socket: Box<dyn Socket>,
    end_point: Option<Vec<u8>>,
}

/// Connects and logs in.
pub(super) async fn log_in(
    url: &ConnectUrl,
    attempt: &Attempt,
    application_name: &str,
) -> Result<Wire, ConnectError> {
    let opened = open(url, attempt).await?;
    let mut wire = Wire::new(opened.socket, attempt.clone());
    let mut parameters = vec![
        ("user", url.user.as_str()),
        ("database", url.database.as_str()),
        ("replication", "database"),
        ("client_encoding", "UTF8"),
        ("application_name", application_name),
    ];
    parameters.extend(url.options.as_deref().map(|options| ("options", options)));
    let mut login = Login {
        url,
        attempt,
        end_point: opened.end_point,
        wire: &mut wire,
    };
    login
        .send(|out| frontend::startup_message(parameters, out))
        .await?;
    login.authenticate().await?;
    let backend = login.read_parameters().await?;
    wire.logged_in(backend);
    Ok(wire)
}

/// Asks the server to give up what `wire`'s process is doing, over a connection of its own.
pub(super) async fn cancel(
    url: &ConnectUrl,
    attempt: &Attempt,
    backend: Backend,
) -> Result<(), ConnectError> {
    let mut opened = open(url, attempt).await?;
    let mut out = BytesMut::new();
    frontend::cancel_request(backend.pid, backend.secret, &mut out);
    let failed = |error| ConnectError::from_io(&attempt.label, error);
    opened.socket.write_all(&out).await.map_err(failed)?;
    opened.socket.flush().await.map_err(failed)?;
    // The server closes when the signal is sent.
    let _ = opened.socket.read(&mut [0; 1]).await;
    Ok(())
}

async fn open(url: &ConnectUrl, attempt: &Attempt) -> Result<Opened, ConnectError> {
    let failed = |error| ConnectError::from_io(&attempt.label, error);
    let address = match &attempt.address {
        Address::Tcp(address) => *address,
        Address::Unix(directory) => {
            let path = directory.join(format!(".s.PGSQL.{}", attempt.place.port));
            let socket = UnixStream::connect(path).await.map_err(failed)?;
            return Ok(Opened {
                socket: Box::new(socket),
                end_point: None,
            });
        }
    };
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let socket = socket.map_err(failed)?;
    socket.set_keepalive(true).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let stream = socket.connect(address).await.map_err(failed)?;
    match attempt.tls {
        Tls::No => Ok(Opened {
            socket: Box::new(stream),
            end_point: None,
        }),
        Tls::IfOffered(mode) => request_tls(url, attempt, stream, mode, false).await,
        Tls::Yes(mode) => request_tls(url, attempt, stream, mode, true).await,
    }
}

async fn request_tls(
    url: &ConnectUrl,
    attempt: &Attempt,
    mut stream: TcpStream,
    mode: SslMode,
    required: bool,
) -> Result<Opened, ConnectError> {
    let failed = |error| ConnectError::from_io(&attempt.label, error);
    let no_tls = |reason: &'static str| ConnectError::new(ConnectFault::Tls, &attempt.label).caused(reason);
    let mut out = BytesMut::new();
    frontend::ssl_request(&mut out);
    stream.write_all(&out).await.map_err(failed)?;
    // Exactly one byte: what came behind it in plain text must not be taken for the server's (CVE-2021-23222).
    match stream.read_u8().await.map_err(failed)? {
        b'S' => {}
        b'N' if !required => {
            return Ok(Opened {
                socket: Box::new(stream),
                end_point: None,
            });
        }
        b'N' => {
            let error = ConnectError::new(ConnectFault::NoTls, &attempt.label);
            return Err(error.caused("it answers that its ssl is off"));
        }
        _ => return Err(no_tls("the server's answer to the TLS request is not understood")),
    }
    let setup =
        |error: tls::TlsSetupError| ConnectError::new(ConnectFault::Tls, &attempt.label).caused(error);
    let connector = TlsConnector::from(Arc::new(tls::client_config(url, mode).map_err(setup)?));
    let name = ServerName::try_from(attempt.place.host.to_string());
    let name = name.map_err(|_| no_tls("the host is not a name that a certificate can bear"))?;
    let handshake = Box::pin(connector.connect(name, stream)).await;
    let stream =
        handshake.map_err(|error| ConnectError::new(ConnectFault::Tls, &attempt.label).caused(error))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let end_point = certificate.and_then(|certificate| tls::server_end_point(certificate));
    Ok(Opened {
        socket: Box::new(stream),
        end_point,
    })
}

struct Login<'a> {
    url: &'a ConnectUrl,
    attempt: &'a Attempt,
    end_point: Option<Vec<u8>>,
    wire: &'a mut Wire,
}

impl Login<'_> {
    fn refused(&self, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
        ConnectError::new(ConnectFault::Authentication, &self.attempt.label).caused(reason)
    }

    async fn send(
        &mut self,
        message: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), ConnectError> {
        let failed = |error| ConnectError::from_io(&self.attempt.label, error);
        let mut out = BytesMut::new();
        message(&mut out).map_err(failed)?;
        self.wire.send(&out).await.map_err(failed)
    }

    /// The next message but for notices; an error of the server is an error.
    async fn read(&mut self) -> Result<(u8, Bytes), ConnectError> {
        let label = &self.attempt.label;
        loop {
            match self.wire.read().await {
                Ok((b'E', body)) => return Err(ConnectError::from_server(label, *server_error(&body))),
                Ok((b'N' | b'v', _)) => {}
                Ok(message) => return Ok(message),
                Err(ReplicationError::Io(error)) => return Err(ConnectError::from_io(label, error)),
                Err(other) => return Err(ConnectError::new(ConnectFault::Other, label).caused(other)),
            }
        }
    }

    /// An `R` message: its number and the rest.
    async fn read_request(&mut self) -> Result<(i32, Bytes), ConnectError> {
        let (tag, mut body) = self.read().await?;
        match body.try_get_i32() {
            Ok(request) if tag == b'R' => Ok((request, body)),
            _ => Err(self.refused("the server's answer is not understood")),
        }
    }

    fn password(&self) -> Result<&str, ConnectError> {
        let password = self.url.password.as_ref();
        password
            .map(ExposeSecret::expose_secret)
            .ok_or_else(|| self.refused("the server asks for a password, but postgres.url holds none"))
    }

    async fn authenticate(&mut self) -> Result<(), ConnectError> {
        let must_bind = self.url.channel_binding == ChannelBinding::Require;
        let (request, mut body) = self.read_request().await?;
        match request {
            10 => return self.scram(body).await,
            _ if must_bind => return Err(self.refused("channel_binding=require needs SCRAM log-in")),
            0 => return Ok(()),
            3 => {
                let password = self.password()?.to_owned();
                self.send(|out| frontend::password_message(password.as_bytes(), out))
                    .await?;
            }
            5 => {
                let mut salt = [0; 4];
                body.try_copy_to_slice(&mut salt)
                    .map_err(|error| self.refused(error))?;
                let hash = md5_hash(self.url.user.as_bytes(), self.password()?.as_bytes(), salt);
                self.send(|out| frontend::password_message(hash.as_bytes(), out))
                    .await?;
            }
            _ => {
                return Err(self.refused(
                    "the server asks for a log-in other than password, md5, SCRAM, certificate or trust",
                ));
            }
        }
        match self.read_request().await? {
            (0, _) => Ok(()),
            _ => Err(self.refused("the server asks for more than a password")),
        }
    }

    /// <https://www.postgresql.org/docs/current/sasl-authentication.html>
    async fn scram(&mut self, mechanisms: Bytes) -> Result<(), ConnectError> {
        let offers = |name: &str| {
            mechanisms
                .split(|byte| *byte == 0)
                .any(|offer| offer == name.as_bytes())
        };
        let wanted = self.url.channel_binding;
        let end_point = self
            .end_point
            .take()
            .filter(|_| wanted != ChannelBinding::Disable);
        let (mechanism, binding) = match end_point {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, Binding::tls_server_end_point(hash))
            }
            _ if wanted == ChannelBinding::Require => {
                return Err(
                    self.refused("channel_binding=require, but the server or its certificate has none")
                );
            }
            _ if !offers(SCRAM_SHA_256) => {
                return Err(self.refused("the server offers no SCRAM-SHA-256"));
            }
            // Tells the server that it could have been, so that nobody can have struck it off its offer.
            Some(_) => (SCRAM_SHA_256, Binding::unrequested()),
            None => (SCRAM_SHA_256, Binding::unsupported()),
        };
        let mut scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        self.send(|out| frontend::sasl_initial_response(mechanism, scram.message(), out))
            .await?;
        let (11, body) = self.read_request().await? else {
            return Err(self.refused("the SCRAM log-in was broken off"));
        };
        scram.update(&body).map_err(|error| self.refused(error))?;
        self.send(|out| frontend::sasl_response(scram.message(), out))
            .await?;
        let (12, body) = self.read_request().await? else {
            return Err(self.refused("the SCRAM log-in was broken off"));
        };
        scram.finish(&body).map_err(|error| self.refused(error))?;
        match self.read_request().await? {
            (0, _) => Ok(()),
            _ => Err(self.refused("the SCRAM log-in was broken off")),
        }
    }

    async fn read_parameters(&mut self) -> Result<Backend, ConnectError> {
        let mut backend = Backend::default();
        loop {
            match self.read().await? {
                (b'K', mut body) => {
                    backend.pid = body.try_get_i32().unwrap_or_default();
                    backend.secret = body.try_get_i32().unwrap_or_default();
                }
                (b'S', body) => {
                    let mut words = body.split(|byte| *byte == 0);
                    if words.next() == Some(b"server_encoding")
                        && let Some(name) = words.next()
                    {
                        self.wire.server_encoding = String::from_utf8_lossy(name).into_owned();
                    }
                }
                (b'Z', _) => return Ok(backend),
                (other, _) => {
                    let message = format!("unexpected message `{}`", char::from(other).escape_default());
                    let server = ServerError {
                        code: "08P01".into(),
                        message,
                        ..ServerError::default()
                    };
                    return Err(ConnectError::from_server(&self.attempt.label, server));
                }
            }
        }
    }
}
