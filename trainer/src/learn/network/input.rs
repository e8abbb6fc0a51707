//! One of several inputs: its part of a sample, in which the inputs lie one after another.

use std::fmt;

use super::{Backward, Context, Gradients, Layer, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The values from number `first` of a sample on. There they lie `[height][width][channels]`, as bytes
/// come; in the graph, and in the exported file, channel by channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub first: usize,
    /// Channels, height, width.
    pub shape: [usize; 3],
}

impl Input {
    /// For each value, channel by channel, its place in the sample.
    fn places(&self) -> impl Iterator<Item = usize> {
        let Self { first, shape: [channels, height, width] } = *self;
        let pixels = height * width;
        (0..channels * pixels).map(move |row| first + row % pixels * channels + row / pixels)
    }
}

impl Layer for Input {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (size, end) = (inputs[0].elements(), self.first + self.shape.iter().product::<usize>());
        match end <= size {
            true => Ok(Shape::Image(self.shape)),
            false => Err(format!("ends at value {end} of a sample that has {size}")),
        }
    }

    fn is_input(&self) -> bool {
        true
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let table: Vec<_> = self.places().map(Some).collect();
        let y = graph.gather_rows(&context.inputs[0], &table);
        let size = context.shapes[0].elements();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                let mut rows = vec![None; size];
                for (row, place) in self.places().enumerate() {
                    rows[place] = Some(row);
                }
                graph.gather_rows(dy, &rows)
            }))
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        _inputs: &[&str],
        _parameters: &[&[f32]],
        _shapes: &[Shape],
    ) -> String {
        export.input(self.shape)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {} from {}", Shape::Image(self.shape), self.first)
    }
}
