//! The sum of two tensors with compile-time shapes.

use crate::arch::{Chosen, Target};
use crate::{Activation, Checked, Checksum, Requantize, Shift};

/// Adds two tensors of one shape. The first is shifted left by `A` bits and the second by `B`, to
/// a common exponent; the sum is requantized.
///
/// ```
/// use firmware_core::{Add, Shift};
/// // Exponents 5 and 4 to an exponent of 3.
/// static ADD: Add<0, 1> = Add::new(Shift::new(2));
/// let mut y = [[[0xa5u8; 2]]];
/// ADD.forward(&[[[7u8, 8]]], &[[[2i8, -6]]], &mut y);
/// assert_eq!(y, [[[3, 0]]]); // (7 + 2 * 2) / 4 and (8 - 2 * 6) / 4
/// ```
///
/// ```compile_fail
/// use firmware_core::{Add, Shift};
/// static ADD: Add<0, 1> = Add::new(Shift::new(2));
/// ADD.forward(&[[[7u8, 8]]], &[[[2u8]]], &mut [[[0u8; 2]]]); // two channels and one
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Add<const A: u32, const B: u32, R = Shift> {
    pub(super) requantize: R,
}

impl<const A: u32, const B: u32, R: Requantize> Add<A, B, R> {
    /// The addition; all channels are requantized alike.
    pub const fn new(requantize: R) -> Self {
        const { assert!(A <= 15 && B <= 15, "the sum must stay below 2^24") };
        Self { requantize }
    }

    /// The sums, requantized and saturated.
    pub fn forward<
        T: Activation,
        U: Activation,
        Y: Activation,
        const C: usize,
        const W: usize,
        const H: usize,
    >(
        &self,
        a: &[[[T; C]; W]; H],
        b: &[[[U; C]; W]; H],
        y: &mut [[[Y; C]; W]; H],
    ) {
        Chosen::add(
            [A, B],
            (a.as_flattened().as_flattened(), b.as_flattened().as_flattened()),
            self.requantize,
            y.as_flattened_mut().as_flattened_mut(),
        );
    }

    /// The same with the second tensor in `y`, which receives the sums.
    ///
    /// ```
    /// use firmware_core::{Add, Shift};
    /// static ADD: Add<0, 1> = Add::new(Shift::new(2));
    /// let mut y = [[[2i8, -6]]];
    /// ADD.forward_in_place(&[[[7u8, 8]]], &mut y);
    /// assert_eq!(y, [[[3, -1]]]);
    /// ```
    pub fn forward_in_place<
        T: Activation,
        Y: Activation,
        const C: usize,
        const W: usize,
        const H: usize,
    >(
        &self,
        a: &[[[T; C]; W]; H],
        y: &mut [[[Y; C]; W]; H],
    ) {
        Chosen::add_in_place(
            [A, B],
            a.as_flattened().as_flattened(),
            self.requantize,
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<const A: u32, const B: u32, R: Checked> Checked for Add<A, B, R> {
    fn add_to(&self, sum: &mut Checksum) {
        self.requantize.add_to(sum);
    }
}
