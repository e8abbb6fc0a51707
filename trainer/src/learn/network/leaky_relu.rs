//! `x` where it is positive, `slope · x` elsewhere.

use std::fmt;

use converter::onnx::Attribute;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The leaky rectified linear unit. Its gradient at 0 is the slope.
#[derive(Clone, Debug)]
pub struct LeakyRelu {
    /// Above 0, below 1.
    pub slope: f32,
}

impl Layer for LeakyRelu {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.slope > 0.0 && self.slope < 1.0 {
            return Ok(inputs[0]);
        }
        Err("slope must be above 0 and below 1; with 0 it is relu".to_string())
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let x = context.inputs[0].clone();
        let slope = graph.constant(&[1, 1], &[self.slope]);
        let leaked = graph.mul(&x, &slope);
        // Of the two the larger is meant, because the slope is below 1.
        let y = graph.max(&x, &leaked);
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                let positive = graph.is_positive(&x);
                let rest = graph.constant(&[1, 1], &[1.0 - self.slope]);
                let factor = graph.mul(&positive, &rest);
                let factor = graph.add(&factor, &slope);
                graph.mul(dy, &factor)
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
        export.node("LeakyRelu", inputs, &[("alpha", Attribute::Float(self.slope))])
    }

    fn is_monotonic_elementwise(&self) -> bool {
        true
    }
}

impl fmt::Display for LeakyRelu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leaky_relu {}", self.slope)
    }
}
