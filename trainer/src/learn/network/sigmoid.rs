//! `1 / (1 + e^-x)`: a gate from 0 to 1.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The logistic function.
#[derive(Clone, Debug)]
pub struct Sigmoid;

impl Layer for Sigmoid {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let y = graph.unary("Sigmoid", &context.inputs[0]);
        let saved = y.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                // y · (1 − y)
                let one = graph.constant(&[1, 1], &[1f32]);
                let rest = graph.sub(&one, &saved);
                let slope = graph.mul(&saved, &rest);
                graph.mul(dy, &slope)
            }))
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        _parameters: &[&[f32]],
        _shapes: &[Shape],
    ) -> String {
        export.node("Sigmoid", inputs, &[])
    }
}

impl fmt::Display for Sigmoid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sigmoid")
    }
}
