//! Convolution as a product with the matrix of all windows.
//!
//! All windows of all images side by side form one matrix `[K, P·B]` (`K` = input channels × window
//! area, `P` = output positions, `B` = batch). It is made in two steps, along the rows of the image and
//! then along its columns, because the second step, which makes most of it, then moves whole rows of
//! output positions at once.

use firmware_core::Axis;

use super::{Conv2d, products};
use crate::learn::graph::{Graph, RowSums, Value};
use crate::learn::network::{Backward, Context, Gradients, Window};

/// Where the rows of the window matrix come from, in an image with its padding around it.
struct Tables {
    /// Channels, height and width with the padding.
    image: [usize; 3],
    /// The first step, along the rows of the image: for every channel, column of the window, row of
    /// the image and output column, the row of `[C·H·W, B]` to copy.
    across: Vec<Option<usize>>,
    /// The second step, along the columns: for every channel, row and column of the window and output
    /// row, the row of the first step's result, seen as `[C·columns·H, outputs·B]`.
    down: Vec<Option<usize>>,
}

impl Tables {
    fn new(window: &Window, [channels, height, width]: [usize; 3], output: [usize; 2]) -> Self {
        let [top, left, bottom, right] = window.padding;
        let image = [channels, top + height + bottom, left + width + right];
        let [_, height, width] = image;
        let window = Window { padding: [0; 4], ..*window };
        let [rows, columns] = window.kernel;
        let (mut across, mut down) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            for column in 0..columns {
                for y in 0..height {
                    for output in 0..output[1] {
                        let x = window.position(Axis::Columns, output, column, width);
                        across.push(x.map(|x| (channel * height + y) * width + x));
                    }
                }
            }
            for row in 0..rows {
                for column in 0..columns {
                    for output in 0..output[0] {
                        let y = window.position(Axis::Rows, output, row, height);
                        down.push(y.map(|y| (channel * columns + column) * height + y));
                    }
                }
            }
        }
        Self { image, across, down }
    }
}

pub(super) fn forward<'a>(
    conv: &'a Conv2d,
    graph: &mut Graph,
    context: &Context,
) -> (Value, Backward<'a>) {
    let (image, output) = conv.sizes(context.shapes[0]).expect("has been checked");
    let (batch, out, groups) = (graph.batch(), conv.out_channels, conv.groups);
    let inner = image[0] * conv.window.area();
    let [height, width] = output;
    let positions = height * width;

    let tables = Tables::new(&conv.window, image, output);
    let x = graph.padded(&context.inputs[0], image, conv.window.padding);
    let x = graph.reshape(&x, &[tables.image.iter().product(), batch]);
    let windows = graph.gather_rows(&x, &tables.across);
    let windows = graph.reshape(&windows, &[tables.across.len() / width, width * batch]);
    let windows = graph.gather_rows(&windows, &tables.down);
    let windows = graph.reshape(&windows, &[inner, positions * batch]);
    let weight = graph.reshape(&context.parameters[0], &[out, inner / groups]);
    let y = super::weighted(graph, groups, &weight, &windows, context);
    let y = graph.reshape(&y, &[out * positions, batch]);

    let filters = context.parameters[0].clone();
    let shapes = super::shapes(context);
    let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
        let dy = graph.reshape(dy, &[out, positions * batch]);
        let d_weight = products(graph, groups, (&dy, false), (&windows, true));
        let parameters = super::of_parameters(graph, &dy, d_weight, &shapes);
        let input = wanted[0].then(|| {
            if conv.window.stride == [1, 1] {
                let dy = graph.reshape(&dy, &[out * positions, batch]);
                return graph.transposed_convolution(&dy, image, &filters, &conv.window, groups);
            }
            let d_windows = products(graph, groups, (&weight, true), (&dy, false));
            of_image(graph, &tables, d_windows, conv, image, output)
        });
        Gradients { inputs: vec![input], parameters }
    });
    (y, backward)
}

/// The gradient of the image from that of the window matrix, `[K, P·B]`: each pixel sums its places.
fn of_image(
    graph: &mut Graph,
    tables: &Tables,
    d_windows: Value,
    conv: &Conv2d,
    image: [usize; 3],
    [height, width]: [usize; 2],
) -> Value {
    let batch = graph.batch();
    let rows = image[0] * conv.window.area() * height;
    let d_windows = graph.reshape(&d_windows, &[rows, width * batch]);
    let d_windows = graph.with_zero_row(&d_windows);
    let down = RowSums::transpose(tables.across.len() / width, &tables.down).with_zero_row();
    let d_across = graph.sum_rows(&d_windows, &down, rows);
    let rows = tables.across.len() + width;
    let d_across = graph.reshape(&d_across, &[rows, batch]);
    let across = RowSums::transpose(tables.image.iter().product(), &tables.across);
    let padded = graph.sum_rows(&d_across, &across, rows - 1);
    let [channels, padded_height, padded_width] = tables.image;
    let padded = graph.reshape(&padded, &[channels, padded_height, padded_width * batch]);
    let [top, left, ..] = conv.window.padding;
    let inside = graph.part(&padded, [top, left], [image[1], image[2]]);
    graph.reshape(&inside, &[image.iter().product(), batch])
}
