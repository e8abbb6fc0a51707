//! The leaky ReLU.

use crate::{Activation, Requantize, Shift};

/// What is negative times `slope / 2^bits`, rounded half to even; the rest as it is. Input and
/// output share one exponent.
///
/// With a slope of up to 16 bits the product stays below 2^24. A slope above 1 saturates.
pub fn leaky_relu<X: Activation>(slope: u16, bits: Shift, x: &[X], y: &mut [X]) {
    for (y, x) in y.iter_mut().zip(x) {
        let value = x.to_i32();
        *y = match value < 0 {
            true => X::saturate(bits.apply(value * i32::from(slope))),
            false => *x,
        };
    }
}
