//! `pause WAY` and `resume WAY`: a direction stands still, or goes on, as by the console's buttons.

use clap::ValueEnum;

use super::output::print;
use super::{Failure, failed, store_set_up};
use crate::config::Config;
use crate::store::{Done, Via, Way};

/// What the commands take.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which direction.
    #[arg(value_enum)]
    way: Direction,
    /// Why; it stands beside the act in the console.
    #[arg(long, default_value = "")]
    reason: String,
}

/// A direction, as the console's addresses and `status` call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Direction {
    /// From the site to Deskie.
    ToDeskie,
    /// From Deskie to the site.
    ToSite,
    /// Both.
    Both,
}

impl Direction {
    fn ways(self) -> &'static [Way] {
        match self {
            Direction::ToDeskie => &[Way::ToDeskie],
            Direction::ToSite => &[Way::ToSite],
            Direction::Both => &Way::ALL,
        }
    }
}

/// Pauses or resumes; the running connector heeds it with the next thing it would send or write.
pub(super) async fn run(config: &Config, arguments: &Arguments, done: Done) -> Result<(), Failure> {
    let store = store_set_up(config).await?;
    for way in arguments.way.ways() {
        let word = way.as_str();
        let (is_news, now) = match done {
            Done::Pause => (
                store.pauses().set(*way).await.map_err(failed)?,
                format!("paused: what comes is kept and waits; `deskie-cdc resume {word}` lets it go on"),
            ),
            _ => (
                store.pauses().lift(*way).await.map_err(failed)?,
                "goes on".to_owned(),
            ),
        };
        if is_news {
            let by = ("", Via::Command);
            store
                .audit()
                .add(by, done, word, 1, &arguments.reason)
                .await
                .map_err(failed)?;
            print(&format!("{word} {now}\n"))?;
        } else {
            let already = if done == Done::Pause {
                "paused already"
            } else {
                "not paused"
            };
            print(&format!("{word} is {already}\n"))?;
        }
    }
    Ok(())
}
