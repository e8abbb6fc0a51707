//! Joining tensors along their channels.

use crate::Activation;

/// Copies the `channels` channels of every pixel of `x` into `y`, which has `total` channels,
/// from channel `first` on. Called once for each tensor that is joined; all share one exponent.
///
/// `x` is `[height][width][channels]`, `y` `[height][width][total]`; channels beyond the last one
/// of `y` are left out.
pub fn concat<X: Activation>(x: &[X], channels: usize, y: &mut [X], total: usize, first: usize) {
    let pixels = x.chunks_exact(channels.max(1)).zip(y.chunks_exact_mut(total.max(1)));
    for (x, y) in pixels {
        for (y, x) in y.iter_mut().skip(first).zip(x) {
            *y = *x;
        }
    }
}
