//! What a convolution writes: sums, and the outputs made of them.

/// Sets sums to zero, on small cores without a call.
#[inline(always)]
pub(crate) fn clear(sums: &mut [[i32; 4]]) {
    #[cfg(host)]
    sums.as_flattened_mut().fill(0);
    #[cfg(not(host))]
    for sums in sums {
        *sums = [0; 4];
        // SAFETY: no instruction; the loop is not taken for a call of `memset`, which takes longer.
        unsafe {
            core::arch::asm!("/* {} */", in(reg) &raw mut *sums, options(nostack, preserves_flags))
        };
    }
}

/// Writes the outputs of four pixels that lie side by side in `y`, `depth` channels each.
#[inline(always)]
pub(crate) fn interleave<Y, F: FnOnce() -> Y>(
    channels: impl Iterator<Item = [F; 4]>,
    depth: usize,
    y: &mut [Y],
) {
    if y.len() < 4 * depth {
        return;
    }
    let mut a = y.as_mut_ptr();
    let mut c = a.wrapping_add(2 * depth);
    for [first, second, third, fourth] in channels.take(depth) {
        // SAFETY: as many channels as a pixel has, of four pixels that were just seen to be in `y`.
        unsafe {
            a.write(first());
            a.add(depth).write(second());
            c.write(third());
            c.add(depth).write(fourth());
        }
        (a, c) = (a.wrapping_add(1), c.wrapping_add(1));
    }
}
