//! Grouped convolution: every output channel reads the input channels of its group.

use super::{Conv2dShape, dot};
use crate::window::Span;
use crate::{Activation, Requantize};

/// Convolution in `groups` groups, requantized and saturated.
///
/// Input and output channels are split into `groups` equal runs, and each run of output channels
/// reads the run of input channels with the same number; both must be multiples of `groups`.
///
/// `x` is `[height][width][in]`, `weights` `[out][kernel row][kernel column][in / groups]`, `bias`
/// and `requantize` one per output channel, `y` `[height][width][out]`.
pub fn grouped_conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    groups: usize,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    let [_, width, depth] = shape.output;
    let groups = groups.max(1);
    let [group_in, group_out] = [shape.input[2] / groups, (depth / groups).max(1)];
    let taps = shape.window.kernel[0] * shape.window.kernel[1] * group_in;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..shape.output[0] {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let patch = shape.patch(oy, ox);
            let channels = weights.chunks_exact(taps.max(1)).zip(bias).zip(requantize).enumerate();
            for (y, (channel, ((weights, bias), requantize))) in pixel.iter_mut().zip(channels) {
                let first = channel / group_out * group_in;
                let sum = window_sum(shape, patch, [first, group_in], x, weights);
                *y = Y::saturate(requantize.apply(bias.wrapping_add(sum)));
            }
        }
    }
}

/// The sum of products of one window, in `count` channels from `first` on, and the weights of one
/// output channel.
fn window_sum<X: Activation>(
    shape: &Conv2dShape,
    patch: [Span; 2],
    [first, count]: [usize; 2],
    x: &[X],
    weights: &[i8],
) -> i32 {
    let depth = shape.input[2];
    let tap_weights = |tap: usize| weights.get(tap * count..(tap + 1) * count).unwrap_or_default();
    let mut sum = shape
        .padding_sum(patch, |tap| tap_weights(tap).iter().map(|weight| i32::from(*weight)).sum());
    for (pixel, tap, len) in shape.runs(patch) {
        for i in 0..len {
            let start = (pixel + i) * depth + first;
            let x = x.get(start..start + count).unwrap_or_default();
            sum = sum.wrapping_add(dot(x, tap_weights(tap + i)));
        }
    }
    sum
}
