//! What is done to each element of tensors that lie side by side.

use core::mem::MaybeUninit;

use crate::{Activation, Multiplier, Requantize, Term};

/// Sums that are there before they are requantized.
const SUMS: usize = 64;

/// Keeps in `largest` what is larger.
#[inline(always)]
pub(super) fn largest(sums: &[i32], largest: &mut [i32]) {
    let count = sums.len().min(largest.len());
    if count > 0 {
        // SAFETY: the routine reads `count` elements of both and writes as many of `largest`. It keeps
        // to the procedure call standard.
        unsafe { largest_of(sums.as_ptr(), largest.as_mut_ptr(), count) }
    }
}

/// [`kernels::add`](crate::kernels::add)
#[inline(always)]
pub(super) fn add<A: Activation, B: Activation, Y: Activation, R: Requantize>(
    bits: [u32; 2],
    (a, b): (&[A], &[B]),
    requantize: R,
    y: &mut [Y],
) {
    let mut buffer = Sums(MaybeUninit::uninit());
    let terms = a.chunks(SUMS).zip(b.chunks(SUMS));
    for (y, (a, b)) in y.chunks_mut(SUMS).zip(terms) {
        R::apply_all(&[requantize], buffer.add(bits, a, b), y);
    }
}

/// [`kernels::add_in_place`](crate::kernels::add_in_place)
#[inline(always)]
pub(super) fn add_in_place<A: Activation, Y: Activation, R: Requantize>(
    bits: [u32; 2],
    a: &[A],
    requantize: R,
    y: &mut [Y],
) {
    let mut buffer = Sums(MaybeUninit::uninit());
    for (y, a) in y.chunks_mut(SUMS).zip(a.chunks(SUMS)) {
        R::apply_all(&[requantize], buffer.add(bits, a, y), y);
    }
}

/// [`Combine::combine_all`](crate::kernels::Combine::combine_all) of [`AffineAdd`](crate::AffineAdd)
#[inline(always)]
pub(super) fn add_scaled<A: Activation, B: Activation, Y: Activation>(
    terms: [Term; 2],
    (a, b): (&[A], &[B]),
    requantize: Multiplier,
    y: &mut [Y],
) {
    let mut buffer = Sums(MaybeUninit::uninit());
    let values = a.chunks(SUMS).zip(b.chunks(SUMS));
    for (y, (a, b)) in y.chunks_mut(SUMS).zip(values) {
        Multiplier::apply_all(&[requantize], buffer.add_scaled(terms, a, b), y);
    }
}

/// Sums that wait for their requantization.
struct Sums(MaybeUninit<[i32; SUMS]>);

impl Sums {
    /// The sums of the values of two tensors, [`SUMS`] at most, each shifted left.
    #[inline(always)]
    fn add<A: Activation, B: Activation>(
        &mut self,
        [a_bits, b_bits]: [u32; 2],
        a: &[A],
        b: &[B],
    ) -> &[i32] {
        let count = a.len().min(b.len()).min(SUMS);
        if count == 0 {
            return &[];
        }
        let job = AddJob {
            a: a.as_ptr().cast(),
            b: b.as_ptr().cast(),
            sums: self.0.as_mut_ptr().cast(),
            count,
            bits: [a_bits & 31, b_bits & 31],
        };
        // SAFETY: the routines read `count` values of `a` and of `b`, and write as many sums, for which
        // there is room; so these have a value. They keep to the procedure call standard.
        unsafe {
            match (A::UNSIGNED, B::UNSIGNED) {
                (true, true) => add_uu(&job),
                (true, false) => add_us(&job),
                (false, true) => add_su(&job),
                (false, false) => add_ss(&job),
            }
            core::slice::from_raw_parts(job.sums, count)
        }
    }

    /// The sums of the values of two tensors, [`SUMS`] at most, each scaled.
    #[inline(always)]
    fn add_scaled<A: Activation, B: Activation>(
        &mut self,
        [first, second]: [Term; 2],
        a: &[A],
        b: &[B],
    ) -> &[i32] {
        let count = a.len().min(b.len()).min(SUMS);
        if count == 0 {
            return &[];
        }
        let scale = |term: Term| Scale {
            zero: (-i32::from(term.zero)),
            multiplier: term.multiplier,
            exponent: term.exponent.into(),
        };
        let job = ScaledJob {
            a: a.as_ptr().cast(),
            b: b.as_ptr().cast(),
            sums: self.0.as_mut_ptr().cast(),
            count,
            terms: [scale(first), scale(second)],
        };
        // SAFETY: as in `add`.
        unsafe {
            match (A::UNSIGNED, B::UNSIGNED) {
                (true, true) => scaled_uu(&job),
                (true, false) => scaled_us(&job),
                (false, true) => scaled_su(&job),
                (false, false) => scaled_ss(&job),
            }
            core::slice::from_raw_parts(job.sums, count)
        }
    }
}

/// In the order in which the routines load it.
#[repr(C)]
struct AddJob {
    a: *const u8,
    b: *const u8,
    sums: *mut i32,
    count: usize,
    bits: [u32; 2],
}

/// In the order in which the routines load it.
#[repr(C)]
struct ScaledJob {
    a: *const u8,
    b: *const u8,
    sums: *mut i32,
    count: usize,
    terms: [Scale; 2],
}

/// A [`Term`]; what is added to its values is its zero point, negative.
#[repr(C)]
struct Scale {
    zero: i32,
    multiplier: i32,
    exponent: i32,
}

unsafe extern "C" {
    #[link_name = symbol!("mve_scaled_uu")]
    fn scaled_uu(job: *const ScaledJob);
    #[link_name = symbol!("mve_scaled_us")]
    fn scaled_us(job: *const ScaledJob);
    #[link_name = symbol!("mve_scaled_su")]
    fn scaled_su(job: *const ScaledJob);
    #[link_name = symbol!("mve_scaled_ss")]
    fn scaled_ss(job: *const ScaledJob);
    #[link_name = symbol!("mve_largest")]
    fn largest_of(sums: *const i32, largest: *mut i32, count: usize);
    #[link_name = symbol!("mve_add_uu")]
    fn add_uu(job: *const AddJob);
    #[link_name = symbol!("mve_add_us")]
    fn add_us(job: *const AddJob);
    #[link_name = symbol!("mve_add_su")]
    fn add_su(job: *const AddJob);
    #[link_name = symbol!("mve_add_ss")]
    fn add_ss(job: *const AddJob);
}

routine!(
    symbol!("mve_largest"),
    "push {{r4, lr}}",
    "dlstp.32 lr, r2",
    "2:",
    "vldrw.u32 q0, [r0], #16",
    "vldrw.u32 q1, [r1]",
    "vmax.s32 q0, q0, q1",
    "vstrw.32 q0, [r1], #16",
    "letp lr, 2b",
    "pop {{r4, pc}}",
);

macro_rules! add {
    ($name:expr, $a:literal, $b:literal) => {
        routine!(
            $name,
            "push {{r4, r5, r6, lr}}",
            "ldm r0, {{r0-r5}}",
            "dlstp.32 lr, r3",
            "2:",
            concat!("vldrb.", $a, " q0, [r0], #4"),
            concat!("vldrb.", $b, " q1, [r1], #4"),
            "vshl.u32 q0, r4",
            "vshl.u32 q1, r5",
            "vadd.i32 q0, q0, q1",
            "vstrw.32 q0, [r2], #16",
            "letp lr, 2b",
            "pop {{r4, r5, r6, pc}}",
        );
    };
}

add!(symbol!("mve_add_uu"), "u32", "u32");
add!(symbol!("mve_add_us"), "u32", "s32");
add!(symbol!("mve_add_su"), "s32", "u32");
add!(symbol!("mve_add_ss"), "s32", "s32");

/// A term of four sums: its values are in a vector, the registers are zero point, multiplier and exponent,
/// and a vector has the exponent in every lane. The roundings are those of `multiply_each`.
macro_rules! term {
    ($x:literal, $zero:literal, $multiplier:literal, $exponent:literal, $exponents:literal) => {
        concat!(
            "vadd.i32 ",
            $x,
            ", ",
            $x,
            ", ",
            $zero,
            "\n",
            "vshl.i32 ",
            $x,
            ", ",
            $x,
            ", #20\n",
            "vqrdmulh.s32 ",
            $x,
            ", ",
            $x,
            ", ",
            $multiplier,
            "\n",
            "vand q4, ",
            $x,
            ", ",
            $exponents,
            "\n",
            "vshr.s32 q4, q4, #31\n",
            "vqadd.s32 ",
            $x,
            ", ",
            $x,
            ", q4\n",
            "vrshl.s32 ",
            $x,
            ", ",
            $exponent,
            "\n",
        )
    };
}

macro_rules! scaled {
    ($name:expr, $a:literal, $b:literal) => {
        routine!(
            $name,
            "push {{r4-r9, lr}}",
            "vpush {{d8-d9}}",
            "ldm r0, {{r0-r9}}",
            "vdup.32 q2, r6",
            "vdup.32 q3, r9",
            "dlstp.32 lr, r3",
            "2:",
            concat!("vldrb.", $a, " q0, [r0], #4"),
            concat!("vldrb.", $b, " q1, [r1], #4"),
            term!("q0", "r4", "r5", "r6", "q2"),
            term!("q1", "r7", "r8", "r9", "q3"),
            "vadd.i32 q0, q0, q1",
            "vstrw.32 q0, [r2], #16",
            "letp lr, 2b",
            "vpop {{d8-d9}}",
            "pop {{r4-r9, pc}}",
        );
    };
}

scaled!(symbol!("mve_scaled_uu"), "u32", "u32");
scaled!(symbol!("mve_scaled_us"), "u32", "s32");
scaled!(symbol!("mve_scaled_su"), "s32", "u32");
scaled!(symbol!("mve_scaled_ss"), "s32", "s32");
