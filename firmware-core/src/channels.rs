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

/// Most channels that are computed at a time.
pub(crate) const MOST: usize = 64;

/// What a window covers, from its first tap on.
pub(crate) struct Taps<'a, T> {
    pub values: &'a [T],
    /// Values from one tap to the next, and from one row to the next.
    pub steps: [usize; 2],
}

impl<T> Taps<'_, T> {
    /// Where the last of `[rows, columns]` taps is.
    #[cfg_attr(any(not(kernels), host), allow(dead_code))]
    pub(crate) fn last(&self, [rows, columns]: [usize; 2]) -> usize {
        rows.saturating_sub(1) * self.steps[1] + columns.saturating_sub(1) * self.steps[0]
    }
}

/// The first channel and the number of channels of blocks that cover all of `channels`, of which
/// there are four or more; the number is a multiple of four.
#[inline(always)]
pub(crate) fn blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = channels / 4 * 4;
    let mut next = 0;
    core::iter::from_fn(move || {
        let first = next;
        if first < whole {
            let count = (whole - first).min(MOST);
            next += count;
            return Some((first, count));
        }
        next = channels;
        (first < channels).then(|| (channels.saturating_sub(4), 4))
    })
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
    if Chosen::depthwise_conv2d(shape, (x, weights), (bias, requantize), y) {
        return;
    }
    let ([_, in_width, depth], [_, width, _]) = (shape.input, shape.output);
    let ([_, kernel_width], [down, right]) = (shape.window.kernel, shape.window.dilation);
    let steps = [right * depth, down * in_width * depth];
    let weight_steps = [depth, kernel_width * depth];
    let mut sums = [0; MOST];
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..shape.output[0] {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let taps = [rows.len, columns.len];
            let x = x.get((rows.input * in_width + columns.input) * depth..).unwrap_or_default();
            let first_tap = (rows.kernel * kernel_width + columns.kernel) * depth;
            let inside = weights.get(first_tap..).unwrap_or_default();
            let padded = shape.padding_value != 0 && taps != shape.window.kernel;
            for (first, count) in blocks(depth) {
                let (Some(sums), Some(bias)) =
                    (sums.get_mut(..count), bias.get(first..first + count))
                else {
                    continue;
                };
                let x = Taps { values: x.get(first..).unwrap_or_default(), steps };
                let inside = inside.get(first..).unwrap_or_default();
                let inside = Taps { values: inside, steps: weight_steps };
                Chosen::depthwise(&x, &inside, taps, bias, sums);
                if padded {
                    padding(shape, [rows, columns], (weights, first), sums);
                }
                let y = pixel.get_mut(first..).unwrap_or_default();
                Chosen::requantize(requantize.get(first..).unwrap_or_default(), sums, y);
            }
        }
    }
}

/// Adds to channels' sums, from channel `first` on, what the padding makes of them.
#[inline(never)]
pub(crate) fn padding(
    shape: &Conv2dShape,
    [rows, columns]: [Span; 2],
    (weights, first): (&[i8], usize),
    sums: &mut [i32],
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
            let weights = weights.get(at..).unwrap_or_default();
            Chosen::add_weights(weights, shape.padding_value, sums);
        }
    }
}

/// [`Target::depthwise`]
#[inline(always)]
pub(crate) fn depthwise<X: Activation>(
    x: &Taps<X>,
    weights: &Taps<i8>,
    [rows, columns]: [usize; 2],
    bias: &[i32],
    sums: &mut [i32],
) {
    let blocks = sums.chunks_exact_mut(4).zip(bias.chunks_exact(4));
    for (block, (sums, bias)) in blocks.enumerate() {
        let [mut a, mut b, mut c, mut d] = [0i32; 4];
        let (mut x_row, mut weight_row) = (block * 4, block * 4);
        for _ in 0..rows {
            let (mut x_at, mut weight_at) = (x_row, weight_row);
            for _ in 0..columns {
                let x_four = four(x.values, x_at);
                let (Some(x4), Some(w4)) = (x_four, four(weights.values, weight_at)) else {
                    break;
                };
                a = a.wrapping_add(x4[0].to_i32() * i32::from(w4[0]));
                b = b.wrapping_add(x4[1].to_i32() * i32::from(w4[1]));
                c = c.wrapping_add(x4[2].to_i32() * i32::from(w4[2]));
                d = d.wrapping_add(x4[3].to_i32() * i32::from(w4[3]));
                x_at += x.steps[0];
                weight_at += weights.steps[0];
            }
            x_row += x.steps[1];
            weight_row += weights.steps[1];
        }
        for ((sum, bias), products) in sums.iter_mut().zip(bias).zip([a, b, c, d]) {
            *sum = bias.wrapping_add(products);
        }
    }
}

/// [`kernels::average_pool2d`](crate::kernels::average_pool2d) for at least four channels.
#[inline(never)]
pub(crate) fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Pool2dShape,
    x: &[X],
    requantize: R,
    y: &mut [Y],
) {
    if Chosen::average_pool2d(shape, x, requantize, y) {
        return;
    }
    let ([_, in_width, depth], [height, width, _]) = (shape.input, shape.output);
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..height {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let x = x.get((rows.input * in_width + columns.input) * depth..).unwrap_or_default();
            for first in (0..depth).step_by(4) {
                let first = first.min(depth.saturating_sub(4));
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
                    *y = requantized(requantize, sum);
                }
            }
        }
    }
}
