//! The dot product extension: 16 multiply-accumulates of 8 bits in one instruction.
//!
//! Its products are those of signed bytes; values that are unsigned lie 128 lower in the operands, and
//! what the sums then lack is added at the end. The instructions are written in assembly, since not
//! every compiler that builds this has functions for them.
//!
//! All functions are unsafe as their traits say: the processor must have the extension, and what pointers
//! must be good for.

use core::arch::aarch64::*;
use core::arch::asm;

use super::connected::Bytes;
use super::neon::{Neon, load, shuffle};
use super::panel::QUADS;
use super::vectors::Lanes;
use crate::Activation;

/// Eight sums; as an operand four bytes for each of eight lanes, or in the first four bytes those that all
/// lanes share.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Dot(int32x4_t, int32x4_t);

/// `sum` plus in every lane the products of its four bytes in `lanes` and four of `same`, those with the
/// number `NUMBER`.
#[inline(always)]
unsafe fn dot_same<const NUMBER: i32>(
    mut sum: int32x4_t,
    lanes: int32x4_t,
    same: int32x4_t,
) -> int32x4_t {
    // SAFETY: the caller has found the extension; nothing but registers.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {lanes:v}.16b, {same:v}.4b[{number}]",
            sum = inlateout(vreg) sum,
            lanes = in(vreg) lanes,
            same = in(vreg) same,
            number = const NUMBER,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

impl Lanes for Dot {
    const PIXELS: usize = 8;
    const TAPS: usize = 4;
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(vdupq_n_s32(0), vdupq_n_s32(0)) }
    }

    #[inline(always)]
    unsafe fn broadcast(taps: *const i32) -> Self {
        unsafe {
            let Neon(low, high) = Neon::broadcast(taps);
            Self(low, high)
        }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self {
        unsafe { Self(dot_same::<0>(sum.0, x.0, w.0), dot_same::<0>(sum.1, x.1, w.0)) }
    }

    const FOURS: bool = true;

    #[inline(always)]
    unsafe fn four(values: *const i32) -> Self {
        unsafe { Self(vld1q_s32(values), vdupq_n_s32(0)) }
    }

    #[inline(always)]
    unsafe fn multiply_number<const NUMBER: i32>(sum: Self, x: Self, w: Self) -> Self {
        let Self(low, high) = sum;
        unsafe { Self(dot_same::<NUMBER>(low, w.0, x.0), dot_same::<NUMBER>(high, w.1, x.0)) }
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
            let mut columns = [Self::zero(); 4];
            for quad in 0..2 {
                let row = |i: usize| {
                    let x = vld1q_u8(x.add(at[quad] + i * step).cast());
                    vreinterpretq_s32_u8(centred::<X>(x))
                };
                let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
                // Words 0 and 2 of two rows, then 1 and 3.
                let even = [vtrn1q_s32(a, b), vtrn1q_s32(c, d)].map(|x| vreinterpretq_s64_s32(x));
                let odd = [vtrn2q_s32(a, b), vtrn2q_s32(c, d)].map(|x| vreinterpretq_s64_s32(x));
                let all = [
                    vtrn1q_s64(even[0], even[1]),
                    vtrn1q_s64(odd[0], odd[1]),
                    vtrn2q_s64(even[0], even[1]),
                    vtrn2q_s64(odd[0], odd[1]),
                ];
                for n in 0..4 {
                    let words = vreinterpretq_s32_s64(all[n]);
                    if quad == 0 {
                        columns[n].0 = words;
                    } else {
                        columns[n].1 = words;
                    }
                }
            }
            columns
        }
    }

    const SPREADS: bool = true;

    #[inline(always)]
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self {
        unsafe {
            let Neon(low, high) = load(x, at);
            let [low, high] = [low, high]
                .map(|half| vreinterpretq_s32_u8(centred::<u8>(vreinterpretq_u8_s32(half))));
            Self(low, high)
        }
    }

    const ORDER: u32 = 0x0302_0100;
    const ORDER_STEP: u32 = 0x0101_0101;

    #[inline(always)]
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self {
        unsafe {
            let Neon(low, high) = shuffle(Neon(values.0, values.1), order);
            Self(low, high)
        }
    }
}

/// Signed values as they are, others 128 lower.
#[inline(always)]
unsafe fn centred<X: Activation>(x: uint8x16_t) -> uint8x16_t {
    unsafe { if X::UNSIGNED { veorq_u8(x, vdupq_n_u8(0x80)) } else { x } }
}

impl Bytes for Dot {
    #[inline(always)]
    unsafe fn add_products(mut sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
        // SAFETY: the caller has found the extension; nothing but registers.
        unsafe {
            asm!(
                ".arch_extension dotprod",
                "sdot {sum:v}.4s, {x:v}.16b, {w:v}.16b",
                sum = inlateout(vreg) sum,
                x = in(vreg) x,
                w = in(vreg) w,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sum
    }
}
