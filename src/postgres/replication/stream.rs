//! The stream of changes: a task reads the socket, answers the server and fills a bounded queue.
//!
//! Feedback does not depend on the consumer: it is sent every third of `wal_sender_timeout`, at most every 10 s, soon
//! after an acknowledgement, and at once where the server asks. When the queue is full the socket is not read any
//! more, and the server waits, while feedback goes on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::error::{ReplicationError, Stage};
use super::wire::{HELD, Wire, protocol, server_error, unexpected};
use crate::model::{Charset, Lsn, clock};

/// How the stream is watched and bounded.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// No byte for this long, though asked for: [`ReplicationError::Silent`]. Twice `wal_sender_timeout` if that is
    /// more (default 60 s).
    pub silence: Duration,
    /// Take `silence` as it is, however long `wal_sender_timeout` is.
    pub exact_silence: bool,
    /// Bytes of frames read ahead (default 1 MiB); one frame that is larger passes alone.
    pub buffer: usize,
    /// A frame of more bytes is read without its large cells, so that it need not be held (default 1 MiB).
    pub held: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(60),
            exact_silence: false,
            buffer: 1024 * 1024,
            held: HELD,
        }
    }
}

/// What the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// `w`: a message of the output plugin.
    Data {
        /// Where it stands in the log.
        wal_start: Lsn,
        /// Where the server's log ended then.
        wal_end: Lsn,
        /// The message, for [`decode`](crate::pgoutput::decode()).
        bytes: Bytes,
    },
    /// `k`: all up to `wal_end` has been looked at. With no transaction under way it may be acknowledged: on an idle
    /// publication nothing else moves the slot. It was answered already.
    Keepalive {
        /// How far the server has come.
        wal_end: Lsn,
        /// The server asked for an answer.
        reply_requested: bool,
    },
}

/// A running stream. Dropping it closes the connection; [`ReplicationStream::finish`] acknowledges first.
pub struct ReplicationStream {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    charset: Charset,
}

struct Shared {
    state: Mutex<State>,
    /// A frame or the end is there.
    readable: Notify,
    /// A frame was taken.
    writable: Notify,
    acknowledged: AtomicU64,
    /// `acknowledged` has grown.
    progress: Notify,
    finish: Notify,
    buffer: usize,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    ended: bool,
    /// The server has confirmed the end.
    finished: bool,
    error: Option<ReplicationError>,
}

impl Shared {
    /// Nothing panics while it is held, so it cannot be poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the frame back if there is no room.
    fn push(&self, frame: Frame) -> Option<Frame> {
        let mut state = self.state();
        match (&frame, state.frames.back_mut()) {
            // Only the newest of several counts, so that a slow consumer does not gather them.
            (Frame::Keepalive { .. }, Some(last @ Frame::Keepalive { .. })) => *last = frame,
            _ => {
                let size = frame.size();
                if state.bytes > 0 && state.bytes + size > self.buffer {
                    return Some(frame);
                }
                state.bytes += size;
                state.frames.push_back(frame);
            }
        }
        drop(state);
        self.readable.notify_one();
        None
    }

    fn pop(&self) -> Option<Result<Frame, ReplicationError>> {
        let mut state = self.state();
        if let Some(frame) = state.frames.pop_front() {
            state.bytes -= frame.size();
            drop(state);
            self.writable.notify_one();
            return Some(Ok(frame));
        }
        state
            .ended
            .then(|| Err(state.error.take().unwrap_or(ReplicationError::Closed)))
    }

    fn end(&self, error: ReplicationError) {
        let mut state = self.state();
        state.ended = true;
        state.error = Some(error);
        drop(state);
        self.readable.notify_one();
    }
}

impl Frame {
    fn size(&self) -> usize {
        match self {
            Frame::Data { bytes, .. } => bytes.len() + size_of::<Frame>(),
            Frame::Keepalive { .. } => size_of::<Frame>(),
        }
    }
}

impl ReplicationStream {
    pub(super) fn spawn(
        mut wire: Wire,
        start: Lsn,
        wal_sender_timeout: Option<Duration>,
        charset: Charset,
        options: StreamOptions,
    ) -> Self {
        wire.held = options.held;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            readable: Notify::new(),
            writable: Notify::new(),
            acknowledged: AtomicU64::new(start.0),
            progress: Notify::new(),
            finish: Notify::new(),
            buffer: options.buffer,
        });
        let third = wal_sender_timeout.map_or(MAX_INTERVAL, |limit| limit / 3);
        let twice = wal_sender_timeout.map_or(Duration::ZERO, |limit| limit * 2);
        let silence = if options.exact_silence {
            options.silence
        } else {
            options.silence.max(twice)
        };
        let pump = Pump {
            wire,
            shared: Arc::clone(&shared),
            received: start.0,
            interval: third.clamp(MIN_INTERVAL, MAX_INTERVAL),
            silence,
            feedback_at: Instant::now(),
            asked: false,
        };
        // Not a task of the program's logic but the other half of this stream; it is aborted with it.
        #[allow(clippy::disallowed_methods)]
        let task = tokio::spawn(pump.run());
        Self {
            shared,
            task,
            charset,
        }
    }

    /// The next frame, in order. May be dropped and called again. After an error the stream is over.
    pub async fn next(&self) -> Result<Frame, ReplicationError> {
        loop {
            if let Some(frame) = self.shared.pop() {
                return frame;
            }
            self.shared.readable.notified().await;
        }
    }

    /// What its texts are written in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// A frame if one is there already: for batches.
    pub fn try_next(&self) -> Option<Result<Frame, ReplicationError>> {
        self.shared.pop()
    }

    /// All before `position` is stored durably: the server may drop it. Sent within a second; never goes back.
    pub fn acknowledge(&self, position: Lsn) {
        if self.shared.acknowledged.fetch_max(position.0, Ordering::AcqRel) < position.0 {
            self.shared.progress.notify_one();
        }
    }

    /// What was acknowledged last.
    pub fn acknowledged(&self) -> Lsn {
        Lsn(self.shared.acknowledged.load(Ordering::Acquire))
    }

    /// Sends the last acknowledgement, ends the stream and closes; takes 2 s at most. `true`: the server has confirmed
    /// that it read it.
    pub async fn finish(mut self) -> bool {
        self.shared.finish.notify_one();
        // The task bounds itself; this is for a socket that takes nothing.
        let _ = timeout(FINISH_TIMEOUT + Duration::from_millis(500), &mut self.task).await;
        self.shared.state().finished
    }
}

impl Drop for ReplicationStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for ReplicationStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicationStream")
            .field("acknowledged", &self.acknowledged())
            .finish_non_exhaustive()
    }
}

const MAX_INTERVAL: Duration = Duration::from_secs(10);
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// Acknowledgements in quick succession go together. Not for long: a busy server lets go of its WAL by them.
const AFTER_PROGRESS: Duration = Duration::from_millis(100);
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// The half that owns the socket.
struct Pump {
    wire: Wire,
    shared: Arc<Shared>,
    received: u64,
    interval: Duration,
    silence: Duration,
    feedback_at: Instant,
    /// Silent for half the time, an answer was asked for.
    asked: bool,
}

enum Wake {
    Message(Result<(u8, Bytes), ReplicationError>),
    Room,
    Feedback,
    Progress,
    Silence,
    Finish,
}

impl Pump {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        match self.stream().await {
            Err(error) => shared.end(error),
            Ok(()) => {
                let finished = timeout(FINISH_TIMEOUT, self.finish()).await;
                match finished.unwrap_or(Err(ReplicationError::TimedOut("the end of the stream"))) {
                    Ok(()) => {
                        let mut state = shared.state();
                        (state.ended, state.finished) = (true, true);
                    }
                    Err(error) => shared.end(error),
                }
            }
        }
    }

    /// Until `finish` is called or something fails.
    async fn stream(&mut self) -> Result<(), ReplicationError> {
        let mut waiting: Option<Frame> = None;
        loop {
            let quiet = if self.asked {
                self.silence
            } else {
                self.silence / 2
            };
            let silent_at = self.wire.last_read + quiet;
            let shared = &self.shared;
            let wake = tokio::select! {
                message = self.wire.read(), if waiting.is_none() => Wake::Message(message),
                () = shared.writable.notified(), if waiting.is_some() => Wake::Room,
                () = sleep_until(self.feedback_at) => Wake::Feedback,
                () = shared.progress.notified() => Wake::Progress,
                () = sleep_until(silent_at), if waiting.is_none() => Wake::Silence,
                () = shared.finish.notified() => Wake::Finish,
            };
            match wake {
                Wake::Message(message) => {
                    self.asked = false;
                    let mut next = Some(message?);
                    // What was read with it comes without another look at the clocks.
                    while let Some(message) = next {
                        let frame = self.message(message).await?;
                        waiting = frame.and_then(|frame| self.shared.push(frame));
                        next = match waiting {
                            None => self.wire.buffered()?,
                            Some(_) => None,
                        };
                    }
                }
                Wake::Room => {
                    waiting = waiting.and_then(|frame| self.shared.push(frame));
                    // While nothing was read nothing could be heard.
                    self.wire.last_read = Instant::now();
                }
                Wake::Feedback => self.feedback(false).await?,
                Wake::Progress => {
                    self.feedback_at = self.feedback_at.min(Instant::now() + AFTER_PROGRESS);
                }
                // A part of a large message may have come meanwhile.
                Wake::Silence if self.wire.last_read + quiet > Instant::now() => {}
                Wake::Silence if self.asked => return Err(ReplicationError::Silent(self.silence)),
                Wake::Silence => {
                    self.asked = true;
                    self.feedback(true).await?;
                }
                Wake::Finish => return Ok(()),
            }
        }
    }

    async fn message(&mut self, (tag, body): (u8, Bytes)) -> Result<Option<Frame>, ReplicationError> {
        match tag {
            b'd' => {
                let frame = frame(body)?;
                let (received, reply) = match &frame {
                    // The server's end of the log says nothing of what was sent; the message's own place does.
                    Frame::Data { wal_start, .. } => (wal_start.0, false),
                    Frame::Keepalive {
                        wal_end,
                        reply_requested,
                    } => (wal_end.0, *reply_requested),
                };
                self.received = self.received.max(received);
                if reply {
                    self.feedback(false).await?;
                }
                Ok(Some(frame))
            }
            b'E' => Err(ReplicationError::Server {
                stage: Stage::Stream,
                error: server_error(&body),
            }),
            b'N' => {
                tracing::warn!(notice = %server_error(&body), "the replication process says");
                Ok(None)
            }
            b'S' | b'A' => Ok(None),
            // The server shuts down in order.
            b'c' | b'C' | b'Z' => Err(ReplicationError::Closed),
            other => Err(unexpected(other)),
        }
    }

    /// A standby status update. It does not wait for ever: a server that takes nothing is silent as well.
    async fn feedback(&mut self, ask: bool) -> Result<(), ReplicationError> {
        self.feedback_at = Instant::now() + self.interval;
        let flushed = self.shared.acknowledged.load(Ordering::Acquire);
        let mut out = BytesMut::new();
        let body = status_update(self.received, flushed, clock::now().as_microsecond(), ask);
        frontend::CopyData::new(body)?.write(&mut out);
        let sent = timeout(self.silence, self.wire.send(&out)).await;
        Ok(sent.map_err(|_| ReplicationError::Silent(self.silence))??)
    }

    /// The server answers CopyDone with CopyDone, having read all before it.
    async fn finish(&mut self) -> Result<(), ReplicationError> {
        self.feedback(false).await?;
        let mut out = BytesMut::new();
        frontend::copy_done(&mut out);
        self.wire.send(&out).await?;
        loop {
            match self.wire.read().await? {
                (b'c' | b'C', _) => break,
                (b'E', body) => {
                    let error = server_error(&body);
                    return Err(ReplicationError::Server {
                        stage: Stage::Stream,
                        error,
                    });
                }
                _ => {}
            }
        }
        self.wire.terminate().await;
        Ok(())
    }
}

fn frame(mut body: Bytes) -> Result<Frame, ReplicationError> {
    let short = |_| protocol("a frame that ends too early");
    match body.try_get_u8().map_err(short)? {
        b'w' => {
            let wal_start = Lsn(body.try_get_u64().map_err(short)?);
            let wal_end = Lsn(body.try_get_u64().map_err(short)?);
            body.try_get_i64().map_err(short)?;
            Ok(Frame::Data {
                wal_start,
                wal_end,
                bytes: body,
            })
        }
        b'k' => {
            let wal_end = Lsn(body.try_get_u64().map_err(short)?);
            body.try_get_i64().map_err(short)?;
            let reply_requested = body.try_get_u8().map_err(short)? != 0;
            Ok(Frame::Keepalive {
                wal_end,
                reply_requested,
            })
        }
        other => Err(protocol(format!("an unknown frame 0x{other:02x}"))),
    }
}

/// Written, flushed, applied, the client's clock, and whether an answer is wanted at once.
fn status_update(received: u64, flushed: u64, unix_micros: i64, ask: bool) -> Bytes {
    /// Microseconds from 1970 to 2000.
    const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
    let mut out = BytesMut::with_capacity(34);
    out.put_u8(b'r');
    out.put_u64(received.max(flushed));
    out.put_u64(flushed);
    out.put_u64(flushed);
    out.put_i64(unix_micros.saturating_sub(POSTGRES_EPOCH));
    out.put_u8(u8::from(ask));
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_frame_panics(bytes: Vec<u8>) {
            let _ = frame(bytes.into());
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let numbers = [1_u64.to_be_bytes(), 2_u64.to_be_bytes(), 3_u64.to_be_bytes()].concat();
        let data = [b"w".as_slice(), &numbers, b"xyz"].concat();
        let expected = Frame::Data {
            wal_start: Lsn(1),
            wal_end: Lsn(2),
            bytes: Bytes::from_static(b"xyz"),
        };
        assert_eq!(frame(data.into()).expect("a frame"), expected);
        let keepalive = [b"k".as_slice(), &numbers[..16], &[1]].concat();
        let expected = Frame::Keepalive {
            wal_end: Lsn(1),
            reply_requested: true,
        };
        assert_eq!(frame(keepalive.into()).expect("a frame"), expected);
    }
}
