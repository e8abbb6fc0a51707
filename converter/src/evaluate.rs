//! Runs the float layers: the yardstick for the integers.

use firmware_core::{Axis, Window};

use crate::graph::Shape;
use crate::lower::{Layer, LayerOp, Network};

/// Computes every value of the network for one image; the first is the image itself as
/// `pixel · 2⁻⁸`, the last the logits.
pub fn values(network: &Network, image: &[u8]) -> Vec<Vec<f32>> {
    let mut values =
        vec![image.iter().map(|&pixel| f32::from(pixel) / 256.0).collect::<Vec<f32>>()];
    for layer in &network.layers {
        let inputs: Vec<(Shape, &[f32])> =
            layer.inputs.iter().map(|&value| (network.shape(value), &values[value][..])).collect();
        let result = forward(layer, &inputs);
        values.push(result);
    }
    values
}

/// The logits for one image.
pub fn logits(network: &Network, image: &[u8]) -> Vec<f32> {
    values(network, image).pop().unwrap_or_default()
}

fn forward(layer: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
    let (input, x) = inputs[0];
    let mut y = match &layer.op {
        LayerOp::Conv2d { weights, bias, window, groups, convolved, pool } => {
            let y = match groups {
                1 => conv2d(input, *convolved, window, weights, bias, x),
                groups => grouped_conv2d(input, *convolved, window, *groups, weights, bias, x),
            };
            match pool {
                Some(pool) => max_pool2d(*convolved, layer.output, pool, &y),
                None => y,
            }
        }
        LayerOp::FullyConnected { weights, bias } => {
            let mut y = bias.clone();
            accumulate(&mut y, x, &transpose(weights, bias.len()));
            y
        }
        LayerOp::MaxPool2d { window } => max_pool2d(input, layer.output, window, x),
        LayerOp::AveragePool2d { window, bits } => {
            let scale = 2_f32.powi(-(*bits as i32));
            pool(input, layer.output, window, x, |values| scale * values.sum::<f32>())
        }
        LayerOp::Add => x.iter().zip(inputs[1].1).map(|(a, b)| a + b).collect(),
        LayerOp::Concat => (0..input.height * input.width)
            .flat_map(|pixel| {
                inputs
                    .iter()
                    .flat_map(move |(shape, x)| &x[pixel * shape.channels..][..shape.channels])
            })
            .copied()
            .collect(),
        LayerOp::LeakyRelu { slope } => {
            x.iter().map(|&x| if x < 0.0 { x * slope } else { x }).collect()
        }
    };
    if layer.relu {
        y.iter_mut().for_each(|value| *value = value.max(0.0));
    }
    if let Some(ceiling) = layer.ceiling {
        y.iter_mut().for_each(|value| *value = value.min(ceiling));
    }
    y
}

/// The taps of a window that lie on the input, each with its pixel, row by row.
fn taps(window: &Window, input: Shape, [oy, ox]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    let rows = window.span(Axis::Rows, oy, input.height);
    let columns = window.span(Axis::Columns, ox, input.width);
    let ([_, kw], [dy, dx]) = (window.kernel, window.dilation);
    (0..rows.len).flat_map(move |row| {
        let (tap, pixel) = ((rows.kernel + row) * kw, (rows.input + row * dy) * input.width);
        (0..columns.len)
            .map(move |column| [tap + columns.kernel + column, pixel + columns.input + column * dx])
    })
}

fn conv2d(
    input: Shape,
    output: Shape,
    window: &Window,
    weights: &[f32],
    bias: &[f32],
    x: &[f32],
) -> Vec<f32> {
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

/// Weights `[out][tap]` as `[tap][out]`.
fn transpose(weights: &[f32], channels: usize) -> Vec<f32> {
    let taps = weights.len() / channels.max(1);
    (0..taps).flat_map(|tap| (0..channels).map(move |c| weights[c * taps + tap])).collect()
}

/// Adds `x · weights` to the sums of all channels; weights `[tap][out]`.
fn accumulate(sums: &mut [f32], x: &[f32], weights: &[f32]) {
    for (x, weights) in x.iter().zip(weights.chunks(sums.len().max(1))) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
    }
}

fn grouped_conv2d(
    input: Shape,
    output: Shape,
    window: &Window,
    groups: usize,
    weights: &[f32],
    bias: &[f32],
    x: &[f32],
) -> Vec<f32> {
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

fn max_pool2d(input: Shape, output: Shape, window: &Window, x: &[f32]) -> Vec<f32> {
    pool(input, output, window, x, |values| values.fold(f32::NEG_INFINITY, f32::max))
}

/// What `reduce` makes of each window's values that lie on the input, channel by channel.
fn pool(
    input: Shape,
    output: Shape,
    window: &Window,
    x: &[f32],
    reduce: impl Fn(&mut dyn Iterator<Item = f32>) -> f32,
) -> Vec<f32> {
    let depth = input.channels;
    let mut y = Vec::with_capacity(output.size());
    for oy in 0..output.height {
        for ox in 0..output.width {
            for channel in 0..depth {
                let mut values =
                    taps(window, input, [oy, ox]).map(|[_, pixel]| x[pixel * depth + channel]);
                y.push(reduce(&mut values));
            }
        }
    }
    y
}
