//! SSE2, which every x86-64 has: 8 multiply-accumulates of 16 bits in one instruction.
//!
//! All functions are unsafe as their traits say: what pointers must be good for.

use core::arch::x86_64::*;
use core::mem::transmute;

use super::panel::QUADS;
use super::vectors::{Lanes, Vector};
use crate::Activation;

#[derive(Clone, Copy)]
pub(super) struct Sse2(pub(super) __m128i);

impl Vector for Sse2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm_setzero_si128()) }
    }

    #[inline(always)]
    unsafe fn i16(values: *const i16) -> Self {
        unsafe { Self(_mm_loadu_si128(values.cast())) }
    }

    #[inline(always)]
    unsafe fn i8(values: *const i8) -> Self {
        unsafe {
            let bytes = _mm_loadl_epi64(values.cast());
            Self(_mm_srai_epi16::<8>(_mm_unpacklo_epi8(bytes, bytes)))
        }
    }

    #[inline(always)]
    unsafe fn u8(values: *const u8) -> Self {
        unsafe { Self(_mm_unpacklo_epi8(_mm_loadl_epi64(values.cast()), _mm_setzero_si128())) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm_add_epi32(sum.0, _mm_madd_epi16(a.0, b.0))) }
    }

    #[inline(always)]
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> [i32; 4] {
        unsafe {
            let ab = _mm_add_epi32(_mm_unpacklo_epi32(a.0, b.0), _mm_unpackhi_epi32(a.0, b.0));
            let cd = _mm_add_epi32(_mm_unpacklo_epi32(c.0, d.0), _mm_unpackhi_epi32(c.0, d.0));
            transmute::<__m128i, [i32; 4]>(_mm_add_epi32(
                _mm_unpacklo_epi64(ab, cd),
                _mm_unpackhi_epi64(ab, cd),
            ))
        }
    }
}

impl Lanes for Sse2 {
    const PIXELS: usize = 4;
    const TAPS: usize = 2;
    const BLOCK: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm_setzero_si128()) }
    }

    #[inline(always)]
    unsafe fn words(words: *const i32) -> Self {
        unsafe { Self(_mm_loadu_si128(words.cast())) }
    }

    #[inline(always)]
    unsafe fn stack<X: Activation, const ROWS: usize>([a, b, ..]: [*const X; 4]) -> Self {
        unsafe {
            let four = |x: *const X| _mm_cvtsi32_si128(x.cast::<i32>().read_unaligned());
            let b = if ROWS == 1 { _mm_setzero_si128() } else { four(b) };
            let both = _mm_unpacklo_epi8(four(a), b);
            Self(match X::UNSIGNED {
                true => _mm_unpacklo_epi8(both, _mm_setzero_si128()),
                false => _mm_srai_epi16::<8>(_mm_unpacklo_epi8(both, both)),
            })
        }
    }

    #[inline(always)]
    unsafe fn broadcast(weights: *const i32) -> Self {
        unsafe { Self(_mm_set1_epi32(weights.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        unsafe { <Self as Vector>::multiply(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn max(a: Self, b: Self) -> Self {
        unsafe {
            let a_larger = _mm_cmpgt_epi32(a.0, b.0);
            Self(_mm_or_si128(_mm_and_si128(a_larger, a.0), _mm_andnot_si128(a_larger, b.0)))
        }
    }

    #[inline(always)]
    unsafe fn round(sum: Self, mask: Self, tie: Self, bits: Self) -> Self {
        unsafe {
            let ties = _mm_cmpeq_epi32(_mm_and_si128(sum.0, mask.0), tie.0);
            let floor = _mm_sra_epi32(sum.0, _mm_srli_epi64::<32>(bits.0));
            Self(_mm_add_epi32(floor, ties))
        }
    }

    #[inline(always)]
    unsafe fn scale(sum: Self, factors: Self) -> Self {
        unsafe {
            let factors = _mm_castsi128_ps(factors.0);
            Self(_mm_cvtps_epi32(_mm_mul_ps(_mm_cvtepi32_ps(sum.0), factors)))
        }
    }

    #[inline(always)]
    unsafe fn narrow<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: *mut u8) {
        unsafe { _mm_storeu_si128(to.cast(), saturate::<Y>(four, bounds)) }
    }

    #[inline(always)]
    unsafe fn scatter<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: [*mut u8; 4]) {
        unsafe {
            let mut bytes = saturate::<Y>(four, bounds);
            for to in to {
                to.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(bytes));
                bytes = _mm_srli_si128::<4>(bytes);
            }
        }
    }

    #[inline(always)]
    unsafe fn gather<Y: Activation>(four: [Self; 4], bounds: [i32; 2]) -> Self {
        unsafe {
            let all = saturate::<Y>(four, bounds);
            let pairs = _mm_unpacklo_epi8(all, _mm_srli_si128::<8>(all));
            Self(_mm_unpacklo_epi8(pairs, _mm_srli_si128::<8>(pairs)))
        }
    }

    #[inline(always)]
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4] {
        unsafe {
            let mut rows = [_mm_setzero_si128(); 4];
            for i in 0..4 {
                let x = x.add(at[0] + i * step);
                rows[i] = if X::UNSIGNED { Self::u8(x.cast()).0 } else { Self::i8(x.cast()).0 };
            }
            let [a, b, c, d] = rows;
            let [ab, cd] = [_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d)];
            let [ab_high, cd_high] = [_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d)];
            [
                Self(_mm_unpacklo_epi64(ab, cd)),
                Self(_mm_unpackhi_epi64(ab, cd)),
                Self(_mm_unpacklo_epi64(ab_high, cd_high)),
                Self(_mm_unpackhi_epi64(ab_high, cd_high)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn pile(lower: Self, upper: Self, bits: u32) -> Self {
        unsafe {
            let mask = _mm_set1_epi32(!(-1 << bits));
            let above = _mm_sll_epi32(upper.0, _mm_cvtsi32_si128(bits as i32));
            Self(_mm_or_si128(_mm_and_si128(lower.0, mask), above))
        }
    }

    #[inline(always)]
    unsafe fn pairs(a: Self, b: Self) -> Self {
        unsafe {
            let [a, b] = [_mm_castsi128_ps(a.0), _mm_castsi128_ps(b.0)];
            let even = Self(_mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(a, b)));
            let odd = Self(_mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(a, b)));
            Self::max(even, odd)
        }
    }

    const SPREADS: bool = false;

    #[inline(always)]
    unsafe fn load(x: *const u8, _: &[usize; QUADS]) -> Self {
        unsafe { Self(_mm_loadu_si128(x.cast())) }
    }

    const ORDER: u32 = 0;
    const ORDER_STEP: u32 = 0;

    #[inline(always)]
    unsafe fn spread(values: Self, _: &[u32; 4]) -> Self {
        values
    }

    #[inline(always)]
    unsafe fn load_twice(x: *const u8, _: usize) -> Self {
        unsafe { Self(_mm_loadu_si128(x.cast())) }
    }

    #[inline(always)]
    unsafe fn arrange(values: Self, _: &[u32; 8]) -> Self {
        values
    }
}

/// The words of the four vectors as bytes between two bounds, one vector after the other.
#[inline(always)]
unsafe fn saturate<Y: Activation>([a, b, c, d]: [Sse2; 4], [low, high]: [i32; 2]) -> __m128i {
    unsafe {
        let [ab, cd] = [_mm_packs_epi32(a.0, b.0), _mm_packs_epi32(c.0, d.0)];
        let [low, high] = [low, high].map(|bound| Y::saturate(bound).to_i32() as i16);
        let keep =
            |words| _mm_min_epi16(_mm_max_epi16(words, _mm_set1_epi16(low)), _mm_set1_epi16(high));
        let [ab, cd] = [keep(ab), keep(cd)];
        if Y::UNSIGNED { _mm_packus_epi16(ab, cd) } else { _mm_packs_epi16(ab, cd) }
    }
}
