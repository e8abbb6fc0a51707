//! `max(x, 0)`.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The rectified linear unit. Its gradient at 0 is 0.
#[derive(Clone, Debug)]
pub struct Relu;

impl Layer for Relu {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let y = graph.unary("Relu", &context.inputs[0]);
        let saved = y.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                let passed = graph.is_not_zero(&saved);
                graph.mul(dy, &passed)
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
        export.node("Relu", inputs, &[])
    }

    fn is_monotonic_elementwise(&self) -> bool {
        true
    }
}

impl fmt::Display for Relu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relu")
    }
}
