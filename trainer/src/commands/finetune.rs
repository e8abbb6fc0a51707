//! `trainer finetune`: goes on from a trained model.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};
use clap::Args;
use converter::passes::{PerChannel, PixelScale};
use converter::record::ModelRecord;
use inkling_support::digest::sha256;
use trainer::line::job::{Pretrained, Rates, Source};

use super::data::disagree;
use crate::cli::RunArgs;

/// Goes on training from a model's weights, on other images or other classes.
///
/// The model is an ONNX file of this trainer, of PyTorch, Keras or anything else that the converter
/// reads. Where the data has another number of classes the last layer is replaced by a new one. The
/// rest is as in training: a recipe, integers, their proof, a summary.
#[derive(Args)]
pub struct FinetuneCommand {
    /// The model: an .onnx file, or a folder with a float.onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Keep the weights of so many of the first layers that have weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    freeze: usize,
    /// Each layer learns so much slower than the one behind it: 1 for all alike, 0.5 for half
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    layer_decay: f32,
    /// Begin with a new last layer even if the number of classes is the model's
    #[arg(long)]
    new_head: bool,
    /// What the model's training divided pixels by: 255 for 0…1, 1 for raw pixels [default: the
    /// model's, or 255]
    #[arg(long)]
    pixel_divisor: Option<f32>,
    /// What it then subtracted, one number or one per channel [default: the model's, or 0]
    #[arg(long, allow_hyphen_values = true)]
    mean: Option<PerChannel>,
    /// What it then divided by, one number or one per channel [default: the model's, or 1]
    #[arg(long)]
    deviation: Option<PerChannel>,
    #[command(flatten)]
    run: RunArgs,
}

pub fn run(args: FinetuneCommand) -> Result<()> {
    let path = if args.model.is_dir() { args.model.join("float.onnx") } else { args.model.clone() };
    let record = record(&path)?;
    let recorded = record.as_ref().and_then(ModelRecord::pixel_scale);
    let of_inputs = record.as_ref().map(ModelRecord::pixel_scales).unwrap_or_default();
    ensure!(
        of_inputs.windows(2).all(|pair| pair[0] == pair[1]),
        "{}: its inputs are scaled in different ways, which going on to train does not do",
        path.display()
    );
    let plain = recorded.clone().unwrap_or_default();
    let pixels = PixelScale {
        divisor: args.pixel_divisor.unwrap_or(plain.divisor),
        mean: args.mean.unwrap_or(plain.mean),
        deviation: args.deviation.unwrap_or(plain.deviation),
    };
    pixels.check().map_err(Error::msg)?;
    ensure!(
        args.layer_decay > 0.0 && args.layer_decay <= 1.0,
        "--layer-decay {}: must be above 0 and at most 1",
        args.layer_decay
    );
    let rates = Rates { frozen: args.freeze, decay: args.layer_decay };
    let labels = record.as_ref().map(|record| record.labels.clone()).unwrap_or_default();
    if let Some(recorded) = recorded.filter(|recorded| *recorded != pixels) {
        let words = |scale: &PixelScale| {
            format!("divisor {}, mean {}, deviation {}", scale.divisor, scale.mean, scale.deviation)
        };
        disagree("pixels with", &words(&pixels), &words(&recorded));
    }
    let source = Source::Model(Pretrained { path, pixels, new_head: args.new_head, labels, rates });
    args.run.start(source, "finetuned", record.as_ref())
}

/// What the model's file says of it, or what lies beside it.
fn record(path: &Path) -> Result<Option<ModelRecord>> {
    let named = || path.display().to_string();
    let onnx = fs::read(path).with_context(|| format!("{}: cannot be read", named()))?;
    if let Some(record) = ModelRecord::of_onnx(&onnx).with_context(named)? {
        return Ok(Some(record));
    }
    // A file that this project wrote has its record inside; another's may have one beside it.
    let beside = ModelRecord::of_folder(path.parent().unwrap_or(Path::new("")))?;
    let is_about_this = |record: &ModelRecord| {
        record.source.as_ref().is_some_and(|source| source.sha256 == sha256([&onnx[..]]))
    };
    Ok(beside.filter(is_about_this))
}
