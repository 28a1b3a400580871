//! `run`: the connector, until SIGTERM or SIGINT.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, connect_url, failed};
use crate::config::Config;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub(super) async fn run(config: Arc<Config>, _arguments: &Arguments) -> Result<(), Failure> {
    let url = connect_url(&config)?;
    crate::config::arm_crash_point(&crate::config::process_env).map_err(failed)?;
    for warning in url.warnings() {
        tracing::warn!("postgres.url: {warning}");
    }
    if config.postgres.replication_url.is_some() {
        let streaming = crate::setup::streaming_url(&config).map_err(failed)?;
        for warning in streaming.warnings() {
            tracing::warn!("postgres.replication_url: {warning}");
        }
    }
    if let Some(exposed) = config.exposed() {
        tracing::warn!("{}: {}", exposed.message, exposed.mend);
    }
    let stop = CancellationToken::new();
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let running = crate::run::run(config, url, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map_err(failed),
        _ = terminated.recv() => tracing::info!("SIGTERM: finishing what is in flight"),
        _ = interrupted.recv() => tracing::info!("SIGINT: finishing what is in flight"),
    }
    stop.cancel();
    running.await.map_err(failed)?;
    tracing::info!("ended");
    Ok(())
}
