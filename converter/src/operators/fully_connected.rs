//! `fully_connected`: a matrix times a vector.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Window, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static};
use crate::emit::blob::{LayerBlob, Writing};
use crate::emit::int8_onnx::{Emitter, Linear};
use crate::emit::rust::{Call, Types};
use crate::evaluate::{accumulate, transpose};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::{Parameters, QuantizedLayer, Requantization, ValueType};
use crate::reference::{Integers, Run};

/// Weights `[out][in]`, with `in` in height × width × channel order.
#[derive(Clone, Debug, PartialEq)]
pub struct FullyConnected {
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// The same with integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedFullyConnected {
    pub parameters: Parameters,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::FullyConnected { weights, bias } = node.operator() else { return Ok(None) };
    let mut end = node.index;
    let activation = node.take_activation(&mut end);
    let op = FullyConnected { weights: weights.clone(), bias: bias.clone() };
    Ok(Some(lowering.push(node, end, op, activation)))
}

impl FullyConnected {
    /// Passes every one of `size` values on.
    pub fn identity(size: usize) -> Self {
        let mut weights = vec![0.0; size * size];
        weights.iter_mut().step_by(size + 1).for_each(|weight| *weight = 1.0);
        Self { weights, bias: vec![0.0; size] }
    }
}

impl FloatOperator for FullyConnected {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let mut y = self.bias.clone();
        accumulate(&mut y, inputs[0].1, &transpose(&self.weights, self.bias.len()));
        y
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let parameters = quantizing.weights(&self.weights, &self.bias)?;
        Ok(QuantizedFullyConnected { parameters }.into())
    }

    fn gives_logits(&self) -> bool {
        true
    }
}

impl IntegerOperator for QuantizedFullyConnected {
    fn kind(&self) -> LayerKind {
        LayerKind::FullyConnected
    }

    fn parameters(&self) -> Option<&Parameters> {
        Some(&self.parameters)
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        Some(&mut self.parameters)
    }

    fn macs(&self) -> usize {
        self.parameters.weights.len()
    }

    fn reads_vectors(&self) -> bool {
        true
    }

    fn run(&self, run: &Run) -> Integers {
        let p = &self.parameters;
        let requantize = run.requantizations(p);
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| match &mut y {
            Integers::I32(y) => kernels::fully_connected_logits(x, &p.weights, &p.bias, y),
            y => with_elements!(y, |y| {
                kernels::fully_connected(x, &p.weights, &p.bias, &requantize, y)
            }),
        });
        y
    }

    fn rust_type(&self, types: &Types) -> String {
        let (outputs, inputs) = (self.parameters.channels(), types.input().size());
        types.with_requantization(&format!("FullyConnected<{outputs}, {inputs}"))
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        let p = &self.parameters;
        Some(types.weights(p, &p.weights, &[p.channels(), p.taps(0).len()]))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let name = call.static_name();
        if call.gives_logits() {
            let x = call.input_region(code);
            let _ = writeln!(code, "    let {} = {name}.logits({x});", call.logits_name());
        } else {
            let x = call.regions(code, call.layer.input());
            let _ = writeln!(code, "    {name}.forward({x}, y);");
        }
    }

    /// QLinearConv whose kernel covers its whole input, because QLinearMatMul has no bias;
    /// MatMulInteger for the logits.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        if layer.format.element == ValueType::I32 {
            return emitter.matmul_integer(layer, &self.parameters);
        }
        let input = emitter.network.shape(layer.input());
        let window = Window::new([input.height, input.width]);
        let linear = Linear { parameters: &self.parameters, window: &window, groups: 1 };
        emitter.linear_conv(layer, &linear)
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        if let Requantization::FloatScales(_) = self.parameters.requantization {
            return None;
        }
        Some(LayerBlob::new(Kind::FullyConnected, writing.connected(&self.parameters)))
    }
}
