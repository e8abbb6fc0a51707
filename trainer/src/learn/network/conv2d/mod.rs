//! 2-D convolution with zero padding, dense or in groups.
//!
//! The graph of a convolution depends on what runs it, since each backend is fast at something else:
//!
//! - `pointwise`: one product of matrices, everywhere.
//! - `windows`: all windows of all images side by side are one matrix, which ONNX Runtime makes and
//!   multiplies faster than it convolves, and the gradient of the weights is a product with it too.
//! - `direct`: the backend's own convolution of the batch as one long picture, forward and for the
//!   gradient of the input; the gradient of the weights is a product for each tap of the window. tract
//!   is fastest so, ONNX Runtime where there are groups.

mod direct;
mod pointwise;
mod windows;

use std::fmt;

use super::window::{output_size, shown_padding};
use super::{Backward, Context, Layer, Parameter, Shape, Window};
use crate::learn::backend::Kind;
use crate::learn::export::{Export, int, ints};
use crate::learn::graph::{Graph, Value};

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

    /// The window matrix is the input itself.
    fn is_pointwise(&self) -> bool {
        self.window == Window::new([1, 1])
    }

    fn sizes(&self, input: Shape) -> Result<([usize; 3], [usize; 2]), String> {
        let image = input.image()?;
        Ok((image, output_size(&self.window, [image[1], image[2]])?))
    }
}

/// The shapes of the parameters.
fn shapes(context: &Context) -> Vec<Vec<usize>> {
    context.parameters.iter().map(|parameter| parameter.shape().to_vec()).collect()
}

/// `a · b` of `a: [O, K]` and `b: [groups · K, P·B]`, plus the bias if there is one.
fn weighted(graph: &mut Graph, groups: usize, a: &Value, b: &Value, context: &Context) -> Value {
    let bias = context.parameters.get(1).map(|bias| graph.reshape(bias, &[bias.elements(), 1]));
    match bias {
        bias if groups == 1 => graph.gemm((a, false), (b, false), bias.as_ref()),
        Some(bias) => {
            let y = products(graph, groups, (a, false), (b, false));
            graph.add(&y, &bias)
        }
        None => products(graph, groups, (a, false), (b, false)),
    }
}

/// The gradients of the parameters, in their shapes: `d_weight` and, with `dy: [O, P·B]`, the bias's.
fn of_parameters(
    graph: &mut Graph,
    dy: &Value,
    d_weight: Value,
    shapes: &[Vec<usize>],
) -> Vec<Value> {
    let mut parameters = vec![graph.reshape(&d_weight, &shapes[0])];
    if let Some(shape) = shapes.get(1) {
        let of_images = graph.sum_positions(dy, dy.shape()[0]);
        let d_bias = graph.reduce_sum(&of_images, 1);
        parameters.push(graph.reshape(&d_bias, shape));
    }
    parameters
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
        if self.is_pointwise() {
            return pointwise::forward(self, graph, context);
        }
        let unit = self.window.stride == [1, 1];
        // Windows that skip pixels and have gaps are in no phase as a whole.
        let in_phases = unit || self.window.dilation == [1, 1];
        let direct = match graph.backend() {
            Kind::Tract => in_phases,
            Kind::OnnxRuntime => in_phases && (self.groups > 1 || unit && !context.training),
        };
        if direct {
            direct::forward(self, graph, context)
        } else {
            windows::forward(self, graph, context)
        }
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
