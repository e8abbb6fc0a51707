//! 2-D average pooling.

use std::fmt;

use super::window::{pooled, pooling_table, shown_as_pooling};
use super::{Backward, Context, Gradients, Layer, Shape, Window};
use crate::learn::export::{Export, ints};
use crate::learn::graph::{Graph, RowSums, Value};

/// The mean of each window; windows may overlap or leave gaps, and are not padded.
#[derive(Clone, Debug)]
pub struct AveragePool2d {
    pub window: Window,
}

impl AveragePool2d {
    fn share(&self, graph: &mut Graph, sum: &Value) -> Value {
        let share = graph.constant(&[1, 1], &[1.0 / self.window.area() as f32]);
        graph.mul(sum, &share)
    }
}

impl Layer for AveragePool2d {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let ([channels, ..], [height, width]) = pooled(&self.window, inputs[0])?;
        Ok(Shape::Image([channels, height, width]))
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let (image, output) = pooled(&self.window, context.shapes[0]).expect("has been checked");
        let rows = image[0] * output[0] * output[1];
        let table = pooling_table(&self.window, image, output);
        let mut elements = table.chunks(rows);
        let first = elements.next().expect("a window has elements");
        let mut sum = graph.gather_rows(&context.inputs[0], first);
        for element in elements {
            let element = graph.gather_rows(&context.inputs[0], element);
            sum = graph.add(&sum, &element);
        }
        let y = self.share(graph, &sum);
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                // Every window gives each of its elements the same.
                let dy = self.share(graph, dy);
                let sums = RowSums::transpose(image.iter().product(), &table).modulo(rows);
                if sums.is_even() {
                    return graph.sum_rows(&dy, &sums, 0);
                }
                let dy = graph.with_zero_row(&dy);
                graph.sum_rows(&dy, &sums, rows)
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
        let attributes =
            [("kernel_shape", ints(&self.window.kernel)), ("strides", ints(&self.window.stride))];
        export.node("AveragePool", inputs, &attributes)
    }
}

impl fmt::Display for AveragePool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "average_pool2d {}", shown_as_pooling(&self.window))
    }
}
