//! Everything that the integer network computes for one image: what a device holds, by the same
//! kernels, with the accumulators that it requantizes.

use converter::graph::Shape;
use converter::operators::IntegerOp;
use converter::operators::conv2d::QuantizedConv2d;
use converter::quantized::{
    Parameters, QuantizedLayer, QuantizedNetwork, Requantization, ValueFormat, ValueType,
};
use converter::reference::{self, Integers};
use firmware_core::kernels::{self, Conv2dShape};
use firmware_core::{Activation, LayerKind, Requantize, Shift, Window};
use inkling_data::planar_order;

/// All values of one inference.
#[derive(Clone, Debug)]
pub struct Trace {
    pub layers: Vec<LayerTrace>,
    pub logits: Vec<i32>,
}

/// What one kernel computed.
#[derive(Clone, Debug)]
pub struct LayerTrace {
    /// The layer's name in generated code and in `int8.onnx`.
    pub name: String,
    pub kernel: &'static str,
    /// `[channels, height, width]`, or `[1, 1, size]` of a vector.
    pub shape: [usize; 3],
    /// The integers that the kernel computed, channel by channel.
    pub values: Vec<i32>,
    /// The smallest and the largest value of its type.
    pub range: [i32; 2],
    /// The accumulators, where there are weights: one for each value.
    pub accumulators: Option<Vec<i32>>,
    /// The weights of a convolution.
    pub filters: Option<Filters>,
}

/// Weights `[count][channels][height][width]`.
#[derive(Clone, Debug)]
pub struct Filters {
    pub shape: [usize; 4],
    pub weights: Vec<i8>,
}

/// Runs the network on one image, `[height][width][channels]`.
pub fn run(network: &QuantizedNetwork, image: &[u8]) -> Trace {
    let values = reference::values(network, image);
    let mut layers = Vec::new();
    for (index, layer) in network.computed() {
        let result = &values[index + 1];
        let (input, x) = (network.shape(layer.input()), &values[layer.input()]);
        let result = result.to_i32();
        let sums = match x {
            Integers::U8(x) => accumulators(layer, input, x),
            Integers::I8(x) => accumulators(layer, input, x),
            Integers::I32(_) => None,
        };
        let kernel = match layer.kind() {
            LayerKind::Conv2dMaxPool2d => LayerKind::Conv2d.name(),
            kind => kind.name(),
        };
        let computed = |name: &str, kernel, values: &[i32], shape: Shape| LayerTrace {
            name: name.to_string(),
            kernel,
            shape: shown(shape),
            values: planar(values, shape),
            range: range(layer.format),
            accumulators: None,
            filters: None,
        };
        let IntegerOp::Conv2d(QuantizedConv2d { parameters, window, convolved, pool, .. }) =
            &layer.op
        else {
            layers.push(LayerTrace {
                accumulators: sums,
                ..computed(&layer.name, kernel, &result, layer.output)
            });
            continue;
        };
        let sums = sums.unwrap_or_default();
        // Where a pooling follows, the values before it: rounding does not change which is largest.
        let unpooled = if pool.is_some() { requantized(layer, &sums) } else { result.clone() };
        layers.push(LayerTrace {
            accumulators: Some(planar(&sums, *convolved)),
            filters: Some(filters(parameters, window)),
            ..computed(&layer.name, kernel, &unpooled, *convolved)
        });
        if pool.is_some() {
            let name = format!("{}_pool", layer.name);
            layers.push(computed(&name, LayerKind::MaxPool2d.name(), &result, layer.output));
        }
    }
    let logits = values.last().map(Integers::to_i32).unwrap_or_default();
    Trace { layers, logits }
}

/// The accumulators of a layer with weights, `[height][width][out]`, before any pooling.
fn accumulators<X: Activation>(layer: &QuantizedLayer, input: Shape, x: &[X]) -> Option<Vec<i32>> {
    let p = layer.parameters()?;
    let IntegerOp::Conv2d(QuantizedConv2d { window, groups, convolved, .. }) = &layer.op else {
        let mut sums = vec![0; p.channels()];
        kernels::fully_connected_logits(x, &p.weights, &p.bias, &mut sums);
        return Some(sums);
    };
    let mut sums = vec![0; convolved.size()];
    let (ins, outs) = (input.channels / groups, convolved.channels / groups);
    let shape = Conv2dShape::new(
        [input.height, input.width, ins],
        [convolved.height, convolved.width, outs],
        *window,
    );
    // Each group is a convolution of its own over some of the channels.
    for group in 0..*groups {
        let x: Vec<X> = x
            .chunks_exact(input.channels)
            .flat_map(|pixel| &pixel[group * ins..][..ins])
            .copied()
            .collect();
        let channels = group * outs..(group + 1) * outs;
        let weights: Vec<i8> = channels.clone().flat_map(|c| p.taps(c)).copied().collect();
        let mut of_group = vec![0; convolved.height * convolved.width * outs];
        kernels::conv2d_accumulate(&shape, &x, &weights, &p.bias[channels], &mut of_group);
        let pixels = sums.chunks_exact_mut(convolved.channels);
        for (pixel, sums) in pixels.zip(of_group.chunks_exact(outs)) {
            pixel[group * outs..][..outs].copy_from_slice(sums);
        }
    }
    Some(sums)
}

/// Accumulators `[…][out]` as the layer's values.
fn requantized(layer: &QuantizedLayer, sums: &[i32]) -> Vec<i32> {
    let Some(Requantization::Shifts(shifts)) = layer.parameters().map(|p| &p.requantization) else {
        return sums.to_vec();
    };
    let [low, high] = layer.clip.unwrap_or(range(layer.format));
    let shifts = shifts.iter().map(|&bits| Shift::new(bits)).cycle();
    sums.iter().zip(shifts).map(|(&sum, shift)| shift.apply(sum).max(low).min(high)).collect()
}

fn range(format: ValueFormat) -> [i32; 2] {
    match format.element {
        ValueType::U8 => [u8::MIN.into(), u8::MAX.into()],
        ValueType::I8 => [i8::MIN.into(), i8::MAX.into()],
        ValueType::I32 => [i32::MIN, i32::MAX],
    }
}

fn filters(parameters: &Parameters, window: &Window) -> Filters {
    let [height, width] = window.kernel;
    let depth = parameters.taps(0).len() / (height * width).max(1);
    let order: Vec<usize> = planar_order([height, width, depth]).collect();
    let filter = |channel: usize| {
        let taps = parameters.taps(channel);
        order.iter().map(move |&place| taps[place])
    };
    Filters {
        shape: [parameters.channels(), depth, height, width],
        weights: (0..parameters.channels()).flat_map(filter).collect(),
    }
}

fn planar(values: &[i32], shape: Shape) -> Vec<i32> {
    let order = planar_order([shape.height, shape.width, shape.channels]);
    order.map(|place| values[place]).collect()
}

fn shown(shape: Shape) -> [usize; 3] {
    match (shape.height, shape.width) {
        (1, 1) => [1, 1, shape.channels],
        _ => [shape.channels, shape.height, shape.width],
    }
}
