//! WebAssembly's vectors of 128 bits: 8 multiply-accumulates of 16 bits in one instruction.
//!
//! All functions are unsafe as their traits say: what pointers must be good for.

use core::arch::wasm32::*;

use super::panel::QUADS;
use super::vectors::{Lanes, Pairs, Vector};
use crate::Activation;

/// Four sums; as an operand eight values of 16 bits.
#[derive(Clone, Copy)]
pub(super) struct Half(v128);

impl Vector for Half {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self(i32x4_splat(0))
    }

    #[inline(always)]
    unsafe fn i16(values: *const i16) -> Self {
        unsafe { Self(v128_load(values.cast())) }
    }

    #[inline(always)]
    unsafe fn i8(values: *const i8) -> Self {
        unsafe { Self(i16x8_load_extend_i8x8(values)) }
    }

    #[inline(always)]
    unsafe fn u8(values: *const u8) -> Self {
        unsafe { Self(i16x8_load_extend_u8x8(values)) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self {
        Self(i32x4_add(sum.0, i32x4_dot_i16x8(a.0, b.0)))
    }

    #[inline(always)]
    unsafe fn reduce([a, b, c, d]: [Self; 4]) -> [i32; 4] {
        let low = i32x4_add(low_words(a.0, b.0), high_words(a.0, b.0));
        let high = i32x4_add(low_words(c.0, d.0), high_words(c.0, d.0));
        let sums = i32x4_add(low_halves(low, high), high_halves(low, high));
        [
            i32x4_extract_lane::<0>(sums),
            i32x4_extract_lane::<1>(sums),
            i32x4_extract_lane::<2>(sums),
            i32x4_extract_lane::<3>(sums),
        ]
    }
}

/// The first two words of each in turn.
#[inline(always)]
fn low_words(a: v128, b: v128) -> v128 {
    i32x4_shuffle::<0, 4, 1, 5>(a, b)
}

/// The last two words of each in turn.
#[inline(always)]
fn high_words(a: v128, b: v128) -> v128 {
    i32x4_shuffle::<2, 6, 3, 7>(a, b)
}

#[inline(always)]
fn low_halves(a: v128, b: v128) -> v128 {
    i64x2_shuffle::<0, 2>(a, b)
}

#[inline(always)]
fn high_halves(a: v128, b: v128) -> v128 {
    i64x2_shuffle::<1, 3>(a, b)
}

/// Eight sums; as an operand two values of 16 bits for each of eight lanes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Wide(v128, v128);

impl Lanes for Wide {
    const PIXELS: usize = 8;
    const TAPS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self(i32x4_splat(0), i32x4_splat(0))
    }

    #[inline(always)]
    unsafe fn broadcast(taps: *const i32) -> Self {
        let same = unsafe { v128_load32_splat(taps.cast()) };
        Self(same, same)
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        Self(
            i32x4_add(sum.0, i32x4_dot_i16x8(x.0, w.0)),
            i32x4_add(sum.1, i32x4_dot_i16x8(x.1, w.1)),
        )
    }

    #[inline(always)]
    unsafe fn max(a: Self, b: Self) -> Self {
        Self(i32x4_max(a.0, b.0), i32x4_max(a.1, b.1))
    }

    #[inline(always)]
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4] {
        let mut columns = [Self(i32x4_splat(0), i32x4_splat(0)); 4];
        for quad in 0..2 {
            let row = |i: usize| unsafe {
                let x = x.add(at[quad] + i * step);
                if X::UNSIGNED { Half::u8(x.cast()).0 } else { Half::i8(x.cast()).0 }
            };
            let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
            let [ab, cd] = [low_words(a, b), low_words(c, d)];
            let [ab_high, cd_high] = [high_words(a, b), high_words(c, d)];
            let words = [
                low_halves(ab, cd),
                high_halves(ab, cd),
                low_halves(ab_high, cd_high),
                high_halves(ab_high, cd_high),
            ];
            for (column, words) in columns.iter_mut().zip(words) {
                *(if quad == 0 { &mut column.0 } else { &mut column.1 }) = words;
            }
        }
        columns
    }

    const SPREADS: bool = true;

    #[inline(always)]
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self {
        unsafe { Self(v128_load(x.add(at[0]).cast()), v128_load(x.add(at[1]).cast())) }
    }

    /// A number of 0xff stands for zero, the upper half of a value.
    const ORDER: u32 = 0xff01_ff00;
    const ORDER_STEP: u32 = 0x1_0001;

    #[inline(always)]
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self {
        let order = unsafe { v128_load(order.as_ptr().cast()) };
        Self(i8x16_swizzle(values.0, order), i8x16_swizzle(values.1, order))
    }
}

/// The eight bytes at both places, in turn.
#[inline(always)]
unsafe fn interleaved<T>([a, b]: [*const T; 2]) -> v128 {
    let (a, b) = unsafe { (v128_load64_zero(a.cast()), v128_load64_zero(b.cast())) };
    i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b)
}

impl Pairs for Wide {
    type Element<X: Activation> = X;
    type Weights = [v128; 2];

    #[inline(always)]
    fn element<X: Activation>(x: X) -> X {
        x
    }

    #[inline(always)]
    unsafe fn none() -> Self::Weights {
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    unsafe fn weights(taps: [*const i8; 2]) -> Self::Weights {
        let zeros = [0i8; 8];
        let taps = taps.map(|tap| if tap.is_null() { zeros.as_ptr() } else { tap });
        let bytes = unsafe { interleaved(taps) };
        [i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes)]
    }

    /// The bytes of two taps are interleaved and widened, so that a pair of 16-bit values belongs to one
    /// channel.
    #[inline(always)]
    unsafe fn multiply_pair<X: Activation>(
        sum: Self,
        x: [*const X; 2],
        weights: Self::Weights,
    ) -> Self {
        let bytes = unsafe { interleaved(x) };
        let [low, high] = match X::UNSIGNED {
            true => [i16x8_extend_low_u8x16(bytes), i16x8_extend_high_u8x16(bytes)],
            false => [i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes)],
        };
        unsafe { Self::multiply(sum, Self(low, high), Self(weights[0], weights[1])) }
    }
}
