//! The two ports. Nobody who connects and says nothing, or says it slowly, can keep others out.
//!
//! A request's head must come within [`HEAD_WITHIN`], and so must the next one's on a connection that is kept open; the
//! body's time is the router's matter. Of [`CONNECTIONS`] open ones no further is taken before one has ended, and the
//! time-out sees to it that each does.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a client may take for a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// So many connections at once; each costs some kilobytes.
const CONNECTIONS: usize = 512;

/// The pause after a connection could not be taken: out of file descriptors, most likely.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Serves `router` until `stop`; requests that are under way then are answered.
pub fn spawn(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    router: axum::Router,
    stop: &CancellationToken,
) {
    let stop = stop.clone();
    servers.spawn(async move {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                taken = take(&listener, &room) => taken,
            };
            let Some((stream, place)) = taken else { return };
            let (router, stop) = (router.clone(), stop.clone());
            connections.spawn(async move {
                serve(stream, router, stop).await;
                drop(place);
            });
        }
        while connections.join_next().await.is_some() {}
    });
}

/// The next connection, once there is room for it.
async fn take(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = room.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, place)),
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, router: axum::Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended badly: {error}");
    }
}
