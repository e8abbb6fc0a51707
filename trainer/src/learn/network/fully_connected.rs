//! Fully connected layer: every output weighs every input.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Parameter, Shape};
use crate::learn::export::{Export, int};
use crate::learn::graph::{Graph, Value};

/// `y = W·x + b`; the weight is `[outputs, inputs]`, the bias `[outputs]`.
#[derive(Clone, Debug)]
pub struct FullyConnected {
    pub outputs: usize,
}

impl Layer for FullyConnected {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs[0] {
            _ if self.outputs == 0 => Err("needs at least one output".to_string()),
            Shape::Flat(_) => Ok(Shape::Flat(self.outputs)),
            image => Err(format!(
                "needs flat values, but gets an image of {image}; put flatten before it"
            )),
        }
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let inputs = inputs[0].elements();
        vec![
            Parameter::weight(&[self.outputs, inputs], inputs),
            Parameter::bias(self.outputs, inputs),
        ]
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let x = context.inputs[0].clone();
        let weight = context.parameters[0].clone();
        let bias = graph.reshape(&context.parameters[1], &[self.outputs, 1]);
        let y = graph.gemm((&weight, false), (&x, false), Some(&bias));
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            let d_weight = graph.gemm((dy, false), (&x, true), None);
            let d_bias = graph.reduce_sum(dy, 1);
            let d_bias = graph.reshape(&d_bias, &[self.outputs]);
            let input = wanted[0].then(|| graph.gemm((&weight, true), (dy, false), None));
            Gradients { inputs: vec![input], parameters: vec![d_weight, d_bias] }
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        parameters: &[&[f32]],
        shapes: &[Shape],
    ) -> String {
        let tensors = export.parameters(&self.parameters(shapes), parameters);
        export.node("Gemm", &[inputs[0], &tensors[0], &tensors[1]], &[("transB", int(1))])
    }
}

impl fmt::Display for FullyConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fully_connected {}", self.outputs)
    }
}
