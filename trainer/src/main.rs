//! The command line of the trainer.

mod cli;
mod commands;

use std::process::ExitCode;

use inkling_support::console;
use trainer::learn::backend::probe;

fn main() -> ExitCode {
    match probe::answer() {
        Some(answer) => answer,
        None => console::exit_code(cli::run()),
    }
}
