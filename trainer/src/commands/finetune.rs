//! `trainer finetune`: goes on from a trained model.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use converter::passes::PixelScale;
use trainer::line::job::{Pretrained, Rates, Source};

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
    /// What the model's training divided pixels by: 255 for 0…1, 1 for raw pixels
    #[arg(long, default_value_t = 255.0)]
    pixel_divisor: f32,
    /// What it then subtracted
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    mean: f32,
    /// What it then divided by
    #[arg(long, default_value_t = 1.0)]
    deviation: f32,
    #[command(flatten)]
    run: RunArgs,
}

pub fn run(args: FinetuneCommand) -> Result<()> {
    let pixels =
        PixelScale { divisor: args.pixel_divisor, mean: args.mean, deviation: args.deviation };
    ensure!(
        [pixels.divisor, pixels.deviation].iter().all(|x| x.is_normal() && *x > 0.0)
            && pixels.mean.is_finite(),
        "--pixel-divisor and --deviation must be above 0 and --mean finite"
    );
    ensure!(
        args.layer_decay > 0.0 && args.layer_decay <= 1.0,
        "--layer-decay {}: must be above 0 and at most 1",
        args.layer_decay
    );
    let path = if args.model.is_dir() { args.model.join("float.onnx") } else { args.model };
    let rates = Rates { frozen: args.freeze, decay: args.layer_decay };
    let source = Source::Model(Pretrained { path, pixels, new_head: args.new_head, rates });
    args.run.start(source, "finetuned")
}
