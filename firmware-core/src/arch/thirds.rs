//! Four sums in three words: convolution with weights of eight bits on cores that multiply 32 bits at a
//! time and have nothing narrower.
//!
//! A tap of four pixels a, b, c, d is three words, of which pixel b is a part of each:
//!
//! ```text
//! a + b * 2^24      d + b * 2^8      c + b * 2^16
//! ```
//!
//! Three multiplications by a weight make the products of all four, and sums of words are words of sums,
//! modulo 2^32. Where sums fit 24 bits with their sign, a, c and d are the lower 24 bits of their words,
//! and above them are eight bits of b's sum each: those of the first word are its lowest, and so on. They
//! are taken apart once per window and channel, which takes 16 instructions. The sums of at most [`MOST`]
//! taps fit; of longer windows every patch's are taken apart and added.

use super::Cursor;
use super::packed::Patch;
use crate::Activation;

/// Taps of a patch, three words each.
pub(super) const TAPS: usize = 42;
pub(super) const WORDS: usize = 3 * TAPS + TOTALS;
/// Words behind those of the taps: what all words of a place add up to, where a target asks for it.
pub(super) const TOTALS: usize = 3;

/// Taps of which sums fit whatever the weights are: 257 * 255 * 128 is less than 2^23.
const MOST: usize = 257;

/// What a pass over a patch does with the words that lie where the sums will.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Whether words are there to go on from.
    pub resumes: bool,
    pub end: End,
}

/// What is left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Words to go on from.
    Words,
    /// The sums.
    Sums,
    /// The sums, added to those that are there.
    Added,
}

impl Pass {
    /// Over taps `first` to `first + taps` of `total`.
    fn new([first, taps, total]: [usize; 3]) -> Self {
        let (begins, ends) = (first == 0, first + taps >= total);
        match (total <= MOST, begins, ends) {
            (true, _, true) => Self { resumes: !begins, end: End::Sums },
            (true, _, false) => Self { resumes: !begins, end: End::Words },
            (false, true, _) => Self { resumes: false, end: End::Sums },
            (false, false, _) => Self { resumes: false, end: End::Added },
        }
    }
}

unsafe extern "C" {
    #[link_name = symbol!("gather_thirds_unsigned")]
    fn gather_unsigned(cursor: *mut Cursor<u8>, words: *mut u32);
    #[link_name = symbol!("gather_thirds_signed")]
    fn gather_signed(cursor: *mut Cursor<u8>, words: *mut u32);
}

impl Patch {
    /// Sets the first `taps` taps from where `cursor` is, and the totals.
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        if cursor.read(taps.min(TAPS)) == 0 {
            return;
        }
        let (cursor, words) = ((&raw mut *cursor).cast(), self.0.as_mut_ptr());
        // SAFETY: a cursor stays inside the slice it was made for, so that the routines read
        // nothing else, and it reads at most as many taps as it was told, for which there are words,
        // with room for the totals behind them. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                gather_unsigned(cursor, words);
            } else {
                gather_signed(cursor, words);
            }
        }
    }

    /// Multiplies this patch, taps `first` to `first + taps` of `total`, with the weights of every
    /// channel. Patches come in their order; after the last one `sums` are the sums of products.
    pub(crate) fn accumulate(&mut self, place: [usize; 3], weights: &[i8], sums: &mut [[i32; 4]]) {
        if (1..=TAPS).contains(&place[1]) {
            super::target::accumulate(&self.0, place, Pass::new(place), weights, sums);
        }
    }

    /// The sums of products, from what [`Patch::accumulate`] has left behind.
    #[inline(always)]
    pub(crate) fn finish(sums: [i32; 4]) -> [i32; 4] {
        sums
    }

    /// What to add to a channel's sums.
    #[inline(always)]
    #[allow(clippy::extra_unused_type_parameters)] // other targets need it
    pub(crate) fn correction<X: Activation>(_: &super::WeightSum) -> i32 {
        0
    }
}
