//! The sum of two tensors, as at the end of a residual block.

use crate::{Activation, Requantize};

/// The sums of `a` and `b`, element by element, requantized and saturated.
///
/// The two may have different exponents: each is first shifted left by its number of bits, to
/// the finer exponent of the two. With at most 15 bits the sum stays below 2^24.
///
/// All three are tensors of one shape.
pub fn add<A: Activation, B: Activation, Y: Activation, R: Requantize>(
    [a_bits, b_bits]: [u32; 2],
    a: &[A],
    b: &[B],
    requantize: R,
    y: &mut [Y],
) {
    for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
        let (a, b) = (a.to_i32().wrapping_shl(a_bits), b.to_i32().wrapping_shl(b_bits));
        *y = Y::saturate(requantize.apply(a.wrapping_add(b)));
    }
}

/// [`add`] where `y` holds the second tensor and receives the sums: the two share their type and
/// their place.
pub fn add_in_place<A: Activation, Y: Activation, R: Requantize>(
    [a_bits, y_bits]: [u32; 2],
    a: &[A],
    requantize: R,
    y: &mut [Y],
) {
    for (y, a) in y.iter_mut().zip(a) {
        let (a, b) = (a.to_i32().wrapping_shl(a_bits), y.to_i32().wrapping_shl(y_bits));
        *y = Y::saturate(requantize.apply(a.wrapping_add(b)));
    }
}
