//! `min(max(x, 0), 6)`, the bounded activation of Krizhevsky's "Convolutional Deep Belief Networks on
//! CIFAR-10": a known range is kind to integers.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::export::Export;
use crate::graph::{Graph, Value};

/// The upper bound.
const CEILING: f32 = 6.0;

/// The rectified linear unit bounded by 6. Its gradient at 0 and at 6 is 0.
#[derive(Clone, Debug)]
pub struct Relu6;

impl Layer for Relu6 {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let ceiling = graph.constant(&[1, 1], &[CEILING]);
        let positive = graph.unary("Relu", &context.inputs[0]);
        let y = graph.min(&positive, &ceiling);
        let saved = y.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                let above = graph.is_positive(&saved);
                let room = graph.sub(&ceiling, &saved);
                let below = graph.is_positive(&room);
                let passed = graph.mul(&above, &below);
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
        let low = export.tensor("low", &[], &[0.0]);
        let high = export.tensor("high", &[], &[CEILING]);
        export.node("Clip", &[inputs[0], &low, &high], &[])
    }

    fn is_monotonic_elementwise(&self) -> bool {
        true
    }
}

impl fmt::Display for Relu6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relu6")
    }
}
