//! The commands, one file each. Results go to stdout, everything else to stderr.
//!
//! Exit status: 0 fine; 1 it ran and failed; 2 usage or config error.

mod backfill;
mod check;
mod completions;
#[cfg(feature = "demo")]
mod demo;
mod examples;
mod failed;
#[cfg(feature = "demo")]
mod fetch_postgres;
mod healthcheck;
mod init;
mod log;
mod output;
mod pause;
mod plan;
mod rules;
mod run;
mod setup;
#[cfg(feature = "demo")]
mod simulator;
mod status;
mod trace;
mod uninstall;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::config::{self, Config};
use crate::postgres::{ConnectUrl, Pool, SessionOptions};
use crate::store::{Done, Store, StoreError};

/// Connects a site's ticket tables in Postgres with the Deskie helpdesk, both ways.
#[derive(Debug, Parser)]
#[command(name = "deskie-cdc", version = env!("DESKIE_CDC_VERSION"), about, propagate_version = true, max_term_width = 80)]
pub struct Arguments {
    /// The config file (default: $DESKIE_CDC_CONFIG, else ./deskie-cdc.toml).
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// How logs are written to stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// The forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find the ticket tables of a database and write a commented draft config.
    #[command(after_long_help = examples::INIT)]
    Init(init::Arguments),
    /// Create what is missing: role and grants, schema, publications, slot.
    #[command(after_long_help = examples::SETUP)]
    Setup(setup::Arguments),
    /// Test everything beforehand; one line a check.
    #[command(after_long_help = examples::CHECK)]
    Check(check::Arguments),
    /// Show the Deskie calls that rows would cause; sends and writes nothing.
    #[command(after_long_help = examples::PLAN)]
    Plan(plan::Arguments),
    /// The connector, until SIGTERM or SIGINT.
    #[command(after_long_help = examples::RUN)]
    Run(run::Arguments),
    /// Queue existing tickets behind live traffic, each once.
    #[command(after_long_help = examples::BACKFILL)]
    Backfill(backfill::Arguments),
    /// Slot lag, queues, API budget, last error.
    #[command(after_long_help = examples::STATUS)]
    Status(status::Arguments),
    /// What waits for a person: list, show, retry, discard.
    #[command(after_long_help = examples::FAILED)]
    Failed(failed::Arguments),
    /// Stand still in one direction, or both: what comes is kept and waits.
    #[command(after_long_help = examples::PAUSE)]
    Pause(pause::Arguments),
    /// Go on in a direction that was paused.
    #[command(after_long_help = examples::RESUME)]
    Resume(pause::Arguments),
    /// One ticket's story in time order.
    #[command(after_long_help = examples::TRACE)]
    Trace(trace::Arguments),
    /// What to enter in Deskie's rule forms, step by step.
    #[command(after_long_help = examples::RULES)]
    Rules(rules::Arguments),
    /// Drop this connector's slot, publications and schema, and nothing else.
    #[command(after_long_help = examples::UNINSTALL)]
    Uninstall(uninstall::Arguments),
    /// A Deskie to try things against.
    #[cfg(feature = "demo")]
    #[command(after_long_help = examples::SIMULATOR)]
    Simulator(Box<simulator::Arguments>),
    /// The whole thing here and now: throw-away Postgres, sample site, simulator, connector.
    #[cfg(feature = "demo")]
    #[command(after_long_help = examples::DEMO)]
    Demo(demo::Arguments),
    /// Print the script by which a shell completes the command line.
    #[command(after_long_help = examples::COMPLETIONS)]
    Completions(completions::Arguments),
    /// Ask a running connector's admin port whether it is ready (for containers).
    #[command(hide = true)]
    Healthcheck(healthcheck::Arguments),
    /// Say where the servers for the tests are, and fetch those that are not installed.
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    FetchPostgres(fetch_postgres::Arguments),
}

/// The whole program: arguments, logging, runtime, one dispatch, one exit code.
///
/// It stands here and not in `main.rs`, since the code of everything asynchronous is made where a runtime polls it: from
/// a program of its own, all of it would be compiled twice.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(&arguments);
    crate::postgres::install_tls_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(arguments.run());
    // A look-up of a name that hangs must not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                eprintln!("{text}");
            }
            ExitCode::from(failure.status())
        }
    }
}

/// Why a command ended badly.
#[derive(Debug)]
pub enum Failure {
    /// Usage or config: exit status 2.
    Usage(String),
    /// It ran and failed: exit status 1. An empty text was said already.
    Failed(String),
}

impl Failure {
    /// The exit status.
    fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Failed(_) => 1,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Failed(text) => f.write_str(&log::harmless(text.trim_end())),
        }
    }
}

/// It ran and failed.
pub(crate) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("error: {error}"))
}

/// Asks a person, on stderr, whether to go on with what was said; an end of the input is a no.
fn confirmed(what: &str) -> Result<bool, Failure> {
    let mut out = std::io::stderr();
    out.write_all(format!("{what}\nGo on? [y/N] ").as_bytes())
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

impl Arguments {
    /// How logs are written.
    fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// The level of our own lines without RUST_LOG: a command that prints a result only says what went wrong.
    fn default_log_level(&self) -> LevelFilter {
        match self.command {
            Command::Run(_) => LevelFilter::INFO,
            #[cfg(feature = "demo")]
            Command::Simulator(_) => LevelFilter::INFO,
            _ => LevelFilter::WARN,
        }
    }

    /// Runs the command.
    async fn run(self) -> Result<(), Failure> {
        let place = Place(self.config);
        match self.command {
            Command::Init(arguments) => init::run(&arguments).await,
            Command::Setup(arguments) => setup::run(&*place.config()?, &arguments).await,
            Command::Check(arguments) => check::run(&*place.config()?, &arguments).await,
            Command::Plan(arguments) => plan::run(&*place.config()?, &arguments).await,
            Command::Run(arguments) => Box::pin(run::run(place.config()?, &arguments)).await,
            Command::Backfill(arguments) => backfill::run(&*place.config()?, &arguments).await,
            Command::Status(arguments) => status::run(&*place.config()?, &arguments).await,
            Command::Failed(arguments) => failed::run(&*place.config()?, &arguments).await,
            Command::Pause(arguments) => pause::run(&*place.config()?, &arguments, Done::Pause).await,
            Command::Resume(arguments) => pause::run(&*place.config()?, &arguments, Done::Resume).await,
            Command::Trace(arguments) => trace::run(&*place.config()?, &arguments).await,
            Command::Rules(arguments) => rules::run(&*place.config()?, &arguments),
            Command::Uninstall(arguments) => uninstall::run(&*place.config()?, &arguments).await,
            #[cfg(feature = "demo")]
            Command::Simulator(arguments) => simulator::run(&arguments).await,
            #[cfg(feature = "demo")]
            Command::Demo(arguments) => Box::pin(demo::run(&arguments)).await,
            Command::Completions(arguments) => completions::run(&arguments),
            Command::Healthcheck(arguments) => healthcheck::run(place.config().ok(), &arguments).await,
            #[cfg(feature = "demo")]
            Command::FetchPostgres(arguments) => fetch_postgres::run(&arguments).await,
        }
    }
}

/// Where the config is.
struct Place(Option<PathBuf>);

impl Place {
    fn config(&self) -> Result<Arc<Config>, Failure> {
        let path = self
            .0
            .clone()
            .unwrap_or_else(|| config::default_path(&config::process_env));
        load(&path)
    }
}

fn load(path: &Path) -> Result<Arc<Config>, Failure> {
    Config::load(path, &config::process_env)
        .map(Arc::new)
        .map_err(|faults| Failure::Usage(faults.to_string()))
}

/// The config's database, parsed; a fault in it, or in that of the role that streams, points at its line.
pub(crate) fn connect_url(config: &Config) -> Result<ConnectUrl, Failure> {
    let url = crate::setup::streaming_url(config).and_then(|_| crate::setup::own_url(config));
    url.map_err(|error| Failure::Usage(error.to_string()))
}

/// Our own state in the config's database.
pub(crate) fn store(config: &Config) -> Result<Store, Failure> {
    let pool = Pool::new(connect_url(config)?, SessionOptions::new("command"), 2).map_err(failed)?;
    Ok(Store::new(pool, &config.postgres.schema))
}

/// The same, where `setup` has been run.
pub(crate) async fn store_set_up(config: &Config) -> Result<Store, Failure> {
    let store = store(config)?;
    match store.is_set_up().await {
        Ok(true) => Ok(store),
        Ok(false) => Err(failed(
            "the connector is not set up in this database; run `deskie-cdc setup` first",
        )),
        Err(error @ StoreError::Unavailable(_)) => Err(failed(format!(
            "{error}\nmend: `deskie-cdc check` names the cause and how it is mended; before the first start `deskie-cdc setup` \
             makes the user"
        ))),
        Err(error) => Err(failed(error)),
    }
}
