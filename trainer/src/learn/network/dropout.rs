//! Dropout (Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting"),
//! inverted: what is kept is scaled up while training, so that inference is the identity.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// Sets each element to 0 with probability `rate` and divides the others by 1 − `rate`.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// Above 0, below 1.
    pub rate: f32,
}

impl Layer for Dropout {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.rate > 0.0 && self.rate < 1.0 {
            return Ok(inputs[0]);
        }
        Err("rate must be above 0 and below 1; without dropout leave the layer away".to_string())
    }

    fn noise(&self, inputs: &[Shape]) -> usize {
        inputs[0].elements()
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let x = &context.inputs[0];
        let kept = context.noise.as_ref().map(|noise| {
            let keep = graph.constant(&[1, 1], &[1.0 - self.rate]);
            // Random numbers are multiples of 2⁻²⁴: the difference is 0, or no smaller.
            let room = graph.sub(&keep, noise);
            let kept = graph.is_positive(&room);
            let lift = graph.constant(&[1, 1], &[1.0 / (1.0 - self.rate)]);
            graph.mul(&kept, &lift)
        });
        let y = match &kept {
            Some(kept) => graph.mul(x, kept),
            None => x.clone(),
        };
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| match &kept {
                Some(kept) => graph.mul(dy, kept),
                None => dy.clone(),
            }))
        });
        (y, backward)
    }

    /// Nothing is left of it in a finished model.
    fn export(
        &self,
        _export: &mut Export,
        inputs: &[&str],
        _parameters: &[&[f32]],
        _shapes: &[Shape],
    ) -> String {
        inputs[0].to_string()
    }
}

impl fmt::Display for Dropout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dropout {}", self.rate)
    }
}
