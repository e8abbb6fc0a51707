//! Weights of four bits on RV32IM, four channels at a time: 44 instructions make 32 multiply-accumulates
//! of a convolution, and 56 more per 256 take words apart.

use core::arch::global_asm;

use super::super::packed_nibbles::{ROUND, TAPS};
use super::BLOCK;

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
    for sums in sums.iter_mut() {
        sums.iter_mut().zip(biases).for_each(|(sum, bias)| *sum = sum.wrapping_add(*bias));
    }
    if pairs == 0 {
        return;
    }
    let (blocks, rest) = sums.split_at_mut(sums.len() / BLOCK * BLOCK);
    if let Some(last) = (blocks.len() / BLOCK).checked_sub(1) {
        let Some(weights) = weights.get(first * BLOCK..) else { return };
        if weights.len() < (last * len + pairs) * BLOCK {
            return;
        }
        let step = (len * BLOCK).wrapping_sub(pairs * BLOCK);
        let end = blocks.as_ptr_range().end;
        let job = Job { x: patch.as_ptr(), pairs, step, end };
        // SAFETY: the routine reads two pairs of words of the patch for each of `pairs`, which are
        // there; as many bytes for every channel of every block, the last of which were just seen to
        // be there; and it reads and writes the elements of `blocks`, a multiple of four. It keeps to
        // the procedure call standard.
        unsafe { accumulate4(&job, weights.as_ptr(), blocks.as_mut_ptr()) };
    }
    for (channel, sums) in rest.iter_mut().enumerate() {
        let at = (blocks.len() + channel) * len + first;
        let Some(weights) = weights.get(at..at + pairs) else { return };
        // SAFETY: as above, with one element of `sums`.
        unsafe { accumulate1(patch.as_ptr(), weights.as_ptr(), sums, pairs) };
    }
}

/// What [`accumulate4`] is given.
#[repr(C)]
struct Job {
    x: *const u32,
    pairs: usize,
    /// Bytes from where one block's weights end to where the next one's begin.
    step: usize,
    /// Where the last block's sums end.
    end: *const [i32; 4],
}

unsafe extern "C" {
    #[link_name = symbol!("accumulate4_nibbles")]
    fn accumulate4(job: *const Job, weights: *const u8, sums: *mut [i32; 4]);
    #[link_name = symbol!("accumulate1_nibbles")]
    fn accumulate1(x: *const u32, weights: *const u8, sums: *mut [i32; 4], pairs: usize);
}

// a3-a6 the pixels, t1 taps left in the current row or call, a7 in the row, t0 in the call, a1 where
// the next tap goes. A tap is 12 instructions, and 8 for four of them or one.
macro_rules! gather {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "lw a3, 0(a0)",
            "lw a4, 4(a0)",
            "lw a5, 8(a0)",
            "lw a6, 12(a0)",
            "lw t0, 16(a0)", // taps
            "lw a7, 20(a0)", // left
            "li t6, 4",
            "2:", // a kernel row, or what this call takes of it
            "mv t1, t0",
            "bltu t0, a7, 3f",
            "mv t1, a7",
            "3:",
            "sub t0, t0, t1",
            "sub a7, a7, t1",
            "bltu t1, t6, 5f",
            "4:", // four taps
            concat!($load, " t2, 0(a4)"),
            concat!($load, " t3, 0(a3)"),
            concat!($load, " t4, 0(a6)"),
            concat!($load, " t5, 0(a5)"),
            "slli t2, t2, 16",
            "add t3, t3, a2",
            "add t2, t2, t3",
            "slli t4, t4, 16",
            "add t5, t5, a2",
            "add t4, t4, t5",
            "sw t2, 0(a1)",
            "sw t4, 4(a1)",
            concat!($load, " t2, 1(a4)"),
            concat!($load, " t3, 1(a3)"),
            concat!($load, " t4, 1(a6)"),
            concat!($load, " t5, 1(a5)"),
            "slli t2, t2, 16",
            "add t3, t3, a2",
            "add t2, t2, t3",
            "slli t4, t4, 16",
            "add t5, t5, a2",
            "add t4, t4, t5",
            "sw t2, 8(a1)",
            "sw t4, 12(a1)",
            concat!($load, " t2, 2(a4)"),
            concat!($load, " t3, 2(a3)"),
            concat!($load, " t4, 2(a6)"),
            concat!($load, " t5, 2(a5)"),
            "slli t2, t2, 16",
            "add t3, t3, a2",
            "add t2, t2, t3",
            "slli t4, t4, 16",
            "add t5, t5, a2",
            "add t4, t4, t5",
            "sw t2, 16(a1)",
            "sw t4, 20(a1)",
            concat!($load, " t2, 3(a4)"),
            concat!($load, " t3, 3(a3)"),
            concat!($load, " t4, 3(a6)"),
            concat!($load, " t5, 3(a5)"),
            "slli t2, t2, 16",
            "add t3, t3, a2",
            "add t2, t2, t3",
            "slli t4, t4, 16",
            "add t5, t5, a2",
            "add t4, t4, t5",
            "sw t2, 24(a1)",
            "sw t4, 28(a1)",
            "addi a3, a3, 4",
            "addi a4, a4, 4",
            "addi a5, a5, 4",
            "addi a6, a6, 4",
            "addi a1, a1, 32",
            "addi t1, t1, -4",
            "bgeu t1, t6, 4b",
            "beqz t1, 6f",
            "5:", // one tap
            concat!($load, " t2, 0(a4)"),
            concat!($load, " t3, 0(a3)"),
            concat!($load, " t4, 0(a6)"),
            concat!($load, " t5, 0(a5)"),
            "slli t2, t2, 16",
            "add t3, t3, a2",
            "add t2, t2, t3",
            "slli t4, t4, 16",
            "add t5, t5, a2",
            "add t4, t4, t5",
            "sw t2, 0(a1)",
            "sw t4, 4(a1)",
            "addi a3, a3, 1",
            "addi a4, a4, 1",
            "addi a5, a5, 1",
            "addi a6, a6, 1",
            "addi a1, a1, 8",
            "addi t1, t1, -1",
            "bnez t1, 5b",
            "6:",
            "bnez a7, 7f",
            "lw a7, 24(a0)", // row
            "lw t1, 28(a0)", // skip
            "add a3, a3, t1",
            "add a4, a4, t1",
            "add a5, a5, t1",
            "add a6, a6, t1",
            "7:",
            "bnez t0, 2b",
            "sw a3, 0(a0)",
            "sw a4, 4(a0)",
            "sw a5, 8(a0)",
            "sw a6, 12(a0)",
            "sw t0, 16(a0)",
            "sw a7, 20(a0)",
            "ret",
        );
    };
}

gather!(symbol!("gather_unsigned"), "lbu");
gather!(symbol!("gather_signed"), "lb");

// One channel and two taps: t1 both weights, s0-s3 the words of two taps, t2-t5 scratch.
global_asm!(
    concat!(".macro ", symbol!("multiply_nibbles"), " w, word01, word23"),
    "lbu t1, (\\w)(a1)",
    "mul t2, t1, s0",
    "mul t3, t1, s1",
    "srli t1, t1, 4",
    "mul t4, t1, s2",
    "mul t5, t1, s3",
    "add \\word01, \\word01, t2",
    "add \\word23, \\word23, t3",
    "add \\word01, \\word01, t4",
    "add \\word23, \\word23, t5",
    ".endm",
    concat!(".macro ", symbol!("load_nibbles"), " x"),
    "lw s0, (\\x)(a0)",
    "lw s1, (\\x + 4)(a0)",
    "lw s2, (\\x + 8)(a0)",
    "lw s3, (\\x + 12)(a0)",
    ".endm",
    concat!(".macro ", symbol!("pair4_nibbles"), " x, w"),
    concat!(symbol!("load_nibbles"), " \\x"),
    concat!(symbol!("multiply_nibbles"), " \\w, s4, s5"),
    concat!(symbol!("multiply_nibbles"), " \\w + 1, s6, s7"),
    concat!(symbol!("multiply_nibbles"), " \\w + 2, s8, s9"),
    concat!(symbol!("multiply_nibbles"), " \\w + 3, s10, s11"),
    ".endm",
    // A channel's words, at the end of a round, go to its sums at `at` and begin anew.
    concat!(".macro ", symbol!("apart_nibbles"), " at, word01, word23"),
    "lw t1, (\\at)(a2)",
    "lw t2, (\\at + 4)(a2)",
    "lw t3, (\\at + 8)(a2)",
    "lw t4, (\\at + 12)(a2)",
    "add t1, t1, \\word01",
    "add t3, t3, \\word23",
    "srli \\word01, \\word01, 16",
    "srli \\word23, \\word23, 16",
    "add t2, t2, \\word01",
    "add t4, t4, \\word23",
    "sw t1, (\\at)(a2)",
    "sw t2, (\\at + 4)(a2)",
    "sw t3, (\\at + 8)(a2)",
    "sw t4, (\\at + 12)(a2)",
    "li \\word01, 0",
    "li \\word23, 0",
    ".endm",
);

// a0 patch, a1 weights, a2 sums, a3 pairs left of all, a4 of this round, a5 the most of a round, a6 job.
routine!(
    symbol!("accumulate4_nibbles"),
    "addi sp, sp, -48",
    "sw s0, 0(sp)",
    "sw s1, 4(sp)",
    "sw s2, 8(sp)",
    "sw s3, 12(sp)",
    "sw s4, 16(sp)",
    "sw s5, 20(sp)",
    "sw s6, 24(sp)",
    "sw s7, 28(sp)",
    "sw s8, 32(sp)",
    "sw s9, 36(sp)",
    "sw s10, 40(sp)",
    "sw s11, 44(sp)",
    "mv a6, a0",
    "li a5, 8",
    "li s4, 0",
    "li s5, 0",
    "li s6, 0",
    "li s7, 0",
    "li s8, 0",
    "li s9, 0",
    "li s10, 0",
    "li s11, 0",
    "2:", // a block
    "lw a0, 0(a6)",
    "lw a3, 4(a6)",
    "3:", // a round
    "mv a4, a5",
    "bgeu a3, a5, 4f",
    "mv a4, a3",
    "4:",
    "sub a3, a3, a4",
    "andi t1, a4, 1",
    "beqz t1, 5f",
    concat!(symbol!("pair4_nibbles"), " 0, 0"),
    "addi a0, a0, 16",
    "addi a1, a1, 4",
    "addi a4, a4, -1",
    "beqz a4, 6f",
    "5:",
    concat!(symbol!("pair4_nibbles"), " 0, 0"),
    concat!(symbol!("pair4_nibbles"), " 16, 4"),
    "addi a0, a0, 32",
    "addi a1, a1, 8",
    "addi a4, a4, -2",
    "bnez a4, 5b",
    "6:",
    concat!(symbol!("apart_nibbles"), " 0, s4, s5"),
    concat!(symbol!("apart_nibbles"), " 16, s6, s7"),
    concat!(symbol!("apart_nibbles"), " 32, s8, s9"),
    concat!(symbol!("apart_nibbles"), " 48, s10, s11"),
    "bnez a3, 3b",
    "lw t1, 8(a6)",  // step
    "lw t2, 12(a6)", // end
    "add a1, a1, t1",
    "addi a2, a2, 64",
    "bne a2, t2, 2b",
    "lw s0, 0(sp)",
    "lw s1, 4(sp)",
    "lw s2, 8(sp)",
    "lw s3, 12(sp)",
    "lw s4, 16(sp)",
    "lw s5, 20(sp)",
    "lw s6, 24(sp)",
    "lw s7, 28(sp)",
    "lw s8, 32(sp)",
    "lw s9, 36(sp)",
    "lw s10, 40(sp)",
    "lw s11, 44(sp)",
    "addi sp, sp, 48",
    "ret",
);

// a3 pairs left of all, a4 of this round, a5 the most of a round, a6 and a7 the words.
routine!(
    symbol!("accumulate1_nibbles"),
    "addi sp, sp, -16",
    "sw s0, 0(sp)",
    "sw s1, 4(sp)",
    "sw s2, 8(sp)",
    "sw s3, 12(sp)",
    "li a5, 8",
    "li a6, 0",
    "li a7, 0",
    "3:", // a round
    "mv a4, a5",
    "bgeu a3, a5, 4f",
    "mv a4, a3",
    "4:",
    "sub a3, a3, a4",
    "5:",
    concat!(symbol!("load_nibbles"), " 0"),
    concat!(symbol!("multiply_nibbles"), " 0, a6, a7"),
    "addi a0, a0, 16",
    "addi a1, a1, 1",
    "addi a4, a4, -1",
    "bnez a4, 5b",
    concat!(symbol!("apart_nibbles"), " 0, a6, a7"),
    "bnez a3, 3b",
    "lw s0, 0(sp)",
    "lw s1, 4(sp)",
    "lw s2, 8(sp)",
    "lw s3, 12(sp)",
    "addi sp, sp, 16",
    "ret",
);

const _: () = assert!(ROUND == 16, "the routines count eight pairs");

// a0 values, a1 weights, a2 groups of eight left, a3 sums, a4 mask, a5 the word of this group, a6 what
// rounds the halves, t0 and t1 all of the words and their upper halves, t2 four weights of both outputs.
macro_rules! dot2 {
    ($name:expr, $load:literal, $half:literal, $shift:literal) => {
        routine!(
            $name,
            "lw t0, 0(a3)",
            "lw t1, 4(a3)",
            "lui a4, 0xf0",
            "addi a4, a4, 15",
            concat!("lui a6, ", $half),
            "2:",
            "lw t2, 0(a1)",
            dot2_input!($load, "0", "and t4, t2, a4\nmul a5, t3, t4"),
            dot2_input!(
                $load,
                "1",
                "srli t4, t2, 4\nand t4, t4, a4\nmul t4, t3, t4\nadd a5, a5, t4"
            ),
            dot2_input!(
                $load,
                "2",
                "srli t4, t2, 8\nand t4, t4, a4\nmul t4, t3, t4\nadd a5, a5, t4"
            ),
            dot2_input!(
                $load,
                "3",
                "srli t4, t2, 12\nand t4, t4, a4\nmul t4, t3, t4\nadd a5, a5, t4"
            ),
            "lw t2, 4(a1)",
            dot2_input!($load, "4", "and t4, t2, a4\nmul t4, t3, t4\nadd a5, a5, t4"),
            dot2_input!(
                $load,
                "5",
                "srli t4, t2, 4\nand t4, t4, a4\nmul t4, t3, t4\nadd a5, a5, t4"
            ),
            dot2_input!(
                $load,
                "6",
                "srli t4, t2, 8\nand t4, t4, a4\nmul t4, t3, t4\nadd a5, a5, t4"
            ),
            dot2_input!(
                $load,
                "7",
                "srli t4, t2, 12\nand t4, t4, a4\nmul t4, t3, t4\nadd a5, a5, t4"
            ),
            "addi a0, a0, 8",
            "addi a1, a1, 8",
            "add t0, t0, a5",
            "add a5, a5, a6",
            concat!($shift, " a5, a5, 16"),
            "add t1, t1, a5",
            "addi a2, a2, -1",
            "bnez a2, 2b",
            "sw t0, 0(a3)",
            "sw t1, 4(a3)",
            "ret",
        );
    };
}

macro_rules! dot2_input {
    ($load:literal, $at:literal, $multiply:literal) => {
        concat!($load, " t3, ", $at, "(a0)\n", $multiply)
    };
}

dot2!(symbol!("dot2_unsigned"), "lbu", "0", "srli");
dot2!(symbol!("dot2_signed"), "lb", "8", "srai");
