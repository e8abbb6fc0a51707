//! Copies of rows, several words at a time.
//!
//! What the compiler calls for them goes word by word.

use crate::rows;

#[cfg(not(kernels = "riscv32"))]
#[path = "armv6m_copy.rs"]
mod assembly;
#[cfg(kernels = "riscv32")]
use super::target::copy as assembly;

/// [`rows::copy`]
#[inline(always)]
pub(super) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    let count = from.len().min(to.len());
    let (source, target) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    if aligned(source, target) {
        // SAFETY: `count` elements are there on both sides, which do not overlap.
        unsafe { assembly::forward(source, target, count * size_of::<T>()) };
    } else {
        rows::copy(from, to);
    }
}

/// [`rows::slide_down`]
#[inline(always)]
pub(super) fn slide_down<T: Copy>(buffer: &mut [T], skip: usize) {
    let Some(count) = buffer.len().checked_sub(skip) else { return };
    let target = buffer.as_mut_ptr();
    // Both pointers are of the whole buffer.
    let (source, target) = (target.wrapping_add(skip).cast_const().cast(), target.cast());
    if aligned(source, target) {
        // SAFETY: `count` elements are there from the buffer's beginning on and from `skip` on, and the target lies
        // before the source.
        unsafe { assembly::forward(source, target, count * size_of::<T>()) };
    } else {
        rows::slide_down(buffer, skip);
    }
}

/// Whether both begin with a word.
#[inline(always)]
fn aligned(source: *const u8, target: *mut u8) -> bool {
    (source.addr() | target.addr()) % size_of::<u32>() == 0
}
