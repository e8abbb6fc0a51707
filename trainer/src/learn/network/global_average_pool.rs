//! The mean of each channel, as in Lin et al., "Network In Network".

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// From `[C, H, W]` to `[C, 1, 1]`.
#[derive(Clone, Debug)]
pub struct GlobalAveragePool;

impl Layer for GlobalAveragePool {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [channels, ..] = inputs[0].image()?;
        Ok(Shape::Image([channels, 1, 1]))
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let (channels, positions) = context.shapes[0].channels();
        let share = 1.0 / positions as f32;
        let sum = graph.sum_positions(&context.inputs[0], channels);
        let factor = graph.constant(&[1, 1], &[share]);
        let y = graph.mul(&sum, &factor);
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                let dy = graph.mul(dy, &factor);
                let table: Vec<Option<usize>> =
                    (0..channels * positions).map(|row| Some(row / positions)).collect();
                graph.gather_rows(&dy, &table)
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
        export.node("GlobalAveragePool", inputs, &[])
    }
}

impl fmt::Display for GlobalAveragePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "global_average_pool")
    }
}
