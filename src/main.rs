//! Arguments, logging, runtime, one dispatch, one exit code.

use std::process::ExitCode;

use clap::Parser;
use deskie_cdc::cli::{Arguments, start_logging};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(&arguments);
    deskie_cdc::postgres::install_tls_provider();
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
