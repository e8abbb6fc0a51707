//! Two-dimensional average pooling that leaves its padding out of the means.

use super::Pool2dShape;
use crate::{Activation, Requantize};

/// The mean of each window, channel by channel, over its pixels that lie on the input: their sum
/// times `reciprocals[count - 1]`, an integer, requantized once and saturated.
///
/// The product is exact: it stays below 2^24 with reciprocals of at most `2^16 / count`.
///
/// `x` is `[height][width][channel]`, `y` likewise.
pub fn average_pool2d_inside<X: Activation, Y: Activation, R: Requantize>(
    shape: &Pool2dShape,
    x: &[X],
    reciprocals: &[i32],
    requantize: R,
    y: &mut [Y],
) {
    let [_, in_width, depth] = shape.input;
    let [out_height, out_width, _] = shape.output;
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..out_height {
        for (ox, pixel) in pixels.by_ref().take(out_width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let count = (rows.len * columns.len).wrapping_sub(1);
            let reciprocal = reciprocals.get(count).copied().unwrap_or(0);
            for (channel, y) in pixel.iter_mut().enumerate() {
                let mut sum = 0i32;
                for row in 0..rows.len {
                    let iy = rows.input + row * down;
                    let start = (iy * in_width + columns.input) * depth + channel;
                    let row = x.get(start..).unwrap_or_default().iter();
                    for x in row.step_by((right * depth).max(1)).take(columns.len) {
                        sum = sum.wrapping_add(x.to_i32());
                    }
                }
                *y = Y::saturate(requantize.apply(sum.wrapping_mul(reciprocal)));
            }
        }
    }
}
