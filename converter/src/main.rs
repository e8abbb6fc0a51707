//! The command line of the converter.

mod cli;
mod library;

use std::process::ExitCode;

use inkling_support::console;

fn main() -> ExitCode {
    console::exit_code(cli::run())
}
