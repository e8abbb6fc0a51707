//! Fully connected layer: every output weighs every input.

use std::fmt;

use super::{Backward, Gradients, Layer, Parameter, Shape};
use crate::export::{Export, int};
use crate::graph::{Graph, Value};

/// `y = W·x + b`; the weight is `[outputs, inputs]`, the bias `[outputs]`.
#[derive(Clone, Debug)]
pub struct FullyConnected {
    pub outputs: usize,
}

impl Layer for FullyConnected {
    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        match input {
            _ if self.outputs == 0 => Err("needs at least one output".to_string()),
            Shape::Flat(_) => Ok(Shape::Flat(self.outputs)),
            Shape::Image(_) => Err(format!(
                "needs flat values, but gets an image of {input}; put flatten before it"
            )),
        }
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let (inputs, outputs) = (input.elements(), self.outputs);
        vec![
            Parameter {
                name: "weight",
                shape: vec![outputs, inputs],
                fan_in: inputs,
                decays: true,
            },
            Parameter { name: "bias", shape: vec![outputs], fan_in: inputs, decays: false },
        ]
    }

    fn forward<'a>(
        &'a self,
        graph: &mut Graph,
        x: &Value,
        _input: Shape,
        parameters: &[Value],
    ) -> (Value, Backward<'a>) {
        let weight = parameters[0].clone();
        let bias = graph.reshape(&parameters[1], &[self.outputs, 1]);
        let y = graph.gemm((&weight, false), (x, false), Some(&bias));
        let x = x.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wants_input| {
            let d_weight = graph.gemm((dy, false), (&x, true), None);
            let d_bias = graph.reduce_sum(dy, 1);
            let d_bias = graph.reshape(&d_bias, &[self.outputs]);
            let input = wants_input.then(|| graph.gemm((&weight, true), (dy, false), None));
            Gradients { input, parameters: vec![d_weight, d_bias] }
        });
        (y, backward)
    }

    fn export(&self, export: &mut Export, x: &str, parameters: &[&[f32]], input: Shape) -> String {
        let shapes = self.parameters(input);
        let weight = export.parameter(&shapes[0], parameters[0]);
        let bias = export.parameter(&shapes[1], parameters[1]);
        export.node("Gemm", &[x, &weight, &bias], &[("transB", int(1))])
    }
}

impl fmt::Display for FullyConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fully_connected {}", self.outputs)
    }
}
