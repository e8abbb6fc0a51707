//! From an image to a flat vector, in the order channel, row, column.

use std::fmt;

use super::{Backward, Gradients, Layer, Shape};
use crate::export::{Export, int};
use crate::graph::{Graph, Value};

/// Costs nothing while training: activations are kept flat.
#[derive(Clone, Debug)]
pub struct Flatten;

impl Layer for Flatten {
    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        Ok(Shape::Flat(input.elements()))
    }

    fn forward<'a>(
        &'a self,
        _graph: &mut Graph,
        x: &Value,
        _input: Shape,
        _parameters: &[Value],
    ) -> (Value, Backward<'a>) {
        let backward: Backward<'a> = Box::new(|_graph, dy, wants_input| Gradients {
            input: wants_input.then(|| dy.clone()),
            parameters: Vec::new(),
        });
        (x.clone(), backward)
    }

    fn export(
        &self,
        export: &mut Export,
        x: &str,
        _parameters: &[&[f32]],
        _input: Shape,
    ) -> String {
        export.node("Flatten", &[x], &[("axis", int(1))])
    }
}

impl fmt::Display for Flatten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flatten")
    }
}
