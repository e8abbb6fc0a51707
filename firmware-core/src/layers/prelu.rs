//! A leaky ReLU with a slope for each channel, with compile-time shapes.

use crate::kernels;
use crate::{Activation, Checked, Checksum, Shift};

/// Multiplies what is negative by its channel's slope and leaves the rest as it is.
///
/// ```
/// use firmware_core::{PRelu, Shift};
/// static PRELU: PRelu<2> = PRelu::new([1, -3], [Shift::new(3), Shift::new(0)]);
/// let mut y = [[[0xa5u8 as i8; 2]; 2]];
/// PRELU.forward(&[[[-12i8, -4], [7, 50]]], &mut y);
/// assert_eq!(y, [[[-2, 12], [7, 50]]]); // -1.5 goes to the even neighbour
/// ```
///
/// ```compile_fail
/// use firmware_core::{PRelu, Shift};
/// static PRELU: PRelu<1> = PRelu::new([1], [Shift::new(3)]);
/// PRELU.forward(&[[[1i8, 2]]], &mut [[[0i8; 2]]]); // two channels, one slope
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PRelu<const C: usize> {
    pub(super) slopes: [i16; C],
    pub(super) bits: [Shift; C],
}

impl<const C: usize> PRelu<C> {
    /// The slope of each channel: an integer, divided by a power of two.
    pub const fn new(slopes: [i16; C], bits: [Shift; C]) -> Self {
        Self { slopes, bits }
    }

    /// The activation of every value.
    pub fn forward<T: Activation, const W: usize, const H: usize>(
        &self,
        x: &[[[T; C]; W]; H],
        y: &mut [[[T; C]; W]; H],
    ) {
        kernels::prelu(
            &self.slopes,
            &self.bits,
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }

    /// The activation of every value, in its place.
    pub fn forward_in_place<T: Activation, const W: usize, const H: usize>(
        &self,
        y: &mut [[[T; C]; W]; H],
    ) {
        let y = y.as_flattened_mut().as_flattened_mut();
        kernels::prelu_in_place(&self.slopes, &self.bits, y);
    }
}

impl<const C: usize> Checked for PRelu<C> {
    fn add_to(&self, sum: &mut Checksum) {
        self.slopes.add_to(sum);
        self.bits.add_to(sum);
    }
}
