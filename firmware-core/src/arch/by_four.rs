//! The fully connected layer, four outputs at a time.

use crate::Activation;
use crate::kernels;

/// Every output from its channel's bias and requantization and the sums that `dot4` makes of the
/// input and four rows of weights.
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
    for first in (0..y.len()).step_by(4) {
        // The last four overlap the ones before where their number is no multiple of four.
        let first = first.min(last);
        let rows = weights.get(first * x.len()..(first + 4) * x.len()).unwrap_or_default();
        let channels = bias.iter().zip(requantize).skip(first);
        let sums = dot4(x, rows);
        for ((y, (bias, requantize)), sum) in y.iter_mut().skip(first).zip(channels).zip(sums) {
            *y = finish(*requantize, bias.wrapping_add(sum));
        }
    }
}
