//! Sum and product of two values with scales and zero points of their own: the sum as TensorFlow Lite
//! for Microcontrollers computes it, the product with any requantization.

use crate::arch::{Chosen, Target};
use crate::kernels::{Combine, requantized};
use crate::multiplier::multiply;
use crate::{Activation, Checked, Checksum, Multiplier, Requantize};

/// Bits by which both terms of a sum are shifted left before they are scaled, so that little is
/// lost in between.
pub(crate) const HEADROOM: u32 = 20;

/// A term of a sum: its zero point, and the factor that brings it to the scale that both terms
/// share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    pub(crate) multiplier: i32,
    pub(crate) exponent: i8,
    pub(crate) zero: i16,
}

impl Term {
    /// A factor of `multiplier * 2^(exponent - 31)`, at most 1, and the zero point of the value.
    ///
    /// # Panics
    ///
    /// If one of them is out of range: in a `static` or a `const` that is a compile error.
    pub const fn new(multiplier: i32, exponent: i8, zero: i16) -> Self {
        assert!(multiplier >= 0, "a multiplier is not negative");
        assert!(exponent >= -31 && exponent <= 0, "the exponent of a term is -31 to 0");
        assert!(zero >= -128 && zero <= 255, "a zero point is a value of the input");
        Self { multiplier, exponent, zero }
    }

    #[inline(always)]
    pub(crate) fn scaled(self, value: i32) -> i32 {
        let shifted = value.wrapping_sub(i32::from(self.zero)).wrapping_shl(HEADROOM);
        multiply(shifted, self.multiplier, self.exponent)
    }
}

/// The sum of two values: each brought to twice the larger of both scales with 20 bits to spare,
/// added, and requantized. Three multiplications, rounded twice each.
///
/// ```
/// use firmware_core::{AffineAdd, Elementwise, Multiplier, Term};
/// // Both terms and the sum have one scale: halves, then 2 * 2^-20.
/// const TERM: Term = Term::new(1 << 30, 0, -128);
/// static ADD: Elementwise<AffineAdd> = Elementwise::new(AffineAdd::new(
///     [TERM, TERM],
///     Multiplier::new(1 << 30, -18, -128, [-128, 127]),
/// ));
/// let mut y = [[[0xa5u8 as i8; 3]]];
/// ADD.forward(&[[[-128i8, -120, 100]]], &[[[-128i8, -121, 100]]], &mut y);
/// assert_eq!(y, [[[-128, -113, 127]]]); // 0 + 0, 8 + 7, and 228 + 228 is too much
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineAdd {
    terms: [Term; 2],
    requantize: Multiplier,
}

impl AffineAdd {
    /// The two terms and what brings their sum to the output.
    pub const fn new(terms: [Term; 2], requantize: Multiplier) -> Self {
        Self { terms, requantize }
    }
}

impl Combine for AffineAdd {
    #[inline(always)]
    fn combine(self, a: i32, b: i32) -> i32 {
        let [first, second] = self.terms;
        self.requantize.apply(first.scaled(a).wrapping_add(second.scaled(b)))
    }

    #[inline(always)]
    fn combine_all<A: Activation, B: Activation, Y: Activation>(
        self,
        a: &[A],
        b: &[B],
        y: &mut [Y],
    ) {
        Chosen::add_scaled(self.terms, (a, b), self.requantize, y);
    }
}

/// [`AffineAdd`] of the elements of two slices that lie in the same place.
#[inline(always)]
pub(crate) fn add_scaled<A: Activation, B: Activation, Y: Activation>(
    [first, second]: [Term; 2],
    (a, b): (&[A], &[B]),
    requantize: Multiplier,
    y: &mut [Y],
) {
    for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
        let sum = first.scaled(a.to_i32()).wrapping_add(second.scaled(b.to_i32()));
        *y = requantized(requantize, sum);
    }
}

/// The product of two values, each less its zero point, requantized.
///
/// ```
/// use firmware_core::{AffineMul, Elementwise, Multiplier};
/// static SCALE: Elementwise<AffineMul> =
///     Elementwise::new(AffineMul::new([-128, 0], Multiplier::new(1 << 30, -6, -128, [-128, 127])));
/// let mut y = [[[0xa5u8 as i8; 2]; 2]];
/// // One factor for each channel of all pixels.
/// SCALE.forward(&[[[-28i8, -128], [72, 127]]], &[[[127i8, 64]]], &mut y);
/// assert_eq!(y, [[[-29, -128], [70, 0]]]); // 127.5 goes away from zero
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineMul<R = Multiplier> {
    zeros: [i16; 2],
    requantize: R,
}

impl<R> AffineMul<R> {
    /// The zero points of the two factors and what brings their product to the output.
    pub const fn new(zeros: [i16; 2], requantize: R) -> Self {
        Self { zeros, requantize }
    }
}

impl<R: Requantize> Combine for AffineMul<R> {
    #[inline(always)]
    fn combine(self, a: i32, b: i32) -> i32 {
        let [first, second] = self.zeros.map(i32::from);
        self.requantize.apply(a.wrapping_sub(first).wrapping_mul(b.wrapping_sub(second)))
    }
}

impl Checked for Term {
    fn add_to(&self, sum: &mut Checksum) {
        self.multiplier.add_to(sum);
        self.exponent.add_to(sum);
        self.zero.add_to(sum);
    }
}

impl Checked for AffineAdd {
    fn add_to(&self, sum: &mut Checksum) {
        self.terms.add_to(sum);
        self.requantize.add_to(sum);
    }
}

impl<R: Checked> Checked for AffineMul<R> {
    fn add_to(&self, sum: &mut Checksum) {
        self.zeros.add_to(sum);
        self.requantize.add_to(sum);
    }
}
