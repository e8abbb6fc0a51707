//! Functions of two tensors by way of slices, for targets that compute several elements of them at a time
//! ([`Target::COMBINES`](super::Target::COMBINES)).

use crate::Activation;
use crate::kernels::Combine;

/// Elements that are there a second time.
const COPIED: usize = 64;

/// [`kernels::elementwise`](crate::kernels::elementwise)
#[inline(always)]
pub(super) fn elementwise<F: Combine, A: Activation, B: Activation, Y: Activation>(
    function: F,
    a: &[A],
    b: &[B],
    y: &mut [Y],
) {
    let period = b.len().max(1);
    for (y, a) in y.chunks_mut(period).zip(a.chunks(period)) {
        function.combine_all(a, b, y);
    }
}

/// [`kernels::elementwise_in_place`](crate::kernels::elementwise_in_place)
#[inline(always)]
pub(super) fn elementwise_in_place<F: Combine, B: Activation, Y: Activation>(
    function: F,
    b: &[B],
    y: &mut [Y],
) {
    // The results replace what was read, so that this is read from a copy.
    let mut copy = [Y::MIN; COPIED];
    for y in y.chunks_mut(b.len().max(1)) {
        for (y, b) in y.chunks_mut(COPIED).zip(b.chunks(COPIED)) {
            for (copy, y) in copy.iter_mut().zip(&*y) {
                *copy = *y;
            }
            function.combine_all(&copy, b, y);
        }
    }
}
