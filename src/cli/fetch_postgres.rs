//! `fetch-postgres`: the servers that the tests run on, those that are installed and those that can be fetched.

use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, failed};
use deskie_cdc_sandbox::postgres::{self, Fetching, Installation};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Major versions, such as 15 18; without any, one server of any version.
    #[arg(value_name = "MAJOR")]
    versions: Vec<u16>,
}

/// Prints a line for each version that is there: the version, and the folder of its programs.
pub(super) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wanted: Vec<Option<u16>> = match arguments.versions.as_slice() {
        [] => vec![None],
        versions => versions.iter().copied().map(Some).collect(),
    };
    let mut missing = false;
    for version in wanted {
        match obtain(version).await {
            Ok(installation) => println!("{} {}", installation.version(), installation.bin().display()),
            Err(failure) => {
                eprintln!("{failure}");
                missing = true;
            }
        }
    }
    match missing {
        true => Err(Failure::Failed(String::new())),
        false => Ok(()),
    }
}

/// An installed server, or one that is fetched, told on stderr, with a bar on a terminal.
pub(super) async fn obtain(major: Option<u16>) -> Result<Installation, Failure> {
    tokio::task::spawn_blocking(move || {
        let bar = ProgressBar::new(1000);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent} %, {elapsed}") {
            bar.set_style(style);
        }
        let obtained = postgres::obtain(major, &mut |fetching| match fetching {
            Fetching::Begins(text) | Fetching::Failed(text) => bar.suspend(|| eprintln!("{text}")),
            Fetching::At(thousandths) => bar.set_position(thousandths),
        });
        bar.finish_and_clear();
        obtained.map_err(failed)
    })
    .await
    .map_err(failed)?
}
