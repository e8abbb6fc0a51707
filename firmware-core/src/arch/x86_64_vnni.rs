//! AVX-512 with VNNI: 32 multiply-accumulates of 16 bits or 64 of 8 bits in one instruction.
//!
//! All functions are unsafe as their traits say: the processor must have the extensions, and what
//! pointers must be good for.

use core::arch::asm;
use core::arch::x86_64::*;

use super::avx2::{Avx2, BY_LANE};
use super::panel::QUADS;
use super::vectors::{Lanes, Vector, WIDEST};
use crate::Activation;

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
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> [i32; 4] {
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

/// Bytes, for values that are never negative.
#[derive(Clone, Copy)]
pub(super) struct VnniBytes(pub(super) __m512i);

impl VnniBytes {
    /// The sums of products of `len` values and as many weights of each of four rows.
    ///
    /// # Safety
    ///
    /// The processor must have the extensions, and the pointers be good for as many bytes.
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) unsafe fn dot4(x: *const u8, len: usize, rows: *const i8) -> [i32; 4] {
        let mut sums = [_mm512_setzero_si512(); 4];
        for at in (0..len).step_by(64) {
            // What lies behind the end is neither loaded nor counted.
            let some = u64::MAX >> 64usize.saturating_sub(len - at);
            // SAFETY: as the caller promises.
            unsafe {
                let x = _mm512_maskz_loadu_epi8(some, x.add(at).cast());
                for (row, sum) in sums.iter_mut().enumerate() {
                    let w = _mm512_maskz_loadu_epi8(some, rows.add(row * len + at));
                    *sum = _mm512_dpbusd_epi32(*sum, x, w);
                }
            }
        }
        // SAFETY: the caller has found the extensions.
        unsafe { Vnni::reduce(sums.map(Vnni)) }
    }
}

impl Lanes for VnniBytes {
    const PIXELS: usize = 16;
    const TAPS: usize = 4;
    const BLOCK: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm512_setzero_si512()) }
    }

    #[inline(always)]
    unsafe fn words(words: *const i32) -> Self {
        unsafe { Self(_mm512_loadu_si512(words.cast())) }
    }

    #[inline(always)]
    unsafe fn stack<X: Activation, const ROWS: usize>([a, b, c, d]: [*const X; 4]) -> Self {
        unsafe {
            let mut all = bytes(a.cast());
            if ROWS > 1 {
                all = _mm512_or_si512(all, _mm512_slli_epi32::<8>(bytes(b.cast())));
            }
            if ROWS > 2 {
                all = _mm512_or_si512(all, _mm512_slli_epi32::<16>(bytes(c.cast())));
            }
            if ROWS > 3 {
                all = _mm512_or_si512(all, _mm512_slli_epi32::<24>(bytes(d.cast())));
            }
            Self(all)
        }
    }

    #[inline(always)]
    unsafe fn broadcast(weights: *const i32) -> Self {
        unsafe { Self(_mm512_set1_epi32(weights.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        unsafe { Self(_mm512_dpbusd_epi32(sum.0, x.0, w.0)) }
    }

    #[inline(always)]
    unsafe fn max(a: Self, b: Self) -> Self {
        unsafe { Self(_mm512_max_epi32(a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn round(sum: Self, mask: Self, tie: Self, bits: Self) -> Self {
        unsafe {
            let ties = _mm512_cmpeq_epi32_mask(_mm512_and_si512(sum.0, mask.0), tie.0);
            let floor = shifted(sum.0, bits.0);
            Self(_mm512_mask_sub_epi32(floor, ties, floor, _mm512_set1_epi32(1)))
        }
    }

    #[inline(always)]
    unsafe fn first_words(words: *const i32, count: usize) -> Self {
        unsafe { Self(_mm512_maskz_loadu_epi32(first_lanes(count), words)) }
    }

    #[inline(always)]
    unsafe fn first_bytes(bytes: *const u8, count: usize) -> Self {
        unsafe {
            let bytes = _mm_maskz_loadu_epi8(first_lanes(count), bytes.cast());
            Self(_mm512_cvtepu8_epi32(bytes))
        }
    }

    #[inline(always)]
    unsafe fn division(bias: Self, bits: Self) -> [Self; 3] {
        unsafe {
            let one = _mm512_set1_epi32(1);
            let tie = _mm512_sllv_epi32(one, bits.0);
            let divides = _mm512_test_epi32_mask(bits.0, bits.0);
            let half = _mm512_srli_epi32::<1>(tie);
            let start = _mm512_mask_add_epi32(bias.0, divides, bias.0, half);
            let mask = _mm512_maskz_sub_epi32(divides, _mm512_add_epi32(tie, tie), one);
            [Self(start), Self(mask), Self(tie)]
        }
    }

    #[inline(always)]
    unsafe fn exceeds(words: Self, limit: i32) -> bool {
        unsafe {
            let sign = _mm512_srai_epi32::<31>(words.0);
            let words = _mm512_xor_si512(words.0, sign);
            _mm512_cmpgt_epi32_mask(words, _mm512_set1_epi32(limit)) != 0
        }
    }

    #[inline(always)]
    unsafe fn scale(sum: Self, factors: Self) -> Self {
        unsafe {
            let factors = _mm512_castsi512_ps(factors.0);
            Self(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum.0), factors)))
        }
    }

    #[inline(always)]
    unsafe fn narrow<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: *mut u8) {
        unsafe {
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, saturate::<Y>(four, bounds));
            _mm512_storeu_si512(to.cast(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn scatter<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: [*mut u8; 4]) {
        unsafe {
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, saturate::<Y>(four, bounds));
            _mm_storeu_si128(to[0].cast(), _mm512_castsi512_si128(bytes));
            _mm_storeu_si128(to[1].cast(), _mm512_extracti32x4_epi32::<1>(bytes));
            _mm_storeu_si128(to[2].cast(), _mm512_extracti32x4_epi32::<2>(bytes));
            _mm_storeu_si128(to[3].cast(), _mm512_extracti32x4_epi32::<3>(bytes));
        }
    }

    #[inline(always)]
    unsafe fn gather<Y: Activation>(four: [Self; 4], bounds: [i32; 2]) -> Self {
        unsafe {
            let order = _mm512_broadcast_i32x4(_mm_loadu_si128(BY_LANE.as_ptr().cast()));
            Self(_mm512_shuffle_epi8(saturate::<Y>(four, bounds), order))
        }
    }

    #[inline(always)]
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4] {
        unsafe {
            let mut rows = [_mm512_setzero_si512(); 4];
            for i in 0..4 {
                // Four pixels to each quarter: quarters are shuffled alone.
                let quarter = |n: usize| _mm_loadu_si128(x.add(at[n] + i * step).cast());
                let row = _mm512_castsi128_si512(quarter(0));
                let row = _mm512_inserti32x4::<1>(row, quarter(1));
                let row = _mm512_inserti32x4::<2>(row, quarter(2));
                rows[i] = _mm512_inserti32x4::<3>(row, quarter(3));
            }
            let [a, b, c, d] = rows;
            let [ab, cd] = [_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d)];
            let [ab_high, cd_high] = [_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d)];
            [
                Self(_mm512_unpacklo_epi64(ab, cd)),
                Self(_mm512_unpackhi_epi64(ab, cd)),
                Self(_mm512_unpacklo_epi64(ab_high, cd_high)),
                Self(_mm512_unpackhi_epi64(ab_high, cd_high)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn pile(lower: Self, upper: Self, bits: u32) -> Self {
        unsafe {
            let mask = _mm512_set1_epi32(!(-1 << bits));
            let above = _mm512_sll_epi32(upper.0, _mm_cvtsi32_si128(bits as i32));
            Self(_mm512_or_si512(_mm512_and_si512(lower.0, mask), above))
        }
    }

    #[inline(always)]
    unsafe fn pairs(a: Self, b: Self) -> Self {
        unsafe {
            let [a, b] = [a, b].map(|v| _mm512_castsi512_ps(v.0));
            let even = _mm512_castps_si512(_mm512_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm512_castps_si512(_mm512_shuffle_ps::<0b11_01_11_01>(a, b));
            Self(_mm512_max_epi32(even, odd))
        }
    }

    const DOUBLES: bool = true;

    #[inline(always)]
    unsafe fn broadcast_two(words: *const i32) -> Self {
        unsafe { Self(_mm512_set1_epi64(words.cast::<i64>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn zip(a: Self, b: Self) -> [Self; 2] {
        unsafe { [Self(_mm512_unpacklo_epi32(a.0, b.0)), Self(_mm512_unpackhi_epi32(a.0, b.0))] }
    }

    #[inline(always)]
    unsafe fn add_neighbours(start: Self, [a, b]: [Self; 2]) -> Self {
        unsafe {
            let [a, b] = [_mm512_castsi512_ps(a.0), _mm512_castsi512_ps(b.0)];
            let even = _mm512_castps_si512(_mm512_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm512_castps_si512(_mm512_shuffle_ps::<0b11_01_11_01>(a, b));
            Self(_mm512_add_epi32(start.0, _mm512_add_epi32(even, odd)))
        }
    }

    const SPREADS: bool = true;

    #[inline(always)]
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self {
        unsafe {
            let [a, b, c, d] = [0, 1, 2, 3].map(|n| _mm_loadu_si128(x.add(at[n]).cast()));
            let low = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
            Self(_mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(low, c), d))
        }
    }

    const ORDER: u32 = 0x0302_0100;
    const ORDER_STEP: u32 = 0x0101_0101;

    #[inline(always)]
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self {
        unsafe {
            let order = _mm_loadu_si128(order.as_ptr().cast());
            Self(_mm512_shuffle_epi8(values.0, _mm512_broadcast_i32x4(order)))
        }
    }

    #[inline(always)]
    unsafe fn load_twice(x: *const u8, second: usize) -> Self {
        unsafe {
            let first = _mm256_broadcastsi128_si256(_mm_loadu_si128(x.cast()));
            let other = _mm256_broadcastsi128_si256(_mm_loadu_si128(x.add(second).cast()));
            Self(_mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), other))
        }
    }

    #[inline(always)]
    unsafe fn arrange(values: Self, order: &[u32; 8]) -> Self {
        unsafe {
            let order = _mm512_broadcast_i64x4(_mm256_loadu_si256(order.as_ptr().cast()));
            Self(_mm512_shuffle_epi8(values.0, order))
        }
    }

    const PICKS: bool = true;

    #[inline(always)]
    unsafe fn load_rows(x: *const u8, second: usize, end: usize) -> [[Self; 2]; 2] {
        unsafe {
            let mut rows = [[Self::zero(); 2]; 2];
            for n in 0..4 {
                let x = x.wrapping_add(n / 2 * second + n % 2 * 64);
                rows[n / 2][n % 2] = Self(bytes_until(x, end));
            }
            rows
        }
    }

    #[inline(always)]
    unsafe fn pick(rows: &[[Self; 2]; 2], order: &[u16; 32], behind: usize) -> [Self; 2] {
        unsafe {
            let order = _mm512_loadu_si512(order.as_ptr().cast());
            let order = _mm512_add_epi16(order, _mm512_set1_epi16(behind as i16));
            let [[a, a_more], [b, b_more]] = *rows;
            let a = _mm512_permutex2var_epi16(a.0, order, a_more.0);
            let b = _mm512_permutex2var_epi16(b.0, order, b_more.0);
            [
                Self(_mm512_inserti64x4::<1>(a, _mm512_castsi512_si256(b))),
                Self(_mm512_shuffle_i64x2::<0b11_10_11_10>(a, b)),
            ]
        }
    }
}

/// As many lanes, of which there are 16.
#[inline(always)]
fn first_lanes(count: usize) -> u16 {
    match count {
        16.. => u16::MAX,
        _ => (1 << count) - 1,
    }
}

/// Each word divided by a power of two, rounded down.
///
/// # Safety
///
/// The processor must have the extension.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn shifted(words: __m512i, bits: __m512i) -> __m512i {
    let floor;
    // The compiler makes four instructions of it where all lanes are shifted alike.
    // SAFETY: nothing but the register is written.
    unsafe {
        asm!(
            "vpsravd {floor}, {words}, {bits}",
            floor = lateout(zmm_reg) floor,
            words = in(zmm_reg) words,
            bits = in(zmm_reg) bits,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    floor
}

/// The bytes from `x` on, and zeros behind `end`.
#[inline(always)]
unsafe fn bytes_until(x: *const u8, end: usize) -> __m512i {
    let left = end.saturating_sub(x as usize);
    // SAFETY: as the caller promises.
    unsafe {
        match left {
            64.. => _mm512_loadu_si512(x.cast()),
            _ => _mm512_maskz_loadu_epi8((1 << left) - 1, x.cast()),
        }
    }
}

/// A byte to each lane.
#[inline(always)]
unsafe fn bytes(x: *const u8) -> __m512i {
    unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(x.cast())) }
}

/// The words of the four vectors as bytes between two bounds. Each quarter has those of the vectors'
/// quarters, one vector after the other.
#[inline(always)]
pub(super) unsafe fn saturate<Y: Activation>(
    [a, b, c, d]: [VnniBytes; 4],
    [low, high]: [i32; 2],
) -> __m512i {
    unsafe {
        let [ab, cd] = [_mm512_packs_epi32(a.0, b.0), _mm512_packs_epi32(c.0, d.0)];
        let [low, high] = [low, high].map(|bound| Y::saturate(bound).to_i32());
        if Y::UNSIGNED {
            let mut bytes = _mm512_packus_epi16(ab, cd);
            if low > 0 {
                bytes = _mm512_max_epu8(bytes, _mm512_set1_epi8(low as i8));
            }
            if high < 255 {
                bytes = _mm512_min_epu8(bytes, _mm512_set1_epi8(high as i8));
            }
            return bytes;
        }
        let mut bytes = _mm512_packs_epi16(ab, cd);
        if low > -128 {
            bytes = _mm512_max_epi8(bytes, _mm512_set1_epi8(low as i8));
        }
        if high < 127 {
            bytes = _mm512_min_epi8(bytes, _mm512_set1_epi8(high as i8));
        }
        bytes
    }
}
