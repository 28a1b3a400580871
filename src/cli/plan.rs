//! `plan`

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub(super) async fn run(
    _config: &crate::config::Config,
    _arguments: &Arguments,
) -> Result<(), super::Failure> {
    Err(super::failed("this command is not there yet"))
}
