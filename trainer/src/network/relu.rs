//! `max(x, 0)`.

use std::fmt;

use super::{Backward, Gradients, Layer, Shape};
use crate::export::Export;
use crate::graph::{Graph, Value};

/// The rectified linear unit. Its gradient at 0 is 0.
#[derive(Clone, Debug)]
pub struct Relu;

impl Layer for Relu {
    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }

    fn forward<'a>(
        &'a self,
        graph: &mut Graph,
        x: &Value,
        _input: Shape,
        _parameters: &[Value],
    ) -> (Value, Backward<'a>) {
        let y = graph.unary("Relu", x);
        let saved = y.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wants_input| {
            let input = wants_input.then(|| {
                let passed = graph.is_positive(&saved);
                graph.mul(dy, &passed)
            });
            Gradients { input, parameters: Vec::new() }
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        x: &str,
        _parameters: &[&[f32]],
        _input: Shape,
    ) -> String {
        export.node("Relu", &[x], &[])
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
