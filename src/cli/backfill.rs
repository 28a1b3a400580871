//! `backfill`: not there yet.

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub(super) async fn run(
    _config: &crate::config::Config,
    _arguments: &Arguments,
) -> Result<(), super::Failure> {
    Err(super::failed(
        "backfill is not there yet: tickets from before the connector follow when their customer writes again",
    ))
}
