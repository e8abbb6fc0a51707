//! Runs the float layers: the yardstick for the integers.

use firmware_core::Window;

use crate::graph::Shape;
use crate::lower::{Layer, LayerOp, Network};

/// Computes every value of the network for one image; the first is the image itself as
/// `pixel · 2⁻⁸`, the last the logits.
pub fn values(network: &Network, image: &[u8]) -> Vec<Vec<f32>> {
    let mut values = vec![image.iter().map(|&pixel| f32::from(pixel) / 256.0).collect::<Vec<f32>>()];
    for layer in &network.layers {
        let result = forward(layer, network.shape(layer.input), &values[layer.input]);
        values.push(result);
    }
    values
}

/// The logits for one image.
pub fn logits(network: &Network, image: &[u8]) -> Vec<f32> {
    values(network, image).pop().unwrap_or_default()
}

fn forward(layer: &Layer, input: Shape, x: &[f32]) -> Vec<f32> {
    let mut y = match &layer.op {
        LayerOp::Conv2d { weights, bias, window, convolved, pool } => {
            let y = conv2d(input, *convolved, window, weights, bias, x);
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
    };
    if layer.relu {
        y.iter_mut().for_each(|value| *value = value.max(0.0));
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

fn max_pool2d(input: Shape, output: Shape, window: &Window, x: &[f32]) -> Vec<f32> {
    let depth = input.channels;
    let mut y = Vec::with_capacity(output.size());
    for oy in 0..output.height {
        let (_, iy, rows) = overlap(window, 0, oy, input.height);
        for ox in 0..output.width {
            let (_, ix, columns) = overlap(window, 1, ox, input.width);
            for channel in 0..depth {
                let candidates = (0..rows).flat_map(|row| {
                    (0..columns).map(move |column| ((iy + row) * input.width + ix + column) * depth)
                });
                y.push(candidates.map(|at| x[at + channel]).fold(f32::NEG_INFINITY, f32::max));
            }
        }
    }
    y
}
