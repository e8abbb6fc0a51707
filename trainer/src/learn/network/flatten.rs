//! From an image to a flat vector, in the order channel, row, column.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::{Export, int};
use crate::learn::graph::{Graph, Value};

/// Costs nothing while training: activations are kept flat.
#[derive(Clone, Debug)]
pub struct Flatten;

impl Layer for Flatten {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(Shape::Flat(inputs[0].elements()))
    }

    fn forward<'a>(&'a self, _graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let backward: Backward<'a> =
            Box::new(|_graph, dy, wanted| Gradients::of_input(wanted[0].then(|| dy.clone())));
        (context.inputs[0].clone(), backward)
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        _parameters: &[&[f32]],
        _shapes: &[Shape],
    ) -> String {
        export.node("Flatten", inputs, &[("axis", int(1))])
    }
}

impl fmt::Display for Flatten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flatten")
    }
}
