//! `average_pool2d_inside`: the mean of each window without what lies on the padding, as an
//! average pooling has it that does not count its padding.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Shift, Window, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::{Emitter, scale, window_attributes};
use crate::emit::rust::{Call, Types, nested};
use crate::evaluate::{pool, taps};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::onnx::Attribute;
use crate::passes::PassError;
use crate::quantize::{ACCUMULATOR_BOUND, QuantizeError, Quantizing};
use crate::quantized::{QuantizedLayer, ValueType};
use crate::reference::{Integers, Run};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePool2dInside {
    pub window: Window,
}

/// The sum of a window with `n` pixels on the input is multiplied by `reciprocals[n - 1]` and shifted
/// right by `shift`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedAveragePool2dInside {
    pub window: Window,
    pub reciprocals: Vec<i32>,
    /// A reciprocal of `n` is about `2^bits / n`.
    pub bits: u32,
    pub shift: u8,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let &Operator::AveragePool2dInside { window } = node.operator() else { return Ok(None) };
    let mut end = node.index;
    let (relu, ceiling) = node.take_activation(&mut end);
    let relu = relu || lowering.never_negative(node.input());
    Ok(Some(lowering.push(node, end, AveragePool2dInside { window }, (relu, ceiling))))
}

impl AveragePool2dInside {
    /// Bits of the reciprocals: as many as keep every product below 2^24.
    fn bits(&self) -> u32 {
        let fits = |bits: &u32| {
            let largest = reciprocals(&self.window, *bits).zip(1..);
            largest.map(|(factor, count)| 255 * count * i64::from(factor)).max()
                < Some(ACCUMULATOR_BOUND)
        };
        (1..=16).rev().find(fits).unwrap_or(1)
    }
}

/// `2^bits / n`, rounded, for `n` from 1 to the window's area.
fn reciprocals(window: &Window, bits: u32) -> impl Iterator<Item = i32> {
    let reciprocal = move |count: usize| (f64::from(1 << bits) / count as f64).round_ties_even();
    (1..=window.area()).map(move |count| reciprocal(count) as i32)
}

impl FloatOperator for AveragePool2dInside {
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let (input, x) = inputs[0];
        pool(input, layer.output, &self.window, x, |values| {
            let (mut sum, mut count) = (0.0, 0);
            values.for_each(|value| (sum, count) = (sum + value, count + 1));
            sum / count.max(1) as f32
        })
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let (window, bits) = (self.window, self.bits());
        let shift = quantizing.shift_from(quantizing.inputs[0].exponent() + bits as i32)?;
        let reciprocals = reciprocals(&window, bits).collect();
        Ok(QuantizedAveragePool2dInside { window, reciprocals, bits, shift }.into())
    }

    fn caps(&self, inputs: &[i32]) -> (Vec<i32>, i32) {
        (vec![i32::MAX], inputs[0] + self.bits() as i32)
    }
}

impl IntegerOperator for QuantizedAveragePool2dInside {
    fn kind(&self) -> LayerKind {
        LayerKind::AveragePool2dInside
    }

    fn parameter_bytes(&self) -> usize {
        4 * self.reciprocals.len() + 1
    }

    fn largest_sum(&self, inputs: &[ValueType]) -> Option<i64> {
        let factors = self.reciprocals.iter().zip(1..);
        factors.map(|(&factor, count)| inputs[0].largest() * count * i64::from(factor)).max()
    }

    fn run(&self, run: &Run) -> Integers {
        let (shape, requantize) = (run.pool2d(self.window), run.shift(self.shift));
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| with_elements!(&mut y, |y| {
            kernels::average_pool2d_inside(&shape, x, &self.reciprocals, requantize, y)
        }));
        y
    }

    fn rust_type(&self, types: &Types) -> String {
        let [kh, kw] = self.window.kernel;
        let plain = self.window == Window::tiling(self.window.kernel);
        let head = format!("AveragePool2dInside<{}, {kh}, {kw}", self.window.area());
        types.with_geometry(&head, &Types::geometry(&self.window), plain)
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        let mut arguments = String::from("\n    ");
        nested(&mut arguments, &self.reciprocals, &[self.reciprocals.len()]);
        let shift = types.one_shift(self.shift).arguments;
        arguments.push_str(&format!(",\n    {shift},\n"));
        let checksum = checksum(&[&&self.reciprocals[..], &Shift::new(self.shift)]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ = writeln!(code, "    {}.forward({x}, y);", call.static_name());
    }

    /// Sums by a convolution with ones in f32, times a map of the windows' reciprocals: every
    /// product has at most 24 bits.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let (input, output) = (emitter.network.shape(layer.input()), layer.output);
        let [kh, kw] = self.window.kernel;
        let channels = input.channels;
        let x = emitter.dequantized(name, "x", layer.input());
        let pixel = |oy: usize, ox: usize| {
            let count = taps(&self.window, input, [oy, ox]).count();
            let reciprocal = self.reciprocals.get(count.wrapping_sub(1)).copied().unwrap_or(0);
            reciprocal as f32 * scale(self.bits as i32)
        };
        let mut map = Vec::with_capacity(output.height * output.width);
        for oy in 0..output.height {
            map.extend((0..output.width).map(|ox| pixel(oy, ox)));
        }
        let model = &mut emitter.model;
        let ones = vec![1_f32; channels * kh * kw];
        let ones = model.initializer(&format!("{name}_ones"), &[channels, 1, kh, kw], &ones);
        let dims = [1, 1, output.height, output.width];
        let map = model.initializer(&format!("{name}_reciprocals"), &dims, &map);
        let mut attributes = window_attributes(&self.window);
        attributes.push(("group", Attribute::Int(channels as i64)));
        let sums = model.node("Conv", &format!("{name}_sums"), &[&x, &ones], &attributes);
        let means = model.node("Mul", &format!("{name}_means"), &[&sums, &map], &[]);
        emitter.requantized(layer, &means)
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let data = Data::default().stored(&[writing.shift(self.shift)]).i32s(&self.reciprocals);
        let window = Some(self.window);
        Some(LayerBlob { window, ..LayerBlob::new(Kind::AveragePool2dInside, data) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_stay_exact_for_windows_of_any_size() {
        for kernel in [[1, 1], [2, 3], [16, 16], [64, 64]] {
            let pool = AveragePool2dInside { window: Window::new(kernel) };
            let bits = pool.bits();
            assert!(bits >= 14, "{kernel:?}: {bits}");
            let quantized = QuantizedAveragePool2dInside {
                window: pool.window,
                reciprocals: reciprocals(&pool.window, bits).collect(),
                bits,
                shift: 0,
            };
            assert!(quantized.largest_sum(&[ValueType::U8]) < Some(ACCUMULATOR_BOUND));
        }
    }
}
