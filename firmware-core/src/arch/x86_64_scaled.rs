//! Sums of few products: where requantizations are shifts, such sums are exact as `f32`, and the conversion of
//! their quotients to integers rounds half to even.

use core::slice;

use super::outputs::bounds;
use super::vectors::{Lanes, WIDEST};
use crate::kernels::requantized;
use crate::{Activation, Requantize};

/// Above most products of so many taps, and above biases: both together are below 2^24.
const EXACT: u32 = 1 << 23;

/// Whether sums of so many products of bytes and these biases are exact as `f32`.
#[inline(always)]
pub(super) fn exact(bias: &[i32], products: usize) -> bool {
    let all = bias.iter().fold(0, |all, bias| all | bias.unsigned_abs());
    products <= EXACT as usize / (255 * 128) && all < EXACT
}

/// How the sums of a vector's channels begin, and what becomes of them.
pub(super) struct Scaled<'a, V, R> {
    /// The biases.
    pub start: V,
    /// What sums are multiplied with, if they are exact as `f32` and requantizations are shifts.
    factors: Option<V>,
    requantize: &'a [R],
}

impl<'a, V: Lanes, R: Requantize> Scaled<'a, V, R> {
    /// Of the first channels of slices, as many as a vector has lanes; `None` where there are fewer. `exact` says
    /// whether sums are exact as `f32`.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn new(bias: &[i32], requantize: &'a [R], exact: bool) -> Option<Self> {
        let (bias, requantize) = (bias.get(..V::PIXELS)?, requantize.get(..V::PIXELS)?);
        let mut factors = None;
        if let (true, Some((shifts, _))) = (exact, R::as_shifts(requantize)) {
            let mut words = [0; WIDEST];
            for (word, shift) in words.iter_mut().zip(shifts.get(..V::PIXELS)?) {
                // An exponent with nothing behind it.
                *word = (127 - i32::from(shift.bits())) << 23;
            }
            // SAFETY: there are at least as many words as lanes.
            factors = Some(unsafe { V::words(words.as_ptr()) });
        }
        // SAFETY: there are as many biases as lanes.
        Some(Self { start: unsafe { V::words(bias.as_ptr()) }, factors, requantize })
    }

    /// Finishes the sums of `COUNT` pixels of each of one or two rows: pixels lie `depth` values apart from where
    /// the rows begin.
    ///
    /// # Safety
    ///
    /// As [`Scaled::finish`].
    #[inline(always)]
    pub(super) unsafe fn finish_rows<Y: Activation, const DOWN: usize, const COUNT: usize>(
        &self,
        sums: [[V; COUNT]; DOWN],
        depth: usize,
        rows: [*mut Y; 2],
    ) {
        const { assert!(0 < COUNT && 0 < DOWN && DOWN <= 2) };
        let total = DOWN * COUNT;
        let mut first = 0;
        while first < total {
            let count = if total - first < 4 { total - first } else { 4 };
            // SAFETY: as the caller promises.
            unsafe {
                let (mut all, mut to) = ([V::zero(); 4], [rows[0]; 4]);
                for n in 0..count {
                    let (down, pixel) = ((first + n) / COUNT, (first + n) % COUNT);
                    all[n] = sums[down][pixel];
                    to[n] = rows[down].wrapping_add(pixel * depth);
                }
                self.finish(all, to, count, COUNT % 4 == 0 && depth == V::PIXELS);
            }
            first += 4;
        }
    }

    /// Finishes the first `count` sums, each vector to a place of its own.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, and each place be good for as many values as it has lanes.
    #[inline(always)]
    pub(super) unsafe fn finish<Y: Activation>(
        &self,
        sums: [V; 4],
        to: [*mut Y; 4],
        count: usize,
        adjacent: bool,
    ) {
        // SAFETY: as the caller promises; activations are bytes, and words have room for all lanes.
        unsafe {
            let Some(factors) = self.factors else {
                let mut words = [[0; WIDEST]; 4];
                for (sum, words) in sums.into_iter().zip(&mut words) {
                    words.as_mut_ptr().cast::<V>().write_unaligned(sum);
                }
                let requantize = self.requantize;
                let [a, b, c, d] = to;
                return each(requantize, words.get(..count).unwrap_or_default(), (a, b), (c, d));
            };
            let mut nowhere = [0u8; WIDEST];
            let (mut four, mut bytes) = ([V::zero(); 4], [nowhere.as_mut_ptr(); 4]);
            for n in 0..4 {
                if n < count {
                    four[n] = V::scale(sums[n], factors);
                    bytes[n] = to[n].cast();
                }
            }
            if adjacent {
                return V::narrow::<Y>(four, bounds::<R>(), bytes[0]);
            }
            V::scatter::<Y>(four, bounds::<R>(), bytes);
        }
    }
}

/// Requantizes words of as many channels as there are, each of their vectors to a place of its own. (A function of
/// its own: in one with the sums it takes registers from them.)
///
/// # Safety
///
/// The processor must have AVX2, and each place be good for as many values.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn each<R: Requantize, Y: Activation>(
    requantize: &[R],
    words: &[[i32; WIDEST]],
    (a, b): (*mut Y, *mut Y),
    (c, d): (*mut Y, *mut Y),
) {
    for (words, to) in words.iter().zip([a, b, c, d]) {
        // SAFETY: as the caller promises.
        let y = unsafe { slice::from_raw_parts_mut(to, requantize.len()) };
        // Eight at a time, because those become vectors.
        let (y, words) = (y.as_chunks_mut::<8>().0, words.as_chunks::<8>().0);
        for ((y, words), requantize) in y.iter_mut().zip(words).zip(requantize.as_chunks::<8>().0) {
            for n in 0..8 {
                y[n] = requantized(requantize[n], words[n]);
            }
        }
    }
}
