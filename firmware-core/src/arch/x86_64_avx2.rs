//! AVX2: 16 multiply-accumulates of 16 bits in one instruction.
//!
//! All functions are unsafe as their traits say: the processor must have AVX2, and what pointers
//! must be good for.

use core::arch::x86_64::*;
use core::mem::transmute;

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
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> [i32; 4] {
        unsafe {
            let sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a.0, b.0), _mm256_hadd_epi32(c.0, d.0));
            transmute::<__m128i, [i32; 4]>(_mm_add_epi32(
                _mm256_castsi256_si128(sums),
                _mm256_extracti128_si256::<1>(sums),
            ))
        }
    }
}

impl Lanes for Avx2 {
    const PIXELS: usize = 8;
    const TAPS: usize = 2;
    const BLOCK: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn words(words: *const i32) -> Self {
        unsafe { Self(_mm256_loadu_si256(words.cast())) }
    }

    #[inline(always)]
    unsafe fn stack<X: Activation, const ROWS: usize>([a, b, ..]: [*const X; 4]) -> Self {
        unsafe {
            let a = _mm_loadl_epi64(a.cast());
            if ROWS == 1 {
                // What is negative fills the upper half, too.
                return Self(match X::UNSIGNED {
                    true => _mm256_cvtepu8_epi32(a),
                    false => _mm256_cvtepi8_epi32(a),
                });
            }
            let both = _mm_unpacklo_epi8(a, _mm_loadl_epi64(b.cast()));
            Self(match X::UNSIGNED {
                true => _mm256_cvtepu8_epi16(both),
                false => _mm256_cvtepi8_epi16(both),
            })
        }
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
    unsafe fn round(sum: Self, mask: Self, tie: Self, bits: Self) -> Self {
        unsafe {
            let ties = _mm256_cmpeq_epi32(_mm256_and_si256(sum.0, mask.0), tie.0);
            Self(_mm256_add_epi32(_mm256_srav_epi32(sum.0, bits.0), ties))
        }
    }

    #[inline(always)]
    unsafe fn first_words(words: *const i32, count: usize) -> Self {
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let first = _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), lanes);
            Self(_mm256_maskload_epi32(words, first))
        }
    }

    #[inline(always)]
    unsafe fn first_bytes(bytes: *const u8, count: usize) -> Self {
        unsafe {
            let all = match count {
                8.. => bytes.cast::<i64>().read_unaligned(),
                _ => {
                    let one = |n: usize| i64::from(bytes.add(n).read()) << (8 * n);
                    (0..count).fold(0, |all, n| all | one(n))
                }
            };
            Self(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(all)))
        }
    }

    #[inline(always)]
    unsafe fn division(bias: Self, bits: Self) -> [Self; 3] {
        unsafe {
            let one = _mm256_set1_epi32(1);
            let tie = _mm256_sllv_epi32(one, bits.0);
            let divides = _mm256_cmpgt_epi32(bits.0, _mm256_setzero_si256());
            let half = _mm256_and_si256(divides, _mm256_srli_epi32::<1>(tie));
            let mask = _mm256_sub_epi32(_mm256_add_epi32(tie, tie), one);
            let mask = _mm256_and_si256(divides, mask);
            [Self(_mm256_add_epi32(bias.0, half)), Self(mask), Self(tie)]
        }
    }

    #[inline(always)]
    unsafe fn exceeds(words: Self, limit: i32) -> bool {
        unsafe {
            let words = _mm256_xor_si256(words.0, _mm256_srai_epi32::<31>(words.0));
            _mm256_movemask_epi8(_mm256_cmpgt_epi32(words, _mm256_set1_epi32(limit))) != 0
        }
    }

    #[inline(always)]
    unsafe fn scale(sum: Self, factors: Self) -> Self {
        unsafe {
            let factors = _mm256_castsi256_ps(factors.0);
            Self(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sum.0), factors)))
        }
    }

    #[inline(always)]
    unsafe fn narrow<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: *mut u8) {
        unsafe {
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let bytes = _mm256_permutevar8x32_epi32(saturate::<Y>(four, bounds), order);
            _mm256_storeu_si256(to.cast(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn scatter<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: [*mut u8; 4]) {
        unsafe {
            let bytes = saturate::<Y>(four, bounds);
            let [low, high] = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
            let [ab, cd] = [_mm_unpacklo_epi32(low, high), _mm_unpackhi_epi32(low, high)];
            _mm_storel_epi64(to[0].cast(), ab);
            _mm_storeh_pd(to[1].cast(), _mm_castsi128_pd(ab));
            _mm_storel_epi64(to[2].cast(), cd);
            _mm_storeh_pd(to[3].cast(), _mm_castsi128_pd(cd));
        }
    }

    #[inline(always)]
    unsafe fn gather<Y: Activation>(four: [Self; 4], bounds: [i32; 2]) -> Self {
        unsafe {
            let order = _mm256_broadcastsi128_si256(_mm_loadu_si128(BY_LANE.as_ptr().cast()));
            Self(_mm256_shuffle_epi8(saturate::<Y>(four, bounds), order))
        }
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
            transposed(rows).map(Self)
        }
    }

    #[inline(always)]
    unsafe fn pile(lower: Self, upper: Self, bits: u32) -> Self {
        unsafe {
            let mask = _mm256_set1_epi32(!(-1 << bits));
            let above = _mm256_sll_epi32(upper.0, _mm_cvtsi32_si128(bits as i32));
            Self(_mm256_or_si256(_mm256_and_si256(lower.0, mask), above))
        }
    }

    #[inline(always)]
    unsafe fn pairs(a: Self, b: Self) -> Self {
        unsafe {
            let [a, b] = [_mm256_castsi256_ps(a.0), _mm256_castsi256_ps(b.0)];
            let even = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            Self(_mm256_max_epi32(even, odd))
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

    #[inline(always)]
    unsafe fn load_twice(x: *const u8, _: usize) -> Self {
        unsafe { Self(_mm256_broadcastsi128_si256(_mm_loadu_si128(x.cast()))) }
    }

    #[inline(always)]
    unsafe fn arrange(values: Self, order: &[u32; 8]) -> Self {
        unsafe { Self(_mm256_shuffle_epi8(values.0, _mm256_loadu_si256(order.as_ptr().cast()))) }
    }
}

/// The order in which the bytes of four lanes of four vectors, one vector after the other, are those of four
/// vectors, one lane after the other.
pub(super) const BY_LANE: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

/// The words of the four vectors as bytes between two bounds. Each half has those of the vectors' halves,
/// one vector after the other.
#[inline(always)]
pub(super) unsafe fn saturate<Y: Activation>(
    [a, b, c, d]: [Avx2; 4],
    [low, high]: [i32; 2],
) -> __m256i {
    unsafe {
        let [ab, cd] = [_mm256_packs_epi32(a.0, b.0), _mm256_packs_epi32(c.0, d.0)];
        let [low, high] = [low, high].map(|bound| Y::saturate(bound).to_i32());
        if Y::UNSIGNED {
            let mut bytes = _mm256_packus_epi16(ab, cd);
            if low > 0 {
                bytes = _mm256_max_epu8(bytes, _mm256_set1_epi8(low as i8));
            }
            if high < 255 {
                bytes = _mm256_min_epu8(bytes, _mm256_set1_epi8(high as i8));
            }
            return bytes;
        }
        let mut bytes = _mm256_packs_epi16(ab, cd);
        if low > -128 {
            bytes = _mm256_max_epi8(bytes, _mm256_set1_epi8(low as i8));
        }
        if high < 127 {
            bytes = _mm256_min_epi8(bytes, _mm256_set1_epi8(high as i8));
        }
        bytes
    }
}

/// Of four vectors the first words of each half, then the second ones, and so on.
///
/// # Safety
///
/// The processor must have AVX2.
#[inline(always)]
pub(super) unsafe fn transposed([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let [ab, cd] = [_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d)];
        let [ab_high, cd_high] = [_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d)];
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}
