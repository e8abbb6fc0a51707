//! An image as a vector, for a fully connected layer that reads one.

/// The same values as one row, in height × width × channel order; nothing moves.
///
/// ```
/// let image = [[[1u8], [2]], [[3], [4]]];
/// let vector: &[u8; 4] = firmware_core::flatten(&image);
/// assert_eq!(vector, &[1, 2, 3, 4]);
/// ```
///
/// A vector of another size does not compile:
///
/// ```compile_fail
/// let vector: &[u8; 3] = firmware_core::flatten(&[[[1u8], [2]], [[3], [4]]]);
/// ```
#[inline(always)]
pub fn flatten<T, const H: usize, const W: usize, const C: usize, const N: usize>(
    image: &[[[T; C]; W]; H],
) -> &[T; N] {
    const { assert!(H * W * C == N, "the vector must have one element per value of the image") };
    match image.as_flattened().as_flattened().first_chunk() {
        Some(vector) => vector,
        // The assertion above leaves nothing to go wrong; release builds drop this branch.
        None => unreachable!(),
    }
}
