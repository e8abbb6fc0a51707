//! What was typed, and the work it stands for.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use trainer::backend::Choice;
use trainer::job::Job;
use trainer::recipe::Recipe;

use crate::commands::augment::AugmentCommand;
use crate::commands::data::ImportArgs;
use crate::commands::evaluate::EvaluateCommand;
use crate::commands::explain::ExplainCommand;
use crate::commands::import::ImportCommand;
use crate::commands::inspect::InspectCommand;
use crate::commands::predict::PredictCommand;
use crate::commands::sweep::SweepCommand;
use crate::commands::{augment, data, evaluate, explain, import, inspect, predict, sweep};

/// Trains an image classifier and turns it into exact integers for a microcontroller.
///
/// Without options: trains the reference network `simple` on the MNIST files in data/mnist, exports
/// it, converts it to int8, proves the integers against tract on every test image, and ends with a
/// table.
#[derive(Parser)]
#[command(name = "trainer", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: TrainArgs,
}

#[derive(Subcommand)]
enum Command {
    Augment(AugmentCommand),
    Evaluate(EvaluateCommand),
    Explain(ExplainCommand),
    Import(ImportCommand),
    Inspect(InspectCommand),
    Predict(PredictCommand),
    Sweep(SweepCommand),
}

#[derive(Args)]
struct TrainArgs {
    /// The data set: IDX files named as MNIST's, raw or .gz; a CSV file of label,pixel,…; or a
    /// folder per label with PNG, JPEG or BMP files
    #[arg(long, value_name = "DATA", default_value = "data/mnist")]
    data: PathBuf,
    #[command(flatten)]
    import: ImportArgs,
    /// How to train: a recipe's name, such as "default", or "article" for plain SGD with rate 0.01
    /// and batch 64; or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    recipe: String,
    /// Passes over the training images [default: the recipe's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: Option<u32>,
    /// Decides initial weights, validation images, order and augmentation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Name of the network in the files
    #[arg(long, default_value = "simple")]
    name: String,
    /// Folder for the results and the checkpoint [default: target/inkling/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the checkpoint in the output folder
    #[arg(long)]
    resume: bool,
    /// Worker threads; part of what the result depends on [default: one per core, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// What runs the training graphs
    #[arg(long, value_enum, default_value_t)]
    backend: Choice,
    /// A library of ONNX Runtime, 1.24 or newer, such as .../libonnxruntime.so.1.24.4
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
}

/// Reads the command line and does what it says.
pub fn run() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Augment(args)) => augment::run(&args),
        Some(Command::Evaluate(args)) => evaluate::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Predict(args)) => predict::run(&args),
        Some(Command::Sweep(args)) => sweep::run(args),
        None => train(cli.train),
    }
}

fn train(args: TrainArgs) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(
        (1..=32).contains(&args.name.len()) && args.name.chars().all(fits),
        "--name {:?}: use 1 to 32 letters, digits, '-' and '_'",
        args.name
    );
    let mut recipe = Recipe::open(&args.recipe)?;
    if let Some(epochs) = args.epochs {
        recipe.epochs = epochs as usize;
    }
    let job = Job {
        out: args.out.unwrap_or_else(|| PathBuf::from("target/inkling").join(&args.name)),
        import: args.import.options(args.seed),
        data: args.data,
        name: args.name,
        recipe,
        seed: args.seed,
        resume: args.resume,
        threads: args.threads.map(usize::from),
        backend: args.backend,
        ort_lib: args.ort_lib,
    };
    let result = job.run();
    if let Err(error) = &result {
        data::list_bad(error);
    }
    result
}
