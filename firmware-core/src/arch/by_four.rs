//! The fully connected layer, four outputs at a time.

use super::{Chosen, Target};
use crate::Activation;
use crate::kernels;

/// Every output from its channel's bias and requantization and the sums that `dot4` makes of the
/// input and the weights of four outputs.
#[inline(always)]
pub(super) fn fully_connected<X: Activation, R: Copy, Y>(
    x: &[X],
    weights: &[i8],
    (bias, requantize): (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
    dot4: impl Fn(&[X], &[i8]) -> [i32; 4],
) {
    let Some(last) = y.len().checked_sub(4) else {
        return kernels::connect(x, weights, bias, requantize, finish, y);
    };
    let four = |weights: &[i8], bias: &[i32], requantize: &[R], y: &mut [Y]| {
        let channels = bias.iter().zip(requantize).zip(dot4(x, weights));
        for (y, ((bias, requantize), sum)) in y.iter_mut().zip(channels) {
            *y = finish(*requantize, bias.wrapping_add(sum));
        }
    };
    let channels = bias.chunks_exact(4).zip(requantize.chunks_exact(4));
    let blocks = weights.chunks_exact((4 * x.len()).max(1)).zip(channels);
    for (y, (weights, (bias, requantize))) in y.chunks_exact_mut(4).zip(blocks) {
        four(weights, bias, requantize, y);
    }
    if last % 4 == 0 {
        return;
    }
    // What is left over of blocks of four is in its natural order. Elsewhere the last four overlap
    // the ones before.
    let first = if Chosen::GROUP != 0 { last / 4 * 4 + 4 } else { last };
    let weights = weights.get(first * x.len()..).unwrap_or_default();
    let (bias, requantize) = (bias.get(first..), requantize.get(first..));
    let (bias, requantize) = (bias.unwrap_or_default(), requantize.unwrap_or_default());
    let y = y.get_mut(first..).unwrap_or_default();
    if Chosen::GROUP != 0 {
        kernels::connect(x, weights, bias, requantize, finish, y);
    } else {
        four(weights, bias, requantize, y);
    }
}
