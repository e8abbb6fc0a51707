//! The pipeline: read → passes → lower → quantize → emit. One builder serves the command line,
//! the trainer and a `build.rs`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use firmware_core::Unknown;
use firmware_core::blob::Layout;
use sha2::{Digest, Sha256};

use crate::arena::{self, ArenaPlan, Favour};
use crate::emit::blob::BlobEmitError;
use crate::emit::report::{self, Report};
use crate::emit::{Origin, blob, c, golden, int8_onnx, rust};
use crate::graph::{Graph, Shape};
use crate::lower::{Network, lower};
use crate::passes::{self, PassError, PixelScale};
use crate::quantize::{Bits, Exponents, LayerBits, QuantizeError, USUAL_BITS, misfit, quantize};
use crate::quantized::QuantizedNetwork;
use crate::read::{self, ReadError};
use crate::record::unknown::decimal;
use crate::record::{
    self, InputRecord, ModelRecord, RecordError, SourceRecord, UNKNOWN, UnknownRecord, describe,
};
use inkling_data::Dataset;
use inkling_data::prepare::InputForm;
use inkling_data::random::{Purpose, Random};
use inkling_data::read::labels;
use inkling_support::digest::sha256;
use inkling_support::files::write_set;
use inkling_support::markdown::escape;

/// Images that choose the exponents.
pub const CALIBRATION_IMAGES: usize = 2000;

/// Images over which the report measures its errors.
const REPORT_IMAGES: usize = 200;

/// The model card.
const CARD: &str = "MODEL_CARD.md";

/// Why a model was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    #[error(transparent)]
    Record(#[from] RecordError),
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
    pixels: Option<PixelScale>,
    exponents: Option<Exponents>,
    bits: Option<Bits>,
    record: Option<ModelRecord>,
    favour: Favour,
    form: Option<InputForm>,
}

impl<'a> Converter<'a> {
    /// A conversion of the bytes of an `.onnx` file into a network called `name`.
    pub fn new(name: &str, onnx: &'a [u8]) -> Self {
        Self {
            name: name.to_string(),
            onnx,
            pixels: None,
            exponents: None,
            bits: None,
            record: None,
            favour: Favour::Time,
            form: None,
        }
    }

    /// How pixels were scaled for training. Without it the file says so: in its own record, by
    /// taking integers, or by rescaling its input. Where it does not, it is `pixel / 255`.
    pub fn pixel_scale(mut self, pixels: PixelScale) -> Self {
        self.pixels = Some(pixels);
        self
    }

    /// What else is known of the model: labels, preparation, split, command. Without it the file's
    /// own record, if it has one, is carried on. Inputs, outputs and source are filled in.
    pub fn record(mut self, record: ModelRecord) -> Self {
        self.record = Some(record);
        self
    }

    /// What brings samples to the bytes of the input, where the record does not say it.
    pub fn form(mut self, form: InputForm) -> Self {
        self.form = Some(form);
        self
    }

    /// Takes these bits of weights, instead of those in the file's record, which are eight where it
    /// has none.
    pub fn bits(mut self, bits: Bits) -> Self {
        self.bits = Some(bits);
        self
    }

    /// Exponents of the results of layers, by their names, for which the model was trained. By
    /// default those in the file's metadata, where there are any, are taken.
    pub fn exponents(mut self, exponents: Exponents) -> Self {
        self.exponents = Some(exponents);
        self
    }

    /// What the generated code is made for; [`Favour::Time`] unless it is said.
    pub fn favour(mut self, favour: Favour) -> Self {
        self.favour = favour;
        self
    }

    /// Reads and lowers the model without choosing integers.
    ///
    /// # Errors
    ///
    /// What cannot be read or has no kernel; names the node.
    pub fn lower(&self) -> Result<Network, ConvertError> {
        let base = self.base()?;
        let graph = read::read(self.onnx)?;
        let (pixels, _) = passes::choose_pixel_scale(&graph, self.given_pixels(&base))?;
        let mut network = lowered(graph, &pixels)?;
        self.choose_bits(&mut network, &base)?;
        Ok(network)
    }

    /// The integer network, as far as it can be had without images: layers, shapes, types and sizes
    /// are those of a conversion, exponents that the file does not bring are chosen on noise.
    ///
    /// # Errors
    ///
    /// As [`Converter::convert`].
    pub fn sketch(&self) -> Result<QuantizedNetwork, ConvertError> {
        let base = self.base()?;
        let mut graph = read::read(self.onnx)?;
        if let Some(InputRecord { shape: [height, width, channels], .. }) = base.inputs.first() {
            graph.see_input_as(Shape::new(*height, *width, *channels));
        }
        let (pixels, _) = passes::choose_pixel_scale(&graph, self.given_pixels(&base))?;
        let mut float = lowered(graph, &pixels)?;
        self.choose_bits(&mut float, &base)?;
        Ok(quantize(&float, &noise(&float), &base.exponents)?)
    }

    /// What is known before the file is read.
    fn base(&self) -> Result<ModelRecord, ConvertError> {
        let own = ModelRecord::of_onnx(self.onnx)?;
        let mut base = match (self.record.clone(), own) {
            (Some(given), Some(own)) if given.exponents.is_empty() => {
                ModelRecord { exponents: own.exponents, bits: own.bits, ..given }
            }
            (Some(given), _) => given,
            (None, Some(own)) => own,
            (None, None) => ModelRecord::new(&self.name),
        };
        base.name.clone_from(&self.name);
        if let Some(exponents) = &self.exponents {
            base.exponents.clone_from(exponents);
        }
        Ok(base)
    }

    /// Gives the layers the bits that are asked for, or else those of the record; returns them.
    fn choose_bits(
        &self,
        network: &mut Network,
        base: &ModelRecord,
    ) -> Result<LayerBits, ConvertError> {
        let recorded = || Bits::new(USUAL_BITS, base.bits.clone());
        let bits = self.bits.clone().unwrap_or_else(recorded).of(network)?;
        set_bits(network, &bits);
        Ok(bits)
    }

    /// The pixel scale that somebody gave, or that a record says.
    fn given_pixels(&self, base: &ModelRecord) -> Option<PixelScale> {
        self.pixels.clone().or_else(|| base.pixel_scale())
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
        let mut base = self.base()?;
        let mut graph = read::read(self.onnx)?;
        let [height, width, channels] = images.shape;
        graph.see_input_as(Shape::new(height, width, channels));
        let given = self.given_pixels(&base);
        let (pixels, note) = passes::choose_pixel_scale(&graph, given)?;
        let mut notes: Vec<String> = note.into_iter().collect();
        let (input, recorded) = (graph.input, std::mem::take(&mut graph.exponents));
        let mut float = lowered(graph, &pixels)?;
        base.bits = self.choose_bits(&mut float, &base)?;
        let calibration = images.spaced(CALIBRATION_IMAGES);
        let exponents = match &self.exponents {
            Some(exponents) => exponents.clone(),
            None => match misfit(&float, &calibration.spaced(REPORT_IMAGES), &recorded)? {
                None => recorded,
                Some(why) => {
                    notes.push(format!(
                        "the exponents in the file's metadata are not those of its weights ({why}), so \
                         they were chosen anew"
                    ));
                    base.exponents.clear();
                    Exponents::new()
                }
            },
        };
        let mut of_float = describe::float_model(base, input, &pixels);
        if let Some(form) = &self.form {
            of_float.inputs[0].preparation.form.get_or_insert_with(|| form.clone());
        }
        let source = record::attach(self.onnx, &of_float);
        let network = quantize(&float, &calibration, &exponents)?;
        let arena = arena::plan_for(&network, self.favour);
        let report = Report::measure(&float, &network, &arena, &calibration.spaced(REPORT_IMAGES));
        let record = describe::model(of_float, &network, float.head, &source);
        let origin = Origin {
            name: self.name.clone(),
            source: "float.onnx".into(),
            source_sha256: Sha256::digest(&source).into(),
            command: match record.command.is_empty() {
                true => self.command(),
                false => record.command.clone(),
            },
            labels: record.labels.clone(),
            unknown: unknown(&record, &network)?,
        };
        Ok(Conversion { float, network, arena, report, origin, record, source, pixels, notes })
    }

    /// The command that makes the same files again beside the source, which says how its pixels
    /// are scaled.
    fn command(&self) -> String {
        let name = &self.name;
        let favour = self.favour.option();
        format!(
            "cargo run --bin converter -- float.onnx --name {name}{favour} --calibration DATA --out ."
        )
    }
}

/// Gives the layers of a network the bits of their weights.
fn set_bits(network: &mut Network, bits: &LayerBits) {
    for layer in &mut network.layers {
        if let Some(&bits) = bits.get(&layer.name) {
            layer.bits = bits;
        }
    }
}

fn lowered(mut graph: Graph, pixels: &PixelScale) -> Result<Network, ConvertError> {
    passes::run(&mut graph, pixels)?;
    Ok(lower(graph)?)
}

/// The integers of a finished model, from its float file and its record, without any image: the
/// exponents are those of the record.
///
/// # Errors
///
/// What cannot be read or has no integer form; an `int8.onnx` that is not what the two give, to
/// the byte: one of the files is of another conversion.
pub fn restore(
    float_onnx: &[u8],
    record: &ModelRecord,
    int8_onnx: &[u8],
) -> Result<(Network, QuantizedNetwork), RestoreError> {
    let (float, network) = restored(float_onnx, record)?;
    // What lies beside it a file does not know.
    let own = ModelRecord { files: BTreeMap::new(), ..record.clone() };
    if int8_onnx::emit(&network, &own) != int8_onnx {
        return Err(RestoreError::Another);
    }
    Ok((float, network))
}

/// What a float file and the record beside it give.
pub(crate) fn restored(
    float_onnx: &[u8],
    record: &ModelRecord,
) -> Result<(Network, QuantizedNetwork), ConvertError> {
    let pixels = record.pixel_scale().unwrap_or_default();
    let mut graph = read::read(float_onnx)?;
    if let Some(InputRecord { shape: [height, width, channels], .. }) = record.inputs.first() {
        graph.see_input_as(Shape::new(*height, *width, *channels));
    }
    let mut float = lowered(graph, &pixels)?;
    set_bits(&mut float, &record.bits);
    let network = quantize(&float, &blank(&float), &record.exponents)?;
    Ok((float, network))
}

/// How the network says "none of these", if its record says so.
///
/// # Errors
///
/// A rule that does not fit the network: only accumulators are comparable with it.
pub fn unknown(
    record: &ModelRecord,
    network: &QuantizedNetwork,
) -> Result<Option<Unknown>, RecordError> {
    if record.unknown.is_none() {
        return Ok(None);
    }
    if !network.ends_in_accumulators() {
        let what = "\"unknown\": the network's outputs are no logits of 32 bits";
        return Err(RecordError::Malformed(what.into()));
    }
    let exponent = network.format(network.layers.len()).exponent();
    record.unknown_for(network.classes(), exponent)
}

/// A few images of noise.
fn noise(network: &Network) -> Dataset {
    const IMAGES: usize = 4;
    let mut random = Random::new(0, Purpose::Calibration, 0);
    let input = network.input;
    let samples = (0..IMAGES * input.size()).map(|_| random.below(256) as u8).collect();
    let names = labels::numbers(network.classes().max(2));
    Dataset::new([input.height, input.width, input.channels], samples, vec![0; IMAGES], names)
}

/// One image without ink: where all exponents are given, calibration decides nothing.
fn blank(network: &Network) -> Dataset {
    let input = network.input;
    let names = labels::numbers(network.classes().max(2));
    Dataset::new([input.height, input.width, input.channels], vec![0; input.size()], vec![0], names)
}

/// Why the integers of a model could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error(
        "is not what float.onnx and model.json give: they are of different conversions, or of \
         another version of Inkling"
    )]
    Another,
}

/// A converted model with all that is written of it.
pub struct Conversion {
    /// The float layers, as the integers approximate them.
    pub float: Network,
    pub network: QuantizedNetwork,
    pub arena: ArenaPlan,
    pub report: Report,
    pub origin: Origin,
    /// What a user of the model must know.
    pub record: ModelRecord,
    /// `float.onnx`: the file that was converted, with its record.
    pub source: Vec<u8>,
    /// How its training scaled pixels.
    pub pixels: PixelScale,
    /// What a person should know of how the file was understood; the model card says it.
    pub notes: Vec<String>,
}

impl Conversion {
    /// The same with a rule for "none of these" and its threshold in units of the logits. The record
    /// of `float.onnx` has them too, and with it the file another hash.
    ///
    /// # Errors
    ///
    /// A rule that does not fit the network; a record of `float.onnx` that cannot be read.
    pub fn with_unknown(
        mut self,
        rule: UnknownRecord,
        threshold: i32,
    ) -> Result<Self, RecordError> {
        let exponent = self.network.format(self.network.layers.len()).exponent();
        let real = decimal(f64::from(threshold) * 2_f64.powi(-exponent));
        let rule = UnknownRecord {
            refused: rule.refused.map(decimal),
            strange_refused: rule.strange_refused.map(decimal),
            area: rule.area.map(decimal),
            ..rule
        };
        let mut of_float =
            ModelRecord::of_onnx(&self.source)?.unwrap_or_else(|| self.record.clone());
        for record in [&mut of_float, &mut self.record] {
            record.unknown = Some(rule.clone());
            record.thresholds.insert(UNKNOWN.into(), real);
        }
        self.source = record::attach(&self.source, &of_float);
        self.origin.source_sha256 = Sha256::digest(&self.source).into();
        self.origin.unknown = unknown(&self.record, &self.network)?;
        let sha256 = self.origin.sha256_hex();
        self.record.source = Some(SourceRecord { file: self.origin.source.clone(), sha256 });
        Ok(self)
    }

    /// The Rust module: statics and `infer`.
    pub fn model_rs(&self) -> String {
        rust::emit(&self.network, &self.arena, &self.origin)
    }

    /// The integer network as ONNX.
    pub fn int8_onnx(&self) -> Vec<u8> {
        int8_onnx::emit(&self.network, &self.record)
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

    /// The headers for C: the model's, and one with golden images, picked from `images`.
    pub fn c_headers(&self, images: &Dataset) -> [(String, String); 2] {
        let samples = golden::samples(&self.network, images);
        c::headers(&self.network, &self.arena, &samples, &self.origin)
    }

    /// The Rust module of golden images, picked from `images`.
    pub fn golden_rs(&self, images: &Dataset) -> String {
        golden::emit(&self.network, &golden::samples(&self.network, images), &self.origin)
    }

    /// The report as Markdown.
    pub fn report_markdown(&self) -> String {
        report::markdown(&self.network, &self.report, &self.origin)
    }

    /// Writes float.onnx, int8.onnx, model.rs, golden.rs, MODEL_CARD.md and model.json into a
    /// folder, all of them or none. `about` is put into the card above the report.
    ///
    /// # Errors
    ///
    /// The file system's, with the path.
    pub fn write(&self, folder: &Path, golden: &Dataset, about: &str) -> io::Result<()> {
        self.write_with(folder, golden, about, Vec::new())
    }

    /// Writes the same and the files `beside`, each a name and its contents.
    ///
    /// # Errors
    ///
    /// As [`Conversion::write`].
    pub fn write_with(
        &self,
        folder: &Path,
        golden: &Dataset,
        about: &str,
        beside: Vec<(&str, Vec<u8>)>,
    ) -> io::Result<()> {
        let mut card = format!("# Model `{}`\n\n", self.origin.name);
        if !self.record.warnings.is_empty() {
            let items = self.record.warnings.iter().map(|text| format!("- {}\n", escape(text)));
            card.push_str(&format!("## Warnings\n\n{}\n", items.collect::<String>()));
        }
        if let (Some(rule), Some(unknown)) = (&self.record.unknown, &self.origin.unknown) {
            card.push_str(&format!("{}\n\n", rule.sentence(unknown.threshold)));
        }
        card.push_str(&format!("{about}\n## Cost and exactness\n\n{}", self.report_markdown()));
        let mut files = beside;
        files.extend([
            ("float.onnx", self.source.clone()),
            ("int8.onnx", self.int8_onnx()),
            ("model.rs", self.model_rs().into_bytes()),
            ("golden.rs", self.golden_rs(golden).into_bytes()),
            (CARD, card.into_bytes()),
        ]);
        // What is for people may be edited.
        let hashed = files.iter().filter(|(file, _)| *file != CARD);
        let hashes = hashed.map(|(file, bytes)| (file.to_string(), sha256([&bytes[..]])));
        let record = ModelRecord { files: hashes.collect(), ..self.record.clone() };
        // Last, because it says which files belong together.
        files.push((record::FILE, record.to_json().into_bytes()));
        write_set(folder, &files)
    }
}
