//! `converter inspect`: what a file holds and where it has room.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use converter::inspect::{BOARDS, Inspection};
use converter::{Converter, qdq, read, tflite};
use inkling_support::console;

/// Lists the layers of a model, what they cost, and the boards it fits on; converts nothing.
#[derive(Args)]
pub struct InspectArgs {
    /// A model that can be converted: float ONNX, int8 .tflite or quantized
    /// ONNX
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Boards to look at, by their folders' names [default: all]
    #[arg(long, value_name = "NAME", value_parser = board)]
    board: Vec<String>,
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
    let mut inspection = of_file(&args.model)?;
    if !args.board.is_empty() {
        inspection.boards.retain(|fit| args.board.iter().any(|name| name == fit.board));
    }
    console::print(&if args.json { inspection.to_json() } else { inspection.to_text() });
    Ok(())
}

/// Looks at a file of any form that converts.
fn of_file(path: &Path) -> Result<Inspection> {
    let at_file = || path.display().to_string();
    if path.is_dir() {
        bail!("{}: a folder; give the model's file in it", path.display());
    }
    let bytes = fs::read(path).with_context(at_file)?;
    if tflite::is_tflite(&bytes) && tflite::is_float(&bytes).with_context(at_file)? {
        let onnx = tflite::to_onnx(&bytes).with_context(at_file)?;
        let network = Converter::new("model", &onnx).sketch().with_context(at_file)?;
        return Ok(Inspection::new("float .tflite", &network));
    }
    if tflite::is_tflite(&bytes) {
        let imported = tflite::import(&bytes).with_context(at_file)?;
        return Ok(Inspection::new("int8 .tflite", &imported.network));
    }
    let onnx = read::load(path).with_context(at_file)?;
    if read::File::decode(&onnx).is_ok_and(|file| qdq::is_quantized(&file)) {
        let imported = qdq::import(&onnx).with_context(at_file)?;
        return Ok(Inspection::new("quantized ONNX", &imported.network));
    }
    let network = Converter::new("model", &onnx).sketch().with_context(at_file)?;
    Ok(Inspection::new("float ONNX", &network))
}
