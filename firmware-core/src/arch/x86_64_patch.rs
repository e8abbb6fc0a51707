//! What windows cover, widened to 16 bits: two channels share the loads of four pixels.

use core::arch::x86_64::*;

use super::avx2::Avx2;
use super::isa::{Isa, isa};
use super::sse2::Sse2;
use super::vectors::{Vector, WIDEST};
use super::vnni::Vnni;
use crate::Activation;
use crate::arch::{Cursor, WeightSum};

/// Taps of one [`Patch`].
const TAPS: usize = 512;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most.
#[repr(C, align(64))]
pub struct Patch([[i16; TAPS]; 4]);

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[0; TAPS]; 4])
    }

    /// Sets the first `taps` taps from where `cursor` is.
    #[inline(always)]
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        // Eight values at a time; the next row comes on top of what is too much.
        if let (true, Some((x, [rows, row, pitch]))) = (taps + 8 <= TAPS, cursor.window(7)) {
            if rows * row == taps {
                for (x, pixel) in x.into_iter().zip(&mut self.0) {
                    for y in 0..rows {
                        for i in (0..row).step_by(8) {
                            // SAFETY: `y * row + i` is less than `taps`, so that the patch has
                            // eight values from there on; and `window` says that seven values
                            // behind every row belong to the input.
                            unsafe {
                                let x = x.add(y * pitch + i).cast();
                                let wide =
                                    if X::UNSIGNED { Sse2::u8(x) } else { Sse2::i8(x.cast()) };
                                let taps = pixel.as_mut_ptr().add(y * row + i);
                                _mm_storeu_si128(taps.cast(), wide.0);
                            }
                        }
                    }
                }
                cursor.read(taps);
                return;
            }
        }
        let mut at = 0;
        cursor.rows(taps.min(TAPS), |pixels| {
            let len = pixels[0].len();
            for (pixel, values) in self.0.iter_mut().zip(pixels) {
                for (tap, value) in pixel.iter_mut().skip(at).zip(values) {
                    *tap = value.to_i32() as i16;
                }
            }
            at += len;
        });
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`.
    pub(crate) fn accumulate(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[i8],
        sums: &mut [[i32; 4]],
    ) {
        // Whole vectors are multiplied: what follows a channel's weights counts zero.
        let padded = taps.next_multiple_of(WIDEST).min(TAPS);
        for pixel in &mut self.0 {
            pixel.get_mut(taps..padded).unwrap_or_default().fill(0);
        }
        let Some(last) = sums.len().checked_sub(1) else { return };
        if first + last * total + padded > weights.len() {
            return;
        }
        let weights = weights.as_ptr().wrapping_add(first);
        // SAFETY: `padded` is a multiple of every vector's length and no more than the patch has;
        // there are as many weights from the first tap of every channel on, as was just checked;
        // and `isa` found the extensions that the routines are compiled for.
        unsafe {
            match isa() {
                Isa::Vnni => accumulate_vnni(&self.0, padded, weights, total, sums),
                Isa::Narrow | Isa::Avx2 => accumulate_avx2(&self.0, padded, weights, total, sums),
                Isa::Sse2 => accumulate::<Sse2>(&self.0, padded, weights, total, sums),
            }
        }
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up.
    #[inline(always)]
    pub(crate) fn finish(sums: [i32; 4]) -> [i32; 4] {
        sums
    }

    /// What to add to a channel's sums.
    #[inline(always)]
    #[allow(clippy::extra_unused_type_parameters)] // other targets need it
    pub(crate) fn correction<X: Activation>(_: &WeightSum) -> i32 {
        0
    }
}

#[target_feature(enable = "avx2")]
unsafe fn accumulate_avx2(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    unsafe { accumulate::<Avx2>(patch, taps, weights, stride, sums) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn accumulate_vnni(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    unsafe { accumulate::<Vnni>(patch, taps, weights, stride, sums) }
}

/// Adds the patch times the weights of every channel to `sums`.
///
/// # Safety
///
/// The processor must have the extension; `taps` must be a multiple of `LANES` and at most `TAPS`;
/// each channel's weights, `stride` bytes apart, must be good for `taps` bytes.
#[inline(always)]
unsafe fn accumulate<V: Vector>(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    let mut channel = 0;
    while channel < sums.len() {
        // The second of the last pair is the first again where the number of channels is odd.
        let second = if channel + 1 < sums.len() { channel + 1 } else { channel };
        // SAFETY: as the caller promises.
        unsafe {
            let a = weights.add(channel * stride);
            let b = weights.add(second * stride);
            let (mut sums_a, mut sums_b) = ([V::zero(); 4], [V::zero(); 4]);
            let mut tap = 0;
            while tap < taps {
                let (wa, wb) = (V::i8(a.add(tap)), V::i8(b.add(tap)));
                for ((pixel, sum_a), sum_b) in patch.iter().zip(&mut sums_a).zip(&mut sums_b) {
                    let x = V::i16(pixel.as_ptr().add(tap));
                    *sum_a = V::multiply(*sum_a, x, wa);
                    *sum_b = V::multiply(*sum_b, x, wb);
                }
                tap += V::LANES;
            }
            let start = sums.as_mut_ptr().cast::<__m128i>();
            let (start_a, start_b) = (start.add(channel), start.add(second));
            // Both are loaded before either is stored: they may be the same.
            let (old_a, old_b) = (_mm_loadu_si128(start_a), _mm_loadu_si128(start_b));
            _mm_storeu_si128(start_a, _mm_add_epi32(old_a, V::reduce(sums_a)));
            _mm_storeu_si128(start_b, _mm_add_epi32(old_b, V::reduce(sums_b)));
        }
        channel += 2;
    }
}
