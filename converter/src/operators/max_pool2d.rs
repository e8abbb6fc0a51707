//! `max_pool2d`: the largest value of each window; what lies on the padding is left out.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Window, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types, turbofish};
use crate::evaluate::pool;
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::QuantizedLayer;
use crate::reference::{Elements, Integers, Run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d {
    pub window: Window,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let &Operator::MaxPool2d { window } = node.operator() else { return Ok(None) };
    let relu = lowering.never_negative(node.input());
    Ok(Some(lowering.push(node, node.index, MaxPool2d { window }, (relu, None))))
}

impl MaxPool2d {
    /// The largest value of each window of `x`.
    pub(super) fn of(&self, input: Shape, output: Shape, x: &[f32]) -> Vec<f32> {
        pool(input, output, &self.window, x, |values| values.fold(f32::NEG_INFINITY, f32::max))
    }

    pub(super) fn type_name(&self) -> String {
        let [kh, kw] = self.window.kernel;
        if self.window == Window::tiling(self.window.kernel) {
            return format!("MaxPool2d<{kh}, {kw}>");
        }
        format!("MaxPool2d<{kh}, {kw}, {}>", Types::geometry(&self.window))
    }
}

impl FloatOperator for MaxPool2d {
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let (input, x) = inputs[0];
        self.of(input, layer.output, x)
    }

    fn quantize(&self, _: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        Ok((*self).into())
    }

    fn shares_format(&self) -> bool {
        true
    }

    fn selects(&self) -> bool {
        true
    }
}

impl IntegerOperator for MaxPool2d {
    fn kind(&self) -> LayerKind {
        LayerKind::MaxPool2d
    }

    fn run(&self, run: &Run) -> Integers {
        let shape = run.pool2d(self.window);
        let mut y = run.output();
        with_elements!(&mut y, |y| { kernels::max_pool2d(&shape, Elements::of(run.inputs[0]), y) });
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        self.type_name()
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ = writeln!(code, "    {}::new().forward({x}, y);", turbofish(&self.type_name()));
    }

    /// MaxPool on the integers.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let x = emitter.value(layer.input());
        emitter.max_pool2d(&layer.name, &x, &self.window)
    }

    fn blob(&self, _: &Writing) -> Option<LayerBlob> {
        let window = Some(self.window);
        Some(LayerBlob { window, ..LayerBlob::new(Kind::MaxPool2d, Data::default()) })
    }
}
