//! `check`: tests everything beforehand, one line a check.

use super::Failure;
use super::log::harmless;
use crate::config::Config;
use crate::setup::{self, Status};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print a JSON list of {code, name, status, message, mend}; docs/check.md lists the codes.
    #[arg(long)]
    json: bool,
    /// So many of the newest rows of each mapped table pass through the mapping; 0: none.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    rows: u32,
    /// Only read the config, which needs neither database nor Deskie.
    #[arg(long, conflicts_with = "json")]
    config_only: bool,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.config_only {
        println!("ok    config");
        return Ok(());
    }
    let checks = Box::pin(setup::check(config, arguments.rows)).await;
    if arguments.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&checks).map_err(super::failed)?
        );
    } else {
        for check in &checks {
            let word = match check.status {
                Status::Ok => "ok  ",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            println!("{word}  {}: {}", check.name, harmless(&check.message));
            if let Some(mend) = &check.mend {
                println!("      mend: {}", harmless(mend));
            }
        }
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    match (count(Status::Fail), count(Status::Warn)) {
        (0, _) if arguments.json => Ok(()),
        (0, warned) => {
            eprintln!("nothing failed, {warned} warned; `deskie-cdc plan` shows what would be sent");
            Ok(())
        }
        (failed, _) if arguments.json => Err(Failure::Failed(if failed > 0 {
            String::new()
        } else {
            "error".into()
        })),
        (failed, warned) => Err(Failure::Failed(format!("{failed} failed, {warned} warned"))),
    }
}
