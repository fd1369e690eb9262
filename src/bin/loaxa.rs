//! The center's program: arguments in, exit code out.

use std::process::ExitCode;

// With the boards' code at hand there is one command more.
#[cfg(not(feature = "controller"))]
use clap::Parser as _;
#[cfg(not(feature = "controller"))]
use loaxa::center::cli;
#[cfg(feature = "controller")]
use loaxa::simulate::cli;

fn main() -> ExitCode {
    match cli::main(cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("loaxa: {message}");
            ExitCode::FAILURE
        }
    }
}
