//! `trainer compare`: finished models beside each other.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::line::compare::Comparison;

/// Puts finished models beside each other: accuracy, bytes, work, and what differs in their recipes.
///
/// --html also lays their learning curves over each other and draws the networks.
#[derive(Args)]
pub struct CompareCommand {
    /// Folders of models that the trainer or the converter wrote, two or more
    #[arg(value_name = "DIR", required = true, num_args = 2..)]
    models: Vec<PathBuf>,
    /// Write a report as one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub fn run(args: &CompareCommand) -> Result<()> {
    let comparison = Comparison::open(&args.models)?;
    let mut text = comparison.text();
    if let Some(path) = &args.html {
        write_atomically(path, comparison.html().as_bytes())?;
        text.push_str(&format!("\nwritten: {}\n", path.display()));
    }
    console::print(&text);
    Ok(())
}
