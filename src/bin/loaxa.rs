//! The center's program: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use loaxa::center::cli;

fn main() -> ExitCode {
    match cli::main(cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("loaxa: {message}");
            ExitCode::FAILURE
        }
    }
}
