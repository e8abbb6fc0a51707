//! Weights of four bits for cores that multiply 32 bits at a time and have nothing narrower.
//!
//! Two numbers share a word, and none of them has a sign. A weight w is stored as
//! w + 8, and values are shifted to 0..=255, so that a product is at most 15 * 255 and sixteen of them
//! fit 16 bits: only then must the halves of a word be taken apart. What the 8 adds is 8 times the sum of
//! the values, which is known once for all weights.
//!
//! In a convolution the two are pixels: a tap of four is a0 + a1 * 2^16 and a2 + a3 * 2^16. A byte b of two weights, w0 + 8 + 16 (w1 + 8), is never taken
//! apart: its upper half is a shift, and with the lower one times the first pixels x0,
//!
//! ```text
//! (w0 + 8) x0 + (w1 + 8) x1  =  b x0 + (b >> 4) (x1 - 16 x0)
//! ```
//!
//! so every second tap of a patch becomes x1 - 16 x0. All of it is modulo 2^32, and the result is two
//! halves that fit.
//!
//! In a fully connected layer the two are outputs: a word has four weights of one in its lower and four
//! of the other in its upper half, and one multiplication by a value makes a product for each.

use super::nibbles::{by_rows, last_group};
use super::packed::Patch;
use super::{Cursor, NibbleSum};
use crate::Activation;
use crate::nibbles::{Arrangement, GROUP, filter_bytes};

/// In order, without a sign.
pub(super) const ARRANGEMENT: Arrangement = Arrangement { bias: BIAS, ..Arrangement::NATURAL };
const BIAS: u8 = 8;

/// Outputs of a fully connected layer that share words.
pub(super) const ROWS: usize = 2;

/// Taps of a patch.
pub(super) const TAPS: usize = 64;

/// Taps after which the halves of a word are taken apart.
pub(super) const ROUND: usize = 16;

/// What is added to a value so that it has no sign.
const fn shift<X: Activation>() -> i32 {
    if X::UNSIGNED { 0 } else { 128 }
}

impl Patch {
    /// Sets the first `taps` taps from where `cursor` is.
    pub(crate) fn gather_for_nibbles<X: Activation>(
        &mut self,
        cursor: &mut Cursor<X>,
        taps: usize,
    ) {
        if cursor.read(taps.min(TAPS)) == 0 {
            return;
        }
        let shift = 0x1_0001 * shift::<X>();
        let (cursor, words) = ((&raw mut *cursor).cast(), self.0.as_mut_ptr());
        // SAFETY: a cursor stays inside the slice it was made for, so that the routines read
        // nothing else, and it reads at most as many taps as it was told, for which there are words.
        // They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                gather_unsigned(cursor, words, shift);
            } else {
                gather_signed(cursor, words, shift);
            }
        }
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`. `first` is even.
    pub(crate) fn accumulate_nibbles(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[u8],
        sums: &mut [[i32; 4]],
    ) {
        if taps == 0 || taps > TAPS {
            return;
        }
        // Taps go in pairs: what follows the last value counts zero.
        if let (1, Some(unused)) = (taps % 2, self.0.get_mut(2 * taps..2 * taps + 2)) {
            unused.fill(0);
        }
        let [pixels01, pixels23] = self.prepare(taps);
        // As what is added up: all of a word, and its upper half.
        let biases = [pixels01, pixels01 >> 16, pixels23, pixels23 >> 16];
        let biases = biases.map(|sum| (sum * u32::from(BIAS)).wrapping_neg() as i32);
        let (first, total) = (first / 2, filter_bytes(total));
        super::target::accumulate_nibbles(
            &self.0,
            [first, taps.div_ceil(2), total],
            &biases,
            weights,
            sums,
        );
    }

    /// Makes x1 - 16 x0 of every second tap x1; returns the sums of all taps as they were, of which
    /// each fits its half.
    #[inline(never)]
    fn prepare(&mut self, taps: usize) -> [u32; 2] {
        let (mut a, mut b) = (0u32, 0u32);
        for pair in self.0.chunks_exact_mut(4).take(taps.div_ceil(2)) {
            let [a0, b0, a1, b1] = pair else { return [a, b] };
            (a, b) = (a.wrapping_add(*a0).wrapping_add(*a1), b.wrapping_add(*b0).wrapping_add(*b1));
            *a1 = a1.wrapping_sub(*a0 << 4);
            *b1 = b1.wrapping_sub(*b0 << 4);
        }
        [a, b]
    }

    /// The sums of products, from what [`Patch::accumulate_nibbles`] has added up: per pair of pixels
    /// all of their words and the upper halves.
    #[inline(always)]
    pub(crate) fn finish_nibbles([all01, high01, all23, high23]: [i32; 4]) -> [i32; 4] {
        let low = |all: i32, high: i32| all.wrapping_sub(high << 16);
        [low(all01, high01), high01, low(all23, high23), high23]
    }

    /// What to add to a channel's sums for the shift of the values.
    #[inline(always)]
    pub(crate) fn nibbles_correction<X: Activation>([sum]: &NibbleSum) -> i32 {
        -shift::<X>() * sum
    }
}

/// A fully connected layer.
#[inline(always)]
pub(super) fn connect<X: Activation, R: Copy, Y>(
    x: &[X],
    weights: &[u8],
    channels: (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
) {
    let bias = x.iter().fold(0, |sum: i32, x| sum.wrapping_add(x.to_i32())) * i32::from(BIAS);
    let dot = |x: &[X], weights: &[u8]| dot2(x, weights).map(|sum| sum.wrapping_sub(bias));
    by_rows::<ROWS, _, _, _>(x, weights, channels, finish, y, dot);
}

unsafe extern "C" {
    #[link_name = symbol!("gather_unsigned")]
    fn gather_unsigned(cursor: *mut Cursor<u8>, words: *mut u32, shift: i32);
    #[link_name = symbol!("gather_signed")]
    fn gather_signed(cursor: *mut Cursor<u8>, words: *mut u32, shift: i32);
    #[link_name = symbol!("dot2_unsigned")]
    fn dot2_unsigned(x: *const u8, weights: *const u8, groups: usize, sums: *mut [i32; 2]);
    #[link_name = symbol!("dot2_signed")]
    fn dot2_signed(x: *const u8, weights: *const u8, groups: usize, sums: *mut [i32; 2]);
}

/// Two outputs: the sums of `x` times their weights, each 8 too large.
#[inline(never)]
fn dot2<X: Activation>(x: &[X], weights: &[u8]) -> [i32; 2] {
    // All values of a word, and its upper half.
    let mut sums = [0; 2];
    if weights.len() != ROWS * filter_bytes(x.len()) {
        return sums;
    }
    let mut add = |x: &[X], weights: &[u8]| {
        let groups = x.len() / GROUP;
        if groups == 0 || weights.len() < ROWS * filter_bytes(groups * GROUP) {
            return;
        }
        let (x, weights) = (x.as_ptr().cast(), weights.as_ptr());
        // SAFETY: the routines read `groups * 8` values and as many weights of both outputs, which
        // are there as was just checked, weights by words, since they begin at multiples of four; and
        // they add to the two sums. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                dot2_unsigned(x, weights, groups, &mut sums);
            } else {
                dot2_signed(x, weights, groups, &mut sums);
            }
        }
    };
    add(x, weights);
    let whole = x.len() / GROUP * GROUP;
    if whole < x.len() {
        add(&last_group(x), weights.get(ROWS * filter_bytes(whole)..).unwrap_or_default());
    }
    let [all, high] = sums;
    [all.wrapping_sub(high << 16), high]
}
