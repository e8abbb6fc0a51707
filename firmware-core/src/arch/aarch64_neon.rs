//! NEON, which nearly every 64-bit Arm processor has: 4 multiply-accumulates of 16 bits in one instruction.
//!
//! A vector is two registers: what one weight, or one value, is multiplied with may then be any of the
//! lanes of another register, so that nothing is copied into all lanes.
//!
//! All functions are unsafe as their traits say: what pointers must be good for.

use core::arch::aarch64::*;

use super::connected::Bytes;
use super::panel::QUADS;
use super::vectors::{Lanes, Pairs, Vector};
use crate::Activation;

/// Four sums; as an operand eight values of 16 bits.
#[derive(Clone, Copy)]
pub(super) struct Half(int32x4_t);

impl Vector for Half {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(vdupq_n_s32(0)) }
    }

    #[inline(always)]
    unsafe fn i16(values: *const i16) -> Self {
        unsafe { Self(vreinterpretq_s32_s16(vld1q_s16(values))) }
    }

    #[inline(always)]
    unsafe fn i8(values: *const i8) -> Self {
        unsafe { Self(vreinterpretq_s32_s16(vmovl_s8(vld1_s8(values)))) }
    }

    #[inline(always)]
    unsafe fn u8(values: *const u8) -> Self {
        unsafe { Self(vreinterpretq_s32_u16(vmovl_u8(vld1_u8(values)))) }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self {
        unsafe {
            let (a, b) = (vreinterpretq_s16_s32(a.0), vreinterpretq_s16_s32(b.0));
            let sum = vmlal_s16(sum.0, vget_low_s16(a), vget_low_s16(b));
            Self(vmlal_high_s16(sum, a, b))
        }
    }

    #[inline(always)]
    unsafe fn reduce(sums: [Self; 4]) -> [i32; 4] {
        unsafe { add_across(sums.map(|sum| sum.0)) }
    }
}

/// The sum of each vector's lanes.
#[inline(always)]
pub(super) unsafe fn add_across([a, b, c, d]: [int32x4_t; 4]) -> [i32; 4] {
    unsafe {
        let sums = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
        core::mem::transmute::<int32x4_t, [i32; 4]>(sums)
    }
}

/// Eight sums; as an operand two values of 16 bits for each of eight lanes, those of the first tap in front,
/// or in the first four bytes the two that all lanes share.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Neon(pub(super) int32x4_t, pub(super) int32x4_t);

impl Neon {
    #[inline(always)]
    unsafe fn of(first: int16x8_t, second: int16x8_t) -> Self {
        unsafe { Self(vreinterpretq_s32_s16(first), vreinterpretq_s32_s16(second)) }
    }

    /// `sum` plus eight values times one.
    #[inline(always)]
    unsafe fn add_products<const LANE: i32>(sum: Self, values: int32x4_t, one: Self) -> Self {
        unsafe {
            let [values, one] = [vreinterpretq_s16_s32(values), vreinterpretq_s16_s32(one.0)];
            let low = vmlal_laneq_s16::<LANE>(sum.0, vget_low_s16(values), one);
            Self(low, vmlal_high_laneq_s16::<LANE>(sum.1, values, one))
        }
    }

    /// `sum` plus the values of both taps, each times one.
    #[inline(always)]
    unsafe fn add_pair<const A: i32, const B: i32>(sum: Self, values: Self, both: Self) -> Self {
        unsafe {
            Self::add_products::<B>(Self::add_products::<A>(sum, values.0, both), values.1, both)
        }
    }
}

impl Lanes for Neon {
    const PIXELS: usize = 8;
    const TAPS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(vdupq_n_s32(0), vdupq_n_s32(0)) }
    }

    #[inline(always)]
    unsafe fn broadcast(taps: *const i32) -> Self {
        unsafe { Self(vdupq_n_s32(taps.read_unaligned()), vdupq_n_s32(0)) }
    }

    const FOURS: bool = true;

    #[inline(always)]
    unsafe fn four(values: *const i32) -> Self {
        unsafe { Self(vld1q_s32(values), vdupq_n_s32(0)) }
    }

    #[inline(always)]
    unsafe fn multiply_number<const NUMBER: i32>(sum: Self, x: Self, w: Self) -> Self {
        unsafe {
            match NUMBER {
                0 => Self::add_pair::<0, 1>(sum, w, x),
                1 => Self::add_pair::<2, 3>(sum, w, x),
                2 => Self::add_pair::<4, 5>(sum, w, x),
                _ => Self::add_pair::<6, 7>(sum, w, x),
            }
        }
    }

    /// In memory the taps of a lane are side by side.
    #[inline(always)]
    unsafe fn side_by_side(weights: *const i32) -> Self {
        unsafe {
            let int16x8x2_t(first, second) = vld2q_s16(weights.cast());
            Self::of(first, second)
        }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        unsafe { Self::add_pair::<0, 1>(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn multiply_same(sum: Self, x: Self, w: Self) -> Self {
        unsafe { Self::multiply(sum, w, x) }
    }

    #[inline(always)]
    unsafe fn max(a: Self, b: Self) -> Self {
        unsafe { Self(vmaxq_s32(a.0, b.0), vmaxq_s32(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4] {
        unsafe {
            // Rows are pixels, of which the second four begin elsewhere; columns are taps.
            let mut rows = [vdupq_n_s16(0); 8];
            for i in 0..4 {
                for quad in 0..2 {
                    let x = x.add(at[quad] + i * step);
                    let wide = if X::UNSIGNED { Half::u8(x.cast()) } else { Half::i8(x.cast()) };
                    rows[4 * quad + i] = vreinterpretq_s16_s32(wide.0);
                }
            }
            transpose(rows)
        }
    }

    const SPREADS: bool = true;

    #[inline(always)]
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self {
        unsafe { load(x, at) }
    }

    /// A number of 0xff stands for zero, the upper half of a value.
    const ORDER: u32 = 0xff01_ff00;
    const ORDER_STEP: u32 = 0x1_0001;

    #[inline(always)]
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self {
        unsafe {
            let Self(low, high) = shuffle(values, order);
            let (low, high) = (vreinterpretq_s16_s32(low), vreinterpretq_s16_s32(high));
            Self::of(vuzp1q_s16(low, high), vuzp2q_s16(low, high))
        }
    }
}

/// Sixteen bytes at `x` plus each of the first two of `at`.
#[inline(always)]
pub(super) unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Neon {
    unsafe {
        let [low, high] = [at[0], at[1]].map(|at| vreinterpretq_s32_u8(vld1q_u8(x.add(at))));
        Neon(low, high)
    }
}

/// The bytes of both halves in an order; zero where this is no number of a byte.
#[inline(always)]
pub(super) unsafe fn shuffle(values: Neon, order: &[u32; 4]) -> Neon {
    unsafe {
        let order = vreinterpretq_u8_u32(vld1q_u32(order.as_ptr()));
        let [low, high] = [values.0, values.1]
            .map(|half| vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(half), order)));
        Neon(low, high)
    }
}

/// Eight rows of eight values, as four pairs of columns.
#[inline(always)]
unsafe fn transpose(rows: [int16x8_t; 8]) -> [Neon; 4] {
    unsafe {
        let [a, b, c, d, e, f, g, h] = rows;
        // Columns 0, 2, 4 and 6 of two rows, then 1, 3, 5 and 7.
        let even = [vtrn1q_s16(a, b), vtrn1q_s16(c, d), vtrn1q_s16(e, f), vtrn1q_s16(g, h)];
        let odd = [vtrn2q_s16(a, b), vtrn2q_s16(c, d), vtrn2q_s16(e, f), vtrn2q_s16(g, h)];
        let [even, odd] = [even, odd].map(|[ab, cd, ef, gh]| {
            let [ab, cd, ef, gh] = [ab, cd, ef, gh].map(|rows| vreinterpretq_s32_s16(rows));
            // Columns 0 and 4 of four rows, then 2 and 6.
            let first = [vtrn1q_s32(ab, cd), vtrn1q_s32(ef, gh)];
            let third = [vtrn2q_s32(ab, cd), vtrn2q_s32(ef, gh)];
            let [first, third] = [first, third].map(|[abcd, efgh]| {
                let (abcd, efgh) = (vreinterpretq_s64_s32(abcd), vreinterpretq_s64_s32(efgh));
                let [low, high] = [vtrn1q_s64(abcd, efgh), vtrn2q_s64(abcd, efgh)];
                [vreinterpretq_s32_s64(low), vreinterpretq_s32_s64(high)]
            });
            [first[0], third[0], first[1], third[1]]
        });
        [0, 1, 2, 3].map(|n| Neon(even[n], odd[n]))
    }
}

impl Pairs for Neon {
    type Element<X: Activation> = i16;
    type Weights = [int16x8_t; 2];

    #[inline(always)]
    fn element<X: Activation>(x: X) -> i16 {
        x.to_i32() as i16
    }

    #[inline(always)]
    unsafe fn none() -> Self::Weights {
        unsafe { [vdupq_n_s16(0); 2] }
    }

    #[inline(always)]
    unsafe fn weights(taps: [*const i8; 2]) -> Self::Weights {
        unsafe {
            taps.map(|tap| match tap.is_null() {
                true => vdupq_n_s16(0),
                false => vmovl_s8(vld1_s8(tap)),
            })
        }
    }

    #[inline(always)]
    unsafe fn multiply_pair<X: Activation>(
        sum: Self,
        x: [*const i16; 2],
        weights: Self::Weights,
    ) -> Self {
        unsafe {
            let Self(mut low, mut high) = sum;
            for tap in 0..2 {
                let (x, w) = (vld1q_s16(x[tap]), weights[tap]);
                low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(w));
                high = vmlal_high_s16(high, x, w);
            }
            Self(low, high)
        }
    }
}

impl Bytes for Neon {
    #[inline(always)]
    unsafe fn add_products(sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
        unsafe {
            let low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
            vpadalq_s16(vpadalq_s16(sum, low), vmull_high_s8(x, w))
        }
    }
}
