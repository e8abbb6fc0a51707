//! The integer network: what is emitted as Rust and as ONNX, and what the host runs to check both.

use std::collections::BTreeMap;

use firmware_core::kernels::Combine;
use firmware_core::{AffineAdd, AffineMul, LayerKind, Multiplier, Offset, Term, Window};

use crate::graph::{Shape, ValueId};
use crate::tflite::Factor;

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

    /// The largest magnitude that a value of an 8-bit type has.
    pub fn largest(self) -> i64 {
        match self {
            ValueType::U8 => 255,
            ValueType::I8 => 128,
            ValueType::I32 => i64::from(i32::MAX),
        }
    }
}

/// A scale and a zero point, as others quantize: the integer `q` stands for `(q − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    pub scale: f32,
    pub zero: i32,
}

/// What an integer stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// `q · 2^-exponent`: what is quantized here.
    PowerOfTwo(i32),
    /// What was quantized elsewhere.
    Affine(Affine),
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
            Scale::Affine(_) => 0,
        }
    }
}

/// A multiplication by a factor, a zero point added, and bounds: what becomes of an accumulator in
/// a network that TensorFlow Lite quantized.
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
}

/// What becomes of the accumulators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requantization {
    /// They are the logits.
    None,
    /// Bits by which each channel's are shifted right.
    Shifts(Vec<u8>),
    /// For each channel, as TensorFlow Lite for Microcontrollers does it.
    Rescales(Vec<Rescale>),
}

impl Requantization {
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Bytes in flash.
    fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Shifts(shifts) => shifts.len(),
            Self::Rescales(rescales) => size_of::<Multiplier>() * rescales.len(),
        }
    }
}

/// A function of two values that have scales and zero points of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// A factor and the zero point of each term, and what becomes of the sum.
    Add { terms: [(Factor, i32); 2], rescale: Rescale },
    /// The zero points of both factors, and what becomes of the product.
    Mul { zeros: [i32; 2], rescale: Rescale },
}

impl Combination {
    /// The same function of the values in the other order.
    pub fn swap(&mut self) {
        match self {
            Self::Add { terms, .. } => terms.reverse(),
            Self::Mul { zeros, .. } => zeros.reverse(),
        }
    }
}

impl Combine for Combination {
    fn combine(self, a: i32, b: i32) -> i32 {
        match self {
            Self::Add { terms, rescale } => {
                let terms = terms.map(|(f, zero)| Term::new(f.multiplier, f.exponent, zero as i16));
                AffineAdd::new(terms, rescale.kernel()).combine(a, b)
            }
            Self::Mul { zeros, rescale } => {
                AffineMul::new(zeros.map(|zero| zero as i16), rescale.kernel()).combine(a, b)
            }
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
    /// Exponent of each output channel's weights; empty where they were quantized elsewhere.
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

    /// Bytes in flash: weights, biases, shifts.
    pub fn bytes(&self) -> usize {
        self.weights.len() + 4 * self.bias.len() + self.requantization.bytes()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantizedOp {
    Conv2d {
        parameters: Parameters,
        window: Window,
        groups: usize,
        convolved: Shape,
        pool: Option<Window>,
        /// What lies on the padding: the zero point.
        padding_value: i32,
    },
    FullyConnected {
        parameters: Parameters,
    },
    MaxPool2d {
        window: Window,
    },
    /// The sum of each window stands for `2^-bits` times itself and is shifted right by `shift`.
    AveragePool2d {
        window: Window,
        bits: u32,
        shift: u8,
    },
    /// Both inputs are shifted left by `align` to a common exponent, and the sum right by `shift`.
    Add {
        align: [u8; 2],
        shift: u8,
    },
    Concat,
    /// The result for each value, in the order of the values' bytes.
    Lookup {
        table: Vec<i32>,
    },
    /// A function of two values; the second may have one pixel for all.
    Elementwise(Combination),
    /// The mean of what of each window lies on the input.
    MeanPool2d {
        window: Window,
        bounds: [i32; 2],
    },
    /// The mean over all pixels: their sum less the zero points, rescaled.
    Mean {
        input_zero: i32,
        rescale: Rescale,
    },
    /// A border of `value`: top, left, bottom, right.
    Pad2d {
        padding: [usize; 4],
        value: i32,
    },
    /// What is negative times `slope · 2^-bits`.
    LeakyRelu {
        slope: u16,
        bits: u8,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// The name in the source file.
    pub source_name: String,
    /// The name in generated code: the kernel and a number that counts layers of its kind.
    pub name: String,
    pub op: QuantizedOp,
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

    pub fn parameters(&self) -> Option<&Parameters> {
        match &self.op {
            QuantizedOp::Conv2d { parameters, .. } | QuantizedOp::FullyConnected { parameters } => {
                Some(parameters)
            }
            _ => None,
        }
    }

    pub fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        match &mut self.op {
            QuantizedOp::Conv2d { parameters, .. } | QuantizedOp::FullyConnected { parameters } => {
                Some(parameters)
            }
            _ => None,
        }
    }

    pub fn kind(&self) -> LayerKind {
        match &self.op {
            QuantizedOp::Conv2d { pool: Some(_), .. } => LayerKind::Conv2dMaxPool2d,
            QuantizedOp::Conv2d { groups: 1, .. } => LayerKind::Conv2d,
            QuantizedOp::Conv2d { parameters, window, .. } => {
                let one_input = parameters.taps(0).len() == window.kernel[0] * window.kernel[1];
                if one_input { LayerKind::DepthwiseConv2d } else { LayerKind::GroupedConv2d }
            }
            QuantizedOp::FullyConnected { .. } => LayerKind::FullyConnected,
            QuantizedOp::MaxPool2d { .. } => LayerKind::MaxPool2d,
            QuantizedOp::AveragePool2d { .. } => LayerKind::AveragePool2d,
            QuantizedOp::Add { .. } => LayerKind::Add,
            QuantizedOp::Concat => LayerKind::Concat,
            QuantizedOp::LeakyRelu { .. } => LayerKind::LeakyRelu,
            QuantizedOp::Lookup { .. } => LayerKind::Lookup,
            QuantizedOp::Elementwise(Combination::Add { .. }) => LayerKind::AffineAdd,
            QuantizedOp::Elementwise(Combination::Mul { .. }) => LayerKind::AffineMul,
            QuantizedOp::MeanPool2d { .. } => LayerKind::MeanPool2d,
            QuantizedOp::Mean { .. } => LayerKind::AveragePool2d,
            QuantizedOp::Pad2d { .. } => LayerKind::Pad2d,
        }
    }

    /// Multiply-accumulates of one inference; taps that fall on padding count.
    pub fn macs(&self) -> usize {
        match &self.op {
            QuantizedOp::Conv2d { parameters, convolved, .. } => {
                convolved.height * convolved.width * parameters.weights.len()
            }
            QuantizedOp::FullyConnected { parameters } => parameters.weights.len(),
            _ => 0,
        }
    }

    /// Bytes of weights, biases and shifts in flash.
    pub fn parameter_bytes(&self) -> usize {
        match &self.op {
            QuantizedOp::AveragePool2d { .. } | QuantizedOp::Add { .. } => 1,
            QuantizedOp::Lookup { table } => table.len(),
            QuantizedOp::Elementwise(Combination::Add { .. }) => size_of::<AffineAdd>(),
            QuantizedOp::Elementwise(Combination::Mul { .. }) => size_of::<AffineMul>(),
            QuantizedOp::Mean { .. } => size_of::<Offset<Multiplier>>(),
            _ => self.parameters().map_or(0, Parameters::bytes),
        }
    }
}

/// An integer network; layer `i` computes value `i + 1`, the last one the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    pub input: Shape,
    pub input_format: ValueFormat,
    pub layers: Vec<QuantizedLayer>,
}

impl QuantizedNetwork {
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

    /// The last layer's accumulators are the logits; else its values are 8-bit integers as all
    /// others are.
    pub fn ends_in_accumulators(&self) -> bool {
        self.format(self.layers.len()).element == ValueType::I32
    }

    /// Names every layer by its kernel and a number that counts layers of its kind.
    pub fn name_layers(&mut self) {
        let mut numbers = BTreeMap::new();
        for layer in &mut self.layers {
            let kernel = match layer.kind() {
                LayerKind::Conv2dMaxPool2d => LayerKind::Conv2d.name(),
                kind => kind.name(),
            };
            let number = numbers.entry(kernel).and_modify(|n| *n += 1).or_insert(1);
            layer.name = format!("{kernel}_{number}");
        }
    }

    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output.size())
    }

    pub fn macs(&self) -> usize {
        self.layers.iter().map(QuantizedLayer::macs).sum()
    }

    pub fn parameter_bytes(&self) -> usize {
        self.layers.iter().map(QuantizedLayer::parameter_bytes).sum()
    }
}
