//! `mul`: the product of two values, of which the second may have one pixel for all.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::kernels;
use firmware_core::{LayerKind, Product};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::{QuantizedLayer, ValueType};
use crate::reference::{Integers, Run};
use crate::stream::RowForm;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mul;

/// The product is shifted right by `shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedMul {
    pub shift: u8,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::Mul = node.operator() else { return Ok(None) };
    let mut end = node.index;
    let (relu, ceiling) = node.take_activation(&mut end);
    let relu = relu || node.inputs.iter().all(|&value| lowering.never_negative(value));
    Ok(Some(lowering.push(node, end, Mul, (relu, ceiling))))
}

impl FloatOperator for Mul {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        inputs[0].1.iter().zip(inputs[1].1.iter().cycle()).map(|(a, b)| a * b).collect()
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let exponent = quantizing.inputs.iter().map(|input| input.exponent()).sum();
        Ok(QuantizedMul { shift: quantizing.shift_from(exponent)? }.into())
    }

    fn caps(&self, inputs: &[i32]) -> (Vec<i32>, i32) {
        (vec![i32::MAX; 2], inputs.iter().sum())
    }
}

impl IntegerOperator for QuantizedMul {
    fn kind(&self) -> LayerKind {
        LayerKind::Mul
    }

    fn parameter_bytes(&self) -> usize {
        1
    }

    fn largest_sum(&self, inputs: &[ValueType]) -> Option<i64> {
        Some(inputs[0].largest() * inputs[1].largest())
    }

    fn run(&self, run: &Run) -> Integers {
        let product = Product::new(run.shift(self.shift));
        let mut y = run.output();
        with_elements!(run.inputs[0], |a| with_elements!(run.inputs[1], |b| {
            with_elements!(&mut y, |y| kernels::elementwise(product, a, b, y))
        }));
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0]
    }

    fn rust_type(&self, types: &Types) -> String {
        format!("Elementwise<Product<{}>>", types.requantization())
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        let built = types.one_shift(self.shift);
        Some(Static { arguments: format!("Product::new({})", built.arguments), ..built })
    }

    fn rows(&self, types: &Types) -> Option<RowForm> {
        let shapes = types.layer.inputs.iter().map(|&input| types.network.shape(input));
        let same = shapes.collect::<Vec<_>>().windows(2).all(|pair| pair[0] == pair[1]);
        same.then(|| RowForm::pixelwise(types, &types.static_name()))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let name = call.static_name();
        let [a, b] = [call.layer.inputs[0], call.layer.inputs[1]];
        if call.in_place() {
            let x = call.regions(code, b);
            let _ = writeln!(code, "    {name}.forward_in_place({x}, y);");
        } else {
            let [a, b] = call.regions_of_two(code, a, b);
            let _ = writeln!(code, "    {name}.forward({a}, {b}, y);");
        }
    }

    /// Mul in f32, where a product of two bytes is exact.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let a = emitter.dequantized(name, "a", layer.inputs[0]);
        let b = emitter.dequantized(name, "b", layer.inputs[1]);
        let product = emitter.model.node("Mul", &format!("{name}_product"), &[&a, &b], &[]);
        emitter.requantized(layer, &product)
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let data = Data::default().stored(&[writing.shift(self.shift)]);
        Some(LayerBlob::new(Kind::Mul, data))
    }
}
