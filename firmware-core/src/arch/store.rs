//! What a convolution writes: sums, and the outputs made of them.

use super::{Chosen, Place, Target};

/// What sums are before the first patch of a window is added to them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // no target needs all
pub enum Begin {
    /// Whatever was there: they are overwritten.
    Anything,
    Zeros,
    /// Each channel's bias, so that it need not be added in the end.
    Biases,
}

impl Begin {
    /// What is missing in sums in the end.
    #[inline(always)]
    pub(crate) fn missing(self, bias: i32) -> i32 {
        if matches!(self, Self::Biases) { 0 } else { bias }
    }
}

/// Makes sums what they must be in the beginning, on small cores without a call.
#[inline(always)]
pub(crate) fn begin(with: Begin, bias: &[i32], sums: &mut [[i32; 4]]) {
    match with {
        Begin::Anything => {}
        #[cfg(host)]
        Begin::Zeros => sums.as_flattened_mut().fill(0),
        #[cfg(not(host))]
        Begin::Zeros => {
            for sums in sums {
                *sums = [0; 4];
                // SAFETY: no instruction; the loop is not taken for a call of `memset`, which takes
                // longer.
                unsafe {
                    core::arch::asm!("/* {} */", in(reg) &raw mut *sums, options(nostack, preserves_flags))
                };
            }
        }
        Begin::Biases => Chosen::spread(bias, sums),
    }
}

/// How outputs are made of sums and of what belongs to their channels.
pub(crate) trait Finish<R, Y>: Copy {
    fn one(self, requantize: R, sum: i32) -> Y;

    /// The outputs in their place of four pixels that lie side by side in `y`, if the target has something
    /// better than one after the other; else false, and nothing done.
    #[inline(always)]
    fn four(self, _: &[R], _sums: &[[i32; 4]], _: impl Place, _y: &mut [Y]) -> bool {
        false
    }
}

impl<R, Y, F: Fn(R, i32) -> Y + Copy> Finish<R, Y> for F {
    #[inline(always)]
    fn one(self, requantize: R, sum: i32) -> Y {
        self(requantize, sum)
    }
}

/// Writes the outputs of four pixels that lie side by side in `y`, `depth` channels each, from channel
/// `first` on.
#[inline(always)]
pub(crate) fn interleave<Y, F: FnOnce() -> Y>(
    channels: impl Iterator<Item = [F; 4]>,
    [first, depth]: [usize; 2],
    y: &mut [Y],
) {
    if y.len() < 4 * depth {
        return;
    }
    let mut a = y.as_mut_ptr().wrapping_add(first);
    let mut c = a.wrapping_add(2 * depth);
    for [one, two, three, four] in channels.take(depth.saturating_sub(first)) {
        // SAFETY: no more channels than a pixel has, of four pixels that were just seen to be in `y`.
        unsafe {
            a.write(one());
            a.add(depth).write(two());
            c.write(three());
            c.add(depth).write(four());
        }
        (a, c) = (a.wrapping_add(1), c.wrapping_add(1));
    }
}
