//! Layers with weights: Conv, Gemm and MatMul.

use firmware_core::Window;

use super::import::Import;
use super::known::{Affine, Constant, Operation, Pending, QuantizedConstant, Value};
use crate::graph::Shape;
use crate::operators::IntegerOp;
use crate::operators::conv2d::QuantizedConv2d;
use crate::operators::fully_connected::QuantizedFullyConnected;
use crate::quantize::USUAL_BITS;
use crate::quantized::{FloatRescale, Parameters, Requantization};
use crate::read::operators::{Cursor, window};
use crate::read::view::{Layout, View};
use crate::read::{ReadError, node_name};

/// A sum must fit 32 bits.
const ACCUMULATOR_BOUND: i64 = 1 << 31;

/// A layer with weights, but for what its output is quantized to.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `None` for a fully connected layer.
    window: Option<(Window, usize)>,
    shape: Shape,
    /// `[out][…][in]`, as stored.
    weights: Vec<i8>,
    /// With the input's zero point folded in.
    bias: Vec<i32>,
    input: Affine,
    /// One for all output channels, or one for each.
    scales: Vec<f32>,
}

impl Linear {
    /// The layer with an output of this scale and zero point.
    pub fn quantized(&self, output: Affine) -> Result<IntegerOp, String> {
        let rescale = |&scale: &f32| {
            // In this order in f32, as ONNX Runtime does.
            let factor = self.input.scale * scale / output.scale;
            match factor.is_normal() && factor > 0.0 {
                true => Ok(FloatRescale { scale: factor, zero: output.zero }),
                false => Err(format!("rescales by {factor:e}, which is no usable scale")),
            }
        };
        let each = self.scales.iter().map(rescale).collect::<Result<Vec<_>, _>>()?;
        let channels = self.bias.len();
        let all = (0..channels).map(|channel| each[channel % each.len()]).collect();
        Ok(self.with(Requantization::FloatScales(all)))
    }

    /// The layer with its accumulators as the network's outputs, and what these stand for.
    pub fn accumulated(&self) -> Result<(IntegerOp, f32), String> {
        let &[scale] = &self.scales[..] else {
            return Err("gives the network's output in floats, with a scale of its own for each \
                        output, so no integers stand for them in one scale; quantize the output too, \
                        or the last layer per tensor (per_channel=False; in torchao's pt2e \
                        set_module_name of the quantizer with is_per_channel=False for that layer)"
                .into());
        };
        match (self.window, self.shape.height * self.shape.width) {
            (None, 1) => Ok((self.with(Requantization::None), self.input.scale * scale)),
            _ => Err("gives the network's output in floats; quantize it".into()),
        }
    }

    fn with(&self, requantization: Requantization) -> IntegerOp {
        let parameters = Parameters {
            weights: self.weights.clone(),
            bias: self.bias.clone(),
            bits: USUAL_BITS,
            weight_exponents: Vec::new(),
            requantization,
        };
        match self.window {
            None => QuantizedFullyConnected { parameters }.into(),
            Some((window, groups)) => QuantizedConv2d {
                parameters,
                window,
                groups,
                convolved: self.shape,
                pool: None,
                padding_value: self.input.zero,
            }
            .into(),
        }
    }
}

impl Import<'_> {
    pub(super) fn convolution(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let value = self.value(node, 0)?;
        let image = self.image(node, &value)?;
        let filter = self.filter(node)?;
        let (outputs, per_group, kernel) = match (&filter.integers.dims[..], image.rank) {
            (&[o, i, h, w], 4) => (o, i, [h, w]),
            (&[o, i, w], 3) => (o, i, [1, w]),
            (dims, rank) => {
                return Err(node.wrong(format!("weights {dims:?} for {} dimensions", rank)));
            }
        };
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let fits = groups > 0
            && per_group.checked_mul(groups) == Some(image.shape.channels)
            && outputs > 0
            && outputs % groups == 0
            && per_group > 0;
        if !fits {
            return Err(node.wrong(format!(
                "weights {:?} in {groups} groups do not fit {} channels",
                filter.integers.dims, image.shape.channels
            )));
        }
        let (window, [height, width]) = window::window(node, kernel, &image)?;
        let shape = Shape { height, width, channels: outputs };
        let taps = kernel[0] * kernel[1];
        self.check_work(node, shape.size(), taps * per_group)?;
        let integers = weights(node, &filter, 0)?;
        // The file has the inputs before the taps.
        let stored = (0..outputs)
            .flat_map(|out| (0..taps).map(move |tap| (out, tap)))
            .flat_map(|(out, tap)| (0..per_group).map(move |i| (out * per_group + i) * taps + tap))
            .map(|at| integers[at])
            .collect();
        let view = View::image(0, shape, image.layout, image.rank);
        self.linear(node, &value, &filter, Some((window, groups)), (shape, view), stored)
    }

    /// Gemm and MatMul: a fully connected layer, or a convolution of one pixel.
    pub(super) fn product(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let value = self.value(node, 0)?;
        let filter = self.filter(node)?;
        let gemm = node.proto.op_type == "Gemm";
        if node.int("transA", 0) != 0 {
            return Err(node.wrong("transA is not supported"));
        }
        if node.float("alpha", 1.0) != 1.0 || node.float("beta", 1.0) != 1.0 {
            return Err(node.wrong("alpha and beta must be 1; fold them into the weights"));
        }
        let transposed = gemm && node.int("transB", 0) != 0;
        let (inputs, outputs) = match (&filter.integers.dims[..], transposed) {
            (&[inputs, outputs], false) | (&[outputs, inputs], true) => (inputs, outputs),
            (dims, _) => {
                return Err(node.wrong(format!("multiplies by {dims:?}; expected a matrix")));
            }
        };
        let integers = weights(node, &filter, usize::from(!transposed))?;
        let row = |out: usize, input: usize| match transposed {
            true => integers[out * inputs + input],
            false => integers[input * outputs + out],
        };
        let (dims, rank) = (value.view.dims(), value.view.rank());
        let whole = inputs == value.view.size() && value.view.batch() == Some(0);
        if dims.last() != Some(&inputs) || gemm && rank != 2 {
            return Err(node.wrong(format!(
                "multiplies {dims:?} by {inputs}×{outputs} (is a Flatten missing?)"
            )));
        }
        if whole {
            self.check_work(node, outputs, inputs)?;
            // Elements as they are stored, whatever order the file reads them in.
            let order = value.view.order();
            let mut stored = vec![0; inputs * outputs];
            for out in 0..outputs {
                for (input, &at) in order.iter().enumerate() {
                    stored[out * inputs + at] = row(out, input);
                }
            }
            let shape = Shape::flat(outputs);
            let new: Vec<usize> = (1..rank - 1).collect();
            let flat = View::flat(0, outputs);
            let view = flat.unsqueezed(&new).unwrap_or(flat);
            return self.linear(node, &value, &filter, None, (shape, view), stored);
        }
        let Some(image) = value.view.as_image(Layout::ChannelsLast) else {
            return Err(node.wrong("multiplies what is no vector (is a Flatten missing?)"));
        };
        if self.stored(value.view.value) != image {
            return Err(node.wrong("multiplies values in another order than they are stored in"));
        }
        let shape = Shape { channels: outputs, ..image };
        self.check_work(node, shape.size(), inputs)?;
        let stored = (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i)));
        let stored = stored.map(|(out, input)| row(out, input)).collect();
        let view = View::image(0, shape, Layout::ChannelsLast, rank);
        let window = Some((Window::new([1, 1]), 1));
        self.linear(node, &value, &filter, window, (shape, view), stored)
    }

    /// The constant that a layer multiplies by, as integers.
    fn filter(&self, node: &Cursor) -> Result<std::rc::Rc<QuantizedConstant>, ReadError> {
        let constant = self.optional(node, 1)?.ok_or_else(|| node.wrong("has no weights"))?;
        constant.quantized.ok_or_else(|| {
            node.wrong(
                "has weights in floats, so ONNX Runtime computes it in floats; quantize them too",
            )
        })
    }

    fn linear(
        &mut self,
        node: &Cursor,
        value: &Value,
        filter: &QuantizedConstant,
        window: Option<(Window, usize)>,
        (shape, view): (Shape, View),
        weights: Vec<i8>,
    ) -> Result<(), ReadError> {
        let outputs = shape.channels;
        let input = value.affine;
        let bias = match self.optional(node, 2)? {
            None => vec![0; outputs],
            Some(bias) => biases(node, &bias, input, &filter.scales, outputs)?,
        };
        let mut folded = Vec::with_capacity(outputs);
        let (low, high) = value.element.range();
        let furthest = i64::from((input.zero - low).max(high - input.zero));
        let taps = (weights.len() / outputs.max(1)).max(1);
        for (channel, (weights, bias)) in weights.chunks_exact(taps).zip(bias).enumerate() {
            let sum: i64 = weights.iter().map(|&w| i64::from(w)).sum();
            let magnitudes: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
            let reach = magnitudes * furthest + bias.abs();
            if reach >= ACCUMULATOR_BOUND {
                return Err(node.wrong(format!(
                    "the sum of output channel {channel} can reach {reach}, which does not fit 32 \
                     bits"
                )));
            }
            // Modulo 2^32, as the sum that it starts; the whole was proven to fit.
            folded.push((bias - i64::from(input.zero) * sum) as i32);
        }
        let scales = filter.scales.clone();
        let linear = Linear { window, shape, weights, bias: folded, input, scales };
        let pending = Pending {
            operation: Operation::Linear(linear),
            node: node_name(node.proto).into(),
            op: node.proto.op_type.clone(),
            inputs: vec![value.view.value],
            element: value.element,
            shape,
            view,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        };
        self.pending(node, pending)
    }
}

/// Weights without their zero point, which is the type's middle; `axis` counts the output channels.
fn weights(node: &Cursor, filter: &QuantizedConstant, axis: usize) -> Result<Vec<i8>, ReadError> {
    use crate::pb::tensor_proto::DataType;
    let outputs = filter.integers.dims[axis];
    let per_channel = filter.scales.len() == outputs && filter.axis == axis;
    if filter.scales.len() != 1 && !per_channel {
        return Err(node.wrong(format!(
            "weights {:?} with {} scales along axis {}; expected one, or one for each output channel",
            filter.integers.dims,
            filter.scales.len(),
            filter.axis
        )));
    }
    if let Some(wrong) = filter.scales.iter().find(|scale| !(scale.is_normal() && **scale > 0.0)) {
        return Err(
            node.wrong(format!("weights of the scale {wrong:e}; expected a positive number"))
        );
    }
    let middle = match filter.integers.element {
        DataType::Int8 => 0,
        DataType::Uint8 => 128,
        other => {
            return Err(node.wrong(format!(
                "weights of the type {}; int8 and uint8 are supported (weight_type)",
                other.as_str_name()
            )));
        }
    };
    if let Some(other) = filter.zeros.iter().find(|&&zero| zero != middle) {
        return Err(node.wrong(format!(
            "weights with the zero point {other}; only {middle} is supported: quantize with \
             weight_type=QuantType.QInt8, or with WeightSymmetric=True"
        )));
    }
    let integers = filter.integers.as_ints().map_err(|what| node.wrong(what))?;
    integers
        .iter()
        .map(|&weight| {
            i8::try_from(weight - middle)
                .map_err(|_| node.wrong(format!("a weight of {weight}, which is of no 8-bit type")))
        })
        .collect()
}

/// Biases in units of the accumulator: integers as the file has them, or floats as ONNX Runtime
/// quantizes them.
fn biases(
    node: &Cursor,
    bias: &Constant,
    input: Affine,
    scales: &[f32],
    outputs: usize,
) -> Result<Vec<i64>, ReadError> {
    if bias.tensor.len() != outputs {
        return Err(node.wrong(format!("{} biases for {outputs} outputs", bias.tensor.len())));
    }
    let unit = |channel: usize| input.scale * scales[channel % scales.len()];
    if let Some(quantized) = &bias.quantized {
        let integers = quantized.integers.as_ints().map_err(|what| node.wrong(what))?;
        let close = |channel: usize, scale: f32| (scale / unit(channel) - 1.0).abs() < 1e-3;
        let right = (0..outputs)
            .all(|channel| close(channel, quantized.scales[channel % quantized.scales.len()]));
        if !right || quantized.zeros.iter().any(|&zero| zero != 0) {
            return Err(node.wrong(
                "its bias is not in units of the input's scale times the weights', as ONNX \
                 Runtime's kernel takes it",
            ));
        }
        if integers.iter().any(|&bias| i32::try_from(bias).is_err()) {
            return Err(node.wrong("a bias that does not fit 32 bits"));
        }
        return Ok(integers.to_vec());
    }
    let floats = bias.tensor.as_floats().map_err(|what| node.wrong(what))?;
    let rounded = floats.iter().enumerate().map(|(channel, bias)| {
        let steps = (bias / unit(channel)).round_ties_even();
        match steps.abs() < ACCUMULATOR_BOUND as f32 {
            true => Ok(steps as i64),
            false => Err(node.wrong(format!("the bias {bias} does not fit 32 bits"))),
        }
    });
    rounded.collect()
}
