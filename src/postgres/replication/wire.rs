//! Messages on a socket, in both directions.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::Rows;
use super::error::{ReplicationError, Stage};
use super::sieve::Sieve;
use crate::pgoutput::MAX_CELL;
use crate::postgres::dial::Attempt;
use crate::postgres::error::ServerError;

/// A socket, with or without TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Read at once.
const CHUNK: usize = 64 * 1024;
/// The longest message while logging in; nobody is trusted yet.
pub(super) const LOGIN_MESSAGE: usize = 1024 * 1024;
/// The longest message afterwards: Postgres's own limit of an allocation, with room for the frame.
const MESSAGE: usize = 0x4000_0000 + 1024;

/// A longer piece of the stream is read without its large cells.
pub(super) const HELD: usize = 1024 * 1024;

/// The server's process behind a connection, as a cancel request names it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backend {
    pub(super) pid: i32,
    pub(super) secret: i32,
}

/// A socket with what was read of the next message.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
    max_message: usize,
    /// A longer piece of the stream is read without its large cells.
    pub(super) held: usize,
    /// Such a one, on its way.
    sieve: Option<Sieve>,
    /// What the server has said of its database.
    pub(super) server_encoding: String,
    pub(super) backend: Backend,
    /// How it was reached, for a cancel request.
    pub(super) attempt: Attempt,
    /// When the last byte came.
    pub(super) last_read: Instant,
}

pub(super) fn protocol(what: impl Into<String>) -> ReplicationError {
    ReplicationError::Protocol(what.into())
}

impl Wire {
    pub(super) fn new(socket: Box<dyn Socket>, attempt: Attempt) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            max_message: LOGIN_MESSAGE,
            held: usize::MAX,
            sieve: None,
            server_encoding: String::new(),
            backend: Backend::default(),
            attempt,
            last_read: Instant::now(),
        }
    }

    pub(super) fn logged_in(&mut self, backend: Backend) {
        self.backend = backend;
        self.max_message = MESSAGE;
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await?;
        self.socket.flush().await
    }

    /// The next message's letter and body. May be dropped and called again: what was read stays in the buffer.
    pub(super) async fn read(&mut self) -> Result<(u8, Bytes), ReplicationError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(message);
            }
            if self.buffer.capacity() - self.buffer.len() < CHUNK / 4 {
                self.buffer.reserve(CHUNK);
            }
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(ReplicationError::Closed);
            }
            self.last_read = Instant::now();
        }
    }

    /// The next one, where it was read whole already.
    pub(super) fn buffered(&mut self) -> Result<Option<(u8, Bytes)>, ReplicationError> {
        if let Some(sieve) = &mut self.sieve {
            let Some(body) = sieve.feed(&mut self.buffer) else {
                return Ok(None);
            };
            self.sieve = None;
            return Ok(Some((b'd', body)));
        }
        let mut head = self.buffer.as_ref();
        let (Ok(tag), Ok(length)) = (head.try_get_u8(), head.try_get_i32()) else {
            return Ok(None);
        };
        // The length counts itself, but not the letter.
        let body = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_sub(4));
        if let Some(body) = body.filter(|body| tag == b'd' && *body > self.held) {
            self.buffer.advance(5);
            self.sieve = Some(Sieve::new(body, MAX_CELL));
            return self.buffered();
        }
        let body = body.filter(|body| *body <= self.max_message);
        let body = body.ok_or_else(|| protocol(format!("a message of length {length}")))?;
        if head.len() < body {
            return Ok(None);
        }
        self.buffer.advance(5);
        Ok(Some((tag, self.buffer.split_to(body).freeze())))
    }

    /// Reads the answer to a query up to ReadyForQuery.
    pub(super) async fn until_ready(&mut self, stage: Stage) -> Result<Rows, ReplicationError> {
        let (mut rows, mut failed) = (Rows::new(), None);
        loop {
            let (tag, body) = self.read().await?;
            match tag {
                b'D' => rows.push(data_row(body)?),
                b'E' => failed = Some(server_error(&body)),
                b'Z' => break,
                b'T' | b'C' | b'I' | b'N' | b'S' | b'A' => {}
                other => return Err(unexpected(other)),
            }
            if let Some(error) = failed.take_if(|error| error.severity != "ERROR") {
                // FATAL: nothing follows.
                return Err(ReplicationError::Server { stage, error });
            }
        }
        failed.map_or(Ok(rows), |error| Err(ReplicationError::Server { stage, error }))
    }

    /// Reads the answer to START_REPLICATION.
    pub(super) async fn until_copy_both(&mut self) -> Result<(), ReplicationError> {
        loop {
            let (tag, body) = self.read().await?;
            match tag {
                b'W' => return Ok(()),
                b'E' => {
                    let error = server_error(&body);
                    return Err(ReplicationError::Server {
                        stage: Stage::Start,
                        error,
                    });
                }
                b'N' | b'S' | b'A' => {}
                other => return Err(unexpected(other)),
            }
        }
    }

    /// Says goodbye, as far as the socket takes it.
    pub(super) async fn terminate(&mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        let _ = self.send(&out).await;
        let _ = self.socket.shutdown().await;
    }
}

pub(super) fn unexpected(tag: u8) -> ReplicationError {
    protocol(format!(
        "an unexpected message `{}`",
        char::from(tag).escape_default()
    ))
}

fn data_row(mut body: Bytes) -> Result<Vec<Option<Bytes>>, ReplicationError> {
    let short = || protocol("a row that ends too early");
    let count = body.try_get_i16().map_err(|_| short())?;
    let mut cells = Vec::new();
    for _ in 0..count {
        let length = body.try_get_i32().map_err(|_| short())?;
        cells.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) if length <= body.len() => Some(body.split_to(length)),
            Ok(_) => return Err(short()),
        });
    }
    Ok(cells)
}

/// The fields of an ErrorResponse or NoticeResponse: a letter and a C string each, ended by a zero.
pub(super) fn server_error(body: &[u8]) -> Box<ServerError> {
    let mut error = Box::<ServerError>::default();
    for field in body.split(|byte| *byte == 0) {
        let Some((letter, value)) = field.split_first() else {
            continue;
        };
        let value = String::from_utf8_lossy(value).into_owned();
        match letter {
            // Not translated, as against `S`.
            b'V' => error.severity = value,
            b'C' => error.code = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            b'R' => error.routine = Some(value),
            _ => {}
        }
    }
    error
}
