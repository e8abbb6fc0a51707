//! Two-dimensional average pooling with the roundings of ONNX Runtime.

use super::Pool2dShape;
use crate::{Activation, FloatMean};

/// The mean of each window, channel by channel, as [`FloatMean`] computes it: row by row, from left to
/// right. `whole` says that a window is divided by its area, padding included; else by the number of
/// its pixels that lie on the input.
///
/// `x` is `[height][width][channel]`, `y` likewise.
pub fn float_mean_pool2d<X: Activation, Y: Activation>(
    shape: &Pool2dShape,
    mean: FloatMean,
    whole: bool,
    x: &[X],
    y: &mut [Y],
) {
    let [_, in_width, depth] = shape.input;
    let [out_height, out_width, _] = shape.output;
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..out_height {
        for (ox, pixel) in pixels.by_ref().take(out_width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let count = if whole { shape.window.area() } else { rows.len * columns.len } as u32;
            for (channel, y) in pixel.iter_mut().enumerate() {
                let mut sum = 0;
                for row in 0..rows.len {
                    let iy = rows.input + row * down;
                    let start = (iy * in_width + columns.input) * depth + channel;
                    let row = x.get(start..).unwrap_or_default().iter();
                    for x in row.step_by((right * depth).max(1)).take(columns.len) {
                        sum = mean.add(sum, x.to_i32());
                    }
                }
                *y = Y::saturate(mean.finish(sum, count));
            }
        }
    }
}
