//! The program; all of it is in the library.

fn main() -> std::process::ExitCode {
    deskie_cdc::cli::main()
}
