//! Runs the float layers: the yardstick for the integers.

use firmware_core::Window;

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

/// The part of a window that lies on the input along one axis: first tap, first input, length.
fn overlap(window: &Window, axis: usize, output: usize, size: usize) -> (usize, usize, usize) {
    let start = (output * window.stride[axis]) as isize - window.padding[axis] as isize;
    let first = (-start).max(0) as usize;
    let end = window.kernel[axis].min((size as isize - start).max(0) as usize);
    (first, (start + first as isize) as usize, end.saturating_sub(first))
}

fn conv2d(
    input: Shape,
    output: Shape,
    window: &Window,
    weights: &[f32],
    bias: &[f32],
    x: &[f32],
) -> Vec<f32> {
    let [kh, kw] = window.kernel;
    let depth = input.channels;
    let channels = bias.len();
    // All channels of a pixel at once, so that the compiler can use vectors without changing the
    // order in which any one sum is taken.
    let by_tap = transpose(weights, channels);
    let mut y = Vec::with_capacity(output.size());
    for oy in 0..output.height {
        let (first_row, iy, rows) = overlap(window, 0, oy, input.height);
        for ox in 0..output.width {
            let (first_column, ix, columns) = overlap(window, 1, ox, input.width);
            let pixel = y.len();
            y.extend_from_slice(bias);
            for row in 0..rows {
                let tap = ((first_row + row) * kw + first_column) * depth;
                let at = ((iy + row) * input.width + ix) * depth;
                let run = columns * depth;
                accumulate(&mut y[pixel..], &x[at..at + run], &by_tap[tap * channels..]);
            }
        }
    }
    debug_assert_eq!(by_tap.len(), kh * kw * depth * channels);
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
    let [kh, kw] = window.kernel;
    let (group_in, group_out) = (input.channels / groups, output.channels / groups);
    let mut y = Vec::with_capacity(output.size());
    for oy in 0..output.height {
        let (first_row, iy, rows) = overlap(window, 0, oy, input.height);
        for ox in 0..output.width {
            let (first_column, ix, columns) = overlap(window, 1, ox, input.width);
            for (out, (taps, bias)) in weights.chunks(kh * kw * group_in).zip(bias).enumerate() {
                let mut sum = *bias;
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))) {
                    let tap = ((first_row + row) * kw + first_column + column) * group_in;
                    let pixel = (iy + row) * input.width + ix + column;
                    let at = pixel * input.channels + out / group_out * group_in;
                    let values = taps[tap..tap + group_in].iter().zip(&x[at..at + group_in]);
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
        let (_, iy, rows) = overlap(window, 0, oy, input.height);
        for ox in 0..output.width {
            let (_, ix, columns) = overlap(window, 1, ox, input.width);
            for channel in 0..depth {
                let mut values = (0..rows).flat_map(|row| {
                    (0..columns).map(move |column| {
                        x[((iy + row) * input.width + ix + column) * depth + channel]
                    })
                });
                y.push(reduce(&mut values));
            }
        }
    }
    y
}
