//! A leaky ReLU with a slope for each channel.

use crate::{Activation, Requantize};

/// What is negative times the channel's `slope / 2^bits`, rounded half to even; the rest as it is.
/// Input and output share one exponent; `slopes` and `bits` have one element per channel.
///
/// With slopes of 16 bits the product stays below 2^24.
pub fn prelu<X: Activation, R: Requantize>(slopes: &[i16], bits: &[R], x: &[X], y: &mut [X]) {
    let depth = slopes.len().max(1);
    for (y, x) in y.chunks_exact_mut(depth).zip(x.chunks_exact(depth)) {
        for (y, (x, channel)) in y.iter_mut().zip(x.iter().zip(slopes.iter().zip(bits))) {
            *y = leak(channel, *x);
        }
    }
}

/// [`prelu`] of every value, in its place.
pub fn prelu_in_place<X: Activation, R: Requantize>(slopes: &[i16], bits: &[R], y: &mut [X]) {
    for y in y.chunks_exact_mut(slopes.len().max(1)) {
        for (y, channel) in y.iter_mut().zip(slopes.iter().zip(bits)) {
            *y = leak(channel, *y);
        }
    }
}

#[inline(always)]
fn leak<X: Activation, R: Requantize>((slope, bits): (&i16, &R), x: X) -> X {
    match x.to_i32() {
        value @ ..0 => X::saturate(bits.apply(value * i32::from(*slope))),
        _ => x,
    }
}
