//! What the tasks share: the config, the pools, the client, and what they tell each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use crate::config::Config;
use crate::deskie::{Client, Meter};
use crate::files::Downloader;
use crate::postgres::{ConnectUrl, Pool, SessionOptions};
use crate::store::{ASYNCHRONOUS, Store, Watched};

/// What is in flight may go on for so long after the signal; the whole takes less than 10 s.
pub const GRACE: Duration = Duration::from_secs(7);

/// How often the lease is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);

/// No statement that may hold a lock of the site's runs longer (rule 2); one waits for a lock for 2 s at most.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Why the connector ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port cannot be listened on.
    #[error("{what} cannot listen on {address}: {error}; choose another address in [server] {key}")]
    Listen {
        /// Webhooks or the admin port.
        what: &'static str,
        /// The key of `[server]` that says where.
        key: &'static str,
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
pub struct Shared {
    pub config: Arc<Config>,
    pub url: ConnectUrl,
    /// The same as the role that streams.
    pub streaming: ConnectUrl,
    pub store: Store,
    /// The same for what people look at in the console: two connections, and no statement over five seconds.
    pub looks: Store,
    /// The same for the flows whose commits do not wait for the disk. They look rows up by their indexes alone, however small
    /// the tables were when a statement was planned: a plan that reads a whole table is kept while the table grows.
    pub flow: Store,
    /// Reads the site's tables.
    pub reading: Pool,
    /// Writes to them.
    pub writing: Pool,
    pub client: Client,
    pub meter: Arc<Meter>,
    /// What this instance's sessions are called, so that another one can end them.
    pub instance: String,
    pub downloader: Downloader,
    /// The slot holds too much WAL and is to be dropped before the next term.
    pub drop_slot: Arc<AtomicBool>,
    /// How often in a row a term could not begin for what ends by itself.
    pub refused_starts: Arc<AtomicU32>,
    /// What the leader's last beat has seen.
    pub seen: Arc<tokio::sync::watch::Sender<Watched>>,
}

impl Shared {
    /// Nothing is connected to before the first piece of work.
    pub fn new(config: Arc<Config>, url: ConnectUrl) -> Result<Shared, RunError> {
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
        // Our own statements are long, what they meet is little, and no value decides which index serves: to plan one anew
        // for the values of each call took the server longer than to run it.
        let once = "SET plan_cache_mode TO force_generic_plan".to_owned();
        let ours = |role| named(role).committing_here();
        let state = pool(ours("state").with_statements(vec![once.clone()]), 8)?;
        let reading = pool(named("mapping").with_statements(session.clone()), 2)?;
        // Rule 2: what bounds the site's waiting for a lock of ours.
        let writing = named("write-back")
            .with_statement_timeout(Some(WRITE_WITHIN))
            .with_idle_in_transaction_timeout(Duration::from_secs(2))
            .with_statements(session)
            .keeping_its_settings();
        let writing = pool(writing, 4)?;
        let deskie = &config.deskie;
        let client = Client::new(&deskie.url, &deskie.staff_email, &deskie.api_key, deskie.timeout)
            .map_err(|error| fatal(&error))?;
        let meter = Arc::new(Meter::new(deskie.requests_per_minute, rate_window()));
        let store = Store::new(state, &config.postgres.schema);
        let looks = ours("console").with_statement_timeout(Some(WRITE_WITHIN));
        let looks = store.through(pool(looks, 2)?);
        // What is lost with the server is done again from what is left; see `store/durable.rs`.
        let flow = vec![
            once,
            "SET enable_seqscan TO off".to_owned(),
            ASYNCHRONOUS.to_owned(),
        ];
        let flow = store.through(pool(named("flow").with_statements(flow), 5)?);
        let downloader = Downloader::new().map_err(|error| fatal(&error))?;
        Ok(Shared {
            downloader,
            config,
            url,
            streaming,
            store,
            looks,
            flow,
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
    pub fn forget_connections(&self) {
        self.store.forget_connections();
        self.flow.forget_connections();
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
