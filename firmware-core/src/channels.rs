//! Depthwise convolution and average pooling, four channels at a time: portable code for all
//! processors.
//!
//! Channels lie side by side, so what four of them need of a tap is in one place. The last four
//! overlap the ones before where the number of channels is no multiple of four; fewer than four
//! are the scalar kernels' business.

use crate::arch::{Chosen, Target};
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::window::Span;
use crate::{Activation, Requantize};

/// The first channels of blocks of four that cover all of `channels`.
#[inline(always)]
fn blocks(channels: usize) -> impl Iterator<Item = usize> {
    let last = channels.saturating_sub(4);
    (0..channels).step_by(4).map(move |first| first.min(last))
}

/// The four elements from `at` on.
#[inline(always)]
fn four<T>(values: &[T], at: usize) -> Option<&[T; 4]> {
    values.get(at..)?.first_chunk()
}

/// [`kernels::depthwise_conv2d`](crate::kernels::depthwise_conv2d) for as many output channels as
/// input channels, and at least four.
#[inline(never)]
pub(crate) fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    let ([_, in_width, depth], [_, width, _]) = (shape.input, shape.output);
    let ([_, kernel_width], [down, right]) = (shape.window.kernel, shape.window.dilation);
    let steps = [right * depth, down * in_width * depth];
    let weight_steps = [depth, kernel_width * depth];
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..shape.output[0] {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let taps = [rows.len, columns.len];
            let x = x.get((rows.input * in_width + columns.input) * depth..).unwrap_or_default();
            let first_tap = (rows.kernel * kernel_width + columns.kernel) * depth;
            let inside = weights.get(first_tap..).unwrap_or_default();
            let padded = shape.padding_value != 0 && taps != shape.window.kernel;
            for first in blocks(depth) {
                let Some(mut sums) = four(bias, first).copied() else { continue };
                if padded {
                    padding4(shape, [rows, columns], (weights, first), &mut sums);
                }
                let (x, inside) = (x.get(first..), inside.get(first..));
                Chosen::depthwise4(
                    (x.unwrap_or_default(), steps),
                    (inside.unwrap_or_default(), weight_steps),
                    taps,
                    &mut sums,
                );
                let y = pixel.get_mut(first..).unwrap_or_default().iter_mut();
                let requantize = requantize.get(first..).unwrap_or_default();
                for (y, (sum, requantize)) in y.zip(sums.iter().zip(requantize)) {
                    *y = requantized(requantize, *sum);
                }
            }
        }
    }
}

/// Adds to four channels' sums what the padding makes of them.
#[inline(never)]
fn padding4(
    shape: &Conv2dShape,
    [rows, columns]: [Span; 2],
    (weights, first): (&[i8], usize),
    sums: &mut [i32; 4],
) {
    let depth = shape.input[2];
    let [height, width] = shape.window.kernel;
    let on = |span: Span, at: usize| at.wrapping_sub(span.kernel) < span.len;
    for row in 0..height {
        for column in 0..width {
            if on(rows, row) && on(columns, column) {
                continue;
            }
            let at = (row * width + column) * depth + first;
            let Some(weights) = four(weights, at) else { continue };
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = sum.wrapping_add(i32::from(*weight) * shape.padding_value);
            }
        }
    }
}

/// [`Target::depthwise4`]
#[inline(always)]
pub(crate) fn depthwise4<X: Activation>(
    (x, steps): (&[X], [usize; 2]),
    (weights, weight_steps): (&[i8], [usize; 2]),
    taps: [usize; 2],
    sums: &mut [i32; 4],
) {
    let [mut a, mut b, mut c, mut d] = *sums;
    let (mut x_row, mut weight_row) = (0, 0);
    for _ in 0..taps[0] {
        let (mut x_at, mut weight_at) = (x_row, weight_row);
        for _ in 0..taps[1] {
            let (Some(x), Some(weights)) = (four(x, x_at), four(weights, weight_at)) else {
                return;
            };
            a = a.wrapping_add(x[0].to_i32() * i32::from(weights[0]));
            b = b.wrapping_add(x[1].to_i32() * i32::from(weights[1]));
            c = c.wrapping_add(x[2].to_i32() * i32::from(weights[2]));
            d = d.wrapping_add(x[3].to_i32() * i32::from(weights[3]));
            x_at += steps[0];
            weight_at += weight_steps[0];
        }
        x_row += steps[1];
        weight_row += weight_steps[1];
    }
    *sums = [a, b, c, d];
}

/// [`kernels::average_pool2d`](crate::kernels::average_pool2d) for at least four channels.
#[inline(never)]
pub(crate) fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Pool2dShape,
    x: &[X],
    requantize: R,
    y: &mut [Y],
) {
    let ([_, in_width, depth], [height, width, _]) = (shape.input, shape.output);
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..height {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let x = x.get((rows.input * in_width + columns.input) * depth..).unwrap_or_default();
            for first in blocks(depth) {
                let [mut a, mut b, mut c, mut d] = [0i32; 4];
                let mut row = first;
                for _ in 0..rows.len {
                    let mut at = row;
                    for _ in 0..columns.len {
                        let Some(x) = four(x, at) else { break };
                        a = a.wrapping_add(x[0].to_i32());
                        b = b.wrapping_add(x[1].to_i32());
                        c = c.wrapping_add(x[2].to_i32());
                        d = d.wrapping_add(x[3].to_i32());
                        at += right * depth;
                    }
                    row += down * in_width * depth;
                }
                let y = pixel.get_mut(first..).unwrap_or_default().iter_mut();
                for (y, sum) in y.zip([a, b, c, d]) {
                    *y = requantized(&requantize, sum);
                }
            }
        }
    }
}
