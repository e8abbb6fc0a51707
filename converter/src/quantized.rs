//! The integer network: what is emitted as Rust and as ONNX, and what the host runs to check both.

use firmware_core::{LayerKind, Window};

use crate::graph::{Shape, ValueId};

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

/// A value's type and exponent: the integer `q` stands for `q · 2^-exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueFormat {
    pub element: ValueType,
    pub exponent: i32,
}

/// Weights and everything per output channel of a convolution or fully connected layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// `[out][…][in]`, −127 to 127; of a grouped convolution, the inputs of the output's group.
    pub weights: Vec<i8>,
    /// In units of the accumulator.
    pub bias: Vec<i32>,
    /// Exponent of each output channel's weights.
    pub weight_exponents: Vec<i32>,
    /// Bits by which each accumulator is shifted right; empty for the logits.
    pub shifts: Vec<u8>,
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
        self.weights.len() + 4 * self.bias.len() + self.shifts.len()
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
    /// What is negative times `slope · 2^-bits`.
    LeakyRelu {
        slope: u16,
        bits: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
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
            _ => self.parameters().map_or(0, Parameters::bytes),
        }
    }
}

/// An integer network; layer `i` computes value `i + 1`, the last one the logits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedNetwork {
    pub input: Shape,
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
            0 => ValueFormat { element: ValueType::U8, exponent: crate::passes::INPUT_EXPONENT },
            value => self.layers[value - 1].format,
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
