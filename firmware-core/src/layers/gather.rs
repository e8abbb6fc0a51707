//! Picked rows, columns and channels, with compile-time shapes.

use crate::kernels;
use crate::{Activation, Checked, Checksum};

/// Rows, columns and channels of an image, by their numbers; see
/// [`kernels::gather`](crate::kernels::gather).
///
/// ```
/// use firmware_core::Gather;
/// // The pixels twice in a row, their channels exchanged.
/// static TWICE: Gather<1, 4, 2> = Gather::new([0], [0, 0, 1, 1], [1, 0]);
/// let mut y = [[[0xa5u8; 2]; 4]];
/// TWICE.forward(&[[[1u8, 2], [3, 4]]], &mut y);
/// assert_eq!(y, [[[2, 1], [2, 1], [4, 3], [4, 3]]]);
/// ```
///
/// ```compile_fail
/// static ROW: firmware_core::Gather<1, 1, 1> = firmware_core::Gather::new([0], [0], [0]);
/// ROW.forward(&[[[1u8, 2]]], &mut [[[0u8; 2]]]); // two channels, but one is picked
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gather<const OH: usize, const OW: usize, const OC: usize> {
    rows: [u16; OH],
    columns: [u16; OW],
    channels: [u16; OC],
}

impl<const OH: usize, const OW: usize, const OC: usize> Gather<OH, OW, OC> {
    /// The rows, columns and channels of the input that those of the output are.
    pub const fn new(rows: [u16; OH], columns: [u16; OW], channels: [u16; OC]) -> Self {
        assert!(OC > 0, "a tensor has at least one channel");
        Self { rows, columns, channels }
    }

    /// The picked elements.
    pub fn forward<X: Activation, const IC: usize, const IW: usize, const IH: usize>(
        &self,
        x: &[[[X; IC]; IW]; IH],
        y: &mut [[[X; OC]; OW]; OH],
    ) {
        kernels::gather(
            [IH, IW, IC],
            [&self.rows, &self.columns, &self.channels],
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<const OH: usize, const OW: usize, const OC: usize> Checked for Gather<OH, OW, OC> {
    fn add_to(&self, sum: &mut Checksum) {
        self.rows.add_to(sum);
        self.columns.add_to(sum);
        self.channels.add_to(sum);
    }
}
