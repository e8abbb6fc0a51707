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

/// Windows that neither overlap nor leave gaps: first the maxima along each row, then down the columns.
/// Whole rows and runs of pixels move, which is faster than a table of pixels.
fn side_by_side<'a>(
    graph: &mut Graph,
    x: Value,
    [channels, height, width]: [usize; 3],
    output: [usize; 2],
    kernel: [usize; 2],
) -> (Value, Backward<'a>) {
    let batch = graph.batch();
    let used = [output[0] * kernel[0], output[1] * kernel[1]];
    // What is right of the last whole window, and below it, is in none.
    let rest = [0, 0, height - used[0], width - used[1]];
    let x = graph.reshape(&x, &[channels, height, width * batch]);
    let x = graph.part(&x, [0, 0], used);
    let (across, columns) = maxima(graph, &x, kernel[1], batch);
    let (down, rows) = maxima(graph, &across, kernel[0], output[1] * batch);
    let y = graph.reshape(&down, &[channels * output[0] * output[1], batch]);
    let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
        Gradients::of_input(wanted[0].then(|| {
            let dy = graph.reshape(dy, &[channels * output[0], output[1] * batch]);
            let dy = joined(graph, rows, &dy);
            let dy = graph.reshape(&dy, &[channels * used[0] * output[1], batch]);
            let dx = joined(graph, columns, &dy);
            let dx = graph.padded(&dx, [channels, used[0], used[1]], rest);
            graph.reshape(&dx, &[channels * height * width, batch])
        }))
    });
    (y, backward)
}

/// The maxima `[n, length]` of each run of `count` rows of `x`, seen as rows of `length` elements.
fn maxima(graph: &mut Graph, x: &Value, count: usize, length: usize) -> (Value, Tree) {
    let runs = x.elements() / (count * length);
    let x = graph.reshape(x, &[runs, count, length]);
    let pixels = length / graph.batch();
    let candidates: Vec<Value> = (0..count)
        .map(|place| {
            let rows = graph.part(&x, [place, 0], [1, pixels]);
            graph.reshape(&rows, &[runs, length])
        })
        .collect();
    maximum(graph, &candidates)
}

/// The transpose of [`maxima`]: from the gradients `[n, length]` of the maxima those of all rows, `[n, count,
/// length]`.
fn joined(graph: &mut Graph, tree: Tree, dy: &Value) -> Value {
    let mut parts = Vec::new();
    distribute(graph, tree, dy, &mut parts);
    let &[runs, length] = dy.shape() else { unreachable!("is a matrix") };
    let parts: Vec<Value> =
        parts.iter().map(|part| graph.reshape(part, &[runs, 1, length])).collect();
    graph.concat_along(1, &parts)
}

/// Windows that overlap or leave gaps.
fn anywhere<'a>(
    graph: &mut Graph,
    x: &Value,
    image: [usize; 3],
    output: [usize; 2],
    window: &Window,
) -> (Value, Backward<'a>) {
    let rows = image[0] * output[0] * output[1];
    let table = pooling_table(window, image, output);
    let candidates: Vec<Value> =
        table.chunks(rows).map(|element| graph.gather_rows(x, element)).collect();
    let (y, tree) = maximum(graph, &candidates);
    let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
        Gradients::of_input(wanted[0].then(|| {
            let mut parts = Vec::new();
            distribute(graph, tree, dy, &mut parts);
            let parts = graph.concat(&parts);
            let parts = graph.with_zero_row(&parts);
            let sums = RowSums::transpose(image.iter().product(), &table);
            graph.sum_rows(&parts, &sums, table.len())
        }))
    });
    (y, backward)
}

impl Layer for MaxPool2d {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let ([channels, ..], [height, width]) = pooled(&self.window, inputs[0])?;
        Ok(Shape::Image([channels, height, width]))
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let (image, output) = pooled(&self.window, context.shapes[0]).expect("has been checked");
        let x = context.inputs[0].clone();
        if self.window.kernel == self.window.stride {
            return side_by_side(graph, x, image, output, self.window.kernel);
        }
        anywhere(graph, &x, image, output, &self.window)
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
