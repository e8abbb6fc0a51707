//! VNNI on vectors of 32 bytes: 32 multiply-accumulates of bytes in one instruction. Processors have it with
//! AVX-512, or without as AVX-VNNI, in another encoding. And what AVX2 has instead, for gentle weights.
//!
//! All functions are unsafe as their trait says.

use core::arch::x86_64::*;

use super::avx2::{Avx2, BY_LANE, saturate, transposed};
use super::panel::QUADS;
use super::vectors::Lanes;
use crate::Activation;

/// Products of four bytes are added with AVX-VNNI, with AVX-512's VNNI, or with AVX2 as the sums of two pairs.
pub(super) const VEX: u8 = 0;
pub(super) const EVEX: u8 = 1;
pub(super) const PAIRS: u8 = 2;

/// Bytes, for values that are never negative.
#[derive(Clone, Copy)]
pub(super) struct NarrowBytes<const HOW: u8>(pub(super) __m256i);

impl<const HOW: u8> Lanes for NarrowBytes<HOW> {
    const PIXELS: usize = 8;
    const TAPS: usize = 4;
    const BLOCK: usize = 16;
    const GENTLE: bool = HOW == PAIRS;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn words(words: *const i32) -> Self {
        unsafe { Self(_mm256_loadu_si256(words.cast())) }
    }

    #[inline(always)]
    unsafe fn stack<X: Activation, const ROWS: usize>([a, b, c, d]: [*const X; 4]) -> Self {
        unsafe {
            if ROWS == 1 {
                return Self(_mm256_cvtepu8_epi32(_mm_loadl_epi64(a.cast())));
            }
            // Shuffles rather than shifts: each half of the lanes comes out of one.
            let ab = _mm_unpacklo_epi8(_mm_loadl_epi64(a.cast()), _mm_loadl_epi64(b.cast()));
            if ROWS == 2 {
                return Self(_mm256_cvtepu16_epi32(ab));
            }
            let c = _mm_loadl_epi64(c.cast());
            let d = if ROWS > 3 { _mm_loadl_epi64(d.cast()) } else { c };
            let cd = _mm_unpacklo_epi8(c, d);
            let all = _mm256_castsi128_si256(_mm_unpacklo_epi16(ab, cd));
            let all = _mm256_inserti128_si256::<1>(all, _mm_unpackhi_epi16(ab, cd));
            Self(all)
        }
    }

    #[inline(always)]
    unsafe fn broadcast(weights: *const i32) -> Self {
        unsafe { Self(_mm256_set1_epi32(weights.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        unsafe {
            Self(match HOW {
                VEX => _mm256_dpbusd_avx_epi32(sum.0, x.0, w.0),
                EVEX => _mm256_dpbusd_epi32(sum.0, x.0, w.0),
                _ => {
                    let pairs = _mm256_maddubs_epi16(x.0, w.0);
                    _mm256_add_epi32(sum.0, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
                }
            })
        }
    }

    #[inline(always)]
    unsafe fn max(a: Self, b: Self) -> Self {
        unsafe { Self(_mm256_max_epi32(a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn round(sum: Self, mask: Self, tie: Self, bits: Self) -> Self {
        unsafe { Self(Avx2::round(Avx2(sum.0), Avx2(mask.0), Avx2(tie.0), Avx2(bits.0)).0) }
    }

    #[inline(always)]
    unsafe fn first_words(words: *const i32, count: usize) -> Self {
        unsafe { Self(Avx2::first_words(words, count).0) }
    }

    #[inline(always)]
    unsafe fn first_bytes(bytes: *const u8, count: usize) -> Self {
        unsafe { Self(Avx2::first_bytes(bytes, count).0) }
    }

    #[inline(always)]
    unsafe fn division(bias: Self, bits: Self) -> [Self; 3] {
        unsafe {
            let [start, mask, tie] = Avx2::division(Avx2(bias.0), Avx2(bits.0));
            [Self(start.0), Self(mask.0), Self(tie.0)]
        }
    }

    #[inline(always)]
    unsafe fn exceeds(words: Self, limit: i32) -> bool {
        unsafe { Avx2::exceeds(Avx2(words.0), limit) }
    }

    #[inline(always)]
    unsafe fn scale(sum: Self, factors: Self) -> Self {
        unsafe { Self(Avx2::scale(Avx2(sum.0), Avx2(factors.0)).0) }
    }

    #[inline(always)]
    unsafe fn narrow<Y: Activation>([a, b, c, d]: [Self; 4], bounds: [i32; 2], to: *mut u8) {
        unsafe { Avx2::narrow::<Y>([Avx2(a.0), Avx2(b.0), Avx2(c.0), Avx2(d.0)], bounds, to) }
    }

    #[inline(always)]
    unsafe fn scatter<Y: Activation>([a, b, c, d]: [Self; 4], bounds: [i32; 2], to: [*mut u8; 4]) {
        unsafe { Avx2::scatter::<Y>([Avx2(a.0), Avx2(b.0), Avx2(c.0), Avx2(d.0)], bounds, to) }
    }

    #[inline(always)]
    unsafe fn gather<Y: Activation>([a, b, c, d]: [Self; 4], bounds: [i32; 2]) -> Self {
        unsafe {
            let order = _mm256_broadcastsi128_si256(_mm_loadu_si128(BY_LANE.as_ptr().cast()));
            let all = saturate::<Y>([Avx2(a.0), Avx2(b.0), Avx2(c.0), Avx2(d.0)], bounds);
            Self(_mm256_shuffle_epi8(all, order))
        }
    }

    #[inline(always)]
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4] {
        unsafe {
            let mut rows = [_mm256_setzero_si256(); 4];
            for i in 0..4 {
                // Four pixels to each half: halves are shuffled alone.
                let half = |n: usize| _mm_loadu_si128(x.add(at[n] + i * step).cast());
                rows[i] = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(half(0)), half(1));
            }
            transposed(rows).map(Self)
        }
    }

    #[inline(always)]
    unsafe fn pile(lower: Self, upper: Self, bits: u32) -> Self {
        unsafe { Self(Avx2::pile(Avx2(lower.0), Avx2(upper.0), bits).0) }
    }

    #[inline(always)]
    unsafe fn pairs(a: Self, b: Self) -> Self {
        unsafe { Self(Avx2::pairs(Avx2(a.0), Avx2(b.0)).0) }
    }

    const SPREADS: bool = true;

    #[inline(always)]
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self {
        unsafe { Self(Avx2::load(x, at).0) }
    }

    const ORDER: u32 = 0x0302_0100;
    const ORDER_STEP: u32 = 0x0101_0101;

    #[inline(always)]
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self {
        unsafe { Self(Avx2::spread(Avx2(values.0), order).0) }
    }

    #[inline(always)]
    unsafe fn load_twice(x: *const u8, second: usize) -> Self {
        unsafe { Self(Avx2::load_twice(x, second).0) }
    }

    #[inline(always)]
    unsafe fn arrange(values: Self, order: &[u32; 8]) -> Self {
        unsafe { Self(Avx2::arrange(Avx2(values.0), order).0) }
    }
}
