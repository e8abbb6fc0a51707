//! One pixel of a patch with the DSP extension: 7 instructions for four multiply-accumulates, where four
//! pixels take 13. The sum is written for all four.

use super::TAPS;
use super::patch::Job;

unsafe extern "C" {
    #[link_name = symbol!("accumulate_one")]
    pub(super) fn accumulate(job: *const Job, weights: *const i8, sums: *mut i32);
}

// r0 patch, r1 weights, r2 sums, r3 the next pair of values, r4 step, r5 end, r6 rounds, r7 where to enter
// the first round, r8 rounds left, r9 the sum, r10-r12 weights and values.
routine!(
    symbol!("accumulate_one"),
    const { groups = TAPS / 4 },
    "push {{r4-r11, lr}}",
    "ldr r3, [r0, #12]", // skip
    "ldm r0, {{r0, r4, r5}}",
    "rsb r8, r3, #{groups}",
    "adds r6, r8, #3",
    "lsrs r6, #2",
    "rsb r8, r8, r6, lsl #2", // of the first round
    "adr r7, 3f + 1",
    "movs r3, #28",
    "mla r7, r8, r3, r7",
    "2:", // a channel
    "mov r3, r0",
    "mov r8, r6",
    "ldr r9, [r2]",
    "bx r7",
    ".p2align 2",
    "3:", // four groups of four taps
    ".rept 4",
    "ldr.w r10, [r1], #4",
    "sxtb16 r11, r10",
    "ldr.w r12, [r3], #16",
    "smlad r9, r12, r11, r9",
    "sxtb16 r11, r10, ror #8",
    "ldr.w r12, [r3], #16",
    "smlad r9, r12, r11, r9",
    ".endr",
    "subs r8, #1",
    "bne 3b",
    "strd r9, r9, [r2], #8",
    "strd r9, r9, [r2], #8",
    "add r1, r4",
    "cmp r2, r5",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);
