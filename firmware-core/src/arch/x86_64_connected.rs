//! Fully connected layers: the sums of 8 or 16 outputs are added across lanes together, and what becomes of
//! them is computed as vectors.

use core::arch::x86_64::*;

use super::avx2::Avx2;
use super::narrow::{NarrowBytes, PAIRS, VEX};
use super::outputs::Ending;
use super::vectors::Lanes;
use super::vnni::VnniBytes;
use crate::Activation;

/// A fully connected layer with weights `[output][input]`.
pub(super) struct Connected<'a, X, R> {
    pub x: &'a [X],
    pub weights: &'a [i8],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// Outputs that are computed together.
const ROWS: usize = 8;
const WIDE_ROWS: usize = 16;

/// Most that are left over and computed in fours.
const FEW_ROWS: usize = 8;

/// Most values of a [`Dot`].
const MOST: usize = 32;

/// Vectors of 32 bytes of values or weights, as products of them are added up.
///
/// # Safety
///
/// The processor must have the extension, and pointers be good for `VALUES` values.
pub(super) trait Dot: Copy {
    const VALUES: usize;
    unsafe fn values<X: Activation>(x: *const X) -> Self;
    unsafe fn weights(weights: *const i8) -> Self;
    /// What products can be added up of: the values, or what they are without `rest`.
    #[inline(always)]
    unsafe fn most(self) -> Self {
        self
    }
    /// What is left of the values, if anything.
    #[inline(always)]
    unsafe fn rest(self) -> Option<Self> {
        None
    }
    /// `sum` plus products, several to each of eight words.
    unsafe fn multiply(sum: __m256i, x: Self, w: Self) -> __m256i;
}

impl Dot for Avx2 {
    const VALUES: usize = 16;

    #[inline(always)]
    unsafe fn values<X: Activation>(x: *const X) -> Self {
        unsafe {
            let x = _mm_loadu_si128(x.cast());
            Self(match X::UNSIGNED {
                true => _mm256_cvtepu8_epi16(x),
                false => _mm256_cvtepi8_epi16(x),
            })
        }
    }

    #[inline(always)]
    unsafe fn weights(weights: *const i8) -> Self {
        unsafe { Self(_mm256_cvtepi8_epi16(_mm_loadu_si128(weights.cast()))) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: __m256i, x: Self, w: Self) -> __m256i {
        unsafe { <Self as Lanes>::multiply(Self(sum), x, w).0 }
    }
}

/// Values must not be negative.
impl<const HOW: u8> Dot for NarrowBytes<HOW> {
    const VALUES: usize = 32;

    /// Where pairs of products are added in 16 bits: the lower seven.
    #[inline(always)]
    unsafe fn most(self) -> Self {
        match HOW {
            PAIRS => unsafe { Self(_mm256_and_si256(self.0, _mm256_set1_epi8(127))) },
            _ => self,
        }
    }

    /// 128 or 0.
    #[inline(always)]
    unsafe fn rest(self) -> Option<Self> {
        unsafe {
            let highest = _mm256_and_si256(self.0, _mm256_set1_epi8(-128));
            let some = HOW == PAIRS && _mm256_testz_si256(highest, highest) == 0;
            some.then_some(Self(highest))
        }
    }

    #[inline(always)]
    unsafe fn values<X: Activation>(x: *const X) -> Self {
        unsafe { Self::words(x.cast()) }
    }

    #[inline(always)]
    unsafe fn weights(weights: *const i8) -> Self {
        unsafe { Self::words(weights.cast()) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: __m256i, x: Self, w: Self) -> __m256i {
        unsafe { <Self as Lanes>::multiply(Self(sum), x, w).0 }
    }
}

impl<X: Activation, R: Copy> Connected<'_, X, R> {
    /// Computes all of `y`, or returns false where slices are not as long as they should be, or too short.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `D`.
    #[inline(always)]
    pub(super) unsafe fn run<D: Dot, Y, E: Ending<R, Y>>(&self, ending: E, y: &mut [Y]) -> bool {
        let (len, total) = (self.x.len(), self.weights.len());
        let whole = len / D::VALUES * D::VALUES;
        // What the first rows' vectors reach where they are longer than a row.
        let fits = len >= D::VALUES || (ROWS - 1) * len + D::VALUES <= total;
        if y.len() < ROWS || len == 0 || total != len * y.len() || !fits {
            return false;
        }
        let zero = X::saturate(0);
        let (mut ahead, mut back) = ([zero; MOST], [zero; MOST]);
        let last = self.x.get(whole..).unwrap_or_default();
        ahead.iter_mut().zip(last).for_each(|(to, x)| *to = *x);
        let end = back.get_mut(D::VALUES - last.len()..).unwrap_or_default();
        end.iter_mut().zip(last).for_each(|(to, x)| *to = *x);
        // SAFETY: all vectors lie within the values.
        let (tail, rest) = unsafe {
            let whole = (0..whole).step_by(D::VALUES);
            let tail = [D::values(ahead.as_ptr()), D::values(back.as_ptr())];
            let mut rest = tail[0].rest().is_some();
            for at in whole {
                rest |= D::values(self.x.as_ptr().add(at)).rest().is_some();
            }
            (tail, rest)
        };
        for first in (0..y.len()).step_by(ROWS) {
            // The last rows overlap the ones before where their number is no multiple.
            let first = first.min(y.len() - ROWS);
            // SAFETY: so many rows are there, and vectors behind whole ones end with their row, or lie within
            // the weights.
            let sums = unsafe {
                let mut sums = [_mm256_setzero_si256(); ROWS];
                let rows = self.weights.as_ptr().add(first * len);
                let (tail, last) = match (first + 1) * len >= D::VALUES {
                    true => (tail[1], rows.wrapping_add(len).wrapping_sub(D::VALUES)),
                    false => (tail[0], rows.add(whole)),
                };
                for at in (0..whole).step_by(D::VALUES) {
                    let x = D::values(self.x.as_ptr().add(at));
                    add(&mut sums, x.most(), rows.add(at), len);
                }
                if whole < len {
                    add(&mut sums, tail.most(), last, len);
                }
                if rest {
                    for at in (0..whole).step_by(D::VALUES) {
                        if let Some(x) = D::values(self.x.as_ptr().add(at)).rest() {
                            add(&mut sums, x, rows.add(at), len);
                        }
                    }
                    if let (true, Some(x)) = (whole < len, tail.rest()) {
                        add(&mut sums, x, last, len);
                    }
                }
                core::mem::transmute::<__m256i, [i32; ROWS]>(reduce(sums))
            };
            self.finish(first, sums, ending, y);
        }
        true
    }

    /// What becomes of the sums of products of some outputs, from the first on.
    #[inline(always)]
    fn finish<Y, E: Ending<R, Y>, const N: usize>(
        &self,
        first: usize,
        sums: [i32; N],
        ending: E,
        y: &mut [Y],
    ) {
        let bias = self.bias.get(first..).and_then(|bias| bias.first_chunk::<N>());
        let all = self.requantize.get(first..).and_then(|all| all.first_chunk::<N>());
        let y = y.get_mut(first..).and_then(|y| y.first_chunk_mut::<N>());
        if let (Some(bias), Some(all), Some(y)) = (bias, all, y) {
            for n in 0..N {
                y[n] = ending.finish(all[n], bias[n].wrapping_add(sums[n]));
            }
        }
    }
}

/// Adds what a vector of values and the weights of each row make.
///
/// # Safety
///
/// As [`Dot`] says, for the weights of each row.
#[inline(always)]
unsafe fn add<D: Dot>(sums: &mut [__m256i; ROWS], x: D, rows: *const i8, stride: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = D::multiply(*sum, x, D::weights(rows.wrapping_add(row * stride)));
        }
    }
}

/// The sum of each vector's words.
#[inline(always)]
unsafe fn reduce([a, b, c, d, e, f, g, h]: [__m256i; ROWS]) -> __m256i {
    unsafe {
        let [low, high] = [reduce_four([a, b, c, d]), reduce_four([e, f, g, h])];
        let lower = _mm256_permute2x128_si256::<0x20>(low, high);
        _mm256_add_epi32(lower, _mm256_permute2x128_si256::<0x31>(low, high))
    }
}

/// In each half the sums of the words that four vectors have there.
#[inline(always)]
unsafe fn reduce_four([a, b, c, d]: [__m256i; 4]) -> __m256i {
    unsafe {
        let ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd))
    }
}

/// A fully connected layer with AVX2.
///
/// # Safety
///
/// The processor must have it.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn with_avx2<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Connected<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    unsafe {
        match X::UNSIGNED {
            true => layer.run::<NarrowBytes<PAIRS>, Y, E>(ending, y),
            false => layer.run::<Avx2, Y, E>(ending, y),
        }
    }
}

/// The same with AVX-VNNI, for values that are never negative.
///
/// # Safety
///
/// The processor must have it.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn with_avx_vnni<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Connected<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<NarrowBytes<VEX>, Y, E>(ending, y) }
}

/// The same with AVX-512's VNNI.
///
/// # Safety
///
/// The processor must have it.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn with_vnni<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Connected<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    let len = layer.x.len();
    if y.len() < WIDE_ROWS || layer.weights.len() != len * y.len() {
        return false;
    }
    let x = bytemuck::must_cast_slice(layer.x);
    let mut first = 0;
    while first < y.len() {
        let rows = layer.weights.as_ptr().wrapping_add(first * len);
        let left = y.len() - first;
        if left > FEW_ROWS {
            // The last rows overlap the ones before where they are not as many.
            let again = WIDE_ROWS.saturating_sub(left);
            let mut sums = [0i32; WIDE_ROWS];
            // SAFETY: 16 rows from there on are part of the weights, and 16 sums are a vector.
            unsafe {
                let sum = dot16(x, rows.sub(again * len));
                _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
            }
            layer.finish(first - again, sums, ending, y);
            first += WIDE_ROWS;
        } else {
            let again = 4usize.saturating_sub(left);
            // SAFETY: so are four.
            let sums = unsafe { VnniBytes::dot4(x.as_ptr(), len, rows.sub(again * len)) };
            layer.finish(first - again, sums, ending, y);
            first += 4;
        }
    }
    true
}

/// The sums of products of `x` and each of 16 rows.
///
/// # Safety
///
/// The processor must have the extensions, and `rows` be good for 16 times as many bytes as `x`.
#[inline(always)]
unsafe fn dot16(x: &[u8], rows: *const i8) -> __m512i {
    let len = x.len();
    // SAFETY: all loads lie within `x` and within each row.
    unsafe {
        let mut sums = [_mm512_setzero_si512(); WIDE_ROWS];
        for at in (0..len).step_by(64) {
            // What lies behind the end is neither loaded nor counted.
            let some = u64::MAX >> 64usize.saturating_sub(len - at);
            let x = _mm512_maskz_loadu_epi8(some, x.as_ptr().add(at).cast());
            for (row, sum) in sums.iter_mut().enumerate() {
                let w = _mm512_maskz_loadu_epi8(some, rows.add(row * len + at));
                *sum = _mm512_dpbusd_epi32(*sum, x, w);
            }
        }
        // Lanes are added in pairs, then the pairs: sums of four rows in every quarter.
        let mut fours = [_mm512_setzero_si512(); 4];
        for (four, rows) in fours.iter_mut().zip(sums.as_chunks::<4>().0) {
            let [a, b, c, d] = *rows;
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            *four = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        }
        let [a, b, c, d] = fours;
        add_quarters(add_quarters(a, b), add_quarters(c, d))
    }
}

/// The sums of quarters 0 and 1, then of 2 and 3, of `a` and then of `b`.
#[inline(always)]
unsafe fn add_quarters(a: __m512i, b: __m512i) -> __m512i {
    unsafe {
        let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
        let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b);
        _mm512_add_epi32(even, odd)
    }
}
