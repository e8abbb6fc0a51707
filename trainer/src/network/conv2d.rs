//! 2-D convolution with zero padding.
//!
//! All windows of all images side by side form one matrix `[K, P·B]` (`K` = input channels × window
//! area, `P` = output positions, `B` = batch), so the layer is one matrix product.

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
    /// For every element of the window matrix's first axis and every output position, the row of
    /// the input `[C·H·W, B]` that it copies; `None` in the padding.
    fn table(&self, [channels, height, width]: [usize; 3], output: [usize; 2]) -> Vec<Option<usize>> {
        let [kernel_height, kernel_width] = self.window.kernel;
        let mut table = Vec::with_capacity(channels * self.window.area() * output[0] * output[1]);
        for channel in 0..channels {
            for row in 0..kernel_height {
                for column in 0..kernel_width {
                    for y in 0..output[0] {
                        for x in 0..output[1] {
                            let position =
                                self.window.position([y, x], [row, column], [height, width]);
                            table.push(position.map(|[y, x]| (channel * height + y) * width + x));
                        }
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

        let table = self.table(image, output);
        let windows = graph.gather_rows(x, &table);
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
                let d_windows = graph.gemm((&weight, true), (&dy, false), None);
                let d_windows = graph.reshape(&d_windows, &[inner * positions, batch]);
                let sums = RowSums::transpose(image.iter().product(), &table);
                graph.sum_rows(&d_windows, &sums)
            });
            Gradients { input, parameters: vec![d_weight, d_bias] }
        });
        (y, backward)
    }

    fn export(
        &self,
        export: &mut Export,
        x: &str,
        parameters: &[&[f32]],
        input: Shape,
    ) -> String {
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
