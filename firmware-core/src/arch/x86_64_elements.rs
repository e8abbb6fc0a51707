//! Sums of tensors, and average pooling in loops that the compiler makes vectors of.

use core::arch::x86_64::*;

use crate::kernels::{Pool2dShape, requantized};
use crate::{Activation, Requantize};

/// Sums of tensors that are made at a time.
const SUMS: usize = 32;

/// Channels that are pooled at a time.
const CHANNELS: usize = 16;

/// How sums of two tensors are divided in 16 bits.
pub(super) struct Addition {
    /// Bits that the tensors are shifted left by.
    left: [u32; 2],
    /// Half a unit; then as a [`Rounding`](super::outputs::Rounding) does it.
    half: i16,
    mask: i16,
    tie: i16,
    right: u32,
    bounds: [i16; 2],
}

impl Addition {
    /// `None` where the requantization is no shift, or where a sum could need more than 16 bits.
    #[inline(always)]
    pub(super) fn new<Y: Activation, R: Requantize>(left: [u32; 2], requantize: R) -> Option<Self> {
        let (shifts, bounds) = R::as_shifts(core::slice::from_ref(&requantize))?;
        let right = u32::from(shifts.first()?.bits());
        let [a, b] = left.map(|bits| 255u32.checked_shl(bits.min(16)).unwrap_or(u32::MAX));
        if right > 13 || a + b + (1 << 13) >= 1 << 15 {
            return None;
        }
        let unit = 1 << right;
        let (half, mask) = if right == 0 { (0, 0) } else { (unit / 2, 2 * unit - 1) };
        let bounds = bounds.map(|bound| Y::saturate(bound).to_i32() as i16);
        Some(Self { left, half, mask, tie: unit, right, bounds })
    }

    #[inline(always)]
    fn sum<A: Activation, B: Activation, Y: Activation>(&self, a: A, b: B) -> Y {
        let [a_bits, b_bits] = self.left;
        let (a, b) = (a.to_i32() as i16, b.to_i32() as i16);
        let sum = a.wrapping_shl(a_bits).wrapping_add(b.wrapping_shl(b_bits));
        let sum = sum.wrapping_add(self.half);
        let odd_half = i16::from(sum & self.mask == self.tie);
        let [low, high] = self.bounds;
        let value = sum.wrapping_shr(self.right).wrapping_sub(odd_half).max(low).min(high);
        bytemuck::must_cast(value as u8)
    }

    /// As many sums of two tensors as [`SUMS`].
    ///
    /// # Safety
    ///
    /// The processor must have AVX2, and pointers be good for as many values.
    #[inline(always)]
    unsafe fn many<A: Activation, B: Activation, Y: Activation>(
        &self,
        a: *const A,
        b: *const B,
        y: *mut Y,
    ) {
        let [a_bits, b_bits] = self.left;
        // Values are multiplied as if they had no signs: those that have one are 128 too large.
        let highest = i8::MIN;
        let (mut start, mut flips) = (self.half, [0, 0]);
        if !A::UNSIGNED {
            start = start.wrapping_sub(128i16.wrapping_shl(a_bits));
            flips[0] = highest;
        }
        if !B::UNSIGNED {
            start = start.wrapping_sub(128i16.wrapping_shl(b_bits));
            flips[1] = highest;
        }
        // Both fit: a tensor is shifted by six bits at most.
        let units = 1i16.wrapping_shl(a_bits) | 1i16.wrapping_shl(b_bits).wrapping_shl(8);
        let [low, high] = self.bounds;
        // SAFETY: as the caller promises.
        unsafe {
            let [low, high] = [_mm256_set1_epi8(low as i8), _mm256_set1_epi8(high as i8)];
            let a = _mm256_xor_si256(_mm256_loadu_si256(a.cast()), _mm256_set1_epi8(flips[0]));
            let b = _mm256_xor_si256(_mm256_loadu_si256(b.cast()), _mm256_set1_epi8(flips[1]));
            let mut sums = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
            for sum in &mut sums {
                let all = _mm256_maddubs_epi16(*sum, _mm256_set1_epi16(units));
                let all = _mm256_add_epi16(all, _mm256_set1_epi16(start));
                let rest = _mm256_and_si256(all, _mm256_set1_epi16(self.mask));
                let ties = _mm256_cmpeq_epi16(rest, _mm256_set1_epi16(self.tie));
                let floor = _mm256_sra_epi16(all, _mm_cvtsi32_si128(self.right as i32));
                *sum = _mm256_add_epi16(floor, ties);
            }
            let [lower, upper] = sums;
            let bytes = match Y::UNSIGNED {
                true => {
                    let bytes = _mm256_packus_epi16(lower, upper);
                    _mm256_min_epu8(_mm256_max_epu8(bytes, low), high)
                }
                false => {
                    let bytes = _mm256_packs_epi16(lower, upper);
                    _mm256_min_epi8(_mm256_max_epi8(bytes, low), high)
                }
            };
            _mm256_storeu_si256(y.cast(), bytes);
        }
    }

    /// The sums of two tensors.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    #[inline(always)]
    unsafe fn all<A: Activation, B: Activation, Y: Activation>(
        &self,
        a: &[A],
        b: &[B],
        y: &mut [Y],
    ) {
        let whole = a.len().min(b.len()).min(y.len()) / SUMS * SUMS;
        for at in (0..whole).step_by(SUMS) {
            // SAFETY: as the caller promises; all slices have so many values.
            unsafe {
                self.many(a.as_ptr().add(at), b.as_ptr().add(at), y.as_mut_ptr().add(at));
            }
        }
        for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)).skip(whole) {
            *y = self.sum(*a, *b);
        }
    }

    /// The same where `y` holds the second tensor.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    #[inline(always)]
    unsafe fn all_in_place<A: Activation, Y: Activation>(&self, a: &[A], y: &mut [Y]) {
        let whole = a.len().min(y.len()) / SUMS * SUMS;
        for at in (0..whole).step_by(SUMS) {
            // SAFETY: as the caller promises; both slices have so many values.
            unsafe {
                let y = y.as_mut_ptr().add(at);
                self.many(a.as_ptr().add(at), y.cast_const(), y);
            }
        }
        for (y, a) in y.iter_mut().zip(a).skip(whole) {
            *y = self.sum(*a, *y);
        }
    }
}

/// # Safety
///
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn add<A: Activation, B: Activation, Y: Activation>(
    addition: &Addition,
    a: &[A],
    b: &[B],
    y: &mut [Y],
) {
    unsafe { addition.all(a, b, y) }
}

/// The same where `y` holds the second tensor.
///
/// # Safety
///
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn add_in_place<A: Activation, Y: Activation>(
    addition: &Addition,
    a: &[A],
    y: &mut [Y],
) {
    unsafe { addition.all_in_place(a, y) }
}

/// [`kernels::average_pool2d`](crate::kernels::average_pool2d) of at least sixteen channels.
///
/// # Safety
///
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Pool2dShape,
    x: &[X],
    requantize: R,
    y: &mut [Y],
) {
    let ([_, in_width, depth], [height, width, _]) = (shape.input, shape.output);
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..height {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            let corner = (rows.input * in_width + columns.input) * depth;
            for first in (0..depth).step_by(CHANNELS) {
                // The last channels overlap those before.
                let first = first.min(depth.saturating_sub(CHANNELS));
                let mut sums = [0i32; CHANNELS];
                for row in 0..rows.len {
                    for column in 0..columns.len {
                        let at = corner + first + (row * down * in_width + column * right) * depth;
                        let x = x.get(at..).unwrap_or_default().first_chunk::<CHANNELS>();
                        let Some(x) = x else { continue };
                        for n in 0..CHANNELS {
                            sums[n] = sums[n].wrapping_add(x[n].to_i32());
                        }
                    }
                }
                let y = pixel.get_mut(first..).unwrap_or_default();
                if let Some(y) = y.first_chunk_mut::<CHANNELS>() {
                    for n in 0..CHANNELS {
                        y[n] = requantized(requantize, sums[n]);
                    }
                }
            }
        }
    }
}
