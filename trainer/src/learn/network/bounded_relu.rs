//! `min(max(x, 0), ceiling)`: with 6 the ReLU6 of Krizhevsky's "Convolutional Deep Belief Networks on
//! CIFAR-10". A known range is kind to integers.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The rectified linear unit with an upper bound. Its gradient at both bounds is 0.
#[derive(Clone, Debug)]
pub struct BoundedRelu {
    pub ceiling: f32,
}

impl BoundedRelu {
    pub const RELU6: Self = Self { ceiling: 6.0 };
}

impl Layer for BoundedRelu {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.ceiling.is_nan() || self.ceiling <= 0.0 {
            return Err("the upper bound must be above 0".to_string());
        }
        Ok(inputs[0])
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let ceiling = graph.constant(&[1, 1], &[self.ceiling]);
        let positive = graph.unary("Relu", &context.inputs[0]);
        let y = graph.min(&positive, &ceiling);
        let saved = y.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                // Neither factor is below 0, and one is 0 where nothing passes.
                let room = graph.sub(&ceiling, &saved);
                let inside = graph.mul(&saved, &room);
                let passed = graph.is_not_zero(&inside);
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
        let low = export.tensor("low", &[], &[0.0_f32]);
        let high = export.tensor("high", &[], &[self.ceiling]);
        export.node("Clip", &[inputs[0], &low, &high], &[])
    }

    fn is_monotonic_elementwise(&self) -> bool {
        true
    }
}

impl fmt::Display for BoundedRelu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relu{}", self.ceiling)
    }
}
