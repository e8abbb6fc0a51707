//! Depthwise convolution: every output channel reads one input channel.

use super::Conv2dShape;
use crate::window::Span;
use crate::{Activation, Requantize};

/// Depthwise convolution, requantized and saturated.
///
/// With `m = out / in` channels of output for each channel of input, output channel `c` reads
/// input channel `c / m`; `out` must be a multiple of `in`. A window of one pixel scales and
/// shifts every channel by numbers of its own.
///
/// `x` is `[height][width][in]`, `weights` `[kernel row][kernel column][out]`, `bias` and
/// `requantize` one per output channel, `y` `[height][width][out]`.
pub fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    let [_, width, depth] = shape.output;
    let multiplier = (depth / shape.input[2].max(1)).max(1);
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..shape.output[0] {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let patch = shape.patch(oy, ox);
            let channels = pixel.iter_mut().zip(bias).zip(requantize).enumerate();
            for (channel, ((y, bias), requantize)) in channels {
                let sum = window_sum(shape, patch, [channel / multiplier, channel], x, weights);
                *y = Y::saturate(requantize.apply(bias.wrapping_add(sum)));
            }
        }
    }
}

/// The sum of products of one window, in channel `from`, and the weights of output channel `to`.
fn window_sum<X: Activation>(
    shape: &Conv2dShape,
    patch: [Span; 2],
    [from, to]: [usize; 2],
    x: &[X],
    weights: &[i8],
) -> i32 {
    let (depth, channels) = (shape.input[2], shape.output[2]);
    let mut sum = shape.padding_sum(patch, |tap| {
        weights.get(tap * channels + to).map_or(0, |weight| i32::from(*weight))
    });
    for (pixel, tap, len) in shape.runs(patch) {
        let x = x.get(pixel * depth + from..).unwrap_or_default().iter().step_by(depth.max(1));
        let weights = weights.get(tap * channels + to..).unwrap_or_default();
        for (x, weight) in x.zip(weights.iter().step_by(channels.max(1))).take(len) {
            sum = sum.wrapping_add(x.to_i32() * i32::from(*weight));
        }
    }
    sum
}
