//! From sums in the lanes of vectors to outputs: sixteen channels at a time, because the compiler makes
//! vectors of loops of that length.

use core::mem::MaybeUninit;

use crate::arch::WeightSum;

/// Channels that are finished at a time.
pub(super) const CHANNELS: usize = 16;

/// Biases and requantizations of up to sixteen channels; those that are left over repeat the first.
pub(super) struct Outputs<R> {
    bias: [i32; CHANNELS],
    requantize: [R; CHANNELS],
    count: usize,
}

impl<R: Copy> Outputs<R> {
    /// Those of the first `count` channels, one to sixteen of them; `None` where there are fewer.
    #[inline(always)]
    pub(super) fn new(bias: &[i32], requantize: &[R], count: usize) -> Option<Self> {
        let (bias, requantize) = (bias.get(..count)?, requantize.get(..count)?);
        let (&first_bias, &first) = (bias.first()?, requantize.first()?);
        let mut all = Self { bias: [first_bias; CHANNELS], requantize: [first; CHANNELS], count };
        all.bias.iter_mut().zip(bias).for_each(|(to, bias)| *to = *bias);
        all.requantize.iter_mut().zip(requantize).for_each(|(to, one)| *to = *one);
        Some(all)
    }

    /// For values that were multiplied as if they were 128 less: adds what they lack, by the sums of the
    /// channels' weights.
    #[inline(always)]
    pub(super) fn correct(&mut self, weight_sums: &[WeightSum]) {
        for (bias, sums) in self.bias.iter_mut().zip(weight_sums) {
            *bias = bias.wrapping_add(correction(sums));
        }
    }

    /// Finishes the channels' sums into the beginning of `y`.
    #[inline(always)]
    pub(super) fn finish<Y>(
        &self,
        sums: &[i32; CHANNELS],
        finish: impl Fn(R, i32) -> Y,
        y: &mut [Y],
    ) {
        if let (CHANNELS, Some(y)) = (self.count, y.first_chunk_mut::<CHANNELS>()) {
            for n in 0..CHANNELS {
                y[n] = finish(self.requantize[n], self.bias[n].wrapping_add(sums[n]));
            }
            return;
        }
        let mut all = [const { MaybeUninit::uninit() }; CHANNELS];
        for n in 0..CHANNELS {
            all[n].write(finish(self.requantize[n], self.bias[n].wrapping_add(sums[n])));
        }
        let mut values = all.into_iter();
        // SAFETY: all were written.
        let mut set =
            |y: &mut Y| _ = values.next().map(|value| *y = unsafe { value.assume_init() });
        match (self.count, y.first_chunk_mut::<8>()) {
            // One word.
            (8, Some(y)) => y.iter_mut().for_each(set),
            _ => y.iter_mut().take(self.count).for_each(&mut set),
        }
    }
}

/// What a sum lacks whose values were multiplied as if they were 128 less.
#[inline(always)]
pub(super) fn correction(weight_sum: &[i32]) -> i32 {
    weight_sum.first().map_or(0, |sum| sum.wrapping_mul(128))
}
