//! Joining tensors along their channels, with compile-time shapes.

use crate::Activation;
use crate::kernels;

/// Puts a tensor's channels into a wider one, from channel `FIRST` on. A join of several tensors
/// is one of these for each.
///
/// ```
/// use firmware_core::Concat;
/// let mut y = [[[0xa5u8; 3]; 2]];
/// Concat::<0>.forward(&[[[1u8], [2]]], &mut y);
/// Concat::<1>.forward(&[[[3u8, 4], [5, 6]]], &mut y);
/// assert_eq!(y, [[[1, 3, 4], [2, 5, 6]]]);
/// ```
///
/// ```compile_fail
/// use firmware_core::Concat;
/// let mut y = [[[0u8; 3]; 2]];
/// Concat::<2>.forward(&[[[3u8, 4], [5, 6]]], &mut y); // channels 2 and 3 of three
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Concat<const FIRST: usize>;

impl<const FIRST: usize> Concat<FIRST> {
    /// Copies every pixel of `x` into `y`.
    pub fn forward<
        T: Activation,
        const C: usize,
        const TOTAL: usize,
        const W: usize,
        const H: usize,
    >(
        &self,
        x: &[[[T; C]; W]; H],
        y: &mut [[[T; TOTAL]; W]; H],
    ) {
        const { assert!(C > 0 && FIRST + C <= TOTAL, "the channels must fit into the result") };
        kernels::concat(
            x.as_flattened().as_flattened(),
            C,
            y.as_flattened_mut().as_flattened_mut(),
            TOTAL,
            FIRST,
        );
    }
    /// Copies all elements of `x`, row by row, into a vector `y`.
    ///
    /// ```
    /// use firmware_core::Concat;
    /// let mut y = [[[0u8; 5]]];
    /// Concat::<1>.forward_flat(&[[[1u8, 2]], [[3, 4]]], &mut y);
    /// assert_eq!(y, [[[0, 1, 2, 3, 4]]]);
    /// ```
    ///
    /// ```compile_fail
    /// use firmware_core::Concat;
    /// let mut y = [[[0u8; 5]]];
    /// Concat::<2>.forward_flat(&[[[1u8, 2]], [[3, 4]]], &mut y); // elements 2 to 5 of five
    /// ```
    pub fn forward_flat<
        T: Activation,
        const C: usize,
        const TOTAL: usize,
        const W: usize,
        const H: usize,
    >(
        &self,
        x: &[[[T; C]; W]; H],
        y: &mut [[[T; TOTAL]; 1]; 1],
    ) {
        const { assert!(H * W * C > 0 && FIRST + H * W * C <= TOTAL, "the elements must fit") };
        let x = x.as_flattened().as_flattened();
        kernels::concat(x, x.len(), y.as_flattened_mut().as_flattened_mut(), TOTAL, FIRST);
    }
}
