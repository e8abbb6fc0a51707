//! What was typed, and the work it stands for.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};
use converter::record::ModelRecord;
use inkling_data::read::Options;
use inkling_support::shell::typed;
use inkling_support::{console, names};
use trainer::learn::backend::Choice;
use trainer::learn::network::{Description, PRESETS};
use trainer::learn::recipe::Recipe;
use trainer::learn::unknown::UnknownWish;
use trainer::line::SAMPLES;
use trainer::line::job::{Job, Source};

use crate::commands::augment::AugmentCommand;
use crate::commands::compare::CompareCommand;
use crate::commands::data::ImportArgs;
use crate::commands::evaluate::EvaluateCommand;
use crate::commands::explain::ExplainCommand;
use crate::commands::finetune::FinetuneCommand;
use crate::commands::import::ImportCommand;
use crate::commands::inspect::InspectCommand;
use crate::commands::play::PlayCommand;
use crate::commands::predict::PredictCommand;
use crate::commands::sweep::SweepCommand;
use crate::commands::{
    augment, compare, data, evaluate, explain, finetune, import, inspect, play, predict, sweep,
};

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
    Compare(CompareCommand),
    Evaluate(EvaluateCommand),
    Explain(ExplainCommand),
    Finetune(FinetuneCommand),
    Import(ImportCommand),
    Inspect(InspectCommand),
    Play(PlayCommand),
    Predict(PredictCommand),
    Sweep(SweepCommand),
    /// The same as no command: trains, quantizes, proves, reports
    Train(TrainArgs),
}

#[derive(Args)]
struct TrainArgs {
    /// What to train: "simple", "photo", "drawing", "recordings", "vector", "tiny", "separable",
    /// "resnet-mini", "dense-mini", or a TOML file that describes a network [default: "simple"; "photo" for
    /// pictures in colour or with a light border, "drawing" for dark strokes on light paper, "recordings"
    /// for several sensors over time, "vector" for rows of numbers]
    #[arg(long, value_name = "NAME|FILE")]
    network: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

/// The options of every run that trains
#[derive(Args)]
pub struct RunArgs {
    /// The data set: a folder per label with PNG, JPEG, BMP, GIF or WebP files; IDX files named as
    /// MNIST's, raw or .gz; a CSV file; .npy or .npz arrays; recordings of sensors; or an archive of these
    #[arg(long, value_name = "DATA", default_value = "data/mnist")]
    data: PathBuf,
    #[command(flatten)]
    import: ImportArgs,
    /// Train on at most so many images of each class
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_class: Option<u32>,
    /// How to train: "default"; "best", long and the most exact for MNIST; "article" for plain SGD with
    /// rate 0.01 and batch 64; "fashion" for Fashion-MNIST; "unknown" for characters that other
    /// things are to be told from; "finetune" for small steps; or a TOML
    /// file [default: "default", and "finetune" for finetune]
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// Pictures of something else, in a folder or as a data set of any form: the model learns to answer
    /// "none of these" to them and to samples made of the data, as the section [unknown] of a recipe
    /// says; may be given several times
    #[arg(long, value_name = "DATA")]
    unknown: Vec<PathBuf>,
    /// Passes over the training images [default: the recipe's, and more for few images]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: Option<u32>,
    /// Let images of rare classes count more in the loss: 1 for all classes alike, 0 for all images
    /// alike [default: the recipe's]
    #[arg(long, value_name = "0-1")]
    balance: Option<f32>,
    /// Decides initial weights, validation images, order and augmentation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Name of the network in the files [default: the network's own, or "finetuned"]
    #[arg(long)]
    name: Option<String>,
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
    let Some(cli) = parse() else { return Ok(()) };
    match cli.command {
        Some(Command::Augment(args)) => augment::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Evaluate(args)) => evaluate::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Finetune(args)) => finetune::run(args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Play(args)) => play::run(&args),
        Some(Command::Predict(args)) => predict::run(&args),
        Some(Command::Sweep(args)) => sweep::run(args),
        Some(Command::Train(args)) => train(args),
        None => train(cli.train),
    }
}

/// What was typed; nothing if that was a question, which is answered then.
fn parse() -> Option<Cli> {
    match Cli::try_parse() {
        Ok(cli) => Some(cli),
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => {
            console::print(&help.render().to_string());
            None
        }
    }
}

fn train(args: TrainArgs) -> Result<()> {
    let Some(network) = &args.network else {
        let (name_given, out_given) = (args.run.name.is_some(), args.run.out.is_some());
        return args.run.start(Source::Usual { name_given, out_given }, PRESETS[0].0, None);
    };
    let network = Description::named(network)?;
    let name = network.name.clone();
    args.run.start(Source::Description(network), &name, None)
}

impl RunArgs {
    /// Runs the job; `name` is the network's unless the command line says another, `record` that of
    /// the model to go on from.
    pub fn start(self, source: Source, name: &str, record: Option<&ModelRecord>) -> Result<()> {
        let name = self.name.unwrap_or_else(|| name.to_string());
        names::check(&name).map_err(|what| anyhow!("--name {name:?}: {what}"))?;
        let usual = match source {
            Source::Description(_) | Source::Usual { .. } => "default",
            Source::Model(_) => "finetune",
        };
        let mut recipe = Recipe::open(self.recipe.as_deref().unwrap_or(usual))?;
        if let Some(epochs) = self.epochs {
            recipe.epochs = epochs as usize;
            recipe.least_steps = 0;
        }
        if let Some(balance) = self.balance {
            recipe.balance = balance;
            recipe.check().map_err(|what| anyhow!("--balance: {what}"))?;
        }
        if !self.unknown.is_empty() {
            recipe.unknown.get_or_insert_with(UnknownWish::default);
        }
        let out = self.out.unwrap_or_else(|| PathBuf::from("target/inkling").join(&name));
        let import = self.import.options_for(record, self.seed);
        let job = Job {
            import: Options { cache: Some(out.with_file_name(SAMPLES)), ..import },
            out,
            trained_on: record.and_then(|record| record.split.clone()),
            typed: typed(
                std::env::args().skip(1),
                &["--out", "--ort-lib", "--memory"],
                &["--resume"],
            ),
            data: self.data,
            per_class: self.per_class.map(|count| count as usize),
            unknown: self.unknown,
            name,
            source,
            recipe_given: self.recipe.is_some(),
            recipe,
            seed: self.seed,
            resume: self.resume,
            threads: self.threads.map(usize::from),
            backend: self.backend,
            ort_lib: self.ort_lib,
        };
        let result = job.run();
        if let Err(error) = &result {
            data::list_bad(error);
        }
        result
    }
}
