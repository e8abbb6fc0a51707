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
    for first in (0..y.len()).step_by(4) {
        if Chosen::GROUP != 0 && first > last {
            // What is left over of blocks of four is in its natural order.
            let weights = weights.get(first * x.len()..).unwrap_or_default();
            let (bias, requantize) = (bias.get(first..), requantize.get(first..));
            let (bias, requantize) = (bias.unwrap_or_default(), requantize.unwrap_or_default());
            let y = y.get_mut(first..).unwrap_or_default();
            return kernels::connect(x, weights, bias, requantize, finish, y);
        }
        // Or else the last four overlap the ones before.
        let first = first.min(last);
        let rows = weights.get(first * x.len()..(first + 4) * x.len()).unwrap_or_default();
        let channels = bias.iter().zip(requantize).skip(first);
        let sums = dot4(x, rows);
        for ((y, (bias, requantize)), sum) in y.iter_mut().skip(first).zip(channels).zip(sums) {
            *y = finish(*requantize, bias.wrapping_add(sum));
        }
    }
}
