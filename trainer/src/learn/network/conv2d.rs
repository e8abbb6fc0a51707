//! 2-D convolution with zero padding, dense or in groups.
//!
//! All windows of all images side by side form one matrix `[K, P·B]` (`K` = input channels × window
//! area, `P` = output positions, `B` = batch), so the layer is one matrix product. The matrix is made
//! in two steps, along the rows of the image and then along its columns, because the second step,
//! which makes most of it, then moves whole rows of output positions at once. The window matrix of a
//! pointwise convolution is its input, and groups are a batch of smaller products.

use std::fmt;

use firmware_core::Axis;

use super::window::{output_size, shown_padding};
use super::{Backward, Context, Gradients, Layer, Parameter, Shape, Window};
use crate::learn::export::{Export, int, ints};
use crate::learn::graph::{Graph, RowSums, Value};

/// `out_channels` filters of `window`'s size; the weight is `[out, in / groups, height, width]`, the
/// bias `[out]`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    pub out_channels: usize,
    pub window: Window,
    /// Each of this many equal runs of output channels reads the run of input channels with the
    /// same number. As many as there are input channels make a depthwise convolution.
    pub groups: usize,
    /// Whether there is a bias: batch norm right behind makes one useless.
    pub bias: bool,
}

impl Conv2d {
    /// A dense convolution with a bias.
    pub fn dense(out_channels: usize, window: Window) -> Self {
        Self { out_channels, window, groups: 1, bias: true }
    }

    /// The first half of making the window matrix, along the rows of the image: for every channel,
    /// column of the window, row of the image and output column, the row of `[C·H·W, B]` to copy,
    /// or `None` in the padding.
    fn across(&self, [channels, height, width]: [usize; 3], outputs: usize) -> Vec<Option<usize>> {
        let mut table = Vec::new();
        for channel in 0..channels {
            for column in 0..self.window.kernel[1] {
                for y in 0..height {
                    for output in 0..outputs {
                        let x = self.window.position(Axis::Columns, output, column, width);
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
                        let y = self.window.position(Axis::Rows, output, row, height);
                        table.push(y.map(|y| (channel * columns + column) * height + y));
                    }
                }
            }
        }
        table
    }

    /// The window matrix is the input itself.
    fn is_pointwise(&self) -> bool {
        self.window == Window::new([1, 1])
    }

    fn sizes(&self, input: Shape) -> Result<([usize; 3], [usize; 2]), String> {
        let image = input.image()?;
        Ok((image, output_size(&self.window, [image[1], image[2]])?))
    }
}

/// `a · b` of `[groups, rows, inner]` and `[groups, inner, columns]`.
///
/// One group is a plain product of matrices, and keeps the flags that spare a transposition.
fn products(graph: &mut Graph, groups: usize, a: (&Value, bool), b: (&Value, bool)) -> Value {
    if groups == 1 {
        return graph.gemm(a, b, None);
    }
    let [a, b] = [a, b].map(|(value, transpose)| {
        let [rows, columns] = [value.shape()[0], value.shape()[1]];
        let parts = graph.reshape(value, &[groups, rows / groups, columns]);
        if transpose { graph.transpose_last(&parts) } else { parts }
    });
    let product = graph.matmul(&a, &b);
    let [rows, columns] = [product.shape()[1], product.shape()[2]];
    graph.reshape(&product, &[groups * rows, columns])
}

impl Layer for Conv2d {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (out, groups) = (self.out_channels, self.groups);
        if out == 0 || groups == 0 {
            return Err("channels and groups must be at least 1".to_string());
        }
        let ([channels, ..], [height, width]) = self.sizes(inputs[0])?;
        if channels % groups != 0 || out % groups != 0 {
            return Err(format!(
                "groups must divide the {channels} channels that it reads and the {out} that it \
                 makes; {groups} does not"
            ));
        }
        Ok(Shape::Image([out, height, width]))
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let channels = inputs[0].image().map_or(0, |[channels, ..]| channels) / self.groups;
        let [height, width] = self.window.kernel;
        let fan_in = channels * self.window.area();
        let mut parameters =
            vec![Parameter::weight(&[self.out_channels, channels, height, width], fan_in)];
        if self.bias {
            parameters.push(Parameter::bias(self.out_channels, fan_in));
        }
        parameters
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let (image, output) = self.sizes(context.shapes[0]).expect("checked by output_shape");
        let (batch, out, groups) = (graph.batch(), self.out_channels, self.groups);
        let inner = image[0] * self.window.area();
        let positions = output[0] * output[1];
        let x = &context.inputs[0];

        let [height, width] = output;
        let (across, down) = (self.across(image, width), self.down(image, height));
        let windows = if self.is_pointwise() {
            graph.reshape(x, &[inner, positions * batch])
        } else {
            let windows = graph.gather_rows(x, &across);
            let windows = graph.reshape(&windows, &[across.len() / width, width * batch]);
            let windows = graph.gather_rows(&windows, &down);
            graph.reshape(&windows, &[inner, positions * batch])
        };
        let weight = graph.reshape(&context.parameters[0], &[out, inner / groups]);
        let bias = context.parameters.get(1).map(|bias| graph.reshape(bias, &[out, 1]));
        let y = match &bias {
            bias if groups == 1 => graph.gemm((&weight, false), (&windows, false), bias.as_ref()),
            Some(bias) => {
                let y = products(graph, groups, (&weight, false), (&windows, false));
                graph.add(&y, bias)
            }
            None => products(graph, groups, (&weight, false), (&windows, false)),
        };
        let y = graph.reshape(&y, &[out * positions, batch]);

        let shapes: Vec<Vec<usize>> =
            context.parameters.iter().map(|parameter| parameter.shape().to_vec()).collect();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            let dy = graph.reshape(dy, &[out, positions * batch]);
            let d_weight = products(graph, groups, (&dy, false), (&windows, true));
            let mut parameters = vec![graph.reshape(&d_weight, &shapes[0])];
            if let Some(shape) = shapes.get(1) {
                let d_bias = graph.reduce_sum(&dy, 1);
                parameters.push(graph.reshape(&d_bias, shape));
            }
            let input = wanted[0].then(|| {
                if self.is_pointwise() {
                    let dx = products(graph, groups, (&weight, true), (&dy, false));
                    return graph.reshape(&dx, &[inner * positions, batch]);
                }
                let rows = inner * height;
                let (d_windows, zero) = if groups == 1 {
                    // A filter tap of zeros behind the others makes the product end with the row of
                    // zeros that the sums need.
                    let zeros = graph.constant(&[out, 1], &vec![0f32; out]);
                    let weight = graph.concat_along(1, &[weight, zeros]);
                    let d_windows = graph.gemm((&weight, true), (&dy, false), None);
                    let rows = rows + height;
                    (graph.reshape(&d_windows, &[rows, width * batch]), rows - 1)
                } else {
                    let d_windows = products(graph, groups, (&weight, true), (&dy, false));
                    let d_windows = graph.reshape(&d_windows, &[rows, width * batch]);
                    (graph.with_zero_row(&d_windows), rows)
                };
                let down = RowSums::transpose(across.len() / width, &down).with_zero_row();
                let d_across = graph.sum_rows(&d_windows, &down, zero);
                let rows = across.len() + width;
                let d_across = graph.reshape(&d_across, &[rows, batch]);
                let across = RowSums::transpose(image.iter().product(), &across);
                graph.sum_rows(&d_across, &across, rows - 1)
            });
            Gradients { inputs: vec![input], parameters }
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        parameters: &[&[f32]],
        shapes: &[Shape],
    ) -> String {
        let tensors = export.parameters(&self.parameters(shapes), parameters);
        let operands: Vec<&str> =
            inputs.iter().copied().chain(tensors.iter().map(String::as_str)).collect();
        let attributes = [
            ("kernel_shape", ints(&self.window.kernel)),
            ("strides", ints(&self.window.stride)),
            ("pads", ints(&self.window.padding)),
            ("dilations", ints(&self.window.dilation)),
            ("group", int(self.groups as i64)),
        ];
        export.node("Conv", &operands, &attributes)
    }
}

impl fmt::Display for Conv2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { kernel, stride, dilation, .. } = self.window;
        write!(f, "conv2d {} {}×{}", self.out_channels, kernel[0], kernel[1])?;
        if stride != [1, 1] {
            write!(f, " stride {}×{}", stride[0], stride[1])?;
        }
        if dilation != [1, 1] {
            write!(f, " dilation {}×{}", dilation[0], dilation[1])?;
        }
        if self.window.is_padded() {
            write!(f, " padding {}", shown_padding(&self.window))?;
        }
        if self.groups != 1 {
            write!(f, " groups {}", self.groups)?;
        }
        if !self.bias {
            write!(f, " without bias")?;
        }
        Ok(())
    }
}
