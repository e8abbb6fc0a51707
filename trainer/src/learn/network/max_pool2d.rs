//! 2-D max pooling. Of equal values the first in row-major order wins and gets the gradient.

use std::fmt;

use super::window::{pooled, pooling_table, shown_as_pooling};
use super::{Backward, Context, Gradients, Layer, Shape, Window};
use crate::learn::export::{Export, ints};
use crate::learn::graph::{Graph, RowSums, Value};

/// The maximum of each window; windows may overlap or leave gaps, and are not padded.
#[derive(Clone, Debug)]
pub struct MaxPool2d {
    pub window: Window,
}

/// The maximum of a run of candidates as a tree of pairwise maxima.
enum Tree {
    Leaf,
    /// `second_wins` is 1 where only the second half holds the maximum.
    Pair {
        first: Box<Tree>,
        second: Box<Tree>,
        second_wins: Value,
    },
}

fn maximum(graph: &mut Graph, candidates: &[Value]) -> (Value, Tree) {
    if let [only] = candidates {
        return (only.clone(), Tree::Leaf);
    }
    let (first, second) = candidates.split_at(candidates.len().div_ceil(2));
    let (first_max, first) = maximum(graph, first);
    let (second_max, second) = maximum(graph, second);
    let lead = graph.sub(&second_max, &first_max);
    let second_wins = graph.is_positive(&lead);
    let pair = Tree::Pair { first: Box::new(first), second: Box::new(second), second_wins };
    (graph.max(&first_max, &second_max), pair)
}

/// Hands the gradient of a maximum down to the candidates, in their order.
fn distribute(graph: &mut Graph, tree: Tree, dy: &Value, out: &mut Vec<Value>) {
    match tree {
        Tree::Leaf => out.push(dy.clone()),
        Tree::Pair { first, second, second_wins } => {
            let to_second = graph.mul(dy, &second_wins);
            let to_first = graph.sub(dy, &to_second);
            distribute(graph, *first, &to_first, out);
            distribute(graph, *second, &to_second, out);
        }
    }
}

impl Layer for MaxPool2d {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let ([channels, ..], [height, width]) = pooled(&self.window, inputs[0])?;
        Ok(Shape::Image([channels, height, width]))
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let (image, output) = pooled(&self.window, context.shapes[0]).expect("has been checked");
        let rows = image[0] * output[0] * output[1];
        let table = pooling_table(&self.window, image, output);
        let candidates: Vec<Value> = table
            .chunks(rows)
            .map(|element| graph.gather_rows(&context.inputs[0], element))
            .collect();
        let (y, tree) = maximum(graph, &candidates);
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            Gradients::of_input(wanted[0].then(|| {
                let mut parts = Vec::new();
                distribute(graph, tree, dy, &mut parts);
                let parts = graph.concat(&parts);
                let sums = RowSums::transpose(image.iter().product(), &table);
                if sums.is_even() {
                    return graph.sum_rows(&parts, &sums, 0);
                }
                let parts = graph.with_zero_row(&parts);
                graph.sum_rows(&parts, &sums, table.len())
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
        export.node("MaxPool", inputs, &attributes)
    }

    fn takes_maxima(&self) -> bool {
        true
    }
}

impl fmt::Display for MaxPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max_pool2d {}", shown_as_pooling(&self.window))
    }
}
