//! The requantization of TensorFlow Lite for Microcontrollers: models that it quantized compute
//! here what they compute there.

use crate::arch::{Chosen, Target};
use crate::{Activation, Checked, Checksum, Requantize};

/// Multiplication by `multiplier * 2^(exponent - 31)`, rounded twice as TensorFlow Lite for
/// Microcontrollers does, with a zero point added and the result kept between two bounds.
///
/// The high half of the doubled product is rounded to nearest, halves up; what is shifted right
/// then is rounded to nearest, halves away from zero. A result may so differ by one from the
/// exact quotient's rounding, and every runtime that must equal the original has to differ alike.
///
/// Eight bytes for every output channel: zero point and bounds lie where padding would be, so
/// that all layers of a model share one type and one copy of each kernel.
///
/// It is monotonic while `accumulator * 2^exponent` fits an `i32`, which the converter proves.
///
/// ```
/// use firmware_core::{Multiplier, Requantize};
/// // 0.75 / 4: times 3 * 2^29 / 2^31, two bits to the right; zero point -128, no bounds.
/// const SCALE: Multiplier = Multiplier::new(3 << 29, -2, -128, [-128, 127]);
/// assert_eq!([0, 16, 8, 3000].map(|x| SCALE.apply(x)), [-128, -125, -126, 127]);
/// ```
///
/// ```compile_fail
/// use firmware_core::Multiplier;
/// const BACKWARDS: Multiplier = Multiplier::new(-1, 0, 0, [-128, 127]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Multiplier {
    pub(crate) multiplier: i32,
    pub(crate) exponent: i8,
    pub(crate) zero: i8,
    pub(crate) low: i8,
    pub(crate) high: i8,
}

impl Multiplier {
    /// A `multiplier` of 0 to 2^31 - 1, an `exponent` of -31 to 30, and a zero point and bounds
    /// of the output.
    ///
    /// # Panics
    ///
    /// If one of them is out of range: in a `static` or a `const` that is a compile error.
    pub const fn new(multiplier: i32, exponent: i8, zero: i8, [low, high]: [i8; 2]) -> Self {
        assert!(multiplier >= 0, "a multiplier is not negative");
        assert!(exponent >= -31 && exponent <= 30, "an exponent is -31 to 30");
        assert!(low <= high, "the lower bound lies above the upper one");
        Self { multiplier, exponent, zero, low, high }
    }
}

impl Requantize for Multiplier {
    #[inline(always)]
    fn apply(self, accumulator: i32) -> i32 {
        let scaled = multiply(accumulator, self.multiplier, self.exponent);
        let value = scaled.saturating_add(i32::from(self.zero));
        value.max(i32::from(self.low)).min(i32::from(self.high))
    }

    #[inline(always)]
    fn apply_all<Y: Activation>(all: &[Self], accumulators: &[i32], y: &mut [Y]) {
        Chosen::multiply_all(all, accumulators, y);
    }

    #[inline(always)]
    fn as_multipliers(all: &[Self]) -> Option<&[Multiplier]> {
        Some(all)
    }
}

/// A requantization of the accumulator and a constant: what brings the zero points of a sum's terms
/// in where no bias does.
///
/// ```
/// use firmware_core::{Offset, Requantize, Shift};
/// const MEAN: Offset<Shift> = Offset::new(-400, Shift::new(2));
/// assert_eq!(MEAN.apply(440), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset<R> {
    offset: i32,
    requantize: R,
}

impl<R> Offset<R> {
    /// `requantize` of the accumulator plus `offset`; the sum must fit an `i32`.
    pub const fn new(offset: i32, requantize: R) -> Self {
        Self { offset, requantize }
    }
}

impl<R: Requantize> Requantize for Offset<R> {
    #[inline(always)]
    fn apply(self, accumulator: i32) -> i32 {
        self.requantize.apply(accumulator.wrapping_add(self.offset))
    }
}

/// `x * multiplier * 2^(exponent - 31)`, rounded twice: see [`Multiplier`].
#[inline(always)]
pub(crate) fn multiply(x: i32, multiplier: i32, exponent: i8) -> i32 {
    let left = exponent.max(0) as u32;
    let right = (-i32::from(exponent)).max(0) as u32;
    let product = i64::from(x.wrapping_shl(left)) * i64::from(multiplier);
    let high = ((product + (1 << 30)) >> 31) as i32;
    let floor = high >> right;
    let mask = (1u32 << right) - 1;
    let remainder = high as u32 & mask;
    let threshold = (mask >> 1) + u32::from(high < 0);
    floor + i32::from(remainder > threshold)
}

impl Checked for Multiplier {
    fn add_to(&self, sum: &mut Checksum) {
        self.multiplier.add_to(sum);
        [self.exponent, self.zero, self.low, self.high].add_to(sum);
    }
}

impl<R: Checked> Checked for Offset<R> {
    fn add_to(&self, sum: &mut Checksum) {
        self.offset.add_to(sum);
        self.requantize.add_to(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in 128 bits and with divisions that round towards zero.
    fn naive(x: i32, multiplier: i32, exponent: i8) -> i128 {
        let shifted = i128::from(x) << exponent.max(0);
        let product = shifted * i128::from(multiplier);
        let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = (product + nudge) / (1 << 31);
        let divisor = 1_i128 << (-exponent).max(0);
        let (quotient, remainder) = (high / divisor, high % divisor);
        quotient + if 2 * remainder.abs() >= divisor { high.signum() } else { 0 }
    }

    #[test]
    fn equals_the_definition() {
        // A linear congruential generator; its high bits are random enough.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as i32
        };
        for _ in 0..200_000 {
            let multiplier = next();
            let exponent = (next() % 40 - 31) as i8;
            // As far as the shifted value fits.
            let x = (next() - (1 << 30)) >> (next() % 31).max(i32::from(exponent.max(0)));
            assert_eq!(
                i128::from(multiply(x, multiplier, exponent)),
                naive(x, multiplier, exponent),
                "{x} * {multiplier} * 2^({exponent} - 31)"
            );
        }
    }

    #[test]
    fn extremes() {
        for x in [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX] {
            for multiplier in [0, 1, 1 << 30, (1 << 30) + 1, i32::MAX] {
                for exponent in [-31, -30, -1, 0] {
                    let ours = i128::from(multiply(x, multiplier, exponent));
                    assert_eq!(ours, naive(x, multiplier, exponent));
                }
            }
        }
    }

    #[test]
    fn halves_go_away_from_zero_in_the_second_rounding() {
        let halves = [-6, -2, 2, 6].map(|x| multiply(x, 1 << 30, -1));
        assert_eq!(halves, [-2, -1, 1, 2]);
    }

    #[test]
    fn zero_point_and_bounds() {
        let relu = Multiplier::new(1 << 30, 1, -5, [-5, 100]);
        assert_eq!([-9, 0, 9, 1000].map(|x| relu.apply(x)), [-5, -5, 4, 100]);
        let extreme = Multiplier::new(i32::MAX, 0, 127, [-128, 127]);
        assert_eq!([i32::MIN, i32::MAX].map(|x| extreme.apply(x)), [-128, 127]);
    }
}
