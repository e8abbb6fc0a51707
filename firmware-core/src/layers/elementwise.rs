//! Functions of two tensors with compile-time shapes.

use crate::arch::{Chosen, Target};
use crate::kernels::Combine;
use crate::{Activation, Checked, Checksum};

/// A function of two tensors, element by element: [`AffineAdd`](crate::AffineAdd) and
/// [`AffineMul`](crate::AffineMul) are such.
///
/// The second tensor has the shape of the first, or one pixel, which then counts for all.
///
/// ```compile_fail
/// use firmware_core::{AffineMul, Elementwise, Multiplier};
/// static SCALE: Elementwise<AffineMul> =
///     Elementwise::new(AffineMul::new([0, 0], Multiplier::new(1 << 30, -6, 0, [-128, 127])));
/// let mut y = [[[0i8]; 3]];
/// SCALE.forward(&[[[1i8], [2], [3]]], &[[[1i8], [2]]], &mut y); // two pixels for three
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Elementwise<F> {
    pub(super) function: F,
}

impl<F: Combine> Elementwise<F> {
    /// The layer.
    pub const fn new(function: F) -> Self {
        Self { function }
    }

    /// The function of both tensors, saturated.
    pub fn forward<
        A: Activation,
        B: Activation,
        Y: Activation,
        const C: usize,
        const W: usize,
        const H: usize,
        const BW: usize,
        const BH: usize,
    >(
        &self,
        a: &[[[A; C]; W]; H],
        b: &[[[B; C]; BW]; BH],
        y: &mut [[[Y; C]; W]; H],
    ) {
        const { assert_repeats(BW, BH, W, H) };
        Chosen::elementwise(
            self.function,
            a.as_flattened().as_flattened(),
            b.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }

    /// The same with the first tensor in `y`, which receives the results.
    pub fn forward_in_place<
        B: Activation,
        Y: Activation,
        const C: usize,
        const W: usize,
        const H: usize,
        const BW: usize,
        const BH: usize,
    >(
        &self,
        b: &[[[B; C]; BW]; BH],
        y: &mut [[[Y; C]; W]; H],
    ) {
        const { assert_repeats(BW, BH, W, H) };
        Chosen::elementwise_in_place(
            self.function,
            b.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}

const fn assert_repeats(b_width: usize, b_height: usize, width: usize, height: usize) {
    assert!(
        (b_width == width && b_height == height) || (b_width == 1 && b_height == 1),
        "the second tensor has the shape of the first, or one pixel"
    );
}

impl<F: Checked> Checked for Elementwise<F> {
    fn add_to(&self, sum: &mut Checksum) {
        self.function.add_to(sum);
    }
}
