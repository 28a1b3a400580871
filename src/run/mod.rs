//! The connector: the only place that spawns tasks, and the shutdown.
//!
//! Receivers (webhooks, admin port) run from the first moment, on every instance. Who wins the lease leads: capture,
//! resolve, lanes, inbox, write-back, sweep and pruning run under one token, and end together when leadership is lost
//! or the process is asked to stop. What is in flight is finished within seven seconds; what is not is durable, and goes
//! on where it was.

mod alert;
mod beat;
mod lease;
mod repair;
mod sample;
mod serve;
mod shared;
mod trouble;
mod turns;
mod watch;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::lease::Trouble;
pub use self::shared::RunError;
use self::shared::Shared;
use crate::config::Config;
use crate::console::{Console, Role, Vital};
use crate::postgres::ConnectUrl;

/// How often a standby looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the database may take to answer one who wants to lead.
const ASK_WITHIN: Duration = Duration::from_secs(30);

/// Runs until `stop` is cancelled; then finishes what is in flight.
pub async fn run(config: Arc<Config>, url: ConnectUrl, stop: CancellationToken) -> Result<(), RunError> {
    let (database, account) = (url.redacted(), config.deskie.account());
    tracing::info!(%database, deskie = %account, "starting {}", env!("DESKIE_CDC_VERSION"));
    let shared = Shared::new(config.clone(), url)?;
    let mut servers = JoinSet::new();
    let admin = listen("the admin port", "admin_listen", config.server.admin_listen).await?;
    let vital = Vital::new();
    let console = Console {
        vital: vital.clone(),
        store: shared.store.clone(),
        looks: shared.looks.clone(),
        meter: Some(shared.meter.clone()),
        recorder: recorder(),
        slot: config.postgres.slot.clone(),
        publication: config.postgres.publication.clone(),
        alert_after: config.alert.after,
        admin_token: config.server.admin_token.clone(),
        admin_hosts: config.server.admin_hosts.clone(),
        stop: stop.clone(),
    };
    serve::spawn(&mut servers, admin, crate::console::router(console), &stop);
    servers.spawn(sample::run(shared.clone(), vital.clone(), stop.clone()));
    servers.spawn(trouble::run(shared.clone(), vital.clone(), stop.clone()));
    if let Some(url) = config.alert.url.clone() {
        servers.spawn(alert::run(shared.clone(), vital.clone(), url, stop.clone()));
    }
    if config.server.webhook_secrets.is_empty() {
        tracing::warn!(
            "no webhook_secret is set: replies are found by the sweep alone, every {:?}",
            config.deskie.sweep
        );
    } else {
        let webhooks = listen("the webhook port", "listen", config.server.listen).await?;
        let router = crate::receive::router(
            shared.store.clone(),
            config.server.webhook_secrets.clone(),
            config.deskie.clone(),
        );
        serve::spawn(&mut servers, webhooks, router, &stop);
        tracing::info!("webhooks on http://{}/webhooks/…", config.server.listen);
    }
    tracing::info!("admin port on http://{}/", config.server.admin_listen);
    let result = Box::pin(lead_or_stand_by(&shared, &vital, &stop)).await;
    vital.set_role(Role::Stopping);
    stop.cancel();
    let closing = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(1), closing)
        .await
        .is_err()
    {
        tracing::debug!("connections were still open");
    }
    result
}

/// The counters of this process; without them the gauges still tell how it is.
fn recorder() -> Option<metrics_exporter_prometheus::PrometheusHandle> {
    match crate::console::install_recorder() {
        Ok(recorder) => Some(recorder),
        Err(error) => {
            tracing::warn!("the process's counters cannot be taken: {error}");
            None
        }
    }
}

async fn listen(what: &'static str, key: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| RunError::Listen {
            what,
            key,
            address,
            error,
        })
}

/// Waits until this instance may lead, leads, and stands by again when it lost the lead; ends with `stop`.
async fn lead_or_stand_by(
    shared: &Shared,
    vital: &Arc<Vital>,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut attempt = 0u32;
    let mut stood_by = false;
    // Since when somebody has had the lock.
    let mut held_since = None;
    while !stop.is_cancelled() {
        let lead = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            lead = tokio::time::timeout(ASK_WITHIN, lease::try_lead(shared, vital, stood_by, &mut held_since)) => {
                lead.unwrap_or_else(|_| Err(Trouble::Passing(format!("no answer within {ASK_WITHIN:?}"))))
            }
        };
        if matches!(lead, Ok(None)) && !stood_by {
            tracing::info!("standing by: another instance leads; this one takes over when that one ends");
        }
        stood_by = matches!(lead, Ok(None));
        match lead {
            Ok(Some(connection)) => {
                (attempt, held_since) = (0, None);
                vital.set_role(Role::Leader);
                work::work(shared, vital, connection, stop).await?;
                // What ended the term may be the network: a connection that nobody has closed is dead all the same.
                shared.forget_connections();
                vital.set_role(Role::Starting);
            }
            Ok(None) => {
                attempt = 0;
                vital.set_role(Role::Standby);
                pause(stop, LOOK_EVERY).await;
            }
            Err(Trouble::Fatal(error)) => return Err(error),
            Err(Trouble::Passing(text)) => {
                attempt += 1;
                held_since = None;
                shared.forget_connections();
                if attempt.is_power_of_two() {
                    tracing::error!(
                        attempt,
                        "the database cannot be used yet, it is tried again (`deskie-cdc check` names the cause and the mend): {text}"
                    );
                }
                vital.set_error(&text);
                pause(stop, Duration::from_millis(250 * u64::from(attempt.min(20)))).await;
            }
        }
    }
    Ok(())
}

async fn pause(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_its_key() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let refused = listen("the admin port", "admin_listen", address)
            .await
            .unwrap_err();
        let told = refused.to_string();
        assert!(told.contains(&address.to_string()), "{told}");
        assert!(
            told.ends_with("another address in [server] admin_listen"),
            "{told}"
        );
    }
}
