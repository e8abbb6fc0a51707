//! The sum of several values, as at the end of a residual block (He et al., "Deep Residual Learning
//! for Image Recognition").

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The element-wise sum of two or more values of one shape.
#[derive(Clone, Debug)]
pub struct Add;

impl Layer for Add {
    fn joins(&self) -> bool {
        true
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs.iter().find(|&&shape| shape != inputs[0]) {
            None => Ok(inputs[0]),
            Some(other) => Err(format!(
                "adds values of one shape, but gets {} and {other}; bring them to the same channels \
                 and size, for example with a 1×1 conv2d",
                inputs[0]
            )),
        }
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let mut sum = context.inputs[0].clone();
        for input in &context.inputs[1..] {
            sum = graph.add(&sum, input);
        }
        let backward: Backward<'a> = Box::new(|_graph, dy, wanted| Gradients {
            inputs: wanted.iter().map(|&wanted| wanted.then(|| dy.clone())).collect(),
            parameters: Vec::new(),
        });
        (sum, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        _parameters: &[&[f32]],
        _shapes: &[Shape],
    ) -> String {
        let mut sum = inputs[0].to_string();
        // ONNX's Add takes two.
        for (index, input) in inputs.iter().enumerate().skip(1) {
            let operands = [sum.as_str(), input];
            sum = match index + 1 == inputs.len() {
                true => export.node("Add", &operands, &[]),
                false => export.partial_node("Add", index, &operands),
            };
        }
        sum
    }
}

impl fmt::Display for Add {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add")
    }
}
