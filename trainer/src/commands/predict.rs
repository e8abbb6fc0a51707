//! `trainer predict`: what the int8 network sees in picture files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use inkling_data::Dataset;
use inkling_data::prepare::{Layout, Plane, Polarity, Preparation, Prepared};
use inkling_data::read::read_picture;
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::ask::model::Model;
use trainer::tell::report;

/// Below this probability an answer is called unsure.
const UNSURE: f32 = 0.6;

/// Says what is on photos, scans or screenshots, with the integers that a device computes.
///
/// Each picture (PNG, JPEG or BMP, any size, grey or colour, light or dark ink) is prepared the way
/// MNIST was made, step by step: the ground is taken off, the ink stretched, boxed and centred.
/// What is no picture, or blank, is refused; the exit code then is 1.
#[derive(Args)]
pub struct PredictCommand {
    /// The pictures
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Folder of the model
    #[arg(long, value_name = "DIR", default_value = "models/simple")]
    model: PathBuf,
    /// What part of a picture becomes the image
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// Whether the ink is lighter or darker than its ground
    #[arg(long, value_enum, default_value_t)]
    ink: Polarity,
    /// Write every step of the preparation as PNG files into this folder
    #[arg(long, value_name = "DIR")]
    steps: Option<PathBuf>,
    /// One line per picture
    #[arg(long)]
    brief: bool,
}

pub fn run(args: &PredictCommand) -> Result<()> {
    let model = Model::open(&args.model)?;
    let mut refused = 0;
    for (index, path) in args.images.iter().enumerate() {
        match prepare(path, &model, args.layout, args.ink) {
            Ok((read, prepared)) => {
                let text = answer(args, &model, path, &read, &prepared)?;
                console::print(&text);
                if let Some(folder) = &args.steps {
                    write_steps(folder, index, path, &prepared)?;
                }
            }
            Err(what) => {
                refused += 1;
                console::note(format_args!("{}: {what}", path.display()));
            }
        }
    }
    if refused > 0 {
        bail!("{refused} of {} pictures refused", args.images.len());
    }
    Ok(())
}

/// Reads and prepares a picture for a model; also returns how it was read, in words. The error is
/// one line without the path.
pub fn prepare(
    path: &Path,
    model: &Model,
    layout: Layout,
    polarity: Polarity,
) -> Result<(String, Prepared), String> {
    if model.height != model.width {
        return Err(format!(
            "cannot be prepared: the model takes {}×{}, and pictures become squares",
            model.height, model.width
        ));
    }
    let picture = read_picture(path)?;
    let prepared = Preparation { size: model.height, layout, polarity }.apply(&picture.plane)?;
    let [height, width] = picture.size;
    let mut read =
        format!("{width}×{height} pixels, {}", if picture.colour { "colour" } else { "grey" });
    if picture.plane.width != width {
        let _ = write!(read, ", brought down to {}×{}", picture.plane.width, picture.plane.height);
    }
    Ok((read, prepared))
}

fn answer(
    args: &PredictCommand,
    model: &Model,
    path: &Path,
    read: &str,
    prepared: &Prepared,
) -> Result<String> {
    let one = Dataset::new(model.shape(), prepared.pixels.clone(), vec![0], model.names.clone());
    let logits = model.int8_logits(&one)?.concat();
    let probabilities = model.int8_probabilities(&one)?.concat();
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| logits[b].cmp(&logits[a]).then(a.cmp(&b)));
    let named =
        |class: &usize| format!("{} ({:.1} %)", model.names[*class], 100.0 * probabilities[*class]);
    let rest: Vec<String> = order.iter().skip(1).take(2).map(named).collect();
    let unsure = if probabilities[order[0]] < UNSURE { ", unsure" } else { "" };
    let mut text =
        format!("{}: {}{unsure}; then {}\n", path.display(), named(&order[0]), rest.join(", "));
    if args.brief {
        return Ok(text);
    }
    let _ = writeln!(text, "  read    {read}");
    for step in &prepared.steps {
        let _ = writeln!(text, "  {:<7} {}", step.name, step.what);
    }
    for warning in &prepared.warnings {
        let _ = writeln!(text, "  note    {warning}");
    }
    let logits: Vec<String> =
        model.names.iter().zip(&logits).map(|(name, logit)| format!("{name}: {logit}")).collect();
    let _ = writeln!(text, "  logits  {}", logits.join("  "));
    text.push_str(&report::text_picture(&prepared.pixels, model.width, "          "));
    Ok(text)
}

/// Writes the pictures of the steps as `<index>-<name>-<step>-<step's name>.png`.
fn write_steps(folder: &Path, index: usize, path: &Path, prepared: &Prepared) -> Result<()> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    for (number, step) in prepared.steps.iter().enumerate() {
        let name = format!("{:02}-{stem}-{}-{}.png", index + 1, number + 1, step.name);
        let picture: &Plane = &step.picture;
        // What has the network's size is shown large.
        let times = (280 / picture.height.max(picture.width)).max(1);
        write_atomically(&folder.join(name), &report::png(&picture.enlarged(times).picture()))?;
    }
    Ok(())
}
