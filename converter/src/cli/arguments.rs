//! What is asked of a conversion.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use firmware_core::blob::LAYOUTS;

use converter::Favour;
use converter::arena::ArenaPlan;
use converter::passes::{PerChannel, PixelScale};
use converter::quantize::Bits;
use converter::quantized::{QuantizedLayer, QuantizedNetwork};
use converter::record::ModelRecord;
use inkling_data::prepare::{Layout, Polarity};
use inkling_support::{console, names};

use super::inspect;

/// The main job: a model to model.rs, golden.rs, a model card and, from float ONNX, int8.onnx.
#[derive(Args)]
pub struct ConvertArgs {
    /// A float ONNX model from PyTorch, Keras (tf2onnx) or this project's trainer; or a quantized
    /// model, an int8 .tflite or an ONNX file in QDQ or QOperator form, which is taken as it is
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Samples that choose the exponents of a float model: a data set in any form that the trainer
    /// takes, or a folder of pictures without labels
    #[arg(long, alias = "data", value_name = "DATA")]
    pub calibration: Option<PathBuf>,
    /// What part of a picture of --calibration becomes the image [default: the model's record's, or
    /// whole]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// Whether the ink is lighter or darker than its ground [default: the record's, or auto]
    #[arg(long, value_enum)]
    pub ink: Option<Polarity>,
    /// Folder for the results; created where it is missing
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the network in the generated code [default: the output folder's name]
    #[arg(long)]
    pub name: Option<String>,
    /// What the model's training divided pixels by: 255 for 0…1, 1 for raw pixels
    /// [default: what the file's own record or its input says, else 255]
    #[arg(long, value_name = "X")]
    pub pixel_divisor: Option<f32>,
    /// What it then subtracted, as in torchvision's Normalize: one number, or one per channel
    /// [default: the record's, or 0]
    #[arg(long, value_name = "X[,X…]", allow_hyphen_values = true)]
    pub mean: Option<PerChannel>,
    /// What it then divided by, as in torchvision's Normalize: one number, or one per channel
    /// [default: the record's, or 1]
    #[arg(long, value_name = "X[,X…]")]
    pub deviation: Option<PerChannel>,
    /// What the generated code spares: time, with whole images between the layers, or memory, with a
    /// few rows of them
    #[arg(long, value_name = "time|memory", default_value = "time")]
    pub favour: FavourArg,
    /// Bits of weights: 4 for all layers with weights but the first and the last one, other bits for
    /// layers by the name that they have in the file [default: the record's, or 8]
    #[arg(long, value_name = "4|LAYER=4[,…]")]
    pub bits: Option<Bits>,
    /// Writes the model in other forms beside model.rs: `blob` is data that firmware_core::blob loads,
    /// to replace a model in the field or to show it in a browser; `c` are headers, of which and
    /// model.rs `converter library` makes a static library
    #[arg(long, value_name = "FORM", value_enum, value_delimiter = ',')]
    pub emit: Vec<Form>,
    /// The kernels that will run a blob, as firmware_core::KERNELS names them; several make several
    /// blobs. Hosts, browsers and all other targets take `portable`
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "portable",
          value_parser = PossibleValuesParser::new(LAYOUTS.map(|(name, _)| name)))]
    pub kernels: Vec<String>,
    /// The board that it is for: one without room for it is a warning before anything else
    #[arg(long, value_name = "NAME", value_parser = inspect::board)]
    pub board: Option<String>,
    /// Print JSON: what was written, accuracy, layers, cost, boards and warnings
    #[arg(long)]
    pub json: bool,
    /// Which samples golden.rs has: `none` leaves out test images whose licence asks for more than
    /// yours, as MNIST's does (CC BY-SA)
    #[arg(long, value_name = "WHICH", value_enum, default_value = "images")]
    pub golden: Golden,
    /// The linker's section for weights, biases and requantizations in model.rs: `.data.weights` has them
    /// copied into RAM at start-up, for chips that read their flash slowly
    #[arg(long, value_name = "NAME", value_parser = names::check_section)]
    pub weights_section: Option<String>,
    /// Convert even if nothing can check that the file is read as what it says
    #[arg(long)]
    pub unchecked: bool,
}

/// The samples in golden.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Golden {
    Images,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FavourArg {
    Time,
    Memory,
}

impl From<FavourArg> for Favour {
    fn from(argument: FavourArg) -> Self {
        match argument {
            FavourArg::Time => Self::Time,
            FavourArg::Memory => Self::Memory,
        }
    }
}

impl ConvertArgs {
    pub fn favour(&self) -> Favour {
        self.favour.into()
    }

    /// Says so if a blob has no packed weights.
    pub fn note_bits(&self, network: &QuantizedNetwork) {
        let packed = |layer: &QuantizedLayer| layer.parameters().is_some_and(|it| it.bits == 4);
        if self.emit.contains(&Form::Blob) && network.layers.iter().any(packed) {
            console::note(format_args!(
                "weights of 4 bits take a byte each in a blob; they are packed in model.rs"
            ));
        }
    }

    /// Says so if `--favour memory` changes nothing.
    pub fn note_favour(&self, arena: &ArenaPlan, network: &QuantizedNetwork) {
        if self.favour() == Favour::Memory && network.first_layer() > 0 {
            console::note(format_args!(
                "--favour memory: a model of several inputs takes them whole, so its layers run as for time"
            ));
            return;
        }
        if self.favour() == Favour::Memory && arena.stream.is_none() {
            console::note(format_args!(
                "--favour memory: rows take no less memory than whole images in this network, so the \
                 layers run as for time"
            ));
        } else if self.favour() == Favour::Memory && self.emit.contains(&Form::Blob) {
            console::note(format_args!(
                "--favour memory: a blob has whole images between its layers; rows are in model.rs"
            ));
        }
    }

    /// How the model's training scaled pixels, if any option says so; what the options leave open is as
    /// the file's own record has it.
    pub fn pixel_scale(&self, record: Option<&ModelRecord>) -> Result<Option<PixelScale>> {
        if (self.pixel_divisor, &self.mean, &self.deviation) == (None, &None, &None) {
            return Ok(None);
        }
        let recorded = record.and_then(ModelRecord::pixel_scale);
        let plain = recorded.clone().unwrap_or_default();
        let pixels = PixelScale {
            divisor: self.pixel_divisor.unwrap_or(plain.divisor),
            mean: self.mean.clone().unwrap_or_else(|| plain.mean.clone()),
            deviation: self.deviation.clone().unwrap_or_else(|| plain.deviation.clone()),
        };
        pixels.check().map_err(Error::msg)?;
        if recorded.is_some_and(|recorded| recorded != pixels) {
            console::note(format_args!(
                "warning: {}: says that its pixels were scaled otherwise (divisor {}, mean {}, deviation \
                 {}); the options count",
                self.model.display(),
                plain.divisor,
                plain.mean,
                plain.deviation
            ));
        }
        Ok(Some(pixels))
    }

    /// The network's name: a Rust-friendly word.
    pub fn network_name(&self) -> Result<String> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => folder_name(&self.out).unwrap_or_else(|| "model".into()),
        };
        match (names::check(&name), &self.name) {
            (Ok(()), _) => Ok(name),
            (Err(what), Some(_)) => bail!("--name {name:?}: {what}"),
            (Err(what), None) => bail!(
                "--out {}: the network would be called {name:?} after this folder, which does not fit \
                 ({what}); give it a name with --name",
                self.out.display()
            ),
        }
    }
}

/// A form of a model beside model.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    Blob,
    C,
}

fn folder_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_string())
}
