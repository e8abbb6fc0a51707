//! A mean as ONNX Runtime computes it, in integers.

use crate::float_scale::{SIGNIFICAND, rounded, shift_right, split, to_significand};
use crate::{Checked, Checksum};

/// The mean of values with a scale and a zero point, brought to another scale and zero point: each
/// value becomes an `f32`, these are added one by one, the sum is divided by their number and by the
/// other scale, the zero point is added and the result rounded to an integer. Every step rounds to
/// an `f32`, half to even, so the order of the additions matters.
///
/// No float is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatMean {
    /// Significands of both scales, each of 24 bits.
    input: u32,
    output: u32,
    /// The input's scale over its significand is `2^shift` times that of the output's.
    shift: i16,
    input_zero: i16,
    output_zero: i16,
    /// What is taken from the result.
    lift: i16,
}

impl FloatMean {
    /// From a scale and a zero point to others.
    ///
    /// # Panics
    ///
    /// If a scale is not positive and normal, or a zero point outside of -128..=255: in a `static`
    /// or a `const` that is a compile error.
    pub const fn new((from, input_zero): (f32, i16), (to, output_zero): (f32, i16)) -> Self {
        let ((input, below), (output, above)) = (split(from), split(to));
        assert!(input > 0 && output > 0, "a scale is a positive number");
        assert!(input_zero >= -128 && input_zero <= 255, "a zero point is a value of the input");
        assert!(output_zero >= -128 && output_zero <= 255, "a zero point is a value of the output");
        Self { input, output, shift: above - below, input_zero, output_zero, lift: 0 }
    }

    /// The result of values that are `lift` larger, less `lift`: ONNX Runtime computes with `i8` values
    /// as with `u8` ones that are 128 larger.
    pub const fn lifted(self, lift: u8) -> Self {
        let lift = lift as i16;
        Self { lift, output_zero: self.output_zero + lift, ..self }
    }

    /// The sum with one more value in it, in units of the input's significand.
    #[inline(always)]
    pub(crate) fn add(self, sum: i64, value: i32) -> i64 {
        let difference = i64::from(value.wrapping_sub(self.input_zero.into()));
        let real = rounded(difference.wrapping_mul(self.input.into()));
        rounded(sum.wrapping_add(real))
    }

    /// The sum of values, divided by `count`, in the output's integers.
    #[inline(always)]
    pub(crate) fn finish(self, sum: i64, count: u32) -> i32 {
        self.steps(sum, count).saturating_sub(self.lift.into())
    }

    #[inline(always)]
    fn steps(self, sum: i64, count: u32) -> i32 {
        if sum == 0 {
            return self.output_zero.into();
        }
        let (mean, down) = quotient(sum.unsigned_abs(), count.into());
        let (steps, further) = quotient(mean, self.output.into());
        // So many bits are behind the point of what is rounded once more with the zero point.
        let bits = down + further - i32::from(self.shift);
        let steps = match bits {
            ..=0 => return if sum < 0 { i32::MIN } else { i32::MAX },
            // Far below a half, whatever the zero point.
            48.. => return self.output_zero.into(),
            _ => steps as i64,
        };
        let signed = if sum < 0 { steps.wrapping_neg() } else { steps };
        let moved = rounded(signed.wrapping_add(i64::from(self.output_zero) << bits));
        let magnitude = shift_right(moved.unsigned_abs(), bits as u32) as i32;
        if moved < 0 { magnitude.wrapping_neg() } else { magnitude }
    }
}

/// `number / divisor` with 24 significant bits, rounded half to even, as a number and the power of
/// two by which it is too large. The number is not 0; the divisor has at most 24 bits, and so has the
/// number but for zeros below them.
#[inline(always)]
fn quotient(number: u64, divisor: u64) -> (u64, i32) {
    let left = number.leading_zeros() as i32 - 1;
    let wide = number.wrapping_shl(left as u32);
    let (quotient, remainder) =
        (wide.checked_div(divisor).unwrap_or(0), wide.checked_rem(divisor).unwrap_or(0));
    // At least 38 bits, so that a remainder is far below what is kept.
    let exact = to_significand(quotient | u64::from(remainder != 0));
    let low = (u64::BITS - SIGNIFICAND).saturating_sub(exact.leading_zeros());
    (exact >> low, left - low as i32)
}

impl Checked for FloatMean {
    fn add_to(&self, sum: &mut Checksum) {
        [self.input, self.output].add_to(sum);
        [self.shift, self.input_zero, self.output_zero, self.lift].add_to(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_floats() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as u32
        };
        for round in 0..20_000 {
            let scale = |bits: u32| f32::from_bits(((115 + bits % 10) << 23) | (bits >> 9));
            let from = scale(next());
            // The same scale makes ties.
            let to = if round % 2 == 0 { from } else { scale(next()) };
            let [input_zero, output_zero] = [(); 2].map(|()| (next() % 384) as i16 - 128);
            let mean = FloatMean::new((from, input_zero), (to, output_zero));
            let count = next() % 50 + 1;
            let (mut sum, mut float) = (0, 0.0_f32);
            for _ in 0..count {
                let value = (next() % 384) as i32 - 128;
                sum = mean.add(sum, value);
                float += from * (value - i32::from(input_zero)) as f32;
            }
            let expected = (float / count as f32 / to + f32::from(output_zero)).round_ties_even();
            let clamp = |x: i32| x.clamp(-100_000, 100_000);
            assert_eq!(clamp(mean.finish(sum, count)), clamp(expected as i32), "{mean:?} {sum}");
        }
    }
}
