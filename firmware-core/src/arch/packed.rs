//! Two pixels to a word, for cores that multiply 32 bits at a time and have nothing narrower.
//!
//! A tap of two pixels is one word, a0 + a1 * 2^16, so that one multiplication by a weight makes
//! two products. Values are shifted so that they lie in -127..=128: then a product lies in
//! -16384..=16256 and the sum of two fits 16 bits. So two taps are added as words (`word`), and
//! the halves are only then taken apart: `high` adds up `(word + 0x8000) >> 16`, the sum of the
//! upper halves, and `all` the words. The sum of the lower halves is `all - high * 2^16`.
//!
//! That is 7 instructions for four multiply-accumulates beside the loads. The shift of the values
//! is undone once per channel, with the sum of its weights.

use super::{Cursor, WeightSum};
use crate::Activation;

/// Taps of one [`Patch`]: a compromise between its size on the stack and the work per patch.
pub(super) const TAPS: usize = 64;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most: per tap pixels 0
/// and 1 in one word, 2 and 3 in the next.
#[repr(C, align(4))]
pub struct Patch(pub(super) [[u32; 2]; TAPS]);

/// What is added to a value.
pub(super) const fn shift<X: Activation>() -> i32 {
    if X::UNSIGNED { -127 } else { 1 }
}

unsafe extern "C" {
    #[link_name = symbol!("gather_unsigned")]
    fn gather_unsigned(cursor: *mut Cursor<u8>, patch: *mut [u32; 2], shift: i32);
    #[link_name = symbol!("gather_signed")]
    fn gather_signed(cursor: *mut Cursor<u8>, patch: *mut [u32; 2], shift: i32);
    #[link_name = symbol!("dot4_unsigned")]
    fn dot4_unsigned(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
    #[link_name = symbol!("dot4_signed")]
    fn dot4_signed(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
}

/// Sets the first `taps` taps of a patch from where `cursor` is, `shift` added to every value.
#[inline(always)]
pub(super) fn gather<X: Activation>(
    patch: &mut Patch,
    cursor: &mut Cursor<X>,
    taps: usize,
    shift: i32,
) {
    if cursor.read(taps.min(TAPS)) == 0 {
        return;
    }
    let shift = 0x1_0001 * shift;
    let (cursor, patch) = ((&raw mut *cursor).cast(), patch.0.as_mut_ptr());
    // SAFETY: a cursor stays inside the slice it was made for, so that the routines read
    // nothing else, and it reads at most as many taps as it was told, which the patch has.
    // They keep to the procedure call standard.
    unsafe {
        if X::UNSIGNED {
            gather_unsigned(cursor, patch, shift);
        } else {
            gather_signed(cursor, patch, shift);
        }
    }
}

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[0; 2]; TAPS])
    }

    /// Sets the first `taps` taps from where `cursor` is.
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        gather(self, cursor, taps, shift::<X>());
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`.
    pub(crate) fn accumulate(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[i8],
        sums: &mut [[i32; 4]],
    ) {
        // Taps go in pairs: what follows the last weight counts zero.
        if let (1, Some(unused)) = (taps % 2, self.0.get_mut(taps)) {
            *unused = [0; 2];
        }
        if taps > 0 && taps <= TAPS {
            super::target::accumulate(&self.0, [first, taps, total], weights, sums);
        }
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up: per pair of pixels
    /// `all` and `high`.
    #[inline(always)]
    pub(crate) fn finish([all01, high01, all23, high23]: [i32; 4]) -> [i32; 4] {
        let low = |all: i32, high: i32| all.wrapping_sub(high << 16);
        [low(all01, high01), high01, low(all23, high23), high23]
    }

    /// What to add to a channel's sums for the shift of the values.
    #[inline(always)]
    pub(crate) fn correction<X: Activation>([sum]: &WeightSum) -> i32 {
        -shift::<X>() * sum
    }
}

/// Four outputs of a fully connected layer: the sums of `x` times each row of weights.
pub(super) fn dot4<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    if !x.is_empty() && rows.len() == 4 * x.len() {
        let (x, stride) = (x.as_ptr().cast(), x.len());
        // SAFETY: the routines read `stride` elements of `x` and of each of the rows, which are as
        // long, and write the four sums. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                dot4_unsigned(x, rows.as_ptr(), stride, &mut sums);
            } else {
                dot4_signed(x, rows.as_ptr(), stride, &mut sums);
            }
        }
    }
    sums
}
