//! Padding as a layer, with compile-time shapes.

use crate::Activation;
use crate::kernels;

/// A border of `VALUE` around an image, at the `TOP`, `LEFT`, `BOTTOM` and `RIGHT`.
///
/// ```
/// use firmware_core::Pad2d;
/// let mut y = [[[0xa5u8 as i8]; 3]; 2];
/// Pad2d::<0, 1, 1, 0, -7>.forward(&[[[1i8], [2]]], &mut y);
/// assert_eq!(y, [[[-7], [1], [2]], [[-7], [-7], [-7]]]);
/// ```
///
/// ```compile_fail
/// let mut y = [[[0i8]; 3]; 3]; // two rows of output, not three
/// firmware_core::Pad2d::<0, 1, 1, 0, -7>.forward(&[[[1i8], [2]]], &mut y);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pad2d<
    const TOP: usize,
    const LEFT: usize,
    const BOTTOM: usize,
    const RIGHT: usize,
    const VALUE: i32,
>;

impl<const T: usize, const L: usize, const B: usize, const R: usize, const VALUE: i32>
    Pad2d<T, L, B, R, VALUE>
{
    /// The image with its border.
    pub fn forward<
        X: Activation,
        const C: usize,
        const IH: usize,
        const IW: usize,
        const OH: usize,
        const OW: usize,
    >(
        &self,
        x: &[[[X; C]; IW]; IH],
        y: &mut [[[X; C]; OW]; OH],
    ) {
        const {
            assert!(
                OH == T + IH + B && OW == L + IW + R,
                "the output's height and width must match the padding's"
            )
        };
        kernels::pad2d(
            [IH, IW, C],
            [T, L, B, R],
            X::saturate(VALUE),
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}
