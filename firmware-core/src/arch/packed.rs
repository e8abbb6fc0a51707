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

use super::{Cursor, LayerBytes};
use crate::Activation;

/// Taps of one [`Patch`]: a compromise between its size on the stack and the work per patch.
pub(super) const TAPS: usize = 64;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most: per tap pixels 0
/// and 1 in one word, 2 and 3 in the next.
#[repr(C, align(4))]
pub(crate) struct Patch(pub(super) [[u32; 2]; TAPS]);

/// What is added to a value.
const fn shift<X: Activation>() -> i32 {
    if X::UNSIGNED { -127 } else { 1 }
}

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[0; 2]; TAPS])
    }

    /// Sets tap `at` of the four pixels.
    pub(crate) fn put<X: Activation>(&mut self, at: usize, values: [i32; 4]) {
        let [a, b, c, d] = values.map(|value| (value + shift::<X>()) as u32);
        if let Some(words) = self.0.get_mut(at) {
            *words = [a.wrapping_add(b << 16), c.wrapping_add(d << 16)];
        }
    }

    /// Sets the first `taps` taps from where `cursor` is.
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        if cursor.read(taps.min(TAPS)) > 0 {
            // SAFETY: a cursor reads at most as many taps as it was told, which the patch has.
            unsafe { super::target::gather(cursor, &mut self.0, 0x1_0001 * shift::<X>()) };
        }
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`.
    pub(crate) fn accumulate(
        &mut self,
        [first, taps, total]: [usize; 3],
        layer: LayerBytes,
        sums: &mut [[i32; 4]],
    ) {
        // Taps go in pairs: what follows the last weight counts zero.
        if let (1, Some(unused)) = (taps % 2, self.0.get_mut(taps)) {
            *unused = [0; 2];
        }
        if taps > 0 && taps <= TAPS {
            super::target::accumulate(&self.0, [first, taps, total], layer, sums);
        }
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up: per pair of pixels
    /// `all` and `high`.
    #[inline(always)]
    pub(crate) fn finish([all01, high01, all23, high23]: [i32; 4]) -> [i32; 4] {
        let low = |all: i32, high: i32| all.wrapping_sub(high << 16);
        [low(all01, high01), high01, low(all23, high23), high23]
    }
}

/// The sum of a channel's weights.
pub(crate) type WeightSum = i32;

pub(crate) const fn weight_sums<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [WeightSum; OC] {
    let mut sums = [0; OC];
    let mut i = 0;
    while i < OC * KH * KW * IC {
        let [o, y, x, c] = [i / IC / KW / KH, i / IC / KW % KH, i / IC % KW, i % IC];
        sums[o] += weights[o][y][x][c] as i32;
        i += 1;
    }
    sums
}

/// What to add to a channel's sums for the shift of the values.
#[inline(always)]
pub(crate) fn correction<X: Activation>(sum: WeightSum) -> i32 {
    -shift::<X>() * sum
}
