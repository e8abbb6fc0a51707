//! Lines of `packed_planes.rs` on Armv6-M: 57 instructions make two outputs of 9 products each.

use crate::arch::lines::Weights;
use crate::arch::packed_planes::Job;

/// See `lines::Plane::LEAST`.
pub(in crate::arch) const LEAST: [usize; 2] = [6, 24];

unsafe extern "C" {
    #[link_name = symbol!("plane")]
    pub(in crate::arch) fn plane(
        job: *const Job,
        x: *const i32,
        weights: *const Weights,
        sums: *mut i32,
    );
}

/// What a word of products adds to r8 and r9, `all` and `high` of `packed_planes.rs`.
macro_rules! take {
    ($word:literal) => {
        concat!(
            "add r8, ", $word, "\n", "add ", $word, ", r12\n", "asrs ", $word, ", ", $word,
            ", #16\n", "add r9, ", $word, "\n",
        )
    };
}

// r0 words, r1 weights, r2-r7 weights, words and products, r8 and r9 all and high, r10 sums, r11
// from the third word of a line to the first of the next, r12 0x8000, lr where the sums end. On the
// stack from there to the first line of the next pair.
routine!(
    symbol!("plane"),
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "mov r10, r3",
    "ldm r0!, {{r4-r6}}", // from line to line, from pair to pair, end
    "mov lr, r6",
    "movs r0, r1",
    "movs r1, r2",
    "lsls r2, r4, #1",
    "subs r5, r2",
    "subs r5, #8",
    "push {{r5}}",
    "subs r4, #8",
    "mov r11, r4",
    "movs r4, #128",
    "lsls r4, #8",
    "mov r12, r4",
    "2:",
    "ldm r1!, {{r2, r3}}", // taps 0 and 1
    "ldm r0!, {{r4, r5}}",
    "muls r4, r2, r4",
    "muls r5, r3, r5",
    "adds r4, r5",
    "mov r8, r4",
    "add r4, r12",
    "asrs r4, r4, #16",
    "mov r9, r4",
    "ldm r1!, {{r2-r4}}", // 2, then 3 and 4 of the second line
    "ldr r5, [r0]",
    "muls r5, r2, r5",
    "add r0, r11",
    "ldm r0!, {{r6, r7}}",
    "muls r6, r3, r6",
    "muls r7, r4, r7",
    "adds r5, r6",
    take!("r5"),
    "ldm r1!, {{r2-r4}}", // 5, then 6 and 7 of the third line
    "ldr r5, [r0]",
    "muls r5, r2, r5",
    "adds r7, r5",
    take!("r7"),
    "add r0, r11",
    "ldm r0!, {{r5, r6}}",
    "muls r5, r3, r5",
    "muls r6, r4, r6",
    "adds r5, r6",
    take!("r5"),
    "ldm r1!, {{r2}}", // 8
    "ldr r5, [r0]",
    "muls r5, r2, r5",
    "mov r2, r8",
    "adds r2, r5",
    "add r5, r12",
    "asrs r5, r5, #16",
    "add r5, r9",
    "lsls r3, r5, #16", // the sums of the lower and of the upper halves
    "subs r4, r2, r3",
    "mov r3, r10",
    "stm r3!, {{r4, r5}}",
    "mov r10, r3",
    "subs r1, #36",
    "ldr r2, [sp]",
    "adds r0, r2",
    "cmp r10, lr",
    "bne 2b",
    "add sp, #4",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
);
