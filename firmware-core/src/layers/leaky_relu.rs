//! The leaky ReLU with compile-time shapes.

use crate::kernels;
use crate::{Activation, Shift};

/// Multiplies what is negative by `SLOPE / 2^BITS` and leaves the rest as it is.
///
/// ```
/// use firmware_core::LeakyRelu;
/// let mut y = [[[0xa5u8 as i8; 3]]];
/// LeakyRelu::<1, 3>.forward(&[[[7i8, -8, -12]]], &mut y);
/// assert_eq!(y, [[[7, -1, -2]]]); // -1.5 goes to the even neighbour
/// ```
///
/// ```compile_fail
/// firmware_core::LeakyRelu::<9, 3>.forward(&[[[7i8]]], &mut [[[0i8]]]); // a slope above 1
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu<const SLOPE: u16, const BITS: u8>;

impl<const SLOPE: u16, const BITS: u8> LeakyRelu<SLOPE, BITS> {
    /// The activation of every value.
    pub fn forward<T: Activation, const C: usize, const W: usize, const H: usize>(
        &self,
        x: &[[[T; C]; W]; H],
        y: &mut [[[T; C]; W]; H],
    ) {
        kernels::leaky_relu(
            SLOPE,
            const { Self::bits() },
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }

    /// The activation of every value, in its place.
    pub fn forward_in_place<T: Activation, const C: usize, const W: usize, const H: usize>(
        &self,
        y: &mut [[[T; C]; W]; H],
    ) {
        let y = y.as_flattened_mut().as_flattened_mut();
        kernels::leaky_relu_in_place(SLOPE, const { Self::bits() }, y);
    }

    pub(super) const fn bits() -> Shift {
        assert!(BITS <= 31 && SLOPE as u64 <= 1 << BITS, "the slope is 0 to 1");
        Shift::new(BITS)
    }
}
