//! Layers with windows and layers with weights.

use firmware_core::Window;

use super::TfliteError;
use super::builtin::Builtin;
use super::file::{Activation, Affine, Operator, Tensor};
use super::import::{Import, Value};
use super::rescale::{bounds, factor as nearest_factor};
use crate::graph::Shape;
use crate::operators::IntegerOp;
use crate::operators::conv2d::QuantizedConv2d;
use crate::operators::fully_connected::QuantizedFullyConnected;
use crate::operators::max_pool2d::MaxPool2d;
use crate::operators::mean_pool2d::MeanPool2d;
use crate::quantize::USUAL_BITS;
use crate::quantized::{Factor, Parameters, QuantizedLayer, Requantization, Rescale};

/// An accumulator, and what becomes of it when it is shifted left, must fit 32 bits.
const ACCUMULATOR_BOUND: i64 = 1 << 31;

/// The padding of a window by the first option of its operator: SAME lets as many windows fit as
/// strides do, with the odd pixel below and right; nothing for VALID.
pub(super) fn same_padding(
    operator: &Operator,
    window: &Window,
    input: [usize; 2],
) -> Result<Option<[usize; 4]>, TfliteError> {
    match operator.option(0)? {
        0 => {
            let (extent, stride) = (window.extent(), window.stride);
            let mut padding = [0; 4];
            for axis in 0..2 {
                let output = input[axis].div_ceil(stride[axis]);
                let covered = ((output - 1) * stride[axis]).saturating_add(extent[axis]);
                let total = covered.saturating_sub(input[axis]);
                padding[axis] = total / 2;
                padding[axis + 2] = total - total / 2;
            }
            Ok(Some(padding))
        }
        1 => Ok(None),
        other => Err(operator.error(format!("padding number {other} is unknown"))),
    }
}

/// The filters of a convolution, plain or depthwise, and how its options apply them.
pub(super) struct Filters {
    pub outputs: usize,
    /// Input channels of each group.
    pub per_group: usize,
    pub groups: usize,
    /// Height and width.
    pub kernel: [usize; 2],
    pub dilation: [usize; 2],
    pub activation: Activation,
}

impl Filters {
    /// Of `operator`, whose weights are `filter`, on `channels` input channels.
    pub fn of(operator: &Operator, filter: &Tensor, channels: usize) -> Result<Self, TfliteError> {
        let [a, height, width, b] = filter.shape[..] else {
            return Err(filter.error(format!("weights of shape {:?}", filter.shape)));
        };
        let depthwise = operator.builtin == Builtin::DEPTHWISE_CONV_2D;
        let (outputs, per_group) = match depthwise {
            true if a == 1 && b % channels == 0 => (b, 1),
            false if channels.is_multiple_of(b) && a % (channels / b) == 0 => (a, b),
            _ => {
                return Err(operator.error(format!(
                    "weights of shape {:?} do not fit {channels} input channels",
                    filter.shape
                )));
            }
        };
        // The options' fields: padding, strides, then the depthwise's multiplier or the activation.
        let [activation, dilation_w, dilation_h] = if depthwise { [4, 5, 6] } else { [3, 4, 5] };
        Ok(Self {
            outputs,
            per_group,
            groups: channels / per_group,
            kernel: [height, width],
            dilation: [
                operator.count(dilation_h, 1, "dilation")?,
                operator.count(dilation_w, 1, "dilation")?,
            ],
            activation: operator.activation(activation)?,
        })
    }
}

impl Import<'_> {
    /// The window of an operator with padding and strides in its first three options, and the height
    /// and width of what it computes.
    fn window(
        &self,
        operator: &Operator,
        value: Value,
        kernel: [usize; 2],
        dilation: [usize; 2],
    ) -> Result<(Window, [usize; 2]), TfliteError> {
        let stride = [operator.count(2, 1, "stride")?, operator.count(1, 1, "stride")?];
        let mut window = Window { kernel, stride, dilation, padding: value.border };
        let input = [value.shape.height, value.shape.width];
        window.padding = same_padding(operator, &window, input)?.unwrap_or(window.padding);
        let output = window
            .checked_output_size(input)
            .map_err(|error| operator.error(format!("{error}: {window:?} on {}", value.shape)))?;
        Ok((window.trimmed(input, output), output))
    }

    pub(super) fn convolution(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let depthwise = operator.builtin == Builtin::DEPTHWISE_CONV_2D;
        let value = self.value(operator, 0)?;
        let id = self.spatial(operator, value)?;
        let filter = self.input(operator, 1)?;
        let Filters { outputs, groups, kernel, dilation, activation, .. } =
            Filters::of(operator, filter, value.shape.channels)?;
        let (window, [height, width]) = self.window(operator, value, kernel, dilation)?;
        let mut weights = filter.i8s()?;
        if depthwise {
            // By channel, as all weights here; the kernel gets them by tap again.
            let taps = kernel[0] * kernel[1];
            weights = (0..outputs)
                .flat_map(|channel| (0..taps).map(move |tap| (channel, tap)))
                .map(|(channel, tap)| weights[tap * outputs + channel])
                .collect();
        }
        let scales = filter.channel_scales(outputs, if depthwise { 3 } else { 0 })?;
        let factors = factors(operator, value.affine, &scales, self.affine_of(operator)?)?;
        let parameters =
            self.parameters(operator, value.affine, weights, outputs, &factors, activation)?;
        let shape = Shape::new(height, width, outputs);
        let op = QuantizedConv2d {
            parameters,
            window,
            groups,
            convolved: shape,
            pool: None,
            padding_value: value.affine.zero,
        };
        self.push(operator, op, vec![id], shape)
    }

    pub(super) fn fully_connected(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let filter = self.input(operator, 1)?;
        let [outputs, inputs] = filter.shape[..] else {
            return Err(filter.error(format!("weights of shape {:?}", filter.shape)));
        };
        if operator.option(1)? != 0 {
            return Err(operator.error("shuffled weights are not supported"));
        }
        let scales = filter.channel_scales(outputs, 0)?;
        let factors = factors(operator, value.affine, &scales, self.affine_of(operator)?)?;
        let weights = filter.i8s()?;
        let activation = operator.activation(0)?;
        let parameters =
            self.parameters(operator, value.affine, weights, outputs, &factors, activation)?;
        if value.shape.size() == inputs {
            let op = QuantizedFullyConnected { parameters };
            return self.push(operator, op, vec![value.id], Shape::flat(outputs));
        }
        if value.shape.channels != inputs {
            return Err(
                operator.error(format!("weights for {inputs} inputs do not fit {}", value.shape))
            );
        }
        // The same for every pixel: a convolution of one pixel.
        let shape = Shape { channels: outputs, ..value.shape };
        let op = QuantizedConv2d {
            parameters,
            window: Window::new([1, 1]),
            groups: 1,
            convolved: shape,
            pool: None,
            padding_value: 0,
        };
        let id = self.spatial(operator, value)?;
        self.push(operator, op, vec![id], shape)
    }

    /// The scale and zero point of an operator's result.
    pub(super) fn affine_of(&self, operator: &Operator) -> Result<Affine, TfliteError> {
        self.output(operator)?.affine()
    }

    /// Weights by output channel, biases with the input's zero point folded in, and a
    /// requantization for each channel.
    fn parameters(
        &self,
        operator: &Operator,
        input: Affine,
        weights: Vec<i8>,
        outputs: usize,
        factors: &[Factor],
        activation: Activation,
    ) -> Result<Parameters, TfliteError> {
        let bias = match self.optional_input(operator, 2)? {
            Some(tensor) => biases(tensor, outputs)?,
            None => vec![0; outputs],
        };
        let output = self.affine_of(operator)?;
        let bounds = bounds(activation, output.scale, output.zero);
        let taps = weights.len() / outputs.max(1);
        let mut folded = Vec::with_capacity(outputs);
        let mut rescales = Vec::with_capacity(outputs);
        for (channel, (weights, bias)) in weights.chunks_exact(taps.max(1)).zip(bias).enumerate() {
            let factor = factors[channel % factors.len()];
            // The kernels multiply two neighbours at once, and two products of -128 and -128 do not
            // fit the half of a word that they have; the specification leaves -128 out as well.
            if weights.contains(&i8::MIN) {
                return Err(operator.error(format!(
                    "output channel {channel} has a weight of -128; int8 weights are -127 to 127"
                )));
            }
            let sum: i64 = weights.iter().map(|&w| i64::from(w)).sum();
            let magnitudes: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
            let furthest = i64::from((input.zero + 128).max(127 - input.zero));
            let reach = magnitudes * furthest + i64::from(bias).abs();
            let bias = i64::from(bias) - i64::from(input.zero) * sum;
            if reach << factor.exponent.max(0) >= ACCUMULATOR_BOUND {
                return Err(operator.error(format!(
                    "the sum of output channel {channel} can reach {reach}, which does not fit 32 \
                     bits when it is rescaled"
                )));
            }
            // Modulo 2^32, as the sum that it starts; the whole was proven to fit.
            folded.push(bias as i32);
            rescales.push(Rescale { factor, zero: output.zero, bounds });
        }
        Ok(Parameters {
            weights,
            bias: folded,
            bits: USUAL_BITS,
            weight_exponents: Vec::new(),
            requantization: Requantization::Rescales(rescales),
        })
    }

    pub(super) fn pool(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let id = self.spatial(operator, value)?;
        let kernel =
            [operator.count(4, 1, "window height")?, operator.count(3, 1, "window width")?];
        let (window, [height, width]) = self.window(operator, value, kernel, [1, 1])?;
        let output = self.affine_of(operator)?;
        let bounds = bounds(operator.activation(5)?, output.scale, output.zero);
        let shape = Shape::new(height, width, value.shape.channels);
        if operator.builtin == Builtin::AVERAGE_POOL_2D {
            if kernel[0].saturating_mul(kernel[1]) > 1 << 16 {
                return Err(operator.error(format!("a window of {kernel:?} is too large")));
            }
            return self.push(operator, MeanPool2d { window, bounds }, vec![id], shape);
        }
        if bounds != [-128, 127] {
            return Err(operator.error("a fused activation is not supported here"));
        }
        // Windows that do not overlap: the convolution pools its accumulators and rounds once.
        let apart = window.stride[0] >= kernel[0] && window.stride[1] >= kernel[1];
        if apart
            && let Some(QuantizedLayer { op: IntegerOp::Conv2d(convolution), .. }) =
                self.only_for(operator, value)
            && let QuantizedConv2d { groups: 1, pool: pool @ None, .. } = convolution
        {
            *pool = Some(window);
            let op = convolution.clone();
            return self.extend(operator, op, shape);
        }
        self.push(operator, MaxPool2d { window }, vec![id], shape)
    }
}

fn factor(operator: &Operator, real: f64) -> Result<Factor, TfliteError> {
    nearest_factor(real).ok_or_else(|| operator.error(format!("scales with a ratio of {real:e}")))
}

/// The factor of each scale of the weights, in f64.
fn factors(
    operator: &Operator,
    input: Affine,
    scales: &[f32],
    output: Affine,
) -> Result<Vec<Factor>, TfliteError> {
    let real = |scale: f32| f64::from(input.scale) * f64::from(scale) / f64::from(output.scale);
    scales.iter().map(|&scale| factor(operator, real(scale))).collect()
}

fn biases(tensor: &Tensor, outputs: usize) -> Result<Vec<i32>, TfliteError> {
    if tensor.size() != outputs {
        return Err(tensor.error(format!("{} biases for {outputs} output channels", tensor.size())));
    }
    tensor.i32s()
}
