//! The command line of the trainer.

mod cli;
mod commands;

use std::process::ExitCode;

use inkling_support::console;

fn main() -> ExitCode {
    console::exit_code(cli::run())
}
