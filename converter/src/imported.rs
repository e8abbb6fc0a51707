//! A network that others quantized, and the files of its model folder.

pub(crate) mod outputs;

use std::fmt::Write;
use std::io;
use std::path::Path;

use firmware_core::argmax;
use firmware_core::blob::Layout;
use inkling_support::digest::sha256;
use inkling_support::files::write_set;
use sha2::{Digest, Sha256};

use crate::arena::{self, ArenaPlan, Favour};
use crate::emit::blob::BlobEmitError;
use crate::emit::golden::{self, Sample};
use crate::emit::outputs::onnx_names;
use crate::emit::{Origin, blob, c, report, rust};
use crate::graph::{Head, Output};
use crate::passes::PixelScale;
use crate::quantized::{QuantizedNetwork, Scale, ValueFormat, ValueType};
use crate::record::{
    self, Element, InputRecord, Meaning, ModelRecord, OutputRecord, PreparationRecord,
    SourceRecord, pixels,
};
use crate::{qdq, reference, tflite};

/// Bytes of inputs and outputs that golden samples may take: they lie in a device's flash.
const GOLDEN_BYTES: usize = 16 << 10;

/// An imported network with all that is written of it.
pub struct ImportedModel {
    pub network: QuantizedNetwork,
    pub arena: ArenaPlan,
    /// How its training scaled pixels, if anybody knows; it takes no part in the arithmetic.
    pub pixels: Option<PixelScale>,
    /// What stands behind the device's only output in the file and changes no order, such as a softmax.
    ending: Option<String>,
    /// Whose arithmetic it has, and how that was checked: lines of the card.
    statements: Vec<String>,
    origin: Origin,
    source: Vec<u8>,
}

/// The file that a network was imported from.
pub struct Source<'a> {
    /// Its name in the model's folder.
    pub name: &'static str,
    pub bytes: &'a [u8],
}

/// Whether a model whose folder has `file` as its source was imported and not converted.
pub fn is_source(file: &str) -> bool {
    [tflite::SOURCE, qdq::SOURCE].contains(&file)
}

/// The network of a model's folder whose source is called `file`; nothing where such a source is not
/// imported but converted.
///
/// # Errors
///
/// One line about what is damaged or not supported.
pub fn network_of(file: &str, bytes: &[u8]) -> Result<Option<QuantizedNetwork>, String> {
    match file {
        tflite::SOURCE => match tflite::import(bytes) {
            Ok(imported) => Ok(Some(imported.network)),
            Err(error) => Err(error.to_string()),
        },
        qdq::SOURCE => match qdq::import(bytes) {
            Ok(imported) => Ok(Some(imported.network)),
            Err(error) => Err(error.to_string()),
        },
        _ => Ok(None),
    }
}

impl ImportedModel {
    /// A network called `name`, imported from `source`.
    pub fn new(
        name: &str,
        network: QuantizedNetwork,
        ending: Option<String>,
        statements: Vec<String>,
        source: &Source,
        favour: Favour,
    ) -> Self {
        let arena = arena::plan_for(&network, favour);
        let pixels = pixels::by_range(network.input_format);
        let file = source.name;
        let origin = Origin {
            name: name.into(),
            source: file.into(),
            source_sha256: Sha256::digest(source.bytes).into(),
            command: format!(
                "cargo run --bin converter -- {file} --name {name}{} --out .",
                favour.option()
            ),
            labels: Vec::new(),
            unknown: None,
            section: None,
        };
        let source = source.bytes.to_vec();
        Self { network, arena, pixels, ending, statements, origin, source }
    }

    /// The same with weights, biases and requantizations of model.rs in a section of the linker's.
    pub fn in_section(mut self, section: &str) -> Self {
        let option = format!(" --weights-section {section} --out .");
        self.origin.command = self.origin.command.replace(" --out .", &option);
        self.origin.section = Some(section.to_string());
        self
    }

    /// The same with what its training did to pixels, which the file does not say.
    pub fn scaled(mut self, pixels: PixelScale) -> Self {
        let PixelScale { divisor, mean, deviation } = &pixels;
        let options =
            format!(" --pixel-divisor {divisor} --mean={mean} --deviation {deviation} --out .");
        self.origin.command = self.origin.command.replace(" --out .", &options);
        self.pixels = Some(pixels);
        self
    }

    /// The Rust module: statics and `infer`.
    pub fn model_rs(&self) -> String {
        rust::emit(&self.network, &self.arena, &self.origin)
    }

    /// The headers for C: the model's, and one with golden samples.
    pub fn c_headers(&self) -> [(String, String); 2] {
        c::headers(&self.network, &self.arena, &self.golden_samples(), &self.origin)
    }

    /// The Rust module of golden samples, each with the class that the host computes for it.
    pub fn golden_rs(&self) -> String {
        golden::emit(&self.network, &self.golden_samples(), &self.origin)
    }

    fn golden_samples(&self) -> Vec<Sample> {
        let network = &self.network;
        let size = network.input.size();
        // A label has a byte where that is enough.
        let classes = if network.classes() <= 256 { 255 } else { usize::from(u16::MAX) };
        let count = (GOLDEN_BYTES / (size + network.output_size())).clamp(1, golden::IMAGES);
        let of = |number: usize| {
            let image = sample(number, size);
            let values = reference::values(network, &image);
            let class = values.last().map_or(0, |last| argmax(&last.to_i32()));
            let logits = reference::outputs_of(network, &values);
            Sample { label: class.min(classes) as u16, image, logits }
        };
        (0..count).map(of).collect()
    }

    /// The report as Markdown, the body of a model card.
    pub fn report_markdown(&self) -> String {
        let network = &self.network;
        let input = network.input;
        let mut text = format!(
            "- Input: {}×{}×{} {}; {}\n\
             - Weights, biases and requantizations: {} bytes of flash; arena: {} (the \
             input, {} bytes, is borrowed); {} multiply-accumulates per sample\n\
             - {}\n\
             - Source: `{}`, SHA-256 `{}`\n\
             - Made by: `{}`\n\n",
            input.height,
            input.width,
            input.channels,
            real_value(network.input_format),
            self.outputs_markdown(),
            network.parameter_bytes(),
            self.arena.describe(network),
            input.size(),
            network.macs(),
            self.statements.join("\n- "),
            self.origin.source,
            self.origin.sha256_hex(),
            self.origin.command,
        );
        let _ = write!(text, "{}", report::layer_table(network));
        text
    }

    /// What the network gives.
    fn outputs_markdown(&self) -> String {
        let network = &self.network;
        if network.several_outputs().is_some() {
            return report::outputs(network);
        }
        let ending = match &self.ending {
            Some(ending) => {
                format!(", before the {ending} at the network's end, which changes no order")
            }
            None => String::new(),
        };
        let real = real_value(network.format(network.layers.len()));
        format!("output: {} {real}{ending}", network.classes())
    }

    /// What a user of the model must know.
    pub fn record(&self) -> ModelRecord {
        let network = &self.network;
        let input = network.input_format;
        let (input_scale, input_offset) = line(input.scale);
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
            outputs: self.output_records(),
            source: Some(SourceRecord {
                file: self.origin.source.clone(),
                sha256: self.origin.sha256_hex(),
            }),
            command: self.origin.command.clone(),
            ..ModelRecord::new(&self.origin.name)
        }
    }

    fn output_records(&self) -> Vec<OutputRecord> {
        let network = &self.network;
        let names = match network.several_outputs() {
            None => vec!["outputs".into()],
            Some(_) => onnx_names(network),
        };
        let record = |(output, name): (&Output, String)| {
            let (shape, format) = (network.shape(output.value), network.format(output.value));
            let (scale, offset) = line(format.scale);
            OutputRecord {
                name,
                shape: match shape.height * shape.width {
                    1 => vec![shape.channels],
                    _ => shape.hwc().to_vec(),
                },
                element: element(format.element),
                scale,
                offset,
                meaning: match self.ending.is_some() || output.head != Head::Logits {
                    true => Meaning::Logits,
                    false => Meaning::Values,
                },
                other: Default::default(),
            }
        };
        network.outputs.iter().zip(names).map(record).collect()
    }

    /// Writes the source, model.rs, golden.rs, MODEL_CARD.md and model.json into a folder, all of
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
    /// As [`ImportedModel::write`].
    pub fn write_with(&self, folder: &Path, beside: Vec<(&str, Vec<u8>)>) -> io::Result<()> {
        let card = format!(
            "# Model `{}`\n\n## Cost and exactness\n\n{}",
            self.origin.name,
            self.report_markdown()
        );
        let mut files = beside;
        files.extend([
            (&self.origin.source[..], self.source.clone()),
            ("model.rs", self.model_rs().into_bytes()),
            ("golden.rs", self.golden_rs().into_bytes()),
        ]);
        // The card is for people, who may edit it.
        let hashes = files.iter().map(|(file, bytes)| (file.to_string(), sha256([&bytes[..]])));
        let record = ModelRecord { files: hashes.collect(), ..self.record() };
        files.push(("MODEL_CARD.md", card.into_bytes()));
        // Last, because it says which files belong together.
        files.push((record::FILE, record.to_json().into_bytes()));
        write_set(folder, &files)
    }

    /// The model as data, for the kernels that take `layout`.
    ///
    /// # Errors
    ///
    /// What has no form in a blob; names the layer.
    pub fn blob(&self, layout: Layout) -> Result<Vec<u8>, BlobEmitError> {
        // Blobs have no rows.
        blob::emit(&self.network, &arena::plan(&self.network), &self.origin, layout)
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
pub(crate) fn sample(number: usize, size: usize) -> Vec<u8> {
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
