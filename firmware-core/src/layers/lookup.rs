//! A table as a layer, with compile-time shapes.

use crate::kernels;
use crate::{Activation, Checked, Checksum};

/// A function of every single value, as a table of its 256 results: see
/// [`kernels::lookup`](crate::kernels::lookup) for their order.
///
/// ```
/// use firmware_core::Lookup;
/// static NEGATE: Lookup<i8> = Lookup::new({
///     let mut table = [0; 256];
///     let mut byte = 0;
///     while byte < 256 {
///         table[byte] = (byte as u8 as i8).saturating_neg();
///         byte += 1;
///     }
///     table
/// });
/// let mut y = [[[5, -128i8]]];
/// NEGATE.forward_in_place(&mut y);
/// assert_eq!(y, [[[-5, 127]]]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lookup<Y> {
    pub(super) table: [Y; 256],
}

impl<Y: Activation> Lookup<Y> {
    /// The results in the order of the values' bytes.
    pub const fn new(table: [Y; 256]) -> Self {
        Self { table }
    }

    /// The table's entry for every value.
    pub fn forward<X: Activation, const C: usize, const W: usize, const H: usize>(
        &self,
        x: &[[[X; C]; W]; H],
        y: &mut [[[Y; C]; W]; H],
    ) {
        kernels::lookup(
            &self.table,
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }

    /// The table's entry for every value, in its place.
    pub fn forward_in_place<const C: usize, const W: usize, const H: usize>(
        &self,
        y: &mut [[[Y; C]; W]; H],
    ) {
        kernels::lookup_in_place(&self.table, y.as_flattened_mut().as_flattened_mut());
    }
}

impl<Y: Checked> Checked for Lookup<Y> {
    fn add_to(&self, sum: &mut Checksum) {
        self.table.add_to(sum);
    }
}
