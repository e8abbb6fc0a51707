//! The pipeline: read → passes → lower → quantize → emit. One builder serves the command line,
//! the trainer and a `build.rs`.

use firmware_core::Unknown;
use sha2::{Digest, Sha256};

use crate::arena::{self, Favour};
use crate::conversion::Conversion;
use crate::emit::report::Report;
use crate::emit::{Origin, int8_onnx};
use crate::graph::{Graph, Shape};
use crate::lower::{Network, lower};
use crate::passes::{self, PassError, PixelScale};
use crate::quantize::{Bits, Exponents, LayerBits, QuantizeError, USUAL_BITS, misfit, quantize};
use crate::quantized::QuantizedNetwork;
use crate::read::{self, ReadError};
use crate::record::{self, InputRecord, ModelRecord, RecordError, describe};
use inkling_data::Dataset;
use inkling_data::prepare::InputForm;
use inkling_data::random::{Purpose, Random};
use inkling_data::read::labels;

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
    pixels: Vec<PixelScale>,
    exponents: Option<Exponents>,
    bits: Option<Bits>,
    record: Option<ModelRecord>,
    favour: Favour,
    forms: Vec<InputForm>,
}

impl<'a> Converter<'a> {
    /// A conversion of the bytes of an `.onnx` file into a network called `name`.
    pub fn new(name: &str, onnx: &'a [u8]) -> Self {
        Self {
            name: name.to_string(),
            onnx,
            pixels: Vec::new(),
            exponents: None,
            bits: None,
            record: None,
            favour: Favour::Time,
            forms: Vec::new(),
        }
    }

    /// How pixels were scaled for training. Without it the file says so: in its own record, by
    /// taking integers, or by rescaling its input. Where it does not, it is `pixel / 255`. Of several
    /// inputs the scale is that of all.
    pub fn pixel_scale(mut self, pixels: PixelScale) -> Self {
        self.pixels = vec![pixels];
        self
    }

    /// What else is known of the model: labels, preparation, split, command. Without it the file's
    /// own record, if it has one, is carried on. Inputs, outputs and source are filled in.
    pub fn record(mut self, record: ModelRecord) -> Self {
        self.record = Some(record);
        self
    }

    /// What brings samples to the bytes of each input, where the record does not say it.
    pub fn forms(mut self, forms: Vec<InputForm>) -> Self {
        self.forms = forms;
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
        let (pixels, _) = passes::choose_pixel_scale(&graph, &self.given_pixels(&base))?;
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
        self.sketch_with_pixels().map(|(network, _)| network)
    }

    /// The same with how each input takes its bytes.
    ///
    /// # Errors
    ///
    /// As [`Converter::convert`].
    pub fn sketch_with_pixels(&self) -> Result<(QuantizedNetwork, Vec<PixelScale>), ConvertError> {
        let base = self.base()?;
        let mut graph = read::read(self.onnx)?;
        if let [InputRecord { shape: [height, width, channels], .. }] = &base.inputs[..] {
            graph.see_input_as(Shape::new(*height, *width, *channels));
        }
        let (pixels, _) = passes::choose_pixel_scale(&graph, &self.given_pixels(&base))?;
        let mut float = lowered(graph, &pixels)?;
        self.choose_bits(&mut float, &base)?;
        Ok((quantize(&float, &noise(&float), &base.exponents)?, pixels))
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
    fn given_pixels(&self, base: &ModelRecord) -> Vec<PixelScale> {
        match self.pixels.is_empty() {
            true => base.pixel_scales(),
            false => self.pixels.clone(),
        }
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
        let (pixels, mut notes) = passes::choose_pixel_scale(&graph, &given)?;
        let recorded = std::mem::take(&mut graph.exponents);
        let mut float = lowered(graph, &pixels)?;
        float.classify(base.labels.len());
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
        let mut of_float = describe::float_model(base, &float.inputs(), &pixels);
        for (input, form) in of_float.inputs.iter_mut().zip(&self.forms) {
            input.preparation.form.get_or_insert_with(|| form.clone());
        }
        let source = record::attach(self.onnx, &of_float);
        let network = quantize(&float, &calibration, &exponents)?;
        let arena = arena::plan_for(&network, self.favour);
        let report = Report::measure(&float, &network, &arena, &calibration.spaced(REPORT_IMAGES));
        let record = describe::model(of_float, &network, &source);
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
            section: None,
        };
        Ok(Conversion {
            float,
            network,
            arena,
            report,
            origin,
            record,
            source,
            pixels,
            notes,
            tested: None,
        })
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

fn lowered(mut graph: Graph, pixels: &[PixelScale]) -> Result<Network, ConvertError> {
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
    let own = record.embedded();
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
    let mut pixels = record.pixel_scales();
    let mut graph = read::read(float_onnx)?;
    // A record without inputs is of pixels as usual; a damaged one of too few is refused by its integers.
    pixels.resize(graph.inputs().len(), PixelScale::default());
    if let [InputRecord { shape: [height, width, channels], .. }] = &record.inputs[..] {
        graph.see_input_as(Shape::new(*height, *width, *channels));
    }
    let mut float = lowered(graph, &pixels)?;
    float.classify(record.labels.len());
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
