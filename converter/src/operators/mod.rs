//! What a layer can compute: one file per operator, with all that the operator is in each phase.
//!
//! An operator has up to three forms. In the graph it is an [`Operator`](crate::graph::Operator), as
//! the file says it; its `lower` makes a layer of it and of what is fused into it. As a layer of the
//! float network it is a [`FloatOperator`]: how it computes in f32, and which integers it becomes.
//! As a layer of the integer network it is an [`IntegerOperator`]: what it costs, how
//! `firmware-core`'s scalar kernels compute it, and how it is written as Rust and as ONNX.
//!
//! The lists in this file are the only place that names all of them.

#[macro_use]
mod list;

pub mod add;
pub mod affine_add;
pub mod affine_mean;
pub mod affine_mul;
pub mod average_pool2d;
pub mod average_pool2d_inside;
pub mod concat;
pub mod conv2d;
pub mod float_add;
pub mod float_mean_pool2d;
pub mod fully_connected;
pub mod functions;
pub mod gather;
pub mod input;
pub mod leaky_relu;
pub mod lookup;
pub mod max_pool2d;
pub mod mean_pool2d;
pub mod mul;
pub mod pad2d;
pub mod prelu;
mod relu;

use firmware_core::{Checked, Checksum, LayerKind};

use crate::emit::blob::{LayerBlob, Writing};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types};
use crate::graph::{Shape, ValueId};
use crate::lower::{Layer, Lower};
use crate::quantize::{QuantizeError, Quantizing, largest_accumulator};
use crate::quantized::{Parameters, QuantizedLayer, ValueType};
use crate::reference::{Integers, Run};
use crate::stream::RowForm;

/// How each operator of a graph becomes a layer; the first that knows the node's is taken.
pub(crate) const LOWER: &[Lower] = &[
    input::lower,
    conv2d::lower,
    fully_connected::lower,
    max_pool2d::lower,
    average_pool2d::lower,
    average_pool2d_inside::lower,
    add::lower,
    concat::lower,
    leaky_relu::lower,
    prelu::lower,
    lookup::lower,
    mul::lower,
    gather::lower,
    relu::lower,
];

operators! {
    /// What a layer computes, in f32.
    FloatOp: FloatOperator {
        Input(input::Input),
        Conv2d(conv2d::Conv2d),
        FullyConnected(fully_connected::FullyConnected),
        MaxPool2d(max_pool2d::MaxPool2d),
        AveragePool2d(average_pool2d::AveragePool2d),
        AveragePool2dInside(average_pool2d_inside::AveragePool2dInside),
        Add(add::Add),
        Concat(concat::Concat),
        LeakyRelu(leaky_relu::LeakyRelu),
        PRelu(prelu::PRelu),
        Lookup(lookup::Lookup),
        Mul(mul::Mul),
        Gather(gather::Gather),
    }
}

operators! {
    /// What a layer computes, in integers.
    IntegerOp: IntegerOperator {
        Input(input::Input),
        Conv2d(conv2d::QuantizedConv2d),
        FullyConnected(fully_connected::QuantizedFullyConnected),
        MaxPool2d(max_pool2d::MaxPool2d),
        AveragePool2d(average_pool2d::QuantizedAveragePool2d),
        AveragePool2dInside(average_pool2d_inside::QuantizedAveragePool2dInside),
        Add(add::QuantizedAdd),
        Concat(concat::Concat),
        LeakyRelu(leaky_relu::QuantizedLeakyRelu),
        PRelu(prelu::QuantizedPRelu),
        Lookup(lookup::QuantizedLookup),
        AffineAdd(affine_add::AffineAdd),
        AffineMul(affine_mul::AffineMul),
        MeanPool2d(mean_pool2d::MeanPool2d),
        AffineMean(affine_mean::AffineMean),
        FloatAdd(float_add::FloatAdd),
        FloatMeanPool2d(float_mean_pool2d::FloatMeanPool2d),
        Pad2d(pad2d::Pad2d),
        Mul(mul::QuantizedMul),
        Gather(gather::Gather),
    }
}

/// A layer's operator in f32.
pub trait FloatOperator {
    /// Computes the layer's result, `[height][width][channel]`, before its ReLU and its ceiling;
    /// `inputs` are its inputs' shapes and elements.
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32>;

    /// The integers that the operator becomes, given the formats of inputs and result.
    ///
    /// # Errors
    ///
    /// What has no exact integer form; names the layer.
    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError>;

    /// Inputs and result share one format, because the kernel copies integers.
    fn shares_format(&self) -> bool {
        false
    }

    /// The kernel requantizes, so that it can also clip to the bounds of an activation.
    fn requantizes(&self) -> bool {
        !self.shares_format()
    }

    /// The result consists of elements of the only input.
    fn selects(&self) -> bool {
        false
    }

    /// The operator's accumulators can be the logits.
    fn gives_logits(&self) -> bool {
        false
    }

    /// By what an error in the negative values of the input shrinks.
    fn negative_slope(&self) -> f32 {
        1.0
    }

    /// The largest exponents that each input and the result may have, given the inputs'.
    fn caps(&self, inputs: &[i32]) -> (Vec<i32>, i32) {
        (vec![i32::MAX; inputs.len()], i32::MAX)
    }
}

/// A layer's operator in integers.
pub trait IntegerOperator {
    /// The kernel.
    fn kind(&self) -> LayerKind;

    /// Computes the layer's result with the scalar kernels.
    fn run(&self, run: &Run) -> Integers;

    /// The Rust type of the layer, such as `Conv2d<10, 5, 5, 1>`.
    fn rust_type(&self, types: &Types) -> String;

    /// The arguments of the constructor that builds the layer's `static`; `None` for a type without
    /// data, which needs no `static`.
    fn rust_static(&self, _types: &Types) -> Option<Static> {
        None
    }

    /// Types that [`rust_call`](Self::rust_call) names beside the layer's own.
    fn rust_also_names(&self) -> String {
        String::new()
    }

    /// Writes the statements that compute the layer in `infer`.
    fn rust_call(&self, call: &Call, code: &mut String);

    /// Adds the nodes of `int8.onnx` that compute the layer; returns the name of its value.
    ///
    /// Operators of networks that others quantized have none: no standard operator has their
    /// arithmetic, and nobody asks for an `int8.onnx` of such a network.
    fn onnx(&self, _emitter: &mut Emitter, _layer: &QuantizedLayer) -> String {
        String::new()
    }

    /// What a blob says of the layer; `None` for what has no form there.
    fn blob(&self, _writing: &Writing) -> Option<LayerBlob> {
        None
    }

    /// How the layer computes some rows of its result; `None` where it needs its whole input at once.
    fn rows(&self, _types: &Types) -> Option<RowForm> {
        None
    }

    fn parameters(&self) -> Option<&Parameters> {
        None
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        None
    }

    /// Multiply-accumulates of one inference; taps that fall on padding count.
    fn macs(&self) -> usize {
        0
    }

    /// Bytes in flash of what [`rust_static`](Self::rust_static) builds.
    fn parameter_bytes(&self) -> usize {
        self.parameters().map_or(0, |parameters| parameters.bytes(self.filters()))
    }

    /// Runs of weights that begin at a byte of their own where two share one: one per output channel.
    fn filters(&self) -> usize {
        self.parameters().map_or(0, Parameters::channels)
    }

    /// The largest magnitude that any sum can have, given the inputs' element types; `None` for
    /// an operator that sums nothing.
    fn largest_sum(&self, inputs: &[ValueType]) -> Option<i64> {
        self.parameters().map(|parameters| largest_accumulator(parameters, inputs[0]).0)
    }

    /// The inputs, by number, whose place in memory the result may take.
    fn in_place(&self) -> &'static [usize] {
        &[]
    }

    /// Called when the result takes the place of input number `index`: puts `inputs` into the order
    /// that the kernel wants then.
    fn take_place(&mut self, _index: usize, _inputs: &mut Vec<ValueId>) {}

    /// The kernel takes and gives vectors, not images.
    fn reads_vectors(&self) -> bool {
        false
    }

    /// By how many bits the integers before the rounding are finer than the result, in a layer
    /// without weights.
    fn finer(&self) -> u8 {
        0
    }
}

/// A `static` of the generated code, but for its name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Static {
    /// The type's `const fn`.
    pub constructor: &'static str,
    pub arguments: String,
    /// What firmware-core's `Checked` must compute of it; see [`checksum`].
    pub checksum: u32,
}

/// The checksum of a layer from its parts, in the order of its constructor's arguments.
pub fn checksum(parts: &[&dyn Checked]) -> u32 {
    let mut sum = Checksum::new();
    parts.iter().for_each(|part| part.add_to(&mut sum));
    sum.value().expect("numbers alone contradict nothing")
}
