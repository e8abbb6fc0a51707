//! Weights of four bits on cores without the DSP extension: 11 instructions make 8 multiply-accumulates
//! of a convolution, and 12 more per 64 take words apart.

use super::super::packed_nibbles::{ROUND, TAPS};

/// Adds the patch times the weights of every channel to `sums`: `pairs` of taps, from byte `first` on of
/// filters of `len` bytes; and `biases` for each channel.
pub(in crate::arch) fn accumulate_nibbles(
    patch: &[u32],
    [first, pairs, len]: [usize; 3],
    biases: &[i32; 4],
    weights: &[u8],
    sums: &mut [[i32; 4]],
) {
    let pairs = pairs.min(TAPS / 2).min(patch.len() / 4);
    let rounds = pairs.div_ceil(ROUND / 2);
    let skipped = rounds * (ROUND / 2) - pairs;
    let Some(last) = sums.len().checked_sub(1) else { return };
    if first + last * len + pairs > weights.len() {
        return;
    }
    let job = Job {
        x: patch.as_ptr(),
        rounds,
        step: len.wrapping_sub(rounds * (ROUND / 2)),
        end: sums.as_mut_ptr_range().end.cast(),
        biases: *biases,
        skip: skipped,
    };
    let weights = weights.as_ptr().wrapping_add(first).wrapping_sub(skipped);
    // SAFETY: the routine reads two pairs of words of the patch for each of `pairs`, which are there;
    // `pairs` bytes at `first + channel * len` for every channel, which are there as was just checked;
    // and it reads and writes the elements of `sums`, of which there is at least one. It keeps to the
    // procedure call standard.
    unsafe { accumulate_all(&job, weights, sums.as_mut_ptr().cast()) };
}

/// The invariants of one [`accumulate_nibbles`], in the order in which the routine expects them.
#[repr(C)]
struct Job {
    x: *const u32,
    rounds: usize,
    /// Bytes from where one channel's last round ends to where the next one's first would begin.
    step: usize,
    end: *const i32,
    biases: [i32; 4],
    /// Pairs of taps of the first round to jump over.
    skip: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("accumulate_nibbles")]
    fn accumulate_all(job: *const Job, weights: *const u8, sums: *mut i32);
}

macro_rules! gather {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "push {{r4-r7, lr}}",
            "mov r4, r8",
            "push {{r0, r4}}",
            "mov r12, r1",
            "mov r8, r2",
            "mov r4, r0",
            "ldm r0, {{r0-r3}}",
            "2:",                // a kernel row, or what this call takes of it
            "ldr r6, [r4, #16]", // taps
            "ldr r7, [r4, #20]", // left
            "mov r5, r6",
            "cmp r6, r7",
            "blo 3f",
            "mov r5, r7",
            "3:",
            "subs r6, r5",
            "str r6, [r4, #16]",
            "subs r7, r5",
            "str r7, [r4, #20]",
            "adds r0, r5", // indices count up to zero
            "adds r1, r5",
            "adds r2, r5",
            "adds r3, r5",
            "rsbs r4, r5, #0",
            "4:",
            concat!($load, " r5, [r0, r4]"),
            concat!($load, " r6, [r1, r4]"),
            "lsls r6, #16",
            "adds r5, r6",
            "add r5, r8",
            concat!($load, " r6, [r2, r4]"),
            concat!($load, " r7, [r3, r4]"),
            "lsls r7, #16",
            "adds r6, r7",
            "add r6, r8",
            "mov r7, r12",
            "stm r7!, {{r5, r6}}",
            "mov r12, r7",
            "adds r4, #1",
            "bne 4b",
            "ldr r4, [sp]", // cursor
            "ldr r7, [r4, #20]",
            "cmp r7, #0",
            "bne 5f",
            "ldr r7, [r4, #24]", // row
            "str r7, [r4, #20]",
            "ldr r7, [r4, #28]", // skip
            "adds r0, r7",
            "adds r1, r7",
            "adds r2, r7",
            "adds r3, r7",
            "5:",
            "ldr r6, [r4, #16]",
            "cmp r6, #0",
            "bne 2b",
            "stm r4!, {{r0-r3}}",
            "pop {{r0, r4}}",
            "mov r8, r4",
            "pop {{r4-r7, pc}}",
        );
    };
}

// A tap is 15 instructions. r8 is what shifts both values of a word, r12 where the next tap goes.
gather!(symbol!("gather_unsigned"), "ldrb");
gather!(symbol!("gather_signed"), "ldrsb");

// r0 patch, r1 weights, r2 weights of two taps, r3-r6 words, r7 rounds left, r8 and r9 the words of
// both pairs of pixels, r10 and r11, r12 and lr all of them and their upper halves. On the stack: sums,
// job, where to jump into the first round. A pair of taps is 11 instructions of 2 bytes.
routine!(
    symbol!("accumulate_nibbles"),
    const { pairs = ROUND / 2 },
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "mov r7, r2",
    "ldr r3, [r0, #32]", // skip
    "movs r4, #22",
    "muls r3, r4, r3",
    "adr r4, 3f",
    "adds r3, r4",
    "adds r4, r3, #1",
    "mov r3, r0",
    "push {{r2-r4}}",
    "2:", // a channel
    "ldr r0, [sp, #4]",
    "adds r0, #16",
    "ldm r0!, {{r3-r6}}", // biases
    "ldr r2, [r7]",
    "adds r3, r2",
    "mov r10, r3",
    "ldr r2, [r7, #4]",
    "adds r4, r2",
    "mov r11, r4",
    "ldr r2, [r7, #8]",
    "adds r5, r2",
    "mov r12, r5",
    "ldr r2, [r7, #12]",
    "adds r6, r2",
    "mov lr, r6",
    "ldr r2, [sp, #4]",
    "ldr r0, [r2]",
    "ldr r7, [r2, #4]",
    "movs r2, #0",
    "mov r8, r2",
    "mov r9, r2",
    "ldr r2, [sp, #8]",
    "bx r2",
    ".p2align 2",
    "3:", // a round
    ".set offset, 0",
    ".rept {pairs}",
    "ldrb r2, [r1, #offset]",
    "ldm r0!, {{r3-r6}}",
    "muls r3, r2, r3",
    "muls r4, r2, r4",
    "lsrs r2, r2, #4",
    "muls r5, r2, r5",
    "muls r6, r2, r6",
    "adds r3, r5",
    "add r8, r3",
    "adds r4, r6",
    "add r9, r4",
    ".set offset, offset + 1",
    ".endr",
    "mov r2, r8",
    "add r10, r2",
    "lsrs r2, r2, #16",
    "add r11, r2",
    "mov r2, r9",
    "add r12, r2",
    "lsrs r2, r2, #16",
    "add lr, r2",
    "adds r1, #{pairs}",
    "subs r7, #1",
    "beq 4f",
    "movs r2, #0",
    "mov r8, r2",
    "mov r9, r2",
    "b 3b",
    "4:",
    "ldr r7, [sp]",
    "mov r3, r10",
    "mov r4, r11",
    "mov r5, r12",
    "mov r6, lr",
    "stm r7!, {{r3-r6}}",
    "str r7, [sp]",
    "ldr r2, [sp, #4]",
    "ldr r3, [r2, #8]", // step
    "adds r1, r3",
    "ldr r3, [r2, #12]", // end
    "cmp r7, r3",
    "beq 5f",
    "b 2b",
    "5:",
    "add sp, #12",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
);

// r0 values, r1 weights, r2 groups of eight left, r3 a value, r4 mask, r5 four weights of both outputs,
// r6 the word of this round, r7 scratch, r8 all of the words, r9 their upper halves, r12 what rounds
// the halves. A value is five instructions, six where it has a sign, and four of them one more.
macro_rules! dot2 {
    ($name:expr, $sign:literal, $half:literal, $shift:literal) => {
        routine!(
            $name,
            "push {{r3-r7, lr}}",
            "mov r4, r8",
            "mov r5, r9",
            "push {{r4, r5}}",
            "ldr r4, [r3]",
            "mov r8, r4",
            "ldr r4, [r3, #4]",
            "mov r9, r4",
            "movs r4, #15",
            "lsls r5, r4, #16",
            "orrs r4, r5",
            $half,
            "mov r12, r5",
            "movs r6, #0",
            "lsls r3, r2, #31",
            "beq 2f",
            "adds r2, #1", // an odd number: begin in the middle
            "b 3f",
            "2:",
            dot2_group!($sign),
            "3:",
            dot2_group!($sign),
            "add r8, r6",
            "add r6, r12",
            concat!($shift, " r6, r6, #16"),
            "add r9, r6",
            "movs r6, #0",
            "subs r2, #2",
            "bne 2b",
            "ldr r3, [sp, #8]", // sums
            "mov r4, r8",
            "str r4, [r3]",
            "mov r4, r9",
            "str r4, [r3, #4]",
            "pop {{r4, r5}}",
            "mov r8, r4",
            "mov r9, r5",
            "pop {{r3-r7, pc}}",
        );
    };
}

// Eight inputs.
macro_rules! dot2_group {
    ($sign:literal) => {
        concat!(
            dot2_four!($sign, "0", "1", "2", "3"),
            dot2_four!($sign, "4", "5", "6", "7"),
            "adds r0, #8"
        )
    };
}

macro_rules! dot2_four {
    ($sign:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "ldm r1!, {{r5}}\n",
            dot2_input!($sign, $a, "movs r7, r5\n"),
            dot2_input!($sign, $b, "lsrs r7, r5, #4\n"),
            dot2_input!($sign, $c, "lsrs r7, r5, #8\n"),
            dot2_input!($sign, $d, "lsrs r7, r5, #12\n"),
        )
    };
}

macro_rules! dot2_input {
    ($sign:literal, $at:literal, $weight:literal) => {
        concat!(
            "ldrb r3, [r0, #",
            $at,
            "]\n",
            $sign,
            $weight,
            "ands r7, r4\n",
            "muls r7, r3, r7\n",
            "adds r6, r7\n",
        )
    };
}

dot2!(symbol!("dot2_unsigned"), "", "movs r5, #0", "lsrs");
dot2!(symbol!("dot2_signed"), "sxtb r3, r3\n", "movs r5, #1\nlsls r5, #15", "asrs");
