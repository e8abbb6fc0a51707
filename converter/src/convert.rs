//! The pipeline: read → passes → lower → quantize → emit. One builder serves the command line,
//! the trainer and a `build.rs`.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::arena::{self, ArenaPlan};
use crate::emit::report::{self, Report};
use crate::emit::{Origin, golden, int8_onnx, rust};
use crate::graph::Graph;
use crate::lower::{Network, lower};
use crate::passes::{self, PassError, PixelScale};
use crate::quantize::{Exponents, QuantizeError, quantize};
use crate::quantized::QuantizedNetwork;
use crate::read::{self, ReadError};
use inkling_data::Dataset;
use inkling_support::files::write_atomically;
use inkling_support::order;

/// Images that choose the exponents.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Images over which the report measures its errors.
const REPORT_IMAGES: usize = 200;

/// Why a model was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
}

/// Converts one ONNX model.
///
/// ```no_run
/// # use converter::{Converter, }; use inkling_data::{Dataset, Split};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let images = Dataset::load("data/mnist".as_ref(), Split::Train)?;
/// let onnx = std::fs::read("models/simple/float.onnx")?;
/// let conversion = Converter::new("simple", &onnx).convert(&images)?;
/// std::fs::write("model.rs", conversion.model_rs())?;
/// # Ok(())
/// # }
/// ```
pub struct Converter<'a> {
    name: String,
    onnx: &'a [u8],
    pixels: PixelScale,
    exponents: Option<Exponents>,
}

impl<'a> Converter<'a> {
    /// A conversion of the bytes of an `.onnx` file into a network called `name`.
    pub fn new(name: &str, onnx: &'a [u8]) -> Self {
        Self { name: name.to_string(), onnx, pixels: PixelScale::default(), exponents: None }
    }

    /// How pixels were scaled for training; the default is `pixel / 255`.
    pub fn pixel_scale(mut self, pixels: PixelScale) -> Self {
        self.pixels = pixels;
        self
    }

    /// Exponents of the results of layers, by their names, for which the model was trained. By
    /// default those in the file's metadata, where there are any, are taken.
    pub fn exponents(mut self, exponents: Exponents) -> Self {
        self.exponents = Some(exponents);
        self
    }

    /// Reads and lowers the model without choosing integers.
    ///
    /// # Errors
    ///
    /// What cannot be read or has no kernel; names the node.
    pub fn lower(&self) -> Result<Network, ConvertError> {
        self.lowered(read::read(self.onnx)?)
    }

    fn lowered(&self, mut graph: Graph) -> Result<Network, ConvertError> {
        passes::run(&mut graph, &self.pixels)?;
        Ok(lower(graph)?)
    }

    /// Converts, choosing exponents on up to [`CALIBRATION_IMAGES`] of `images`, evenly spaced.
    ///
    /// The labels are not used. The same model and images give the same conversion, whatever the
    /// machine and its number of cores.
    ///
    /// # Errors
    ///
    /// What cannot be read, has no kernel or no exact integer form; names node or layer.
    pub fn convert(&self, images: &Dataset) -> Result<Conversion, ConvertError> {
        let graph = read::read(self.onnx)?;
        let exponents = self.exponents.clone().unwrap_or_else(|| graph.exponents.clone());
        let float = self.lowered(graph)?;
        let calibration = spaced(images, CALIBRATION_IMAGES);
        let network = quantize(&float, &calibration, &exponents)?;
        let arena = arena::plan(&network);
        let report =
            Report::measure(&float, &network, &arena, &spaced(&calibration, REPORT_IMAGES));
        let origin = Origin {
            name: self.name.clone(),
            source: "float.onnx".into(),
            source_sha256: Sha256::digest(self.onnx).into(),
            command: self.command(),
        };
        let (source, pixels) = (self.onnx.to_vec(), self.pixels);
        Ok(Conversion { float, network, arena, report, origin, source, pixels })
    }

    /// The command that makes the same files again beside the source.
    fn command(&self) -> String {
        let mut command = format!(
            "cargo run -p converter -- float.onnx --name {} --calibration DATA --out .",
            self.name
        );
        let plain = PixelScale::default();
        for (option, value, default) in [
            ("--pixel-divisor", self.pixels.divisor, plain.divisor),
            ("--mean", self.pixels.mean, plain.mean),
            ("--deviation", self.pixels.deviation, plain.deviation),
        ] {
            if value != default {
                command.push_str(&format!(" {option} {value}"));
            }
        }
        command
    }
}

/// A converted model with all that is written of it.
pub struct Conversion {
    /// The float layers, as the integers approximate them.
    pub float: Network,
    pub network: QuantizedNetwork,
    pub arena: ArenaPlan,
    pub report: Report,
    pub origin: Origin,
    /// The bytes of the file that was converted.
    pub source: Vec<u8>,
    /// How its training scaled pixels.
    pub pixels: PixelScale,
}

impl Conversion {
    /// The Rust module: statics and `infer`.
    pub fn model_rs(&self) -> String {
        rust::emit(&self.network, &self.arena, &self.origin)
    }

    /// The integer network as ONNX.
    pub fn int8_onnx(&self) -> Vec<u8> {
        int8_onnx::emit(&self.network, &self.origin.name)
    }

    /// The Rust module of golden images, picked from `images`.
    pub fn golden_rs(&self, images: &Dataset) -> String {
        golden::emit(&self.network, &golden::samples(&self.network, images), &self.origin)
    }

    /// The report as Markdown.
    pub fn report_markdown(&self) -> String {
        report::markdown(&self.network, &self.report, &self.origin)
    }

    /// Writes float.onnx, int8.onnx, model.rs, golden.rs and MODEL_CARD.md into a folder, each
    /// whole or not at all. `about` is put into the card above the report.
    ///
    /// # Errors
    ///
    /// The file system's, with the path.
    pub fn write(&self, folder: &Path, golden: &Dataset, about: &str) -> io::Result<()> {
        let card = format!(
            "# Model `{}`\n\n{about}\n## Cost and exactness\n\n{}",
            self.origin.name,
            self.report_markdown()
        );
        for (file, contents) in [
            ("float.onnx", self.source.clone()),
            ("int8.onnx", self.int8_onnx()),
            ("model.rs", self.model_rs().into_bytes()),
            ("golden.rs", self.golden_rs(golden).into_bytes()),
            ("MODEL_CARD.md", card.into_bytes()),
        ] {
            write_atomically(&folder.join(file), &contents)?;
        }
        Ok(())
    }
}

/// At most `count` images, evenly spaced over the data set.
fn spaced(images: &Dataset, count: usize) -> Dataset {
    images.subset(&order::spaced(images.len(), count))
}
