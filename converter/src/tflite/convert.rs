//! The line from a `.tflite` file to the files of a model folder.

use std::fmt::Write;
use std::io;
use std::path::Path;

use firmware_core::argmax;
use firmware_core::blob::Layout;
use inkling_support::files::write_set;
use sha2::{Digest, Sha256};

use super::{Imported, TfliteError, import};
use crate::arena::{self, ArenaPlan};
use crate::emit::blob::BlobEmitError;
use crate::emit::golden::{self, Sample};
use crate::emit::{Origin, blob, c, report, rust};
use crate::passes::PixelScale;
use crate::quantized::{Scale, ValueFormat, ValueType};
use crate::record::{
    self, Element, InputRecord, Meaning, ModelRecord, OutputRecord, PreparationRecord,
    SourceRecord, pixels,
};
use crate::reference;

/// The name of the source in a model's folder.
pub const SOURCE: &str = "model.tflite";

/// What a conversion writes.
pub const FILES: [&str; 5] = [SOURCE, "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// Bytes of inputs and outputs that golden samples may take: they lie in a device's flash.
const GOLDEN_BYTES: usize = 16 << 10;

/// An imported model with all that is written of it.
pub struct Conversion {
    pub imported: Imported,
    pub arena: ArenaPlan,
    /// How its training scaled pixels, if anybody knows; it takes no part in the arithmetic.
    pub pixels: Option<PixelScale>,
    origin: Origin,
    source: Vec<u8>,
}

impl Conversion {
    /// Imports the bytes of a `.tflite` file as a network called `name`.
    ///
    /// # Errors
    ///
    /// What is damaged or not supported, with the tensor or the operator.
    pub fn new(name: &str, tflite: &[u8]) -> Result<Self, TfliteError> {
        let imported = import(tflite)?;
        let arena = arena::plan(&imported.network);
        let origin = Origin {
            name: name.into(),
            source: SOURCE.into(),
            source_sha256: Sha256::digest(tflite).into(),
            command: format!("cargo run -p converter -- {SOURCE} --name {name} --out ."),
            labels: Vec::new(),
        };
        let pixels = pixels::by_range(imported.network.input_format);
        Ok(Self { imported, arena, pixels, origin, source: tflite.to_vec() })
    }

    /// The Rust module: statics and `infer`.
    pub fn model_rs(&self) -> String {
        rust::emit(&self.imported.network, &self.arena, &self.origin)
    }

    /// The headers for C: the model's, and one with golden samples.
    pub fn c_headers(&self) -> [(String, String); 2] {
        c::headers(&self.imported.network, &self.arena, &self.golden_samples(), &self.origin)
    }

    /// The Rust module of golden samples, each with the class that the host computes for it.
    pub fn golden_rs(&self) -> String {
        golden::emit(&self.imported.network, &self.golden_samples(), &self.origin)
    }

    fn golden_samples(&self) -> Vec<Sample> {
        let network = &self.imported.network;
        let size = network.input.size();
        // A label has a byte where that is enough.
        let classes = if network.classes() <= 256 { 255 } else { usize::from(u16::MAX) };
        let count = (GOLDEN_BYTES / (size + network.classes())).clamp(1, golden::IMAGES);
        let of = |number: usize| {
            let image = sample(number, size);
            let logits = reference::logits(network, &image);
            Sample { label: argmax(&logits).min(classes) as u16, image, logits }
        };
        (0..count).map(of).collect()
    }

    /// The report as Markdown, the body of a model card.
    pub fn report_markdown(&self) -> String {
        let network = &self.imported.network;
        let input = network.input;
        let mut text = format!(
            "- Input: {}×{}×{} {}; output: {} {}{}\n\
             - Weights, biases and requantizations: {} bytes of flash; arena: {} bytes of RAM (the \
             input, {} bytes, is borrowed); {} multiply-accumulates per sample\n\
             - Every value is what TensorFlow Lite for Microcontrollers computes\n\
             - Source: `{SOURCE}`, SHA-256 `{}`\n\
             - Made by: `{}`\n\n",
            input.height,
            input.width,
            input.channels,
            real_value(network.input_format),
            network.classes(),
            real_value(network.format(network.layers.len())),
            match self.imported.softmax {
                true => ", before the softmax at the network's end, which changes no order",
                false => "",
            },
            network.parameter_bytes(),
            self.arena.bytes,
            input.size(),
            network.macs(),
            self.origin.sha256_hex(),
            self.origin.command,
        );
        let _ = write!(text, "{}", report::layer_table(network));
        text
    }

    /// What a user of the model must know.
    pub fn record(&self) -> ModelRecord {
        let Imported { network, softmax, .. } = &self.imported;
        let (input, output) = (network.input_format, network.format(network.layers.len()));
        let (input_scale, input_offset) = line(input.scale);
        let (output_scale, output_offset) = line(output.scale);
        ModelRecord {
            inputs: vec![InputRecord {
                name: "image".into(),
                shape: network.input.hwc(),
                element: element(input.element),
                scale: vec![input_scale as f32],
                offset: vec![input_offset as f32],
                preparation: PreparationRecord {
                    divisor: self.pixels.as_ref().map(|pixels| pixels.divisor),
                    mean: self.pixels.as_ref().map(|pixels| pixels.mean.clone()),
                    deviation: self.pixels.as_ref().map(|pixels| pixels.deviation.clone()),
                    ..PreparationRecord::default()
                },
                other: Default::default(),
            }],
            outputs: vec![OutputRecord {
                name: "outputs".into(),
                shape: vec![network.classes()],
                element: element(output.element),
                scale: output_scale,
                offset: output_offset,
                meaning: if *softmax { Meaning::Logits } else { Meaning::Values },
                other: Default::default(),
            }],
            source: Some(SourceRecord { file: SOURCE.into(), sha256: self.origin.sha256_hex() }),
            command: self.origin.command.clone(),
            ..ModelRecord::new(&self.origin.name)
        }
    }

    /// Writes model.tflite, model.rs, golden.rs, MODEL_CARD.md and model.json into a folder, all of
    /// them or none.
    ///
    /// # Errors
    ///
    /// The file system's, with the path.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        self.write_with(folder, Vec::new())
    }

    /// Writes the same and the files `beside`, each a name and its contents.
    ///
    /// # Errors
    ///
    /// As [`Conversion::write`].
    pub fn write_with(&self, folder: &Path, beside: Vec<(&str, Vec<u8>)>) -> io::Result<()> {
        let card = format!(
            "# Model `{}`\n\n## Cost and exactness\n\n{}",
            self.origin.name,
            self.report_markdown()
        );
        let mut files = beside;
        files.extend([
            (SOURCE, self.source.clone()),
            ("model.rs", self.model_rs().into_bytes()),
            ("golden.rs", self.golden_rs().into_bytes()),
            ("MODEL_CARD.md", card.into_bytes()),
            // Last, because it says which files belong together.
            (record::FILE, self.record().to_json().into_bytes()),
        ]);
        write_set(folder, &files)
    }

    /// The model as data, for the kernels that take `layout`.
    ///
    /// # Errors
    ///
    /// What has no form in a blob; names the layer.
    pub fn blob(&self, layout: Layout) -> Result<Vec<u8>, BlobEmitError> {
        blob::emit(&self.imported.network, &self.arena, &self.origin, layout)
    }
}

/// Factor and summand that make of an integer what it stands for.
fn line(scale: Scale) -> (f64, f64) {
    match scale {
        Scale::PowerOfTwo(exponent) => (2_f64.powi(-exponent), 0.0),
        Scale::Affine { scale, zero } => {
            (f64::from(scale), 0.0 - f64::from(scale) * f64::from(zero))
        }
    }
}

fn element(element: ValueType) -> Element {
    match element {
        ValueType::U8 => Element::U8,
        ValueType::I8 => Element::I8,
        ValueType::I32 => Element::I32,
    }
}

/// The type of a value and what its integers stand for.
fn real_value(format: ValueFormat) -> String {
    let element = format.element.rust_name();
    match format.scale {
        Scale::PowerOfTwo(exponent) => format!("{element}, real value `q · 2^-{exponent}`"),
        Scale::Affine { scale, zero } => {
            format!("{element}, real value `(q − ({zero})) · {scale:?}`")
        }
    }
}

/// A sample to test with: noise, the same on every machine; every second one smooth.
fn sample(number: usize, size: usize) -> Vec<u8> {
    let mut state = number as u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut value = i32::from(random()) - 128;
    (0..size)
        .map(|_| match number % 2 {
            0 => random(),
            _ => {
                value = (value + i32::from(random() % 31) - 15).clamp(-128, 127);
                value as i8 as u8
            }
        })
        .collect()
}
