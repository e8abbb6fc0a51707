//! The fully connected layer on 64-bit Arm: products of signed bytes, four outputs at a time.
//!
//! Values that are unsigned lie 128 lower in the operands; what the sums then lack is added at the end.

use core::arch::aarch64::*;

use super::neon::add_across;
use super::outputs::correction;
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
        finish: impl Fn(R, i32) -> Y,
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
        for (block, y) in y.chunks_mut(4).enumerate() {
            // The last rows are repeated where there are less than four.
            let at = [0, 1, 2, 3].map(|row| 4 * block + row.min(y.len() - 1));
            let rows = at.map(|row| self.weights.as_ptr().wrapping_add(row * self.x.len()));
            // SAFETY: there are weights for every output.
            let sums = unsafe { self.sums::<B>(rows) };
            for (y, (at, sum)) in y.iter_mut().zip(at.into_iter().zip(sums)) {
                let (Some(bias), Some(requantize)) = (bias.get(at), requantize.get(at)) else {
                    return false;
                };
                let lacks = match X::UNSIGNED {
                    true => self.weight_sums.get(at).map_or(0, |sum| correction(sum)),
                    false => 0,
                };
                *y = finish(*requantize, bias.wrapping_add(lacks).wrapping_add(sum));
            }
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
                let x = vreinterpretq_s8_u8(veorq_u8(tail(x.add(at), len - at), flip));
                for n in 0..4 {
                    let w = vreinterpretq_s8_u8(tail(rows[n].add(at).cast(), len - at));
                    sums[n] = B::add_products(sums[n], x, w);
                }
            }
            add_across(sums)
        }
    }
}

/// The `len` bytes at `from`, less than sixteen, with zeros behind them, which make products of zero.
///
/// # Safety
///
/// The bytes must be there.
#[inline(always)]
unsafe fn tail(from: *const u8, len: usize) -> uint8x16_t {
    let mut bytes = [0u8; 16];
    // SAFETY: as the caller promises.
    unsafe {
        from.copy_to_nonoverlapping(bytes.as_mut_ptr(), len.min(15));
        vld1q_u8(bytes.as_ptr())
    }
}
