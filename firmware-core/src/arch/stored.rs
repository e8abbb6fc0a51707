//! A requantization as it lies in a blob: plain bytes, so that a slice of them needs no copy.

use bytemuck::{Pod, Zeroable};

use crate::multiplier::multiply;
use crate::{Requantize, Shift};

/// A [`Shift`], clipped or not, or a [`Multiplier`](crate::Multiplier), known at run time only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Stored {
    /// The multiplier, or -1: a shift.
    factor: i32,
    /// The multiplier's exponent, or the bits of the shift.
    exponent: i8,
    /// The zero point behind a multiplication; of a shift 1 where the bounds are bytes without a sign.
    zero: i8,
    low: u8,
    high: u8,
}

// SAFETY: eight bytes without padding, of which all values are values of the fields.
unsafe impl Zeroable for Stored {}
// SAFETY: the same, and the type is `Copy`, `repr(C)` and has no reference.
unsafe impl Pod for Stored {}

/// A shift's `factor`.
const SHIFT: i32 = -1;

impl Stored {
    /// A division by 2^`bits`, whose result is kept between two bounds: those of the activation, or
    /// closer ones. `unsigned` says of which type the activation is.
    pub const fn shift(bits: u8, unsigned: bool, [low, high]: [i32; 2]) -> Self {
        let (low, high) = (low as u8, high as u8);
        Self { factor: SHIFT, exponent: bits as i8, zero: unsigned as i8, low, high }
    }

    /// What [`Multiplier`](crate::Multiplier) is made of.
    pub const fn multiplier(factor: i32, exponent: i8, zero: i8, [low, high]: [i8; 2]) -> Self {
        Self { factor, exponent, zero, low: low as u8, high: high as u8 }
    }

    /// As it lies in a blob.
    pub const fn to_words(self) -> [u32; 2] {
        let [exponent, zero] = [self.exponent as u8, self.zero as u8];
        [self.factor as u32, u32::from_le_bytes([exponent, zero, self.low, self.high])]
    }

    /// Whether it is one of the two, within their bounds, for activations of a type.
    pub(crate) const fn is_valid(&self, unsigned: bool) -> bool {
        match self.factor {
            SHIFT => {
                let signs_fit = self.zero == unsigned as i8;
                let in_order = if unsigned {
                    self.low <= self.high
                } else {
                    self.low as i8 <= self.high as i8
                };
                self.exponent >= 0 && self.exponent <= 31 && signs_fit && in_order
            }
            0.. => {
                self.exponent >= -31
                    && self.exponent <= 30
                    && !unsigned
                    && self.low as i8 <= self.high as i8
            }
            _ => false,
        }
    }
}

impl Requantize for Stored {
    /// As the type that it stands for, for every content.
    #[inline(always)]
    fn apply(self, accumulator: i32) -> i32 {
        let signed = [self.low, self.high].map(|bound| i32::from(bound as i8));
        if self.factor < 0 {
            let value = Shift::masked(self.exponent as u8).apply(accumulator);
            let [low, high] = match self.zero {
                0 => signed,
                _ => [self.low, self.high].map(i32::from),
            };
            return value.max(low).min(high);
        }
        let value = multiply(accumulator, self.factor, self.exponent.clamp(-31, 30));
        value.saturating_add(self.zero.into()).max(signed[0]).min(signed[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clip, Multiplier};

    #[test]
    fn is_what_it_stands_for() {
        let multiplier = (1_234_567_890, -7, -3);
        let (factor, exponent, zero) = multiplier;
        let numbers = (-24..24).flat_map(|bit: i32| {
            let power = 1i32 << (bit.unsigned_abs() % 25);
            [power * bit.signum(), power * bit.signum() + 1, power * bit.signum() - 1]
        });
        for x in numbers {
            let clip = Clip::<0, 96>::new(5);
            assert_eq!(Stored::shift(5, true, [0, 96]).apply(x), clip.apply(x));
            let all = Shift::new(9).apply(x).clamp(-128, 127);
            assert_eq!(Stored::shift(9, false, [-128, 127]).apply(x), all);
            let stored = Stored::multiplier(factor, exponent, zero, [-100, 127]);
            let of = Multiplier::new(factor, exponent, zero, [-100, 127]);
            assert_eq!(stored.apply(x), of.apply(x));
        }
    }

    #[test]
    fn what_is_out_of_range_is_no_requantization() {
        assert!(Stored::shift(31, true, [0, 255]).is_valid(true));
        assert!(!Stored::shift(32, true, [0, 255]).is_valid(true));
        assert!(!Stored::shift(3, true, [0, 255]).is_valid(false));
        assert!(Stored::multiplier(0, -31, 0, [-128, 127]).is_valid(false));
        assert!(!Stored::multiplier(-2, 0, 0, [-128, 127]).is_valid(false));
        assert!(!Stored::multiplier(1, 31, 0, [-128, 127]).is_valid(false));
        assert!(!Stored::multiplier(1, 0, 0, [3, 2]).is_valid(false));
    }
}
