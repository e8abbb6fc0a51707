//! `concat`: the channels of all inputs, one after the other; of images that are joined to a vector all
//! elements, as they are stored.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::onnx::Attribute;
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::QuantizedLayer;
use crate::reference::{Elements, Integers, Run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat;

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::Concat = node.operator() else { return Ok(None) };
    let relu = node.inputs.iter().all(|&value| lowering.never_negative(value));
    // All inputs share one exponent, and the image's is not to be chosen.
    let mut copied = node.clone();
    for input in &mut copied.inputs {
        if lowering.is_image(*input) {
            *input = lowering.push_copy(node.name(), *input);
        }
    }
    Ok(Some(lowering.push(&copied, node.index, Concat, (relu, None))))
}

/// The channels of the result that an input of this shape gives.
fn channels(input: Shape, output: Shape) -> usize {
    input.size() / (output.height * output.width).max(1)
}

impl FloatOperator for Concat {
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let mut y = Vec::with_capacity(layer.output.size());
        for pixel in 0..layer.output.height * layer.output.width {
            for (shape, x) in inputs {
                let channels = channels(*shape, layer.output);
                y.extend_from_slice(&x[pixel * channels..][..channels]);
            }
        }
        y
    }

    fn quantize(&self, _: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        Ok(Concat.into())
    }

    fn shares_format(&self) -> bool {
        true
    }
}

impl IntegerOperator for Concat {
    fn kind(&self) -> LayerKind {
        LayerKind::Concat
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        let mut first = 0;
        for (x, shape) in run.inputs.iter().zip(&run.shapes) {
            let all = run.layer.output.channels;
            let channels = channels(*shape, run.layer.output);
            with_elements!(&mut y, |y| {
                kernels::concat(Elements::of(x), channels, y, all, first)
            });
            first += channels;
        }
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        "Concat".into()
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let mut first = 0;
        for &value in &call.layer.inputs {
            let x = call.regions(code, value);
            let (shape, output) = (call.network.shape(value), call.layer.output);
            let forward = match shape.channels == channels(shape, output) {
                true => "forward",
                false => "forward_flat",
            };
            let _ = writeln!(code, "    Concat::<{first}>.{forward}({x}, y);");
            first += channels(shape, output);
        }
    }

    /// Concat on the integers, which share one scale and zero point.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let mut inputs = emitter.values_of(layer);
        for (number, (input, &value)) in inputs.iter_mut().zip(&layer.inputs).enumerate() {
            let shape = emitter.network.shape(value);
            if shape.channels == channels(shape, layer.output) {
                continue;
            }
            // An image becomes a vector in the order in which it is stored.
            let part = |part: &str| format!("{}_{number}_{part}", layer.name);
            let perm = [("perm", Attribute::Ints(vec![0, 2, 3, 1]))];
            let rows = emitter.model.node("Transpose", &part("rows"), &[input], &perm);
            let dims = [0, shape.size() as i64, 1, 1];
            let dims = emitter.model.initializer(&part("dims"), &[4], &dims);
            *input = emitter.model.node("Reshape", &part("vector"), &[&rows, &dims], &[]);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        emitter.model.node("Concat", &layer.name, &inputs, &[("axis", Attribute::Int(1))])
    }

    fn blob(&self, _: &Writing) -> Option<LayerBlob> {
        Some(LayerBlob::new(Kind::Concat, Data::default()))
    }
}
