//! The fully connected layer on 64-bit Arm: products of signed bytes, four outputs at a time, of which sixteen
//! are finished at a time.
//!
//! Values that are unsigned lie 128 lower in the operands; what the sums then lack is added at the end.

use core::arch::aarch64::*;

use super::neon::add_across;
use super::outputs::{CHANNELS, Outputs};
use crate::Activation;
use crate::arch::ConnectedSum;

/// What differs in the products of bytes: sixteen of them are added to four sums.
///
/// # Safety
///
/// The processor must have the extension.
pub(super) trait Bytes {
    unsafe fn add_products(sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t;
}

/// A fully connected layer: the weights of its outputs, one behind the other, and their sums.
pub(super) struct Connected<'a, X> {
    pub x: &'a [X],
    pub weights: &'a [i8],
    pub weight_sums: &'a [ConnectedSum],
}

impl<X: Activation> Connected<'_, X> {
    /// Computes all of `y`, or returns false where a slice is not as long as its shape says: there may be
    /// no sums of the weights.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `B`.
    #[inline(always)]
    pub(super) unsafe fn run<B: Bytes, R: Copy, Y>(
        &self,
        (bias, requantize): (&[i32], &[R]),
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) -> bool {
        let outputs = y.len();
        if outputs == 0
            || self.weights.len() < outputs * self.x.len()
            || bias.len() < outputs
            || requantize.len() < outputs
            || (X::UNSIGNED && self.weight_sums.len() < outputs)
        {
            return false;
        }
        for (block, y) in y.chunks_mut(CHANNELS).enumerate() {
            let first = block * CHANNELS;
            let mut sums = [0; CHANNELS];
            for (four, sums) in sums.chunks_exact_mut(4).enumerate().take(y.len().div_ceil(4)) {
                // The last row is repeated where there are less than four.
                let rows = [0, 1, 2, 3].map(|row| {
                    let row = (first + 4 * four + row).min(outputs - 1);
                    self.weights.as_ptr().wrapping_add(row * self.x.len())
                });
                // SAFETY: there are weights for every output.
                let four = unsafe { self.sums::<B>(rows) };
                sums.iter_mut().zip(four).for_each(|(to, sum)| *to = sum);
            }
            let bias = bias.get(first..).unwrap_or_default();
            let requantize = requantize.get(first..).unwrap_or_default();
            let Some(mut made) = Outputs::new(bias, requantize, y.len()) else { return false };
            if X::UNSIGNED {
                made.correct(self.weight_sums.get(first..).unwrap_or_default());
            }
            made.finish(&sums, finish, y);
        }
        true
    }

    /// The sums of products of the values and each of four rows of weights.
    ///
    /// # Safety
    ///
    /// As [`Connected::run`]; each row must have as many weights as there are values.
    #[inline(always)]
    unsafe fn sums<B: Bytes>(&self, rows: [*const i8; 4]) -> [i32; 4] {
        let (x, len) = (self.x.as_ptr().cast::<u8>(), self.x.len());
        let flip: u8 = if X::UNSIGNED { 0x80 } else { 0 };
        // SAFETY: as the caller promises.
        unsafe {
            let flip = vdupq_n_u8(flip);
            let mut sums = [vdupq_n_s32(0); 4];
            let mut at = 0;
            while at + 16 <= len {
                let x = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(x.add(at)), flip));
                for n in 0..4 {
                    sums[n] = B::add_products(sums[n], x, vld1q_s8(rows[n].add(at)));
                }
                at += 16;
            }
            if at < len {
                // What was counted already, or lies behind the end, is multiplied with zero.
                let (x, counts) = last(x, len, len - at);
                let x = vreinterpretq_s8_u8(vandq_u8(veorq_u8(x, flip), counts));
                for n in 0..4 {
                    let (w, _) = last(rows[n].cast(), len, len - at);
                    sums[n] = B::add_products(sums[n], x, vreinterpretq_s8_u8(w));
                }
            }
            add_across(sums)
        }
    }
}

/// Sixteen bytes with the last `left` of the `len` bytes at `from`, less than sixteen, and which of them those
/// are.
///
/// # Safety
///
/// The bytes must be there.
#[inline(always)]
unsafe fn last(from: *const u8, len: usize, left: usize) -> (uint8x16_t, uint8x16_t) {
    const MASKS: [u8; 32] = {
        let mut masks = [0; 32];
        let mut i = 16;
        while i < 32 {
            masks[i] = 0xff;
            i += 1;
        }
        masks
    };
    let left = left.min(15);
    // SAFETY: as the caller promises; all masks from the first sixteen on have sixteen bytes.
    unsafe {
        let masks = MASKS.as_ptr().add(left);
        if len >= 16 {
            return (vld1q_u8(from.add(len - 16)), vld1q_u8(masks));
        }
        // All that there are.
        if len >= 8 {
            let bytes = vcombine_u8(vld1_u8(from), vld1_u8(from.add(len - 8)));
            return (bytes, vcombine_u8(vdup_n_u8(0xff), vld1_u8(masks)));
        }
        let mut bytes = [0u8; 16];
        for n in 0..len {
            bytes[15 - n] = *from.add(len - 1 - n);
        }
        (vld1q_u8(bytes.as_ptr()), vld1q_u8(masks))
    }
}
