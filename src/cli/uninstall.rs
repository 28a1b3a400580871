//! `uninstall`: drops slot, publications and schema of this connector, and nothing else.

use std::io::IsTerminal;

use super::output::{print, say};
use super::setup::{admin_url, failure};
use super::{Failure, confirmed};
use crate::config::Config;
use crate::setup;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Print the SQL and change nothing.
    #[arg(long)]
    print_sql: bool,
    /// Do it as this user: publications can be dropped by their owner only.
    #[arg(
        long,
        value_name = "URL",
        env = "DESKIE_CDC_ADMIN_URL",
        hide_env_values = true
    )]
    admin_url: Option<String>,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let admin_url = admin_url(arguments.admin_url.as_deref())?;
    if !arguments.yes && !arguments.print_sql && !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "error: uninstall asks before it drops, and there is no terminal\nmend: add --yes".into(),
        ));
    }
    let removal = setup::removal(config, admin_url.as_ref())
        .await
        .map_err(|error| failure(&error))?;
    if arguments.print_sql {
        return print(&setup::removal_sql(&removal));
    }
    let what = format!("This drops for ever:\n  {}", removal.lines().join("\n  "));
    if !arguments.yes && !removal.is_empty() && !confirmed(&what)? {
        return Err(Failure::Failed("nothing was dropped".into()));
    }
    let done = Box::pin(setup::uninstall(config, admin_url.as_ref(), &mut say))
        .await
        .map_err(|error| failure(&error))?;
    for line in &done.left {
        print(&format!("left alone: {line}"))?;
    }
    if done.is_empty() {
        print("nothing of this connector is here")?;
    }
    // Asked anew: what was dropped above needs no REVOKE.
    let after = setup::removal(config, admin_url.as_ref())
        .await
        .map_err(|error| failure(&error))?;
    if !after.role.is_empty() {
        print("the role is kept; to drop it as well, as an administrator:")?;
        for line in &after.role {
            print(&format!("  {line};"))?;
        }
    }
    Ok(())
}
