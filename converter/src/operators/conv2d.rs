//! `conv2d`, alone or with the max pooling behind it, `depthwise_conv2d` and `grouped_conv2d`:
//! convolutions with one weight exponent per output channel.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{Activation, LayerKind, Window};

use super::max_pool2d::MaxPool2d;
use super::{FloatOperator, IntegerOp, IntegerOperator, Static};
use crate::emit::blob::{LayerBlob, Writing, kind_of};
use crate::emit::int8_onnx::{Emitter, Linear};
use crate::emit::rust::{Call, Types, turbofish};
use crate::evaluate::{accumulate, taps, transpose};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::{Parameters, QuantizedLayer, Requantization, ValueType};
use crate::reference::{Integers, Run};
use crate::stream::form::{Call as RowCall, RowForm, RowWindow};

/// Weights `[out][kh][kw][in / groups]`; each of the `groups` equal runs of output channels reads the
/// run of input channels with the same number. `convolved` is the shape before the pooling, which
/// only a convolution of one group has.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub window: Window,
    pub groups: usize,
    pub convolved: Shape,
    pub pool: Option<Window>,
}

/// The same with integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedConv2d {
    pub parameters: Parameters,
    pub window: Window,
    pub groups: usize,
    pub convolved: Shape,
    pub pool: Option<Window>,
    /// What is read on the padding: 0, or the zero point of a model that has one.
    pub padding_value: i32,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::Conv2d { weights, bias, window, groups } = node.operator() else {
        return Ok(None);
    };
    let mut end = node.index;
    let (mut relu, ceiling) = node.take_activation(&mut end);
    let pool = if *groups == 1 { node.take_pool(&mut end) } else { None };
    // A channel that is only scaled up keeps its sign.
    let keeps_sign = weights.iter().chain(bias).all(|&w| w >= 0.0);
    relu |= *groups > 1 && keeps_sign && lowering.never_negative(node.input());
    let conv = Conv2d {
        weights: weights.clone(),
        bias: bias.clone(),
        window: *window,
        groups: *groups,
        convolved: node.output(),
        pool,
    };
    Ok(Some(lowering.push(node, end, conv, (relu, ceiling))))
}

/// A depthwise convolution that computes every value of its input anew.
pub fn pass_on(shape: Shape) -> Conv2d {
    let channels = shape.channels;
    Conv2d {
        weights: vec![1.0; channels],
        bias: vec![0.0; channels],
        window: Window::new([1, 1]),
        groups: channels,
        convolved: shape,
        pool: None,
    }
}

impl FloatOperator for Conv2d {
    fn forward(&self, layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let (input, x) = inputs[0];
        let y = match self.groups {
            1 => self.dense(input, x),
            _ => self.grouped(input, x),
        };
        match self.pool {
            Some(window) => MaxPool2d { window }.of(self.convolved, layer.output, &y),
            None => y,
        }
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let Self { window, groups, convolved, pool, .. } = *self;
        let parameters = quantizing.weights(&self.weights, &self.bias)?;
        let padding_value = 0;
        Ok(QuantizedConv2d { parameters, window, groups, convolved, pool, padding_value }.into())
    }

    fn gives_logits(&self) -> bool {
        self.groups == 1 && self.pool.is_none()
    }
}

impl Conv2d {
    fn dense(&self, input: Shape, x: &[f32]) -> Vec<f32> {
        let Self { weights, bias, window, convolved: output, .. } = self;
        let depth = input.channels;
        let channels = bias.len();
        // All channels of a pixel at once, so that the compiler can use vectors without changing the
        // order in which any one sum is taken.
        let by_tap = transpose(weights, channels);
        let mut y = Vec::with_capacity(output.size());
        for oy in 0..output.height {
            for ox in 0..output.width {
                let pixel = y.len();
                y.extend_from_slice(bias);
                for [tap, at] in taps(window, input, [oy, ox]) {
                    let x = &x[at * depth..][..depth];
                    accumulate(&mut y[pixel..], x, &by_tap[tap * depth * channels..]);
                }
            }
        }
        debug_assert_eq!(by_tap.len(), window.area() * depth * channels);
        y
    }

    fn grouped(&self, input: Shape, x: &[f32]) -> Vec<f32> {
        let Self { weights, bias, window, groups, convolved: output, .. } = self;
        let (group_in, group_out) = (input.channels / groups, output.channels / groups);
        let mut y = Vec::with_capacity(output.size());
        for oy in 0..output.height {
            for ox in 0..output.width {
                let filters = weights.chunks(window.area() * group_in);
                for (out, (filter, bias)) in filters.zip(bias).enumerate() {
                    let mut sum = *bias;
                    for [tap, pixel] in taps(window, input, [oy, ox]) {
                        let at = pixel * input.channels + out / group_out * group_in;
                        let weights = &filter[tap * group_in..][..group_in];
                        let values = weights.iter().zip(&x[at..at + group_in]);
                        sum += values.map(|(w, x)| w * x).sum::<f32>();
                    }
                    y.push(sum);
                }
            }
        }
        y
    }
}

impl IntegerOperator for QuantizedConv2d {
    fn kind(&self) -> LayerKind {
        if self.pool.is_some() {
            return LayerKind::Conv2dMaxPool2d;
        }
        match (self.groups, self.parameters.taps(0).len() == self.window.area()) {
            (1, _) => LayerKind::Conv2d,
            (_, true) => LayerKind::DepthwiseConv2d,
            (_, false) => LayerKind::GroupedConv2d,
        }
    }

    fn parameters(&self) -> Option<&Parameters> {
        Some(&self.parameters)
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        Some(&mut self.parameters)
    }

    fn filters(&self) -> usize {
        match self.kind() {
            LayerKind::DepthwiseConv2d => 1,
            _ => self.parameters.channels(),
        }
    }

    fn macs(&self) -> usize {
        self.convolved.height * self.convolved.width * self.parameters.weights.len()
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| match &mut y {
            Integers::I32(y) => {
                let Parameters { weights, bias, .. } = &self.parameters;
                kernels::conv2d_accumulate(&self.shape(run), x, weights, bias, y);
            }
            y => with_elements!(y, |y| self.run_as(run, x, y)),
        });
        y
    }

    fn rust_type(&self, types: &Types) -> String {
        let ([kh, kw], out) = (self.window.kernel, self.convolved.channels);
        let head = match self.kind() {
            LayerKind::DepthwiseConv2d => format!("DepthwiseConv2d<{out}, {kh}, {kw}"),
            LayerKind::GroupedConv2d => {
                let group = self.parameters.taps(0).len() / (kh * kw);
                format!("GroupedConv2d<{out}, {kh}, {kw}, {group}")
            }
            _ => format!("Conv2d<{out}, {kh}, {kw}, {}", types.input().channels),
        };
        let mut geometry = Types::geometry(&self.window);
        if self.padding_value != 0 && self.window.is_padded() {
            geometry = format!("PaddedWith<{geometry}, {}>", self.padding_value);
        }
        types.with_geometry(&head, &geometry, self.window == Window::new(self.window.kernel))
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        let ([kh, kw], out) = (self.window.kernel, self.convolved.channels);
        let Parameters { weights, .. } = &self.parameters;
        Some(match self.kind() {
            LayerKind::DepthwiseConv2d => {
                types.weights(&self.parameters, &self.parameters.by_tap(), &[kh, kw, out])
            }
            _ => {
                let dims = [out, kh, kw, self.parameters.taps(0).len() / (kh * kw)];
                types.weights(&self.parameters, weights, &dims)
            }
        })
    }

    fn rust_also_names(&self) -> String {
        self.pool.map(|window| MaxPool2d { window }.type_name()).unwrap_or_default()
    }

    fn rows(&self, types: &Types) -> Option<RowForm> {
        let input = types.input();
        let own = RowWindow::new(&self.window, input.height);
        let dense = matches!(self.kind(), LayerKind::Conv2d | LayerKind::Conv2dMaxPool2d);
        let name = types.static_name();
        if types.layer.format.element == ValueType::I32 {
            return None;
        }
        Some(match self.pool {
            None => RowForm { tiled: dense, ..RowForm::window(types, &name, &self.window) },
            // Tiles lie within the windows of the pooling.
            Some(window) => {
                let height = self.convolved.height;
                let pool = turbofish(&MaxPool2d { window }.type_name());
                let call = format!("{name}.forward_max_pool2d_rows(&{pool}::new(), {height}, ");
                let windows = vec![own, RowWindow::new(&window, height)];
                RowForm { windows, tiled: false, call: RowCall::Rows(call) }
            }
        })
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let name = call.static_name();
        if call.gives_logits() {
            let x = call.input_region(code);
            let _ = writeln!(
                code,
                "    let mut pixels = [[[0; {}]; 1]; 1];\n    \
                 {name}.accumulate({x}, &mut pixels);\n    \
                 let [[{}]] = pixels;",
                call.layer.output.channels,
                call.logits_name()
            );
            return;
        }
        let x = call.regions(code, call.layer.input());
        let _ = match self.pool {
            Some(window) => {
                let pool = turbofish(&MaxPool2d { window }.type_name());
                writeln!(code, "    {name}.forward_max_pool2d(&{pool}::new(), {x}, y);")
            }
            None => writeln!(code, "    {name}.forward({x}, y);"),
        };
    }

    /// QLinearConv, or ConvInteger for the logits.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let Self { parameters, window, groups, .. } = self;
        let linear = Linear { parameters, window, groups: *groups };
        if layer.format.element == ValueType::I32 {
            return emitter.conv_integer(layer, &linear);
        }
        let y = emitter.linear_conv(layer, &linear);
        match &self.pool {
            None => y,
            Some(pool) => emitter.max_pool2d(&format!("{}_pool", layer.name), &y, pool),
        }
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        if let Requantization::FloatScales(_) = self.parameters.requantization {
            return None;
        }
        let parameters = &self.parameters;
        let kind = kind_of(self.kind());
        let data = match kind {
            Kind::DepthwiseConv2d => writing.channels(parameters).i8s(&parameters.by_tap()),
            Kind::GroupedConv2d => writing.channels(parameters).i8s(&parameters.weights),
            _ => writing.convolution(parameters),
        };
        Some(LayerBlob {
            window: Some(self.window),
            pool: self.pool,
            padding_value: if self.window.is_padded() { self.padding_value } else { 0 },
            extra: [self.groups as i32, 0],
            ..LayerBlob::new(kind, data)
        })
    }
}

impl QuantizedConv2d {
    fn shape(&self, run: &Run) -> Conv2dShape {
        let (input, output) = (run.shapes[0].hwc(), self.convolved.hwc());
        let padding_value = self.padding_value;
        Conv2dShape { padding_value, ..Conv2dShape::new(input, output, self.window) }
    }

    fn run_as<X: Activation, Y: Activation>(&self, run: &Run, x: &[X], y: &mut [Y]) {
        let (p, shape) = (&self.parameters, self.shape(run));
        let requantize = run.requantizations(p);
        match (self.pool, self.kind()) {
            (Some(window), _) => {
                let output = run.layer.output.hwc();
                let pool = Pool2dShape { input: self.convolved.hwc(), output, window };
                kernels::conv2d_max_pool2d(&shape, &pool, x, &p.weights, &p.bias, &requantize, y);
            }
            (None, LayerKind::DepthwiseConv2d) => {
                kernels::depthwise_conv2d(&shape, x, &p.by_tap(), &p.bias, &requantize, y);
            }
            (None, LayerKind::GroupedConv2d) => {
                let groups = self.groups;
                kernels::grouped_conv2d(&shape, groups, x, &p.weights, &p.bias, &requantize, y);
            }
            (None, _) => kernels::conv2d(&shape, x, &p.weights, &p.bias, &requantize, y),
        }
    }
}
