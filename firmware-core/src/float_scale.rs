//! The requantization of ONNX Runtime, in integers.

use crate::{Checked, Checksum, Requantize};

/// Bits of the significand of an `f32`.
pub(crate) const SIGNIFICAND: u32 = 24;

/// Multiplication by an `f32` as ONNX Runtime's integer kernels do it: the accumulator becomes an
/// `f32`, the product is rounded to an `f32`, that to an integer, each time half to even, and a
/// zero point is added.
///
/// No float is used: the product of two significands fits 64 bits.
///
/// ```
/// use firmware_core::{FloatScale, Requantize};
/// const SCALE: FloatScale = FloatScale::new(0.1, -128);
/// assert_eq!([5, 14, 15, -26].map(|x| SCALE.apply(x)), [-128, -127, -126, -131]);
/// ```
///
/// ```compile_fail
/// use firmware_core::FloatScale;
/// const NOT_FINITE: FloatScale = FloatScale::new(f32::INFINITY, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatScale {
    /// The significand, 2^23 to 2^24 - 1, or 0.
    significand: u32,
    /// The scale is `significand * 2^-shift`.
    shift: i16,
    zero: i16,
}

impl FloatScale {
    /// A multiplication by `scale`, and the zero point of the output.
    ///
    /// # Panics
    ///
    /// If the scale is negative, subnormal or not finite, or if the zero point is outside of
    /// -128..=255: in a `static` or a `const` that is a compile error.
    pub const fn new(scale: f32, zero: i16) -> Self {
        assert!(zero >= -128 && zero <= 255, "a zero point is a value of the output");
        let (significand, shift) = split(scale);
        Self { significand, shift, zero }
    }
}

/// A positive normal `f32`, or 0, as `significand * 2^-shift`.
pub(crate) const fn split(scale: f32) -> (u32, i16) {
    let bits = scale.to_bits();
    let exponent = bits >> (SIGNIFICAND - 1);
    assert!(bits == 0 || (exponent > 0 && exponent < 255), "a scale is a positive number");
    let hidden = 1 << (SIGNIFICAND - 1);
    let significand = if bits == 0 { 0 } else { (bits & (hidden - 1)) | hidden };
    // The exponent's bias is 127.
    (significand, 127 + (SIGNIFICAND as i16 - 1) - exponent as i16)
}

impl Requantize for FloatScale {
    #[inline(always)]
    fn apply(self, accumulator: i32) -> i32 {
        let magnitude = to_significand(u64::from(accumulator.unsigned_abs()));
        let product = to_significand(magnitude * u64::from(self.significand));
        let rounded = match self.shift {
            right @ 0.. => shift_right(product, right as u32),
            left @ -15.. => product << -left,
            // A result this large is beyond every bound.
            _ => product.saturating_mul(u64::MAX),
        };
        let rounded = rounded.min(1 << 30) as i32;
        let signed = if accumulator < 0 { -rounded } else { rounded };
        signed + i32::from(self.zero)
    }
}

/// The number with only its 24 highest bits kept, rounded half to even.
#[inline(always)]
pub(crate) fn to_significand(number: u64) -> u64 {
    let low = (u64::BITS - number.leading_zeros()).saturating_sub(SIGNIFICAND);
    shift_right(number, low) << low
}

/// The number with only its 24 highest bits kept, rounded half to even.
#[inline(always)]
pub(crate) fn rounded(number: i64) -> i64 {
    let magnitude = to_significand(number.unsigned_abs()) as i64;
    if number < 0 { magnitude.wrapping_neg() } else { magnitude }
}

/// `number / 2^bits`, rounded half to even.
#[inline(always)]
pub(crate) fn shift_right(number: u64, bits: u32) -> u64 {
    let Some(floor) = number.checked_shr(bits) else { return 0 };
    let remainder = number & ((1 << bits) - 1);
    // Doubled, so that it holds for a shift by no bits as well; the half goes up from an odd floor.
    floor + u64::from(2 * remainder + (floor & 1) > 1 << bits)
}

impl Checked for FloatScale {
    fn add_to(&self, sum: &mut Checksum) {
        self.significand.add_to(sum);
        [self.shift, self.zero].add_to(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ONNX Runtime computes, in floats.
    fn float(accumulator: i32, scale: f32, zero: i16) -> i32 {
        let product = accumulator as f32 * scale;
        product.round_ties_even().clamp(-1e6, 1e6) as i32 + i32::from(zero)
    }

    #[test]
    fn equals_floats() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as u32
        };
        for _ in 0..500_000 {
            let accumulator = (next() as i32) >> (next() % 32);
            // Exponents around those that bring an accumulator into eight bits, and far ones.
            let exponent = 127 - next() % 40 + next() % 8;
            let scale = f32::from_bits((exponent << 23) | (next() >> 9));
            let zero = (next() % 384) as i16 - 128;
            let ours = FloatScale::new(scale, zero).apply(accumulator);
            let ours = (ours - i32::from(zero)).clamp(-1_000_000, 1_000_000) + i32::from(zero);
            assert_eq!(ours, float(accumulator, scale, zero), "{accumulator} * {scale:e} + {zero}");
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let half = FloatScale::new(0.5, 0);
        assert_eq!([-5, -3, -1, 1, 3, 5].map(|x| half.apply(x)), [-2, -2, 0, 0, 2, 2]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        for scale in [f32::MIN_POSITIVE, 1e-10, 1.0, 1e10, f32::MAX, 0.0] {
            for accumulator in [i32::MIN, -1, 0, 1, i32::MAX] {
                let ours = FloatScale::new(scale, 0).apply(accumulator).clamp(-1000, 1000);
                assert_eq!(ours, float(accumulator, scale, 0).clamp(-1000, 1000));
            }
        }
    }
}
