//! `add`: the sum of two values of one shape.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types};
use crate::graph::{Operator, Shape, ValueId};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::{QuantizedLayer, ValueType};
use crate::reference::{Integers, Run};

/// How many bits the coarser of the inputs may be shifted to the left.
pub const LARGEST_ALIGNMENT: i32 = 15;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Add;

/// Both inputs are shifted left by `align` to a common exponent, and the sum right by `shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedAdd {
    pub align: [u8; 2],
    pub shift: u8,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::Add = node.operator() else { return Ok(None) };
    let mut end = node.index;
    let (relu, ceiling) = node.take_activation(&mut end);
    let relu = relu || node.inputs.iter().all(|&value| lowering.never_negative(value));
    Ok(Some(lowering.push(node, end, Add, (relu, ceiling))))
}

impl FloatOperator for Add {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        inputs[0].1.iter().zip(inputs[1].1).map(|(a, b)| a + b).collect()
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let exponents = [0, 1].map(|input| quantizing.inputs[input].exponent());
        let finest = exponents[0].max(exponents[1]);
        let align = exponents.map(|exponent| (finest - exponent) as u8);
        Ok(QuantizedAdd { align, shift: quantizing.shift_from(finest)? }.into())
    }

    /// What a sum does not resolve, its result need not either.
    fn caps(&self, inputs: &[i32]) -> (Vec<i32>, i32) {
        let [a, b] = [inputs[0], inputs[1]];
        (vec![b + LARGEST_ALIGNMENT, a + LARGEST_ALIGNMENT], a.max(b))
    }
}

impl IntegerOperator for QuantizedAdd {
    fn kind(&self) -> LayerKind {
        LayerKind::Add
    }

    fn parameter_bytes(&self) -> usize {
        1
    }

    fn largest_sum(&self, inputs: &[ValueType]) -> Option<i64> {
        let [a, b] = self.align;
        Some((inputs[0].largest() << a) + (inputs[1].largest() << b))
    }

    fn run(&self, run: &Run) -> Integers {
        let align = self.align.map(u32::from);
        let requantize = run.shift(self.shift);
        let mut y = run.output();
        with_elements!(run.inputs[0], |a| with_elements!(run.inputs[1], |b| {
            with_elements!(&mut y, |y| kernels::add(align, a, b, requantize, y))
        }));
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0, 1]
    }

    /// The kernel adds its first input to what lies in the place of the second.
    fn take_place(&mut self, index: usize, inputs: &mut Vec<ValueId>) {
        if index == 0 {
            self.align.reverse();
            inputs.reverse();
        }
    }

    fn rust_type(&self, types: &Types) -> String {
        let [a, b] = self.align;
        types.with_requantization(&format!("Add<{a}, {b}"))
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        Some(types.one_shift(self.shift))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let name = call.static_name();
        let [a, b] = [call.layer.inputs[0], call.layer.inputs[1]];
        if call.in_place() {
            let x = call.regions(code, a);
            let _ = writeln!(code, "    {name}.forward_in_place({x}, y);");
        } else {
            let [a, b] = call.regions_of_two(code, a, b);
            let _ = writeln!(code, "    {name}.forward({a}, {b}, y);");
        }
    }

    /// Add in f32, where scales that are powers of two make it exact.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let a = emitter.dequantized(name, "a", layer.inputs[0]);
        let b = emitter.dequantized(name, "b", layer.inputs[1]);
        let sum = emitter.model.node("Add", &format!("{name}_sum"), &[&a, &b], &[]);
        emitter.requantized(layer, &sum)
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let data = Data::default().stored(&[writing.shift(self.shift)]);
        let extra = self.align.map(i32::from);
        Some(LayerBlob { extra, ..LayerBlob::new(Kind::Add, data) })
    }
}
