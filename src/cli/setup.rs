//! `setup`: creates, idempotently, what is missing.

use std::time::Duration;

use super::Failure;
use super::output::{print, say};
use crate::config::Config;
use crate::postgres::ConnectUrl;
use crate::setup::{self, Options, SetupError};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Do the administrator's part (role, schema, rights, publications) as this user; the user in postgres.url then
    /// gets only what it needs.
    #[arg(
        long,
        value_name = "URL",
        env = "DESKIE_CDC_ADMIN_URL",
        hide_env_values = true
    )]
    admin_url: Option<String>,
    /// Print the administrator's part as SQL and change nothing.
    #[arg(long)]
    print_sql: bool,
    /// This database is a restore or a clone, and may send.
    #[arg(long, conflicts_with = "print_sql")]
    adopt: bool,
    /// The site's keys were made anew: its rows have kept their numbers (same), or not (anew: the known tickets are
    /// known no more, and rows written meanwhile are looked for).
    #[arg(long, value_name = "NUMBERS", conflicts_with = "print_sql")]
    rekey: Option<setup::Rekey>,
    /// The mapping means the columns that stand under its names now, whatever became of those from before.
    #[arg(long, conflicts_with = "print_sql")]
    remap: bool,
    /// How long the slot may wait for transactions that are open now, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    slot_wait: u64,
}

/// A URL given on the command line.
pub(super) fn admin_url(text: Option<&str>) -> Result<Option<ConnectUrl>, Failure> {
    text.map(ConnectUrl::parse)
        .transpose()
        .map_err(|error| Failure::Usage(format!("error: --admin-url: {error}")))
}

pub(super) fn failure(error: &SetupError) -> Failure {
    match error.is_config() {
        true => Failure::Usage(error.to_string()),
        false => Failure::Failed(error.to_string()),
    }
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let admin_url = admin_url(arguments.admin_url.as_deref())?;
    if arguments.print_sql {
        let sql = setup::administrator_sql(config, admin_url.as_ref())
            .await
            .map_err(|error| failure(&error))?;
        return print(&sql);
    }
    let options = Options {
        adopt: arguments.adopt,
        rekey: arguments.rekey,
        remap: arguments.remap,
        slot_wait: Duration::from_secs(arguments.slot_wait),
    };
    Box::pin(setup::prepare(config, admin_url.as_ref(), &options, &mut say))
        .await
        .map_err(|error| failure(&error))?;
    print("ready; `deskie-cdc check` tests everything, `deskie-cdc run` starts")
}
