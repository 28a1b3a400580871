//! `completions SHELL`: the script by which a shell completes the command line.

use clap::CommandFactory;

use super::Failure;
use super::output::print;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "deskie-cdc", &mut script);
    print(&String::from_utf8_lossy(&script))
}
