//! 2-D convolution with zero padding.
//!
//! All windows of all images side by side form one matrix `[K, P·B]` (`K` = input channels × window
//! area, `P` = output positions, `B` = batch), so the layer is one matrix product. The matrix is made
//! in two steps, along the rows of the image and then along its columns, because the second step,
//! which makes most of it, then moves whole rows of output positions at once.

use std::fmt;

use super::{Backward, Gradients, Layer, Parameter, Shape, Window};
use crate::export::{Export, int, ints};
use crate::graph::{Graph, RowSums, Value};

/// `out_channels` filters of `window`'s size; the weight is `[out, in, height, width]`, the bias
/// `[out]`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    pub out_channels: usize,
    pub window: Window,
}

impl Conv2d {
    /// The first half of making the window matrix, along the rows of the image: for every channel,
    /// column of the window, row of the image and output column, the row of `[C·H·W, B]` to copy,
    /// or `None` in the padding.
    fn across(&self, [channels, height, width]: [usize; 3], outputs: usize) -> Vec<Option<usize>> {
        let mut table = Vec::new();
        for channel in 0..channels {
            for column in 0..self.window.kernel[1] {
                for y in 0..height {
                    for output in 0..outputs {
                        let x = self.window.along(1, output, column, width);
                        table.push(x.map(|x| (channel * height + y) * width + x));
                    }
                }
            }
        }
        table
    }

    /// The second half, along the columns: for every channel, row and column of the window and
    /// output row, the row of [`Conv2d::across`]'s result, seen as `[C·columns·H, outputs·B]`.
    fn down(&self, [channels, height, _]: [usize; 3], outputs: usize) -> Vec<Option<usize>> {
        let [rows, columns] = self.window.kernel;
        let mut table = Vec::new();
        for channel in 0..channels {
            for row in 0..rows {
                for column in 0..columns {
                    for output in 0..outputs {
                        let y = self.window.along(0, output, row, height);
                        table.push(y.map(|y| (channel * columns + column) * height + y));
                    }
                }
            }
        }
        table
    }

    fn sizes(&self, input: Shape) -> Result<([usize; 3], [usize; 2]), String> {
        let image = Window::image(input)?;
        Ok((image, self.window.output_size(image[1], image[2])?))
    }
}

impl Layer for Conv2d {
    fn output_shape(&self, input: Shape) -> Result<Shape, String> {
        if self.out_channels == 0 {
            return Err("needs at least one output channel".to_string());
        }
        let (_, [height, width]) = self.sizes(input)?;
        Ok(Shape::Image([self.out_channels, height, width]))
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let channels = Window::image(input).map_or(0, |[channels, ..]| channels);
        let [height, width] = self.window.kernel;
        let fan_in = channels * self.window.area();
        let shape = vec![self.out_channels, channels, height, width];
        vec![
            Parameter { name: "weight", shape, fan_in, decays: true },
            Parameter { name: "bias", shape: vec![self.out_channels], fan_in, decays: false },
        ]
    }

    fn forward<'a>(
        &'a self,
        graph: &mut Graph,
        x: &Value,
        input: Shape,
        parameters: &[Value],
    ) -> (Value, Backward<'a>) {
        let (image, output) = self.sizes(input).expect("checked by output_shape");
        let (batch, out) = (graph.batch(), self.out_channels);
        let inner = image[0] * self.window.area();
        let positions = output[0] * output[1];

        let [height, width] = output;
        let (across, down) = (self.across(image, width), self.down(image, height));
        let windows = graph.gather_rows(x, &across);
        let windows = graph.reshape(&windows, &[across.len() / width, width * batch]);
        let windows = graph.gather_rows(&windows, &down);
        let windows = graph.reshape(&windows, &[inner, positions * batch]);
        let weight = graph.reshape(&parameters[0], &[out, inner]);
        let bias = graph.reshape(&parameters[1], &[out, 1]);
        let y = graph.gemm((&weight, false), (&windows, false), Some(&bias));
        let y = graph.reshape(&y, &[out * positions, batch]);

        let (weight_shape, bias_shape) =
            (parameters[0].shape().to_vec(), parameters[1].shape().to_vec());
        let backward: Backward<'a> = Box::new(move |graph, dy, wants_input| {
            let dy = graph.reshape(dy, &[out, positions * batch]);
            let d_weight = graph.gemm((&dy, false), (&windows, true), None);
            let d_weight = graph.reshape(&d_weight, &weight_shape);
            let d_bias = graph.reduce_sum(&dy, 1);
            let d_bias = graph.reshape(&d_bias, &bias_shape);
            let input = wants_input.then(|| {
                // A filter tap of zeros behind the others makes the product end with the row of
                // zeros that the sums need.
                let zeros = graph.constant(&[out, 1], &vec![0f32; out]);
                let weight = graph.concat_along(1, &[weight, zeros]);
                let d_windows = graph.gemm((&weight, true), (&dy, false), None);
                let rows = (inner + 1) * height;
                let d_windows = graph.reshape(&d_windows, &[rows, width * batch]);
                let down = RowSums::transpose(across.len() / width, &down).with_zero_row();
                let d_across = graph.sum_rows(&d_windows, &down, rows - 1);
                let rows = across.len() + width;
                let d_across = graph.reshape(&d_across, &[rows, batch]);
                let across = RowSums::transpose(image.iter().product(), &across);
                graph.sum_rows(&d_across, &across, rows - 1)
            });
            Gradients { input, parameters: vec![d_weight, d_bias] }
        });
        (y, backward)
    }

    fn export(&self, export: &mut Export, x: &str, parameters: &[&[f32]], input: Shape) -> String {
        let shapes = self.parameters(input);
        let weight = export.parameter(&shapes[0], parameters[0]);
        let bias = export.parameter(&shapes[1], parameters[1]);
        let [top, left] = self.window.padding;
        let attributes = [
            ("kernel_shape", ints(&self.window.kernel)),
            ("strides", ints(&self.window.stride)),
            ("pads", ints(&[top, left, top, left])),
            ("dilations", ints(&[1, 1])),
            ("group", int(1)),
        ];
        export.node("Conv", &[x, &weight, &bias], &attributes)
    }
}

impl fmt::Display for Conv2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { kernel, stride, padding } = self.window;
        write!(f, "conv2d {} {}×{}", self.out_channels, kernel[0], kernel[1])?;
        if stride != [1, 1] {
            write!(f, " stride {}×{}", stride[0], stride[1])?;
        }
        if padding != [0, 0] {
            write!(f, " padding {}×{}", padding[0], padding[1])?;
        }
        Ok(())
    }
}
