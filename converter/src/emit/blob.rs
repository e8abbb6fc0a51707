//! `model.blob`: the model as data, for `firmware_core::blob`, which describes its format.

use firmware_core::blob::format::{
    HEADER, MAGIC, MOST_ARENA, MOST_LAYERS, RECORD, VERSION, header, record,
};
use firmware_core::blob::{Element, Kind, Layout, Model, Stored, crc32};
use firmware_core::{LayerKind, Window};

use super::Origin;
use super::rust::with_places;
use crate::arena::ArenaPlan;
use crate::graph::Shape;
use crate::operators::IntegerOp;
use crate::quantized::{
    Parameters, QuantizedLayer, QuantizedNetwork, Requantization, Rescale, Scale, ValueFormat,
    ValueType,
};

/// The blob for the kernels of a target.
pub fn file_name(kernels: &str) -> String {
    match kernels {
        "portable" => "model.blob".into(),
        kernels => format!("model.{kernels}.blob"),
    }
}

/// Why a model does not become a blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobEmitError {
    #[error("layer '{name}': {kind} has no form in a blob yet; use model.rs")]
    Operator { name: String, kind: &'static str },
    #[error("a blob has one input, this model {0}; use model.rs")]
    Inputs(usize),
    #[error(
        "layer '{name}': {kind} rounds as ONNX Runtime does, by a product of two f32; a blob has no form for that, \
         because every firmware that loads blobs would carry the kernels for it; use model.rs"
    )]
    Rounding { name: String, kind: &'static str },
    #[error("a blob has at most {most} {what}, this model has {found}")]
    TooLarge { what: &'static str, most: usize, found: usize },
    #[error(
        "a blob has one output, this model has {0}; use model.rs, whose infer returns all of them"
    )]
    Outputs(usize),
    #[error("the blob does not hold what it should ({0}); this is a fault of the converter")]
    Refused(String),
}

/// The layer's rounding is one of ONNX Runtime's.
fn rounds_in_f32(layer: &QuantizedLayer) -> bool {
    let scaled = layer.parameters().map(|parameters| &parameters.requantization);
    matches!(scaled, Some(Requantization::FloatScales(_)))
        || matches!(layer.op, IntegerOp::FloatAdd(_) | IntegerOp::FloatMeanPool2d(_))
}

/// What an operator says of a layer.
#[derive(Clone, Debug)]
pub struct LayerBlob {
    pub kind: Kind,
    pub window: Option<Window>,
    pub pool: Option<Window>,
    /// What is read, or put, on the padding.
    pub padding_value: i32,
    pub extra: [i32; 2],
    /// As the kind's documentation says.
    pub data: Data,
}

impl LayerBlob {
    pub fn new(kind: Kind, data: Data) -> Self {
        Self { kind, window: None, pool: None, padding_value: 0, extra: [0; 2], data }
    }
}

/// Words of a layer's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data(Vec<u32>);

impl Data {
    pub fn i32s(mut self, values: &[i32]) -> Self {
        self.0.extend(values.iter().map(|&value| value as u32));
        self
    }

    pub fn stored(mut self, values: &[Stored]) -> Self {
        self.0.extend(values.iter().flat_map(|stored| stored.to_words()));
        self
    }

    /// Filled up to whole words with zeros.
    pub fn bytes(mut self, bytes: impl IntoIterator<Item = u8>) -> Self {
        let bytes: Vec<u8> = bytes.into_iter().collect();
        self.0.extend(bytes.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        }));
        self
    }

    pub fn i8s(self, values: &[i8]) -> Self {
        self.bytes(values.iter().map(|&value| value as u8))
    }

    pub fn u16s(self, values: impl IntoIterator<Item = u16>) -> Self {
        self.bytes(values.into_iter().flat_map(u16::to_le_bytes))
    }
}

/// A layer that is to be written.
pub struct Writing<'a> {
    pub network: &'a QuantizedNetwork,
    pub layer: &'a QuantizedLayer,
    pub layout: Layout,
}

impl Writing<'_> {
    pub fn input(&self) -> Shape {
        self.network.shape(self.layer.input())
    }

    /// A shift with the bounds of the layer's activation.
    pub fn shift(&self, bits: u8) -> Stored {
        let element = self.layer.format.element;
        let (low, high) = element.range();
        let bounds = self.layer.clip.unwrap_or([low, high]);
        // Bounds beyond the type's bound nothing.
        let bounds = bounds.map(|bound| bound.clamp(low.max(-128), high.min(255)));
        Stored::shift(bits, element == ValueType::U8, bounds)
    }

    pub fn rescale(&self, rescale: &Rescale) -> Stored {
        let Rescale { factor, zero, bounds } = rescale;
        let bounds = bounds.map(|bound| bound as i8);
        Stored::multiplier(factor.multiplier, factor.exponent, *zero as i8, bounds)
    }

    /// Biases and requantizations of a layer with weights.
    pub fn channels(&self, parameters: &Parameters) -> Data {
        let requantize: Vec<Stored> = match &parameters.requantization {
            // The layers that have these have no form in a blob.
            Requantization::None | Requantization::FloatScales(_) => Vec::new(),
            Requantization::Shifts(shifts) => shifts.iter().map(|&bits| self.shift(bits)).collect(),
            Requantization::Rescales(all) => all.iter().map(|one| self.rescale(one)).collect(),
        };
        Data::default().i32s(&parameters.bias).stored(&requantize)
    }

    /// The parameters of a convolution of one group.
    pub fn convolution(&self, parameters: &Parameters) -> Data {
        let (weights, channels) = (&parameters.weights, parameters.channels());
        let mut data = self.channels(parameters);
        if self.layout.sums != 0 {
            let sum = |channel: usize| parameters.taps(channel).iter().map(|&w| i32::from(w)).sum();
            data = data.i32s(&(0..channels).map(sum).collect::<Vec<i32>>());
        }
        let mut arranged = vec![0; weights.len()];
        self.layout.arrange_convolution(weights, channels, &mut arranged);
        arranged.resize(arranged.len() + usize::from(self.layout.tail), 0);
        data.i8s(&arranged)
    }

    /// The parameters of a fully connected layer.
    pub fn connected(&self, parameters: &Parameters) -> Data {
        let mut arranged = vec![0; parameters.weights.len()];
        self.layout.arrange_connected(&parameters.weights, parameters.channels(), &mut arranged);
        self.channels(parameters).i8s(&arranged)
    }
}

/// The blob of a network, for the kernels that take `layout`.
///
/// # Errors
///
/// An operator without a form in blobs; more than a blob has room for.
pub fn emit(
    network: &QuantizedNetwork,
    arena: &ArenaPlan,
    origin: &Origin,
    layout: Layout,
) -> Result<Vec<u8>, BlobEmitError> {
    if network.first_layer() > 0 {
        return Err(BlobEmitError::Inputs(network.first_layer()));
    }
    if let Some(outputs) = network.several_outputs() {
        return Err(BlobEmitError::Outputs(outputs.len()));
    }
    let network = &with_places(network, arena);
    let (offsets, arena_bytes) = places(network, arena);
    let bounded = |what, found: usize, most: usize| match found <= most {
        true => Ok(found as u32),
        false => Err(BlobEmitError::TooLarge { what, most, found }),
    };
    let layers = bounded("layers", network.layers.len(), MOST_LAYERS)?;
    let labels = bounded("labels", origin.labels.len(), u16::MAX.into())?;

    let start = HEADER + network.layers.len() * RECORD;
    let (mut records, mut data) = (Vec::new(), Vec::new());
    for (index, layer) in network.layers.iter().enumerate() {
        let Some(blob) = layer.op.as_dyn().blob(&Writing { network, layer, layout }) else {
            let (name, kind) = (layer.source_name.clone(), layer.kind().name());
            return Err(match rounds_in_f32(layer) {
                true => BlobEmitError::Rounding { name, kind },
                false => BlobEmitError::Operator { name, kind },
            });
        };
        let inputs = layer.inputs.iter().map(|&value| value as u16);
        let words = Data::default().u16s(inputs).0.into_iter().chain(blob.data.0);
        let at = start + data.len();
        data.extend(words);
        let len = start + data.len() - at;
        let [size, channels] = shape(layer.output, "sizes")?;
        let [scale, zero] = scale(layer.format);
        let mut words = [0; RECORD];
        words[record::KIND] = u32::from_le_bytes([
            blob.kind as u8,
            element(layer.format) as u8,
            arena.in_place[index].is_some().into(),
            bounded("inputs of a layer", layer.inputs.len(), u8::MAX.into())? as u8,
        ]);
        words[record::OUTPUT] = size;
        words[record::OUTPUT + 1] = channels | (blob.padding_value as u32) << 16;
        words[record::OFFSET] = offsets[index + 1] as u32;
        words[record::SCALE..][..2].copy_from_slice(&[scale, zero]);
        words[record::DATA..][..2].copy_from_slice(&[at as u32, len as u32]);
        let input = network.shape(layer.input());
        if let Some(seen) = blob.window {
            words[record::WINDOW..][..4].copy_from_slice(&window(&seen, input)?);
        }
        if let (Some(seen), Some(pool)) = (blob.window, blob.pool) {
            let [height, width] = seen.output_size([input.height, input.width]);
            let convolved = Shape::new(height, width, layer.output.channels);
            words[record::POOL..][..4].copy_from_slice(&window(&pool, convolved)?);
        }
        words[record::EXTRA..][..2].copy_from_slice(&blob.extra.map(|extra| extra as u32));
        records.extend(words);
    }
    let names = start + data.len();
    let mut text = Vec::new();
    for name in std::iter::once(&origin.name).chain(&origin.labels) {
        text.extend(name.bytes().filter(|&byte| byte != 0));
        text.push(0);
    }
    let names_bytes = text.len();
    data.extend(Data::default().bytes(text).0);

    let mut words = vec![0; HEADER];
    words[header::MAGIC..][..2].copy_from_slice(&MAGIC);
    words[header::VERSION] = VERSION;
    words[header::LAYOUT] = layout.to_word();
    // With the checksum.
    let length = (start + data.len() + 1).saturating_mul(4);
    words[header::LENGTH] = bounded("bytes", length, i32::MAX as usize)?;
    words[header::ARENA] = bounded("bytes of arena", arena_bytes, MOST_ARENA)?;
    words[header::COUNTS] = layers | labels << 16;
    words[header::INPUT..][..2].copy_from_slice(&shape(network.input, "sizes")?);
    words[header::INPUT + 1] |= (element(network.input_format) as u32) << 16;
    words[header::INPUT + 2..][..2].copy_from_slice(&scale(network.input_format));
    words[header::NAMES..][..2].copy_from_slice(&[names as u32, names_bytes as u32]);
    let sha256 = origin.source_sha256.chunks(4);
    for (word, bytes) in words[header::SOURCE..].iter_mut().zip(sha256) {
        *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    words.extend(records);
    words.extend(data);
    let mut blob: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    blob.extend(crc32(&blob).to_le_bytes());
    check(&blob, layout)?;
    Ok(blob)
}

/// A blob that this host can load is loaded, so that none is written that would be refused.
fn check(blob: &[u8], layout: Layout) -> Result<(), BlobEmitError> {
    if layout != Layout::NATIVE {
        return Ok(());
    }
    let aligned = Aligned::new(blob);
    match Model::load(aligned.bytes()) {
        Ok(_) => Ok(()),
        Err(error) => Err(BlobEmitError::Refused(error.to_string())),
    }
}

/// Bytes at a multiple of four.
pub struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub fn new(bytes: &[u8]) -> Self {
        let mut memory = vec![0; bytes.len() + 3];
        let start = memory.as_ptr().align_offset(4).min(3);
        memory[start..start + bytes.len()].copy_from_slice(bytes);
        Self { memory, start, len: bytes.len() }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

/// Where each value lies, accumulators at the end among them, which generated code returns; and the
/// bytes of it all.
fn places(network: &QuantizedNetwork, arena: &ArenaPlan) -> (Vec<usize>, usize) {
    let mut offsets: Vec<usize> = arena.offsets.iter().map(|at| at.unwrap_or(0)).collect();
    let last = network.layers.len();
    if arena.offsets[last].is_some() {
        return (offsets, arena.bytes);
    }
    let size = |value: usize| network.shape(value).size() * network.format(value).element.bytes();
    let read: Vec<[usize; 2]> = network.layers[last - 1]
        .inputs
        .iter()
        .filter_map(|&value| arena.offsets[value].map(|at| [at, at + size(value)]))
        .collect();
    let free = |at: &usize| read.iter().all(|&[from, to]| at + size(last) <= from || to <= *at);
    let ends = read.iter().map(|[_, to]| to.next_multiple_of(4));
    let at = std::iter::once(0).chain(ends).filter(free).min().unwrap_or(arena.bytes);
    offsets[last] = at;
    (offsets, arena.bytes.max(at + size(last)).next_multiple_of(4))
}

fn element(format: ValueFormat) -> Element {
    match format.element {
        ValueType::U8 => Element::U8,
        ValueType::I8 => Element::I8,
        ValueType::I32 => Element::I32,
    }
}

/// Scale and zero point.
fn scale(format: ValueFormat) -> [u32; 2] {
    let (scale, zero) = match format.scale {
        Scale::PowerOfTwo(exponent) => ((-f64::from(exponent)).exp2() as f32, 0),
        Scale::Affine { scale, zero } => (scale, zero),
    };
    [scale.to_bits(), zero as u32]
}

/// Two numbers in a word.
fn halves(low: usize, high: usize, what: &'static str) -> Result<u32, BlobEmitError> {
    let most = usize::from(u16::MAX);
    match low.max(high) {
        found if found > most => Err(BlobEmitError::TooLarge { what, most, found }),
        _ => Ok(low as u32 | (high as u32) << 16),
    }
}

fn shape(shape: Shape, what: &'static str) -> Result<[u32; 2], BlobEmitError> {
    Ok([halves(shape.height, shape.width, what)?, halves(shape.channels, 0, what)?])
}

/// A window on an input; a stride that leads to no second window is brought down to the shortest such,
/// and a dilation between no taps is none.
fn window(window: &Window, input: Shape) -> Result<[u32; 4], BlobEmitError> {
    let [top, left, bottom, right] = window.padding;
    let padded = [input.height + top + bottom, input.width + left + right];
    let stride = |axis: usize| {
        let free = padded[axis].saturating_sub(window.extent()[axis]);
        window.stride[axis].min(free + 1)
    };
    let dilation = |axis: usize| match window.kernel[axis] {
        1 => 1,
        _ => window.dilation[axis],
    };
    let mut padding = [0; 4];
    for (byte, &size) in padding.iter_mut().zip(&window.padding) {
        let (what, most) = ("pixels of padding", usize::from(u8::MAX));
        *byte =
            u8::try_from(size).map_err(|_| BlobEmitError::TooLarge { what, most, found: size })?;
    }
    Ok([
        halves(window.kernel[0], window.kernel[1], "taps of a window")?,
        halves(stride(0), stride(1), "pixels of stride")?,
        halves(dilation(0), dilation(1), "pixels of dilation")?,
        u32::from_le_bytes(padding),
    ])
}

/// The kind of blob layer that a kernel with weights is.
pub fn kind_of(kind: LayerKind) -> Kind {
    match kind {
        LayerKind::Conv2dMaxPool2d => Kind::Conv2dMaxPool2d,
        LayerKind::DepthwiseConv2d => Kind::DepthwiseConv2d,
        LayerKind::GroupedConv2d => Kind::GroupedConv2d,
        _ => Kind::Conv2d,
    }
}
