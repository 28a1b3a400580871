//! The connector: the only place that spawns tasks, and the shutdown.
//!
//! Receivers (webhooks, admin port) run from the first moment, on every instance. Who wins the lease leads: capture,
//! resolve, lanes, inbox, write-back, sweep and pruning run under one token, and end together when leadership is lost
//! or the process is asked to stop. What is in flight is finished within seven seconds; what is not is durable, and goes
//! on where it was.

mod alert;
mod beat;
mod lanes;
mod leader;
mod repair;
mod sample;
mod serve;
mod trouble;
mod watch;
mod work;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::console::{Console, Role, Vital};
use crate::deskie::{Client, Meter};
use crate::files::Downloader;
use crate::postgres::{ConnectUrl, Pool, SessionOptions};
use crate::store::{Store, StoreError, Watched};

/// What is in flight may go on for so long after the signal; the whole takes less than 10 s.
const GRACE: Duration = Duration::from_secs(7);

/// How often the lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// No statement that may hold a lock of the site's runs longer (rule 2); one waits for a lock for 2 s at most.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Why the connector ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port cannot be listened on.
    #[error("{what} cannot listen on {address}: {error}; choose another address in [server]")]
    Listen {
        /// Webhooks or the admin port.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The cause.
        error: std::io::Error,
    },
    /// `setup` was not run.
    #[error(
        "the connector is not set up in this database; run `deskie-cdc setup` first, then `deskie-cdc check`"
    )]
    NotSetUp,
    /// Anything that no waiting mends.
    #[error("{0}")]
    Fatal(String),
}

/// Everything that the tasks share.
#[derive(Clone)]
struct Shared {
    config: Arc<Config>,
    url: ConnectUrl,
    /// The same as the role that streams.
    streaming: ConnectUrl,
    store: Store,
    /// The same for what people look at in the console: two connections, and no statement over five seconds.
    looks: Store,
    /// The same for what looks rows up by their indexes alone, however small the tables were when a statement was planned: a
    /// plan that reads a whole table is kept while the table grows.
    by_index: Store,
    /// Reads the site's tables.
    reading: Pool,
    /// Writes to them.
    writing: Pool,
    client: Client,
    meter: Arc<Meter>,
    /// What this instance's sessions are called, so that another one can end them.
    instance: String,
    downloader: Downloader,
    /// The slot holds too much WAL and is to be dropped before the next term.
    drop_slot: Arc<AtomicBool>,
    /// How often in a row a term could not begin for what ends by itself.
    refused_starts: Arc<AtomicU32>,
    /// What the leader's last beat has seen.
    seen: Arc<tokio::sync::watch::Sender<Watched>>,
}

impl Shared {
    fn new(config: Arc<Config>, url: ConnectUrl) -> Result<Shared, RunError> {
        let fatal = |error: &dyn std::fmt::Display| RunError::Fatal(error.to_string());
        let streaming = crate::setup::streaming_url(&config).map_err(|error| fatal(&error))?;
        let session: Vec<String> = config
            .capture
            .session
            .iter()
            .map(|statement| statement.sql.clone())
            .collect();
        let instance = format!("{:08x}", rand::random::<u32>());
        let named = |role| SessionOptions::new(role).with_instance(&instance);
        let pool = |options, size| Pool::new(url.clone(), options, size).map_err(|error| fatal(&error));
        let state = pool(named("state"), 8)?;
        let reading = pool(named("mapping").with_statements(session.clone()), 2)?;
        // Rule 2: what bounds the site's waiting for a lock of ours.
        let writing = named("write-back")
            .with_statement_timeout(Some(WRITE_WITHIN))
            .with_idle_in_transaction_timeout(Duration::from_secs(2))
            .with_statements(session);
        let writing = pool(writing, 4)?;
        let deskie = &config.deskie;
        let client = Client::new(&deskie.url, &deskie.staff_email, &deskie.api_key, deskie.timeout)
            .map_err(|error| fatal(&error))?;
        let meter = Arc::new(Meter::new(deskie.requests_per_minute, rate_window()));
        let store = Store::new(state, &config.postgres.schema);
        let looks = named("console").with_statement_timeout(Some(WRITE_WITHIN));
        let looks = store.through(pool(looks, 2)?);
        let by_index = named("resolve").with_statements(vec!["SET enable_seqscan TO off".to_owned()]);
        let by_index = store.through(pool(by_index, 2)?);
        let downloader = Downloader::new().map_err(|error| fatal(&error))?;
        Ok(Shared {
            downloader,
            config,
            url,
            streaming,
            store,
            looks,
            by_index,
            reading,
            writing,
            client,
            meter,
            instance,
            drop_slot: Arc::default(),
            refused_starts: Arc::default(),
            seen: Arc::default(),
        })
    }

    /// Lets go of connections that may be dead without having been closed.
    fn forget_connections(&self) {
        self.store.forget_connections();
        self.by_index.forget_connections();
        self.reading.forget_idle();
        self.writing.forget_idle();
    }
}

/// The variable that shortens Deskie's minute for a simulator whose minute is shorter, so that a test of hours takes
/// seconds.
const RATE_WINDOW_VARIABLE: &str = "DESKIE_CDC_RATE_WINDOW_MS";

/// The length of the window in which Deskie counts calls: a minute.
fn rate_window() -> Duration {
    let shortened = crate::config::process_env(RATE_WINDOW_VARIABLE).and_then(|text| text.parse().ok());
    shortened.map_or(Duration::from_secs(60), Duration::from_millis)
}

/// Runs until `stop` is cancelled; then finishes what is in flight.
pub async fn run(config: Arc<Config>, url: ConnectUrl, stop: CancellationToken) -> Result<(), RunError> {
    let (database, account) = (url.redacted(), config.deskie.account());
    tracing::info!(%database, deskie = %account, "starting {}", env!("DESKIE_CDC_VERSION"));
    let shared = Shared::new(config.clone(), url)?;
    let mut servers = JoinSet::new();
    let admin = listen("the admin port", config.server.admin_listen).await?;
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
        let webhooks = listen("the webhook port", config.server.listen).await?;
        let router = crate::receive::router(
            shared.store.clone(),
            config.server.webhook_secrets.clone(),
            config.deskie.clone(),
        );
        serve::spawn(&mut servers, webhooks, router, &stop);
        tracing::info!("webhooks on http://{}/webhooks/…", config.server.listen);
    }
    tracing::info!("admin port on http://{}/", config.server.admin_listen);
    let result = leader::lead_or_stand_by(&shared, &vital, &stop).await;
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

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| RunError::Listen { what, address, error })
}

/// Repeats a piece of work: at once while there is more, else when rung. `turned` is called at each turn, and while
/// nothing rings.
async fn repeat<F>(
    what: &'static str,
    stop: CancellationToken,
    bell: &tokio::sync::Notify,
    turned: impl Fn(),
    mut round: impl FnMut() -> F,
) where
    F: Future<Output = Result<bool, StoreError>>,
{
    let mut failures = 0u32;
    while !stop.is_cancelled() {
        turned();
        // A round is short and ends by itself: it is not cut off.
        match round().await {
            Ok(true) => failures = 0,
            Ok(false) => {
                failures = 0;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = beat::rings(bell, &turned) => {}
                }
            }
            Err(error) if error.lost_leadership() => return,
            Err(error) => {
                failures += 1;
                tracing::warn!(attempt = failures, "{what} failed and is tried again: {error}");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_millis(250 * u64::from(failures.min(40)))) => {}
                }
            }
        }
    }
}
