//! `x · min(max(x + 3, 0), 6) / 6`, from Howard and others, "Searching for MobileNetV3".

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// A smooth unit that needs no exponential. Its gradient at −3 and 3 is that from outside.
#[derive(Clone, Debug)]
pub struct HardSwish;

impl Layer for HardSwish {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let x = context.inputs[0].clone();
        let three = graph.constant(&[1, 1], &[3f32]);
        let six = graph.constant(&[1, 1], &[6f32]);
        let raised = graph.add(&x, &three);
        let positive = graph.unary("Relu", &raised);
        let ramp = graph.min(&positive, &six);
        let product = graph.mul(&x, &ramp);
        let y = graph.div(&product, &six);
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                // (ramp + x · ramp') / 6, with a slope of 1 between the bounds.
                let above = graph.is_positive(&raised);
                let room = graph.sub(&six, &raised);
                let below = graph.is_positive(&room);
                let inside = graph.mul(&above, &below);
                let changed = graph.mul(&x, &inside);
                let slope = graph.add(&ramp, &changed);
                let slope = graph.div(&slope, &six);
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
        export.node("HardSwish", inputs, &[])
    }
}

impl fmt::Display for HardSwish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hard_swish")
    }
}
