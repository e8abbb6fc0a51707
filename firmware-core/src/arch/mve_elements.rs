//! What is done to each element of tensors that lie side by side.

use core::arch::global_asm;
use core::mem::MaybeUninit;

use crate::{Activation, Requantize};

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

unsafe extern "C" {
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
