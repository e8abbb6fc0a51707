//! Copies of rows: on microcontrollers with kernels several words at a time, where what the compiler calls for them goes
//! word by word.

#[cfg(all(kernels, not(any(host, kernels = "riscv32"))))]
#[path = "armv6m_copy.rs"]
mod assembly;
#[cfg(kernels = "riscv32")]
use super::target::copy as assembly;

/// Copies elements, as many as there are and as there is room for.
#[inline(always)]
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    #[cfg(all(kernels, not(host)))]
    {
        let count = from.len().min(to.len());
        let (source, target) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
        if aligned(source, target) {
            // SAFETY: `count` elements are there on both sides, which do not overlap.
            return unsafe { assembly::forward(source, target, count * size_of::<T>()) };
        }
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Moves the elements from number `skip` on to the beginning.
#[inline(always)]
pub(crate) fn slide_down<T: Copy>(buffer: &mut [T], skip: usize) {
    let Some(count) = buffer.len().checked_sub(skip) else { return };
    #[cfg(all(kernels, not(host)))]
    {
        // Both pointers are of the whole buffer.
        let target = buffer.as_mut_ptr();
        let (source, target) = (target.wrapping_add(skip).cast_const().cast(), target.cast());
        if aligned(source, target) {
            // SAFETY: `count` elements are there from the buffer's beginning on and from `skip` on, and the target
            // does not lie behind the source.
            return unsafe { assembly::forward(source, target, count * size_of::<T>()) };
        }
    }
    for at in 0..count {
        let (to, from) = buffer.split_at_mut_checked(at + skip).unwrap_or_default();
        if let (Some(to), Some(from)) = (to.get_mut(at), from.first()) {
            *to = *from;
        }
    }
}

/// Whether both begin with a word.
#[cfg(all(kernels, not(host)))]
#[inline(always)]
fn aligned(source: *const u8, target: *mut u8) -> bool {
    (source.addr() | target.addr()) % size_of::<u32>() == 0
}
