//! `converter inspect`: what a file holds and where it has room.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use converter::inspect::{BOARDS, Inspection};
use converter::{Converter, Favour, qdq, tflite};
use inkling_support::console;

use converter::source::Source;

use super::arguments::FavourArg;

/// Lists the layers of a model, what they cost, and the boards it fits on; converts nothing.
#[derive(Args)]
pub struct InspectArgs {
    /// A model that can be converted: ONNX or .tflite, float or quantized
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Boards to look at, by their folders' names [default: all]
    #[arg(long, value_name = "NAME", value_parser = board)]
    board: Vec<String>,
    /// What its code is to spare: time, with whole images between the layers, or memory, with a few rows of
    /// them
    #[arg(long, value_name = "time|memory", default_value = "time")]
    favour: FavourArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A board's name, as an option has it.
pub fn board(name: &str) -> Result<String, String> {
    match BOARDS.iter().any(|board| board.name == name) {
        true => Ok(name.to_string()),
        false => {
            let names: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
            Err(format!("there is no such board; there are {}", names.join(", ")))
        }
    }
}

pub fn run(args: &InspectArgs) -> Result<()> {
    let mut inspection = of_file(&args.model, args.favour.into())?;
    if !args.board.is_empty() {
        inspection.boards.retain(|fit| args.board.iter().any(|name| name == fit.board));
    }
    console::print(&if args.json { inspection.to_json() } else { inspection.to_text() });
    Ok(())
}

/// Looks at a file of any form that converts.
fn of_file(path: &Path, favour: Favour) -> Result<Inspection> {
    let at_file = || path.display().to_string();
    if path.is_dir() {
        bail!("{}: a folder; give the model's file in it", path.display());
    }
    let source = Source::read(path).with_context(at_file)?;
    let mut pixels = Vec::new();
    let network = match &source {
        Source::Tflite(bytes) => tflite::import(bytes).with_context(at_file)?.network,
        Source::Quantized(onnx) => qdq::import(onnx).with_context(at_file)?.network,
        Source::Float { onnx, .. } => {
            let sketch = Converter::new("model", onnx).sketch_with_pixels();
            let (network, of_inputs) = sketch.with_context(at_file)?;
            pixels = of_inputs;
            network
        }
    };
    Ok(Inspection::new_for(source.name(), &network, favour).with_pixels(&pixels))
}
