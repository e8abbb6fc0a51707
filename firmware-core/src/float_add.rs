//! The sum of two values as ONNX Runtime computes it, in integers.

use crate::float_scale::{rounded, shift_right, split};
use crate::kernels::Combine;
use crate::{Checked, Checksum};

/// Most bits behind the point that a sum may need: a term stays below 2^14 then.
const MOST_BITS: i32 = 48;

/// The sum of two values with scales and zero points of their own: `ratio[0] * a + (ratio[1] * b +
/// offset)` in `f32`, each product and addition rounded once as by a fused multiplication, then
/// rounded to an integer, each time half to even. The offset has all three zero points in it.
///
/// No float is used: both terms are counted in one unit, a power of two so small that only the
/// roundings to the 24 bits of an `f32` lose anything.
///
/// ```
/// use firmware_core::{Elementwise, FloatAdd};
/// // A zero point of 128 in both terms, none in the sum.
/// static ADD: Elementwise<FloatAdd> = Elementwise::new(FloatAdd::new([1.0, 0.25], -160.0));
/// let mut y = [[[0xa5u8; 3]]];
/// ADD.forward(&[[[128u8, 138, 1]]], &[[[128u8, 126, 128]]], &mut y);
/// assert_eq!(y, [[[0, 10, 0]]]); // 0 + 0, 10 - 0.5, and less than nothing
/// ```
///
/// ```compile_fail
/// use firmware_core::FloatAdd;
/// const TOO_FINE: FloatAdd = FloatAdd::new([1e-9, 1.0], 0.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatAdd {
    /// In units of 2^-`bits`.
    offset: i64,
    significands: [u32; 2],
    /// The ratios are `significands << lefts`, in units of 2^-`bits`.
    lefts: [u8; 2],
    bits: u8,
    /// The term to which the offset is added.
    inner: u8,
    /// What is added to both terms and taken from the sum.
    lift: u8,
}

impl FloatAdd {
    /// The scale of each term over that of the sum, and what is added for the zero points.
    ///
    /// # Panics
    ///
    /// If a ratio is not between 2^-25 and 64, or the offset finer than 2^-48 or as large as 2^14:
    /// in a `static` or a `const` that is a compile error.
    pub const fn new(ratios: [f32; 2], offset: f32) -> Self {
        let negative = offset < 0.0;
        let (first, second) = (split(ratios[0]), split(ratios[1]));
        let (third, shift) = split(if offset > 0.0 { offset } else { 0.0 - offset });
        let shifts = [first.1 as i32, second.1 as i32, if third == 0 { 0 } else { shift as i32 }];
        let mut bits = 0;
        let mut index = 0;
        while index < 3 {
            if shifts[index] > bits {
                bits = shifts[index];
            }
            index += 1;
        }
        assert!(bits <= MOST_BITS, "a ratio is too small, or the offset too fine");
        assert!(ratios[0] <= 64.0 && ratios[1] <= 64.0, "a ratio is at most 64");
        assert!(-16384.0 < offset && offset < 16384.0, "the offset is below 2^14");
        let magnitude = (third as i64) << (bits - shifts[2]);
        Self {
            offset: if negative { -magnitude } else { magnitude },
            significands: [first.0, second.0],
            lefts: [(bits - shifts[0]) as u8, (bits - shifts[1]) as u8],
            bits: bits as u8,
            inner: 1,
            lift: 0,
        }
    }

    /// The sum of terms that are `lift` larger, less `lift`: ONNX Runtime computes with `i8` values
    /// as with `u8` ones that are 128 larger, and the offset is the one for these.
    pub const fn lifted(self, lift: u8) -> Self {
        Self { lift, ..self }
    }

    /// The same sum with its terms in the other order.
    pub const fn swapped(self) -> Self {
        let ([a, b], [c, d]) = (self.significands, self.lefts);
        Self { significands: [b, a], lefts: [d, c], inner: 1 - self.inner, ..self }
    }

    #[inline(always)]
    fn term(self, which: usize, value: i32) -> i64 {
        let product = i64::from(value).wrapping_mul(i64::from(self.significands[which & 1]));
        product.wrapping_shl(self.lefts[which & 1].into())
    }
}

impl Combine for FloatAdd {
    #[inline(always)]
    fn combine(self, a: i32, b: i32) -> i32 {
        let lift = i32::from(self.lift);
        let terms = [self.term(0, a.wrapping_add(lift)), self.term(1, b.wrapping_add(lift))];
        let inner = usize::from(self.inner & 1);
        let part = rounded(terms[inner].wrapping_add(self.offset));
        let sum = rounded(terms[inner ^ 1].wrapping_add(part));
        let magnitude = shift_right(sum.unsigned_abs(), self.bits.into()) as i32;
        let signed = if sum < 0 { magnitude.wrapping_neg() } else { magnitude };
        signed.wrapping_sub(lift)
    }
}

impl Checked for FloatAdd {
    fn add_to(&self, sum: &mut Checksum) {
        self.offset.add_to(sum);
        self.significands.add_to(sum);
        self.lefts.add_to(sum);
        [self.bits, self.inner, self.lift].add_to(sum);
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
        for _ in 0..2000 {
            let mut ratio = || f32::from_bits(((120 + next() % 10) << 23) | (next() >> 9));
            let ratios = [ratio(), ratio()];
            let offset =
                (next() as i32 as f32) / 16_777_216.0 * [1.0, 1e-3, 0.0][next() as usize % 3];
            let add = FloatAdd::new(ratios, offset);
            for _ in 0..100 {
                let [a, b] = [(); 2].map(|()| (next() % 383) as i32 - 128);
                let second = ratios[1].mul_add(b as f32, offset);
                let sum = ratios[0].mul_add(a as f32, second);
                let expected = sum.round_ties_even() as i32;
                assert_eq!(add.combine(a, b), expected, "{ratios:?} {offset} {a} {b}");
                assert_eq!(add.swapped().combine(b, a), expected);
            }
        }
    }
}
