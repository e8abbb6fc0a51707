//! The product of two values.

use crate::kernels::Combine;
use crate::{Checked, Checksum, Requantize};

/// The product of two values without zero points, requantized: at most 65,025 before.
///
/// ```
/// use firmware_core::{Elementwise, Product, Shift};
/// static MUL: Elementwise<Product<Shift>> = Elementwise::new(Product::new(Shift::new(4)));
/// let mut y = [[[0xa5u8 as i8; 2]; 2]];
/// // One factor for each channel of all pixels.
/// MUL.forward(&[[[3i8, -100], [-20, 5]]], &[[[24u8, 16]]], &mut y);
/// assert_eq!(y, [[[4, -100], [-30, 5]]]); // 4.5 goes to the even neighbour
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product<R> {
    requantize: R,
}

impl<R> Product<R> {
    /// The product and what brings it to the output's exponent.
    pub const fn new(requantize: R) -> Self {
        Self { requantize }
    }
}

impl<R: Requantize> Combine for Product<R> {
    #[inline(always)]
    fn combine(self, a: i32, b: i32) -> i32 {
        self.requantize.apply(a.wrapping_mul(b))
    }
}

impl<R: Checked> Checked for Product<R> {
    fn add_to(&self, sum: &mut Checksum) {
        self.requantize.add_to(sum);
    }
}
