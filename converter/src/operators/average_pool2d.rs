//! `average_pool2d`: `2^-bits` times the sum of each window, with zeros on the padding. It is the
//! mean where the window's area is a power of two; elsewhere an affine node has the rest of the
//! divisor.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Window, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::{Emitter, Linear};
use crate::emit::rust::{Call, Types};
use crate::evaluate::pool;
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing, USUAL_BITS};
use crate::quantized::{Parameters, QuantizedLayer, Requantization, ValueType};
use crate::reference::{Integers, Run};
use crate::stream::RowForm;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePool2d {
    pub window: Window,
    pub bits: u32,
}

/// The sum of each window stands for `2^-bits` times itself and is shifted right by `shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedAveragePool2d {
    pub window: Window,
    pub bits: u32,
    pub shift: u8,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let &Operator::AveragePool2d { window, bits } = node.operator() else { return Ok(None) };
    let mut end = node.index;
    let (relu, ceiling) = node.take_activation(&mut end);
    let relu = relu || lowering.never_negative(node.input());
    Ok(Some(lowering.push(node, end, AveragePool2d { window, bits }, (relu, ceiling))))
}

impl FloatOperator for AveragePool2d {
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let (input, x) = inputs[0];
        let scale = 2_f32.powi(-(self.bits as i32));
        pool(input, layer.output, &self.window, x, |values| scale * values.sum::<f32>())
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let Self { window, bits } = *self;
        let shift = quantizing.shift_from(quantizing.inputs[0].exponent() + bits as i32)?;
        Ok(QuantizedAveragePool2d { window, bits, shift }.into())
    }

    fn caps(&self, inputs: &[i32]) -> (Vec<i32>, i32) {
        (vec![i32::MAX], inputs[0] + self.bits as i32)
    }
}

impl IntegerOperator for QuantizedAveragePool2d {
    fn kind(&self) -> LayerKind {
        LayerKind::AveragePool2d
    }

    fn parameter_bytes(&self) -> usize {
        1
    }

    fn largest_sum(&self, inputs: &[ValueType]) -> Option<i64> {
        Some(self.window.area() as i64 * inputs[0].largest())
    }

    fn finer(&self) -> u8 {
        self.shift
    }

    fn run(&self, run: &Run) -> Integers {
        let (shape, requantize) = (run.pool2d(self.window), run.shift(self.shift));
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| {
            with_elements!(&mut y, |y| kernels::average_pool2d(&shape, x, requantize, y))
        });
        y
    }

    fn rust_type(&self, types: &Types) -> String {
        let [kh, kw] = self.window.kernel;
        let plain = self.window == Window::tiling(self.window.kernel);
        let geometry = Types::geometry(&self.window);
        types.with_geometry(&format!("AveragePool2d<{kh}, {kw}"), &geometry, plain)
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        Some(types.one_shift(self.shift))
    }

    fn rows(&self, types: &Types) -> Option<RowForm> {
        Some(RowForm::average(types, &types.static_name(), &self.window))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ = writeln!(code, "    {}.forward({x}, y);", call.static_name());
    }

    /// QLinearConv in which every channel has a kernel of ones.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let channels = layer.output.channels;
        let ones = Parameters {
            weights: vec![1; channels * self.window.area()],
            bias: vec![0; channels],
            bits: USUAL_BITS,
            weight_exponents: vec![self.bits as i32; channels],
            requantization: Requantization::None,
        };
        let linear = Linear { parameters: &ones, window: &self.window, groups: channels };
        emitter.linear_conv(layer, &linear)
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let data = Data::default().stored(&[writing.shift(self.shift)]);
        let window = Some(self.window);
        Some(LayerBlob { window, ..LayerBlob::new(Kind::AveragePool2d, data) })
    }
}
