//! The integer network: what is emitted as Rust and as ONNX, and what the host runs to check both.

use std::collections::BTreeMap;

use firmware_core::layers::filter_bytes;
use firmware_core::{FloatScale, LayerKind, Multiplier};

use crate::graph::{Output, SampleInput, Shape, ValueId};
use crate::operators::IntegerOp;
use crate::operators::input::Input;

/// The element type of a value between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Never negative: the image, or behind a ReLU.
    U8,
    I8,
    /// The logits.
    I32,
}

impl ValueType {
    pub fn bytes(self) -> usize {
        match self {
            ValueType::U8 | ValueType::I8 => 1,
            ValueType::I32 => 4,
        }
    }

    /// As Rust writes it.
    pub fn rust_name(self) -> &'static str {
        match self {
            ValueType::U8 => "u8",
            ValueType::I8 => "i8",
            ValueType::I32 => "i32",
        }
    }

    /// Least and greatest value.
    pub fn range(self) -> (i32, i32) {
        match self {
            ValueType::U8 => (0, 255),
            ValueType::I8 => (-128, 127),
            ValueType::I32 => (i32::MIN, i32::MAX),
        }
    }

    /// The value of an 8-bit type that has the bits of `byte`.
    pub fn of_byte(self, byte: u8) -> i32 {
        match self {
            ValueType::I8 => (byte as i8).into(),
            ValueType::U8 | ValueType::I32 => byte.into(),
        }
    }

    /// The largest magnitude that a value of an 8-bit type has.
    pub fn largest(self) -> i64 {
        match self {
            ValueType::U8 => 255,
            ValueType::I8 => 128,
            ValueType::I32 => i64::from(i32::MAX),
        }
    }
}

/// What an integer stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// `q` stands for `q · 2^-exponent`: what is quantized here.
    PowerOfTwo(i32),
    /// `q` stands for `(q − zero) · scale`: what others quantized.
    Affine { scale: f32, zero: i32 },
}

/// A value's type and what its integers stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueFormat {
    pub element: ValueType,
    pub scale: Scale,
}

impl ValueFormat {
    pub fn power_of_two(element: ValueType, exponent: i32) -> Self {
        Self { element, scale: Scale::PowerOfTwo(exponent) }
    }

    /// The exponent of a value that was quantized here; 0 for others.
    pub fn exponent(&self) -> i32 {
        match self.scale {
            Scale::PowerOfTwo(exponent) => exponent,
            Scale::Affine { .. } => 0,
        }
    }
}

/// A positive real number as `multiplier · 2^(exponent − 31)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// 2^30 to 2^31 − 1, or 0.
    pub multiplier: i32,
    pub exponent: i8,
}

/// What TensorFlow Lite for Microcontrollers does to an accumulator: a multiplication, rounded
/// twice, a zero point and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rescale {
    pub factor: Factor,
    pub zero: i32,
    pub bounds: [i32; 2],
}

impl Rescale {
    pub fn kernel(&self) -> Multiplier {
        let Factor { multiplier, exponent } = self.factor;
        Multiplier::new(multiplier, exponent, self.zero as i8, self.bounds.map(|x| x as i8))
    }

    /// As Rust writes it.
    pub fn rust(&self) -> String {
        let Self { factor: Factor { multiplier, exponent }, zero, bounds: [low, high] } = self;
        format!("Multiplier::new({multiplier}, {exponent}, {zero}, [{low}, {high}])")
    }
}

/// What ONNX Runtime does to an accumulator: a multiplication by an `f32`, rounded half to even, and
/// a zero point. The output's type has the only bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatRescale {
    /// A positive normal number, or 0.
    pub scale: f32,
    pub zero: i32,
}

// A scale is a number.
impl Eq for FloatRescale {}

impl FloatRescale {
    pub fn kernel(&self) -> FloatScale {
        FloatScale::new(self.scale, self.zero as i16)
    }

    /// As Rust writes it.
    pub fn rust(&self) -> String {
        format!("FloatScale::new({:?}, {})", self.scale, self.zero)
    }
}

/// How one of the runtimes rescales: what a layer without weights of its own has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescaling {
    /// TensorFlow Lite for Microcontrollers'.
    Multiplier(Rescale),
    /// ONNX Runtime's.
    Float(FloatRescale),
}

impl Rescaling {
    /// Its type in Rust.
    pub fn rust_type(&self) -> &'static str {
        match self {
            Self::Multiplier(_) => "Multiplier",
            Self::Float(_) => "FloatScale",
        }
    }

    /// As Rust writes it.
    pub fn rust(&self) -> String {
        match self {
            Self::Multiplier(rescale) => rescale.rust(),
            Self::Float(rescale) => rescale.rust(),
        }
    }
}

/// What becomes of the accumulators of a layer with weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requantization {
    /// Nothing: they are the logits.
    None,
    /// Bits by which each output channel's are shifted right.
    Shifts(Vec<u8>),
    /// What each output channel's are multiplied by, rounded twice.
    Rescales(Vec<Rescale>),
    /// What each output channel's are multiplied by as an `f32`.
    FloatScales(Vec<FloatRescale>),
}

impl Requantization {
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Bytes in flash.
    pub fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Shifts(shifts) => shifts.len(),
            Self::Rescales(rescales) => size_of::<Multiplier>() * rescales.len(),
            Self::FloatScales(rescales) => size_of::<FloatScale>() * rescales.len(),
        }
    }
}

/// Weights and everything per output channel of a convolution or fully connected layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// `[out][…][in]`, −127 to 127; of a grouped convolution, the inputs of the output's group.
    pub weights: Vec<i8>,
    /// In units of the accumulator.
    pub bias: Vec<i32>,
    /// Of each weight: 8, or 4 for weights from −7 to 7.
    pub bits: u8,
    /// Exponent of each output channel's weights; empty where others quantized them.
    pub weight_exponents: Vec<i32>,
    pub requantization: Requantization,
}

impl Parameters {
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// The weights of output channel `channel`.
    pub fn taps(&self, channel: usize) -> &[i8] {
        let taps = self.weights.len() / self.channels();
        &self.weights[channel * taps..(channel + 1) * taps]
    }

    /// The weights as `[…][in][out]`: what a depthwise kernel takes.
    pub fn by_tap(&self) -> Vec<i8> {
        let (taps, channels) = (self.taps(0).len(), self.channels());
        (0..taps).flat_map(|tap| (0..channels).map(move |c| self.weights[c * taps + tap])).collect()
    }

    /// Bytes of the weights in flash, where each of so many equal filters begins anew.
    pub fn weight_bytes(&self, filters: usize) -> usize {
        match self.bits {
            4 => filters * filter_bytes(self.weights.len() / filters.max(1)),
            _ => self.weights.len(),
        }
    }

    /// Bytes in flash: weights in so many filters, biases, requantizations.
    pub fn bytes(&self, filters: usize) -> usize {
        self.weight_bytes(filters) + 4 * self.bias.len() + self.requantization.bytes()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// The name in the source file.
    pub source_name: String,
    /// The name in generated code: the kernel and a number that counts layers of its kind.
    pub name: String,
    pub op: IntegerOp,
    pub inputs: Vec<ValueId>,
    pub output: Shape,
    pub format: ValueFormat,
    /// Least and greatest value after requantization, where they are not the element type's.
    pub clip: Option<[i32; 2]>,
}

impl QuantizedLayer {
    /// The only input, or the first of several.
    pub fn input(&self) -> ValueId {
        self.inputs[0]
    }

    /// It is one of several inputs, which no device computes.
    pub fn is_input(&self) -> bool {
        matches!(self.op, IntegerOp::Input(_))
    }

    pub fn parameters(&self) -> Option<&Parameters> {
        self.op.as_dyn().parameters()
    }

    pub fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        self.op.as_dyn_mut().parameters_mut()
    }

    pub fn kind(&self) -> LayerKind {
        self.op.as_dyn().kind()
    }

    /// Multiply-accumulates of one inference; taps that fall on padding count.
    pub fn macs(&self) -> usize {
        self.op.as_dyn().macs()
    }

    /// Bytes of weights, biases and requantizations in flash.
    pub fn parameter_bytes(&self) -> usize {
        self.op.as_dyn().parameter_bytes()
    }
}

/// An integer network; layer `i` computes value `i + 1`, the last one the logits, of the classifier where
/// there are several outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    pub input: Shape,
    pub input_format: ValueFormat,
    pub layers: Vec<QuantizedLayer>,
    /// In the order of the file. One holds the value of the last layer, the classifier's where there are
    /// several.
    pub outputs: Vec<Output>,
}

impl QuantizedNetwork {
    /// The outputs of a network that returns what its last layer computes.
    pub fn one_output(layers: &[QuantizedLayer]) -> Vec<Output> {
        let size = layers.last().map_or(0, |layer| layer.output.size());
        vec![Output::plain("logits", layers.len(), size)]
    }

    /// The outputs, if there are several.
    pub fn several_outputs(&self) -> Option<&[Output]> {
        (self.outputs.len() > 1).then_some(&self.outputs)
    }

    /// An output holds the value.
    pub fn is_output(&self, value: ValueId) -> bool {
        self.outputs.iter().any(|output| output.value == value)
    }

    /// The shape of each output.
    pub fn output_shapes(&self) -> Vec<Shape> {
        self.outputs.iter().map(|output| self.shape(output.value)).collect()
    }

    /// The number of elements of all outputs together.
    pub fn output_size(&self) -> usize {
        self.outputs.iter().map(|output| self.shape(output.value).size()).sum()
    }

    /// Bytes of all outputs together.
    pub fn output_bytes(&self) -> usize {
        let bytes = |value| self.format(value).element.bytes() * self.shape(value).size();
        self.outputs.iter().map(|output| bytes(output.value)).sum()
    }

    /// The last layer's accumulators are the logits; else its values are 8-bit integers as all
    /// others are.
    pub fn ends_in_accumulators(&self) -> bool {
        self.format(self.layers.len()).element == ValueType::I32
    }

    /// The only output is a vector, of logits or of other values.
    pub fn gives_logits_alone(&self) -> bool {
        self.several_outputs().is_none() && self.gives_vector()
    }

    /// The last layer gives a vector, of logits or of other values; else an image, which tells no classes
    /// apart.
    pub fn gives_vector(&self) -> bool {
        let Shape { height, width, .. } = self.shape(self.layers.len());
        height * width == 1
    }

    /// The inputs with their places in a sample, in the order of the file.
    pub fn inputs(&self) -> Vec<SampleInput> {
        let several = self.layers.iter().enumerate().map_while(|(index, layer)| match layer.op {
            IntegerOp::Input(Input { first }) => Some(SampleInput {
                name: layer.source_name.clone(),
                value: index + 1,
                first,
                shape: layer.output,
            }),
            _ => None,
        });
        SampleInput::or_image(several.collect(), self.input)
    }

    /// The number of the first layer that a device computes: those in front only are inputs.
    pub fn first_layer(&self) -> usize {
        self.layers.iter().take_while(|layer| layer.is_input()).count()
    }

    /// The layers that a device computes, with their numbers.
    pub fn computed(&self) -> impl Iterator<Item = (usize, &QuantizedLayer)> {
        self.layers.iter().enumerate().skip(self.first_layer())
    }

    /// Whether a value is an input, which the caller has.
    pub fn is_input(&self, value: ValueId) -> bool {
        value == 0 || self.layers[value - 1].is_input()
    }

    /// Names every layer after its kernel, with a number that counts layers of its kind; one of several
    /// inputs keeps its own name.
    pub fn name_layers(&mut self) {
        let mut numbers = BTreeMap::new();
        let inputs: Vec<String> = self.inputs().into_iter().map(|input| input.name).collect();
        let taken = |name: &str| inputs.iter().any(|input| input.starts_with(name));
        for layer in &mut self.layers {
            if layer.is_input() {
                layer.name.clone_from(&layer.source_name);
                continue;
            }
            let kernel = match layer.kind() {
                LayerKind::Conv2dMaxPool2d => LayerKind::Conv2d.name(),
                kind => kind.name(),
            };
            let number = numbers.entry(kernel).or_insert(0);
            while {
                *number += 1;
                layer.name = format!("{kernel}_{number}");
                taken(&layer.name)
            } {}
        }
    }

    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            value => self.layers[value - 1].output,
        }
    }

    pub fn format(&self, value: ValueId) -> ValueFormat {
        match value {
            0 => self.input_format,
            value => self.layers[value - 1].format,
        }
    }

    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output.size())
    }

    /// The number of classes that the logits tell apart: two by a single one.
    pub fn answers(&self) -> usize {
        match self.classes() {
            1 => 2,
            several => several,
        }
    }

    pub fn macs(&self) -> usize {
        self.layers.iter().map(QuantizedLayer::macs).sum()
    }

    pub fn parameter_bytes(&self) -> usize {
        self.layers.iter().map(QuantizedLayer::parameter_bytes).sum()
    }
}
