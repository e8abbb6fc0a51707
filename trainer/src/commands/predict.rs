//! `trainer predict`: what the int8 network sees in picture files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use inkling_data::Dataset;
use inkling_data::prepare::Plane;
use inkling_data::read::{Tile, is_picture};
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::ask::model::{Model, NONE_OF_THESE};
use trainer::tell::report;

use super::data::PictureArgs;
use super::sample::{self, Asked, InputArgs};

/// Says what is on photos, scans or screenshots, with the integers that a device computes.
///
/// Each picture (PNG, JPEG, BMP, GIF or WebP, any size, grey or colour, light or dark ink) is prepared the way
/// MNIST was made, step by step: the ground is taken off, the ink stretched, boxed and centred.
/// Layout and ink are those of the model's training. What is no picture, or blank, is refused; the
/// exit code then is 1. A model that learned it says "none of these". A model of several inputs, of sensors or
/// of other numbers takes --input NAME=FILE for each of its inputs.
#[derive(Args)]
pub struct PredictCommand {
    /// The pictures, or folders of pictures
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Folder of the model
    #[arg(long, value_name = "DIR", default_value = "models/simple")]
    model: PathBuf,
    #[command(flatten)]
    picture: PictureArgs,
    /// Write every step of the preparation as PNG files into this folder
    #[arg(long, value_name = "DIR")]
    steps: Option<PathBuf>,
    /// One line per picture
    #[arg(long)]
    brief: bool,
}

pub fn run(args: &PredictCommand) -> Result<()> {
    sample::either(&args.images, &args.input)?;
    let model = Model::open(&args.model)?;
    if args.input.are_given() {
        let asked = args.input.read(&model, args.picture)?;
        console::print(&answer(args, &model, &asked)?);
        return write_steps(args, 0, &asked);
    }
    let taking = sample::of_pictures(&model, args.picture)?;
    let mut paths = Vec::new();
    for path in &args.images {
        collect(path, &mut paths)?;
    }
    let mut refused = 0;
    for (index, path) in paths.iter().enumerate() {
        match Asked::picture(path, &taking) {
            Ok(asked) => {
                console::print(&answer(args, &model, &asked)?);
                write_steps(args, index, &asked)?;
            }
            Err(what) => {
                refused += 1;
                console::note(format_args!("{}: {what}", path.display()));
            }
        }
    }
    if refused > 0 {
        bail!("{refused} of {} pictures refused", paths.len());
    }
    Ok(())
}

/// The pictures of a folder and of the folders in it; any other path is a picture, or for its reading to
/// refuse.
fn collect(path: &Path, pictures: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        pictures.push(path.to_path_buf());
        return Ok(());
    }
    let before = pictures.len();
    collect_folder(path, pictures)?;
    ensure!(
        pictures.len() > before,
        "{}: no picture (PNG, JPEG, BMP, GIF or WebP) is in this folder",
        path.display()
    );
    Ok(())
}

/// In the order of their names; what is hidden or no picture is left out.
fn collect_folder(folder: &Path, pictures: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("{}: cannot be read", folder.display());
    let mut entries = Vec::new();
    for entry in folder.read_dir().with_context(failed)? {
        entries.push(entry.with_context(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        if entry.file_name().unwrap_or_default().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.is_dir() {
            collect_folder(&entry, pictures)?;
        } else if is_picture(&entry) {
            pictures.push(entry);
        }
    }
    Ok(())
}

fn answer(args: &PredictCommand, model: &Model, asked: &Asked) -> Result<String> {
    let one = Dataset::new(model.shape(), asked.bytes.clone(), vec![0], model.names.clone());
    let logits = model.int8_logits(&one)?.concat();
    let probabilities = model.probabilities(&logits);
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| logits[b].cmp(&logits[a]).then(a.cmp(&b)));
    let named =
        |class: &usize| format!("{} ({:.1} %)", model.names[*class], 100.0 * probabilities[*class]);
    let answer = model.answer(&logits);
    let first = order.iter().position(|class| *class == answer.class).unwrap_or(0);
    order[..=first].rotate_right(1);
    let rest: Vec<String> = order.iter().skip(1).take(2).map(named).collect();
    let unsure = if probabilities[order[0]] < model.unsure() { ", unsure" } else { "" };
    let said = match answer.refused {
        true => format!("{NONE_OF_THESE}; nearest is {}", named(&order[0])),
        false => named(&order[0]) + unsure,
    };
    let mut text = format!("{}: {said}; then {}\n", asked.title, rest.join(", "));
    if args.brief {
        return Ok(text);
    }
    for (name, read, prepared) in &asked.inputs {
        if !name.is_empty() {
            let _ = writeln!(text, "  input   {name}");
        }
        let _ = writeln!(text, "  read    {read}");
        let (steps, warnings) = prepared
            .as_ref()
            .map_or((&[][..], &[][..]), |prepared| (&prepared.steps[..], &prepared.warnings[..]));
        for step in steps {
            let _ = writeln!(text, "  {:<7} {}", step.name, step.what);
        }
        for warning in warnings {
            let _ = writeln!(text, "  note    {warning}");
        }
    }
    let logits: Vec<String> =
        model.names.iter().zip(&logits).map(|(name, logit)| format!("{name}: {logit}")).collect();
    let _ = writeln!(text, "  logits  {}", logits.join("  "));
    for line in model.other_outputs_text(&asked.bytes)? {
        let _ = writeln!(text, "  output  {line}");
    }
    for (_, shape, places) in model.parts() {
        let grey = Plane::from_sample(shape, &asked.bytes[places]).pixels;
        text.push_str(&report::text_picture(&grey, shape[1], "          "));
    }
    Ok(text)
}

/// Writes the pictures of the steps as `<index>-<name>-<step>-<step's name>.png`, where they are asked for.
fn write_steps(args: &PredictCommand, index: usize, asked: &Asked) -> Result<()> {
    let Some(folder) = &args.steps else { return Ok(()) };
    for (input, _, prepared) in &asked.inputs {
        let title = if input.is_empty() { &asked.title } else { input };
        let stem = Path::new(title).file_stem().unwrap_or_default().to_string_lossy();
        let steps = prepared.iter().flat_map(|prepared| &prepared.steps);
        for (number, step) in steps.enumerate() {
            let name = format!("{:02}-{stem}-{}-{}.png", index + 1, number + 1, step.name);
            let picture: &Plane = &step.picture;
            // What has the network's size is shown large.
            let times = (280 / picture.height.max(picture.width)).max(1);
            write_atomically(
                &folder.join(name),
                &report::png(&Tile::from(picture.clone()).enlarged(times).picture()),
            )?;
        }
    }
    Ok(())
}
