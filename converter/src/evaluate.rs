//! Runs the float layers: the yardstick for the integers.

use firmware_core::{Axis, Window};
use inkling_support::order::first_largest;

use crate::graph::Shape;
use crate::lower::{Layer, Network};

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
    let mut y = layer.op.as_dyn().forward(layer, inputs);
    if layer.relu {
        y.iter_mut().for_each(|value| *value = value.max(0.0));
    }
    if let Some(ceiling) = layer.ceiling {
        y.iter_mut().for_each(|value| *value = value.min(ceiling));
    }
    y
}

/// The taps of a window that lie on the input, each with its pixel, row by row.
pub(crate) fn taps(
    window: &Window,
    input: Shape,
    [oy, ox]: [usize; 2],
) -> impl Iterator<Item = [usize; 2]> {
    let rows = window.span(Axis::Rows, oy, input.height);
    let columns = window.span(Axis::Columns, ox, input.width);
    let ([_, kw], [dy, dx]) = (window.kernel, window.dilation);
    (0..rows.len).flat_map(move |row| {
        let (tap, pixel) = ((rows.kernel + row) * kw, (rows.input + row * dy) * input.width);
        (0..columns.len)
            .map(move |column| [tap + columns.kernel + column, pixel + columns.input + column * dx])
    })
}

/// Weights `[out][tap]` as `[tap][out]`.
pub(crate) fn transpose(weights: &[f32], channels: usize) -> Vec<f32> {
    let taps = weights.len() / channels.max(1);
    (0..taps).flat_map(|tap| (0..channels).map(move |c| weights[c * taps + tap])).collect()
}

/// Adds `x · weights` to the sums of all channels; weights `[tap][out]`.
pub(crate) fn accumulate(sums: &mut [f32], x: &[f32], weights: &[f32]) {
    for (x, weights) in x.iter().zip(weights.chunks(sums.len().max(1))) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
    }
}

/// What `reduce` makes of each window's values that lie on the input, channel by channel.
pub(crate) fn pool(
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
/// The class that logits of the float network say, as `firmware_core::class_of` does of integers.
pub fn class_of(logits: &[f32]) -> usize {
    match logits {
        [logit] => usize::from(*logit > 0.0),
        _ => first_largest(logits),
    }
}
