//! One input out of a sample of several.

use bytemuck::Pod;

/// The part of type `T` that begins at byte `AT` of a sample in which inputs lie one after another.
///
/// ```
/// let sample = [1, 2, 3, 4, 5];
/// let sensors: &[[[u8; 1]; 3]; 1] = firmware_core::part::<_, 2, _>(&sample);
/// assert_eq!(sensors, &[[[3], [4], [5]]]);
/// ```
///
/// A part that does not end inside the sample does not compile:
///
/// ```compile_fail
/// firmware_core::part::<[u8; 4], 2, _>(&[1, 2, 3, 4, 5]);
/// ```
#[inline(always)]
pub fn part<T: Pod, const AT: usize, const N: usize>(sample: &[u8; N]) -> &T {
    const { assert!(AT + size_of::<T>() <= N, "the part must end inside the sample") };
    const { assert!(align_of::<T>() == 1, "a part is of bytes") };
    let bytes = sample.get(AT..AT + size_of::<T>()).unwrap_or_default();
    match bytemuck::try_from_bytes(bytes) {
        Ok(part) => part,
        // The assertions above leave nothing to go wrong; release builds drop this branch.
        Err(_) => unreachable!(),
    }
}
