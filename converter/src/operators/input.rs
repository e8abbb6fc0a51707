//! `input`: one of several inputs. A sample of several inputs is one block of bytes, value 0, in which
//! they lie one after another in the order of the file; each is a layer that picks its part. No device
//! computes it: generated code is given each part as an argument.

use firmware_core::LayerKind;

use super::{FloatOperator, IntegerOp, IntegerOperator};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::QuantizedLayer;
use crate::reference::{Elements, Integers, Run};

/// The elements from number `first` of a sample on, as many as the layer's result has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    pub first: usize,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let &Operator::Input { first } = node.operator() else { return Ok(None) };
    // Bytes are never negative.
    Ok(Some(lowering.push(node, node.index, Input { first }, (true, None))))
}

impl FloatOperator for Input {
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        inputs[0].1[self.first..][..layer.output.size()].to_vec()
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

impl IntegerOperator for Input {
    /// What it would be as a layer; it is listed nowhere.
    fn kind(&self) -> LayerKind {
        LayerKind::Gather
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        with_elements!(&mut y, |y| {
            let x = &Elements::of(run.inputs[0])[self.first..];
            y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
        });
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        String::new()
    }

    fn rust_call(&self, _: &Call, _: &mut String) {}

    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        emitter.input(&layer.source_name, layer.output)
    }
}
