//! Two-dimensional average pooling with an exact division.

use super::Pool2dShape;
use crate::Activation;

/// The mean of each window, channel by channel, rounded half away from zero and kept between two
/// bounds. What lies on the padding does not count: a window at the border is divided by the
/// number of its pixels that lie on the input.
///
/// Unlike [`average_pool2d`](super::average_pool2d) it divides, so it needs neither a power of two
/// nor a requantization: input and output share scale and zero point. This is what TensorFlow Lite
/// for Microcontrollers computes.
///
/// `x` is `[height][width][channel]`, `y` likewise.
pub fn mean_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], [low, high]: [X; 2], y: &mut [X]) {
    let [_, in_width, depth] = shape.input;
    let [out_height, out_width, _] = shape.output;
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..out_height {
        for (ox, pixel) in pixels.by_ref().take(out_width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let count = (rows.len * columns.len) as i32;
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
                *y = X::saturate(divide(sum, count)).max(low).min(high);
            }
        }
    }
}

/// [`mean_pool2d`] of windows of `count` pixels, given their sums.
pub fn means<X: Activation>(sums: &[i32], count: i32, [low, high]: [X; 2], y: &mut [X]) {
    for (y, sum) in y.iter_mut().zip(sums) {
        *y = X::saturate(divide(*sum, count)).max(low).min(high);
    }
}

/// The quotient, rounded half away from zero; 0 for a divisor of 0, as where a window lies on
/// nothing but padding.
#[inline(always)]
fn divide(sum: i32, count: i32) -> i32 {
    let half = count / 2;
    let nudged = sum.wrapping_add(if sum > 0 { half } else { -half });
    nudged.checked_div(count).unwrap_or(0)
}
