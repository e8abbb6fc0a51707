//! From accumulator to activation: the one place where the arithmetic rounds.

use bytemuck::TransparentWrapper;

use crate::arch::{Chosen, Target};
use crate::kernels::requantized;
use crate::{Activation, Checked, Checksum, Multiplier};

/// Scales an `i32` accumulator down to the exponent of the next activation.
///
/// An implementation must be monotonic (`a <= b` implies `apply(a) <= apply(b)`): the fused
/// kernels take the maximum of accumulators and requantize once, which is the same integer
/// only then.
pub trait Requantize: Copy {
    /// The scaled value, rounded but not yet saturated; [`Activation::saturate`] does that.
    ///
    /// [`Activation::saturate`]: crate::Activation::saturate
    fn apply(self, accumulator: i32) -> i32;

    /// [`Requantize::apply`] of many accumulators, saturated: `all` has one element for each of them, or
    /// one for all.
    ///
    /// Processors with vectors ask for it; a type that they know how to compute several of at a time
    /// says so here.
    #[inline(always)]
    fn apply_all<Y: Activation>(all: &[Self], accumulators: &[i32], y: &mut [Y]) {
        apply_each(all, requantized, accumulators, y);
    }

    /// Those that are nothing but shifts, as such.
    #[doc(hidden)]
    #[inline(always)]
    fn shifts(all: &[Self]) -> Option<&[Shift]> {
        match Self::as_shifts(all) {
            Some((shifts, [i32::MIN, i32::MAX])) => Some(shifts),
            _ => None,
        }
    }

    /// These as shifts whose results are kept between two bounds, for types that are nothing else: hosts
    /// divide the sums where they are added up.
    #[doc(hidden)]
    #[inline(always)]
    fn as_shifts(_all: &[Self]) -> Option<(&[Shift], [i32; 2])> {
        None
    }

    /// These as multipliers, if they are nothing else.
    #[doc(hidden)]
    #[inline(always)]
    fn as_multipliers(_all: &[Self]) -> Option<&[Multiplier]> {
        None
    }
}

/// [`Requantize::apply_all`], one after the other.
#[inline(always)]
pub(crate) fn apply_each<R: Copy, Y>(
    all: &[R],
    apply: impl Fn(R, i32) -> Y,
    accumulators: &[i32],
    y: &mut [Y],
) {
    let outputs = y.iter_mut().zip(accumulators);
    if let [requantize] = all {
        outputs.for_each(|(y, accumulator)| *y = apply(*requantize, *accumulator));
    } else {
        let outputs = outputs.zip(all);
        outputs.for_each(|((y, accumulator), requantize)| *y = apply(*requantize, *accumulator));
    }
}

/// Division by a power of two, rounding half to even.
///
/// This is what `round` means in ONNX's `QuantizeLinear` and `QLinearConv`, so any runtime that
/// follows the standard gives the same integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Shift(u8);

impl Shift {
    /// A division by 2^`bits`, `bits` in 0..=31.
    ///
    /// # Panics
    ///
    /// If `bits` is above 31: in a `static` or a `const` that is a compile error.
    ///
    /// ```compile_fail
    /// const TOO_FAR: firmware_core::Shift = firmware_core::Shift::new(32);
    /// ```
    pub const fn new(bits: u8) -> Self {
        assert!(bits <= 31, "a requantization shift is 0 to 31 bits");
        Self(bits)
    }

    /// A division by the power of two that the five lowest bits of `bits` say.
    pub(crate) const fn masked(bits: u8) -> Self {
        Self(bits & 31)
    }

    /// The number of bits.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl Requantize for Shift {
    /// Exact for every `i32`: no intermediate value overflows.
    #[inline(always)]
    fn apply(self, accumulator: i32) -> i32 {
        Chosen::divide(accumulator, u32::from(self.0))
    }

    #[inline(always)]
    fn apply_all<Y: Activation>(all: &[Self], accumulators: &[i32], y: &mut [Y]) {
        Chosen::divide_all(all, [i32::MIN, i32::MAX], accumulators, y);
    }

    #[inline(always)]
    fn as_shifts(all: &[Self]) -> Option<(&[Shift], [i32; 2])> {
        Some((all, [i32::MIN, i32::MAX]))
    }
}

/// [`Target::divide`]
#[inline(always)]
pub(crate) fn divide(accumulator: i32, bits: u32) -> i32 {
    let floor = accumulator.wrapping_shr(bits);
    // The floor's last bit on top and the remainder below it, then the remainder on top and that
    // bit at the bottom: above the half goes up, the half itself only from an odd floor.
    let low = (accumulator as u32).wrapping_shl(31 - bits);
    floor.wrapping_add(i32::from(low.rotate_left(1) > 1 << 31))
}

/// A [`Shift`] whose result is then kept between `LOW` and `HIGH`, as ReLU6 asks for where 6 is
/// less than the activation's largest value.
///
/// The bounds are constants, so that they cost no flash.
///
/// ```
/// use firmware_core::{Clip, Requantize};
/// const RELU6: Clip<0, 96> = Clip::new(2); // 6 at an exponent of 4
/// assert_eq!([-9, 9, 800].map(|x| RELU6.apply(x)), [0, 2, 96]);
/// ```
///
/// ```compile_fail
/// const EMPTY: firmware_core::Clip<7, 3> = firmware_core::Clip::new(0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Clip<const LOW: i32, const HIGH: i32>(Shift);

impl<const LOW: i32, const HIGH: i32> Clip<LOW, HIGH> {
    /// A division by 2^`bits`, `bits` in 0..=31.
    ///
    /// # Panics
    ///
    /// If `bits` is above 31: in a `static` or a `const` that is a compile error.
    pub const fn new(bits: u8) -> Self {
        const { assert!(LOW <= HIGH, "the lower bound lies above the upper one") };
        Self(Shift::new(bits))
    }
}

impl<const LOW: i32, const HIGH: i32> Requantize for Clip<LOW, HIGH> {
    #[inline(always)]
    fn apply(self, accumulator: i32) -> i32 {
        self.0.apply(accumulator).max(LOW).min(HIGH)
    }

    #[inline(always)]
    fn apply_all<Y: Activation>(all: &[Self], accumulators: &[i32], y: &mut [Y]) {
        Chosen::divide_all(Self::peel_slice(all), [LOW, HIGH], accumulators, y);
    }

    #[inline(always)]
    fn as_shifts(all: &[Self]) -> Option<(&[Shift], [i32; 2])> {
        Some((Self::peel_slice(all), [LOW, HIGH]))
    }
}

impl Checked for Shift {
    fn add_to(&self, sum: &mut Checksum) {
        self.0.add_to(sum);
    }
}

impl<const LOW: i32, const HIGH: i32> Checked for Clip<LOW, HIGH> {
    fn add_to(&self, sum: &mut Checksum) {
        self.0.add_to(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(accumulator: i32, bits: u8) -> i32 {
        Shift::new(bits).apply(accumulator)
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let halves = [-5, -3, -1, 1, 3, 5].map(|x| rounded(x, 1));
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        assert_eq!([6, 10, -6, -10].map(|x| rounded(x, 2)), [2, 2, -2, -2]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(rounded(i32::MAX, 0), i32::MAX);
        assert_eq!(rounded(i32::MIN, 0), i32::MIN);
        assert_eq!(rounded(i32::MAX, 1), 1 << 30);
        assert_eq!(rounded(i32::MAX, 31), 1);
        assert_eq!(rounded(i32::MIN, 31), -1);
        assert_eq!(rounded(1 << 30, 31), 0);
        assert_eq!(rounded((1 << 30) + 1, 31), 1);
    }
}
