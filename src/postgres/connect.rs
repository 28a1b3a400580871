//! Ordinary connections: every one the same, whatever the role, the database or a pooler have set (rule 4).

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, QueueMode, RecyclingMethod, Runtime};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding as Binding, SslMode as ClientSslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::model::charset;

use super::dial::{Address, Attempt, Tls, first_that_connects};
use super::error::{ConnectError, ConnectFault, ServerError};
use super::session::{KEEP_SETTINGS, SessionOptions};
use super::site;
use super::tls;
use super::url::{ChannelBinding, ConnectUrl, Host, SslMode, TargetSession};

/// Connects and makes the session ours.
pub async fn connect(url: &ConnectUrl, options: &SessionOptions) -> Result<Client, ConnectError> {
    // The task ends by itself when the client is dropped.
    Ok(connect_with_task(url, options).await?.0)
}

async fn connect_with_task(
    url: &ConnectUrl,
    options: &SessionOptions,
) -> Result<(Client, JoinHandle<()>), ConnectError> {
    first_that_connects(url, |attempt| async move {
        let (client, task) = open(url, options, &attempt).await?;
        prepare(url, options, &attempt, &client).await?;
        Ok((client, task))
    })
    .await
}

async fn open(
    url: &ConnectUrl,
    options: &SessionOptions,
    attempt: &Attempt,
) -> Result<(Client, JoinHandle<()>), ConnectError> {
    let mut config = Config::new();
    config
        .user(&url.user)
        .dbname(&url.database)
        .port(attempt.place.port);
    config.application_name(options.application_name());
    // A cut network shows within half a minute, whichever side has spoken last.
    config.keepalives(true).keepalives_idle(Duration::from_secs(10));
    config
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3);
    config.tcp_user_timeout(Duration::from_secs(25));
    if let Some(password) = &url.password {
        config.password(password.expose_secret());
    }
    if let Some(options) = &url.options {
        config.options(options);
    }
    match (&attempt.place.host, &attempt.address) {
        (_, Address::Unix(directory)) => config.host_path(directory),
        (Host::Tcp(name), Address::Tcp(address)) => config.host(name).hostaddr(address.ip()),
        (Host::Unix(_), Address::Tcp(address)) => config.hostaddr(address.ip()),
    };
    config.ssl_mode(match attempt.tls {
        Tls::No => ClientSslMode::Disable,
        Tls::IfOffered(_) => ClientSslMode::Prefer,
        Tls::Yes(_) => ClientSslMode::Require,
    });
    config.channel_binding(match url.channel_binding {
        ChannelBinding::Disable => Binding::Disable,
        ChannelBinding::Prefer => Binding::Prefer,
        ChannelBinding::Require => Binding::Require,
    });
    let mode = attempt.ssl_mode().unwrap_or(SslMode::Disable);
    let tls = match attempt.tls {
        // Not used, but the type wants one; the named files need not exist then.
        Tls::No => rustls_without_roots(url)?,
        _ => tls::client_config(url, mode)
            .map_err(|error| ConnectError::new(ConnectFault::Tls, &attempt.label).caused(error))?,
    };
    let connecting = Box::pin(config.connect(MakeRustlsConnect::new(tls)));
    let (client, connection) = connecting
        .await
        .map_err(|error| ConnectError::from_client(&attempt.label, error))?;
    if let Some(encoding) = connection.parameter("server_encoding") {
        charset::is_database_of(encoding);
    }
    let label = attempt.label.clone();
    // Not a task of the program's logic but the other half of the client; it ends with it.
    #[allow(clippy::disallowed_methods)]
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, connection = label, "a database connection ended");
        }
    });
    Ok((client, task))
}

fn rustls_without_roots(url: &ConnectUrl) -> Result<rustls::ClientConfig, ConnectError> {
    let bare = ConnectUrl {
        root_cert: None,
        client_cert: None,
        ..url.clone()
    };
    tls::client_config(&bare, SslMode::Disable)
        .map_err(|error| ConnectError::new(ConnectFault::Tls, url.redacted()).caused(error))
}

async fn prepare(
    url: &ConnectUrl,
    options: &SessionOptions,
    attempt: &Attempt,
    client: &Client,
) -> Result<(), ConnectError> {
    let failed = |error| ConnectError::from_client(&attempt.label, error);
    let sql = options.sql(&options.application_name());
    client.batch_execute(&sql).await.map_err(failed)?;
    if url.target != TargetSession::Any {
        let sql = "SELECT pg_catalog.pg_is_in_recovery() OR \
                   pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool";
        let read_only: bool = client
            .query_one(sql, &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        if read_only != (url.target == TargetSession::Standby) {
            return Err(ConnectError::new(ConnectFault::WrongServer, &attempt.label));
        }
    }
    if !options.statements.is_empty() {
        // The user's own statements, in the user's own words; the path that they leave is the site's.
        client.batch_execute(site::ENTER).await.map_err(failed)?;
        for statement in &options.statements {
            let run = client.batch_execute(statement).await;
            run.map_err(|error| ConnectError::from_statement(&attempt.label, statement, &error))?;
        }
        client.batch_execute(site::KEEP).await.map_err(failed)?;
    }
    if options.keeps_settings {
        client.batch_execute(KEEP_SETTINGS).await.map_err(failed)?;
    }
    Ok(())
}

/// A small pool of connections that are all alike.
#[derive(Clone)]
pub struct Pool {
    pool: deadpool_postgres::Pool,
    connector: Connector,
    /// What its connections have prepared on the site's path.
    prepared: std::sync::Arc<site::Prepared>,
}

/// A connection of a [`Pool`]; it goes back when dropped. Derefs to [`tokio_postgres::Client`].
pub type PooledClient = deadpool_postgres::Client;

/// No connection could be had.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// All are in use.
    #[error("all {size} database connections were in use for {waited:?}")]
    Busy {
        /// The pool's size.
        size: usize,
        /// How long one was waited for.
        waited: Duration,
    },
    /// A new one could not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Anything else.
    #[error("the pool of database connections failed: {0}")]
    Other(String),
}

/// deadpool passes tokio-postgres's errors only, so ours goes round it.
#[derive(Clone)]
struct Connector {
    url: ConnectUrl,
    options: SessionOptions,
    last: std::sync::Arc<std::sync::Mutex<Option<ConnectError>>>,
}

impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        _: &Config,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>,
    > {
        Box::pin(async move {
            connect_with_task(&self.url, &self.options)
                .await
                .map_err(|error| {
                    if let Ok(mut last) = self.last.lock() {
                        *last = Some(error);
                    }
                    // Stands in for the error above, which `get` takes up; no other constructor is public.
                    tokio_postgres::Error::__private_api_timeout()
                })
        })
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("url", &self.connector.url)
            .finish_non_exhaustive()
    }
}

/// How long [`Pool::get`] waits for a connection that is in use.
const POOL_WAIT: Duration = Duration::from_secs(10);

impl Pool {
    /// At most `size` connections, made when they are needed.
    pub fn new(url: ConnectUrl, options: SessionOptions, size: usize) -> Result<Self, PoolError> {
        let connector = Connector {
            url,
            options,
            last: std::sync::Arc::default(),
        };
        let manager_config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_connect(Config::new(), connector.clone(), manager_config);
        let builder = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1);
        // The one that was used last: it has its statements prepared, and the server has the catalog at hand there.
        let builder = builder.wait_timeout(Some(POOL_WAIT)).queue_mode(QueueMode::Lifo);
        let pool = builder
            .build()
            .map_err(|error| PoolError::Other(error.to_string()))?;
        Ok(Self {
            pool,
            connector,
            prepared: std::sync::Arc::default(),
        })
    }

    /// A connection, waited for up to 10 s if all are in use.
    pub async fn get(&self) -> Result<PooledClient, PoolError> {
        use deadpool_postgres::PoolError as Inner;
        match self.pool.get().await {
            Ok(client) => Ok(client),
            Err(Inner::Timeout(_)) => Err(PoolError::Busy {
                size: self.pool.status().max_size,
                waited: POOL_WAIT,
            }),
            Err(Inner::Backend(error)) => Err(self.taken().map_or_else(
                || PoolError::Connect(ConnectError::from_client(&self.connector.url.redacted(), error)),
                PoolError::Connect,
            )),
            Err(error) => Err(PoolError::Other(error.to_string())),
        }
    }

    fn taken(&self) -> Option<ConnectError> {
        self.connector.last.lock().ok()?.take()
    }

    /// Lets go of the idle connections: new ones are made. For when the network is in doubt, since a connection that
    /// nobody has closed may be dead all the same.
    pub fn forget_idle(&self) {
        self.pool.retain(|_, _| false);
    }

    /// After a change of the site's tables no session is believed: its plans may hold what was dropped. Idle ones are let
    /// go of, and those in use prepare everything anew.
    pub fn renew(&self) {
        self.pool.manager().statement_caches.clear();
        self.prepared.clear();
        self.forget_idle();
    }

    /// Prepares statements of the mapping, as far as a connection of this pool has not prepared them: then nothing is sent.
    pub async fn prepare_on_site(
        &self,
        client: &PooledClient,
        statements: &[&str],
    ) -> Result<Vec<tokio_postgres::Statement>, tokio_postgres::Error> {
        self.prepared.prepare(client, statements).await
    }

    /// The connections in use and idle.
    pub fn size(&self) -> usize {
        self.pool.status().size
    }

    /// Closes all connections; those in use when they come back.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// The server's part of a driver's error, if it has one.
pub fn server_error(error: &tokio_postgres::Error) -> Option<ServerError> {
    error.as_db_error().map(ServerError::from)
}
