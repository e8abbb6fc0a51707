//! AVX2: 16 multiply-accumulates of 16 bits in one instruction.
//!
//! All functions are unsafe as their traits say: the processor must have AVX2, and what pointers
//! must be good for.

use core::arch::x86_64::*;

use super::panel::QUADS;
use super::vectors::{Lanes, Vector};
use crate::Activation;

#[derive(Clone, Copy)]
pub(super) struct Avx2(pub(super) __m256i);

impl Vector for Avx2 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn i16(values: *const i16) -> Self {
        unsafe { Self(_mm256_loadu_si256(values.cast())) }
    }

    #[inline(always)]
    unsafe fn i8(values: *const i8) -> Self {
        unsafe { Self(_mm256_cvtepi8_epi16(_mm_loadu_si128(values.cast()))) }
    }

    #[inline(always)]
    unsafe fn u8(values: *const u8) -> Self {
        unsafe { Self(_mm256_cvtepu8_epi16(_mm_loadu_si128(values.cast()))) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm256_add_epi32(sum.0, _mm256_madd_epi16(a.0, b.0))) }
    }

    #[inline(always)]
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> __m128i {
        unsafe {
            let sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a.0, b.0), _mm256_hadd_epi32(c.0, d.0));
            _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))
        }
    }
}

impl Lanes for Avx2 {
    const PIXELS: usize = 8;
    const TAPS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn broadcast(weights: *const i32) -> Self {
        unsafe { Self(_mm256_set1_epi32(weights.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        unsafe { <Self as Vector>::multiply(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn max(a: Self, b: Self) -> Self {
        unsafe { Self(_mm256_max_epi32(a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4] {
        unsafe {
            let mut rows = [_mm256_setzero_si256(); 4];
            for i in 0..4 {
                // Four pixels to each half: halves are shuffled alone.
                let half = |n: usize| _mm_loadl_epi64(x.add(at[n] + i * step).cast());
                let both = _mm_unpacklo_epi64(half(0), half(1));
                rows[i] = match X::UNSIGNED {
                    true => _mm256_cvtepu8_epi16(both),
                    false => _mm256_cvtepi8_epi16(both),
                };
            }
            let [a, b, c, d] = rows;
            let [ab, cd] = [_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d)];
            let [ab_high, cd_high] = [_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d)];
            [
                Self(_mm256_unpacklo_epi64(ab, cd)),
                Self(_mm256_unpackhi_epi64(ab, cd)),
                Self(_mm256_unpacklo_epi64(ab_high, cd_high)),
                Self(_mm256_unpackhi_epi64(ab_high, cd_high)),
            ]
        }
    }

    const SPREADS: bool = true;

    #[inline(always)]
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self {
        unsafe {
            let [low, high] = [0, 1].map(|n| _mm_loadu_si128(x.add(at[n]).cast()));
            Self(_mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high))
        }
    }

    /// A number of 0xff stands for zero, the upper half of a value.
    const ORDER: u32 = 0xff01_ff00;
    const ORDER_STEP: u32 = 0x1_0001;

    #[inline(always)]
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self {
        unsafe {
            let order = _mm_loadu_si128(order.as_ptr().cast());
            Self(_mm256_shuffle_epi8(values.0, _mm256_broadcastsi128_si256(order)))
        }
    }
}
