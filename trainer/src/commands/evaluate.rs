//! `trainer evaluate`: how good a model is, in float and in integers.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use converter::record::SplitRecord;
use inkling_data::corrupt::Corruption;
use inkling_data::prepare::InputForm;
use inkling_data::read::{Collection, outside};
use inkling_data::strange::{Kind, Strange};
use inkling_data::{Dataset, fingerprint};
use inkling_support::files::write_atomically;
use inkling_support::{console, stage};
use trainer::ask::evaluation::{Damage, Evaluation};
use trainer::ask::metrics::Scores;
use trainer::ask::model::{Model, Probabilities};
use trainer::ask::unknown::UnknownScores;

use super::data::{self, ImportArgs};

/// Scores a model on labelled images, its float and its int8 network side by side.
///
/// Accuracy with its 95 % interval, precision, recall and F1 per class, top-2, calibration error,
/// confusion matrix and the surest mistakes. --html writes a page with pictures and plots that
/// needs no network, --json the same for machines.
#[derive(Args)]
pub struct EvaluateCommand {
    /// Folder of the model
    #[arg(long, value_name = "DIR", default_value = "models/simple")]
    model: PathBuf,
    /// The data set: IDX files, a CSV file, or a folder per label with pictures
    #[arg(long, value_name = "DATA", default_value = "data/mnist")]
    data: PathBuf,
    /// Which of its images; of a data set without a test set those that the model's training set
    /// aside
    #[arg(long, value_enum, default_value_t)]
    part: Part,
    /// Chooses the damage of --corrupt, and the test images where neither data set nor model say
    /// which they are [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Use at most so many images, evenly spaced
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Also damage the images by noise, blur, shift, rotation, occlusion and weak contrast, each input on
    /// its own where there are several; what is one row gets noise
    #[arg(long)]
    corrupt: bool,
    /// Samples of something else, in a folder or as a data set of any form: how many of them a model
    /// refuses that says "none of these"; may be given several times
    #[arg(long, value_name = "DATA")]
    unknown: Vec<PathBuf>,
    /// Write the scores as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report as one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Part {
    #[default]
    Test,
    Train,
    All,
}

/// Images that --corrupt damages in each of its ways.
const DAMAGED: usize = 2000;

/// Samples of each kind that are made of the images.
const MADE: usize = 2000;

/// Their place among those of a seed: no training has it.
const EVALUATION: u64 = 1 << 23;

pub fn run(args: &EvaluateCommand) -> Result<()> {
    let model = Model::open(&args.model)?;
    let images = images(args, &model)?;
    let scores = |probabilities: Probabilities| {
        let mut scores = Scores::new(&model.names, &images.labels, &probabilities);
        scores.name_sources(&images);
        scores
    };
    stage::show(format_args!("answering {} images", images.len()));
    let float = model.float_probabilities(&images)?.map(scores);
    let int8 = scores(model.int8_probabilities(&images)?);
    let unknown = UnknownScores::measure(&model, &images, strange(args, &model, &images)?)?;
    let damage = if args.corrupt { damage(args, &model, &images)? } else { Vec::new() };
    let evaluation = Evaluation {
        model: model.name.clone(),
        data: args.data.display().to_string(),
        part: format!("{:?}", args.part).to_lowercase(),
        float,
        int8,
        unknown,
        damage,
    };
    if let Some(path) = &args.json {
        write_atomically(path, evaluation.json().context("the scores as JSON")?.as_bytes())?;
    }
    if let Some(path) = &args.html {
        write_atomically(path, evaluation.html(&images).as_bytes())?;
    }
    let mut text = evaluation.text();
    for path in args.json.iter().chain(&args.html) {
        text.push_str(&format!("written: {}\n", path.display()));
    }
    console::print(&text);
    Ok(())
}

fn images(args: &EvaluateCommand, model: &Model) -> Result<Dataset> {
    let split = model.record.split.as_ref();
    let seed = split.map_or_else(|| args.seed.unwrap_or(0), |split| split.seed);
    let collection = data::open(&args.data, &args.import.options_for(Some(&model.record), seed))?;
    let notes: String = collection.notes.iter().map(|note| format!("data: {note}\n")).collect();
    console::print(&notes);
    if args.part == Part::Test && !collection.test_given {
        check_split(args, split, &collection)?;
    }
    let mut images = match args.part {
        Part::Test => collection.test,
        Part::Train => collection.train,
        Part::All => collection.train.joined(&collection.test)?,
    };
    model.relabel(&mut images)?;
    Ok(images.spaced(limit(args)))
}

/// The most images of a data set that are used.
fn limit(args: &EvaluateCommand) -> usize {
    args.limit.map_or(usize::MAX, |limit| limit as usize)
}

/// Makes sure that test images which were set aside just now are those that the model's training
/// set aside: any others it may have learned.
fn check_split(
    args: &EvaluateCommand,
    split: Option<&SplitRecord>,
    collection: &Collection,
) -> Result<()> {
    let Some(split) = split else {
        console::note(
            "warning: the model does not say what it was trained on; test images that are chosen \
             here may be among them",
        );
        return Ok(());
    };
    ensure!(
        fingerprint(collection, split.seed) == split.sha256,
        "{}: has no test set, and it is not the data set that the model was trained on ({}, as it \
         was then): images chosen here could be among those that it learned. --part all evaluates \
         all of them; a data set of its own has them in a folder test",
        args.data.display(),
        split.data
    );
    if let Some(seed) = args.seed.filter(|seed| *seed != split.seed) {
        console::note(format_args!(
            "warning: --seed {seed} chooses no test images: those of the model's training (seed {}) \
             are evaluated, all others it has learned",
            split.seed
        ));
    }
    Ok(())
}

/// Samples of something else: what is made of the images, and what was given.
fn strange(
    args: &EvaluateCommand,
    model: &Model,
    images: &Dataset,
) -> Result<Vec<(String, Dataset)>> {
    if model.unknown.is_none() {
        ensure!(
            args.unknown.is_empty(),
            "--unknown: {} does not say \"none of these\"; a recipe with the section [unknown], such as \
             --recipe unknown, makes a model that does",
            args.model.display()
        );
        return Ok(Vec::new());
    }
    let sources = (0..images.len()).collect();
    let made = Strange::new(Arc::new(images.clone()), sources, &Kind::ALL, None)
        .map_err(|what| anyhow!("{}: {what}", args.data.display()))?;
    let seed = args.seed.unwrap_or(0);
    let mut all = Vec::new();
    for kind in made.kinds() {
        let samples = made.samples_of(kind, images.len().min(MADE), seed, EVALUATION);
        all.push((kind.name().to_string(), samples));
    }
    let form = model.record.preparation().form.unwrap_or(InputForm::Bytes);
    let options = args.import.options_for(Some(&model.record), seed);
    for path in &args.unknown {
        let samples = outside::open(path, &form, model.shape(), &options)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        all.push((name.into_owned(), samples.spaced(limit(args))));
    }
    Ok(all)
}

fn damage(args: &EvaluateCommand, model: &Model, images: &Dataset) -> Result<Vec<Damage>> {
    let images = images.spaced(DAMAGED);
    ensure!(!images.is_empty(), "{}: no images to damage", args.data.display());
    let mut rows = Vec::new();
    let accuracy = |probabilities: Vec<Vec<f32>>| {
        Scores::new(&model.names, &images.labels, &probabilities).accuracy
    };
    for (input, shape, places) in images.parts() {
        let side = shape[0].min(shape[1]);
        let kinds = Corruption::ALL.into_iter().filter(|kind| kind.suits(shape));
        for (kind, strength) in kinds.flat_map(|kind| kind.strengths(side).map(|s| (kind, s))) {
            let count = images.len();
            stage::show(format_args!("answering {count} images: {} {strength}", kind.name()));
            let part = (shape, places.clone());
            let damaged = kind.apply_to(&images, part, strength, args.seed.unwrap_or(0));
            rows.push(Damage {
                kind,
                input: input.to_string(),
                strength,
                images: count,
                float: model.float_probabilities(&damaged)?.map(accuracy),
                int8: accuracy(model.int8_probabilities(&damaged)?),
                shape,
                example: damaged.image(0)[places.clone()].to_vec(),
            });
        }
    }
    Ok(rows)
}
