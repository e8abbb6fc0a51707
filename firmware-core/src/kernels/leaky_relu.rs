//! The leaky ReLU.

use crate::{Activation, Requantize, Shift};

/// What is negative times `slope / 2^bits`, rounded half to even; the rest as it is. Input and
/// output share one exponent.
///
/// With a slope of up to 16 bits the product stays below 2^24. A slope above 1 saturates.
pub fn leaky_relu<X: Activation>(slope: u16, bits: Shift, x: &[X], y: &mut [X]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = leak(slope, bits, *x);
    }
}

/// [`leaky_relu`] of every value, in its place.
pub fn leaky_relu_in_place<X: Activation>(slope: u16, bits: Shift, y: &mut [X]) {
    for y in y {
        *y = leak(slope, bits, *y);
    }
}

#[inline(always)]
fn leak<X: Activation>(slope: u16, bits: Shift, x: X) -> X {
    match x.to_i32() {
        value @ ..0 => X::saturate(bits.apply(value * i32::from(slope))),
        _ => x,
    }
}
