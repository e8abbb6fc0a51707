//! The fully connected layer.

use super::{Filter, Filters, accumulated, requantized};
use crate::{Activation, Requantize};

/// Every output is the requantized and saturated sum of all inputs, weighted.
///
/// `x` is `[in]` (an HWC tensor in that order), `weights` `[out][in]`, `y` `[out]`.
pub fn fully_connected<X: Activation, Y: Activation, R: Requantize>(
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    connect(x, weights, bias, requantize, requantized, y);
}

/// The fully connected layer that ends a network: its accumulators are the logits, with one
/// exponent for all.
pub fn fully_connected_logits<X: Activation>(
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    logits: &mut [i32],
) {
    connect(x, weights, bias, bias, accumulated, logits);
}

/// The fully connected layer; `finish` makes an output of its requantization and an accumulator.
#[inline(always)]
pub(crate) fn connect<X: Activation, R: Copy, Y>(
    x: &[X],
    weights: impl Filters,
    bias: &[i32],
    requantize: &[R],
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
) {
    let outputs = weights.filters(x.len()).zip(bias).zip(requantize);
    for (y, ((filter, bias), requantize)) in y.iter_mut().zip(outputs) {
        *y = finish(*requantize, bias.wrapping_add(filter.dot_all(x)));
    }
}
