//! The host's vectors: one set of operations on 8, 16 or 32 values.
//!
//! Every function here is unsafe for one reason: the processor must have the extension, and loads
//! read as many values as the vector has lanes. All are inlined into functions that are compiled
//! for the extension.

use core::arch::x86_64::*;

/// Values of the widest vector.
pub(super) const WIDEST: usize = 32;

/// Vectors of 16-bit values, and of 32-bit sums of pairs of products.
///
/// # Safety
///
/// The processor must have the extension; pointers must be good for `LANES` values.
pub(super) trait Vector: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn i16(values: *const i16) -> Self;
    unsafe fn i8(values: *const i8) -> Self;
    unsafe fn u8(values: *const u8) -> Self;
    /// `sum` plus the products of `a` and `b`, pairs added.
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self;
    /// The four vectors' sums.
    unsafe fn reduce(sums: [Self; 4]) -> __m128i;
}

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
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> __m128i {
        unsafe {
            let ab = _mm_add_epi32(_mm_unpacklo_epi32(a.0, b.0), _mm_unpackhi_epi32(a.0, b.0));
            let cd = _mm_add_epi32(_mm_unpacklo_epi32(c.0, d.0), _mm_unpackhi_epi32(c.0, d.0));
            _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd))
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256i);

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

#[derive(Clone, Copy)]
pub(super) struct Vnni(__m512i);

impl Vector for Vnni {
    const LANES: usize = WIDEST;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm512_setzero_si512()) }
    }

    #[inline(always)]
    unsafe fn i16(values: *const i16) -> Self {
        unsafe { Self(_mm512_loadu_si512(values.cast())) }
    }

    #[inline(always)]
    unsafe fn i8(values: *const i8) -> Self {
        unsafe { Self(_mm512_cvtepi8_epi16(_mm256_loadu_si256(values.cast()))) }
    }

    #[inline(always)]
    unsafe fn u8(values: *const u8) -> Self {
        unsafe { Self(_mm512_cvtepu8_epi16(_mm256_loadu_si256(values.cast()))) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm512_dpwssd_epi32(sum.0, a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> __m128i {
        unsafe { Avx2::reduce([a.halve(), b.halve(), c.halve(), d.halve()]) }
    }
}

impl Vnni {
    /// The sums of the lower and the upper half. (Not a closure: those do not inherit the
    /// caller's extensions.)
    #[inline(always)]
    unsafe fn halve(self) -> Avx2 {
        unsafe {
            let high = _mm512_extracti64x4_epi64::<1>(self.0);
            Avx2(_mm256_add_epi32(_mm512_castsi512_si256(self.0), high))
        }
    }
}
