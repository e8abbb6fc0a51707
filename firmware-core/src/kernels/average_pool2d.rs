//! Two-dimensional average pooling, by powers of two.

use super::Pool2dShape;
use crate::{Activation, Requantize};

/// The sum of each window, channel by channel, requantized once and saturated. What lies on the
/// padding counts zero.
///
/// A mean over `area` pixels is the sum divided by `area`; the requantization divides by a power
/// of two, and the weights of the next layer take up the rest.
///
/// The sum is exact: it stays below 2^24 for windows of up to 65,793 pixels.
///
/// `x` is `[height][width][channel]`, `y` likewise.
pub fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Pool2dShape,
    x: &[X],
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
                *y = Y::saturate(requantize.apply(sum));
            }
        }
    }
}
