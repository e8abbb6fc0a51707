//! Convolution of `thirds.rs` on RV32IM, four channels at a time: 31 instructions make 16
//! multiply-accumulates.

use core::arch::global_asm;

use super::BLOCK;
use crate::arch::thirds::{End, Pass, TAPS};

/// Multiplies the patch, taps `first` to `first + taps` of `total`, with the weights of every channel.
pub(in crate::arch) fn accumulate(
    patch: &[u32],
    [first, taps, total]: [usize; 3],
    pass: Pass,
    weights: &[i8],
    sums: &mut [[i32; 4]],
) {
    let taps = taps.min(TAPS).min(patch.len() / 3);
    let (blocks, rest) = sums.split_at_mut(sums.len() / BLOCK * BLOCK);
    let job = Job {
        x: patch.as_ptr(),
        taps,
        step: (total - taps) * BLOCK,
        end: blocks.as_ptr_range().end,
        pass: u32::from(pass.resumes)
            | match pass.end {
                End::Words => 0,
                End::Sums => 2,
                End::Added => 2 | 4,
            },
    };
    if let Some(last) = (blocks.len() / BLOCK).checked_sub(1) {
        let Some(weights) = weights.get(first * BLOCK..) else { return };
        if weights.len() < (last * total + taps) * BLOCK {
            return;
        }
        // SAFETY: the routine reads three words of the patch for each of `taps`, which holds that many;
        // as many weights of every block, the last of which was just seen to be there; and it reads and
        // writes the elements of `blocks`, a multiple of four. It keeps to the procedure call standard.
        unsafe { accumulate4(&job, weights.as_ptr(), blocks.as_mut_ptr()) };
    }
    for (channel, sums) in rest.iter_mut().enumerate() {
        let at = (blocks.len() + channel) * total + first;
        let Some(weights) = weights.get(at..at + taps) else { return };
        // SAFETY: as above, with one element of `sums`.
        unsafe { accumulate1(&job, weights.as_ptr(), sums) };
    }
}

/// What the routines of [`accumulate`] share.
#[repr(C)]
struct Job {
    x: *const u32,
    taps: usize,
    /// Bytes from where one block's weights end to where the next one's begin.
    step: usize,
    /// Where the last block's sums end.
    end: *const [i32; 4],
    /// Bit 0: words are there to go on from. Bit 1: leave sums. Bit 2: add them to those that are there.
    pass: u32,
}

unsafe extern "C" {
    #[link_name = symbol!("accumulate4_thirds")]
    fn accumulate4(job: *const Job, weights: *const i8, sums: *mut [i32; 4]);
    #[link_name = symbol!("accumulate1_thirds")]
    fn accumulate1(job: *const Job, weights: *const i8, sums: *mut [i32; 4]);
}

/// One tap of four pixels.
macro_rules! gather_tap {
    ($load:literal, $at:literal, $word:literal) => {
        concat!(
            $load,
            " t2, ",
            $at,
            "(a4)\n",
            $load,
            " t3, ",
            $at,
            "(a3)\n",
            $load,
            " t4, ",
            $at,
            "(a6)\n",
            $load,
            " t5, ",
            $at,
            "(a5)\n",
            "slli t6, t2, 24\n",
            "add t3, t3, t6\n",
            "slli t6, t2, 8\n",
            "add t4, t4, t6\n",
            "slli t2, t2, 16\n",
            "add t5, t5, t2\n",
            "sw t3, (",
            $word,
            ")(a1)\n",
            "sw t4, (",
            $word,
            " + 4)(a1)\n",
            "sw t5, (",
            $word,
            " + 8)(a1)",
        )
    };
}

// a3-a6 the pixels, t1 taps left in the current row or call, a7 in the row, t0 in the call, a1 where
// the next tap goes. A tap is 13 instructions, and 7 for four of them or one.
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
            "li a2, 4",
            "2:", // a kernel row, or what this call takes of it
            "mv t1, t0",
            "bltu t0, a7, 3f",
            "mv t1, a7",
            "3:",
            "sub t0, t0, t1",
            "sub a7, a7, t1",
            "bltu t1, a2, 5f",
            "4:", // four taps
            gather_tap!($load, "0", "0"),
            gather_tap!($load, "1", "12"),
            gather_tap!($load, "2", "24"),
            gather_tap!($load, "3", "36"),
            "addi a3, a3, 4",
            "addi a4, a4, 4",
            "addi a5, a5, 4",
            "addi a6, a6, 4",
            "addi a1, a1, 48",
            "addi t1, t1, -4",
            "bgeu t1, a2, 4b",
            "beqz t1, 6f",
            "5:", // one tap
            gather_tap!($load, "0", "0"),
            "addi a3, a3, 1",
            "addi a4, a4, 1",
            "addi a5, a5, 1",
            "addi a6, a6, 1",
            "addi a1, a1, 12",
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

gather!(symbol!("gather_thirds_unsigned"), "lbu");
gather!(symbol!("gather_thirds_signed"), "lb");

// s0-s2 the words of a tap, t1 a weight, t2-t4 products. An `x` and a `w` are places.
global_asm!(
    concat!(".macro ", symbol!("load_thirds"), " x"),
    "lw s0, (\\x)(a0)",
    "lw s1, (\\x + 4)(a0)",
    "lw s2, (\\x + 8)(a0)",
    ".endm",
    concat!(".macro ", symbol!("multiply_thirds"), " w, a, b, c"),
    "lb t1, (\\w)(a1)",
    "mul t2, t1, s0",
    "mul t3, t1, s1",
    "mul t4, t1, s2",
    "add \\a, \\a, t2",
    "add \\b, \\b, t3",
    "add \\c, \\c, t4",
    ".endm",
    // What four channels do with a tap.
    concat!(".macro ", symbol!("tap4_thirds"), " x, w"),
    concat!(symbol!("load_thirds"), " \\x"),
    concat!(symbol!("multiply_thirds"), " \\w, s3, s4, s5"),
    concat!(symbol!("multiply_thirds"), " \\w + 1, s6, s7, s8"),
    concat!(symbol!("multiply_thirds"), " \\w + 2, s9, s10, s11"),
    concat!(symbol!("multiply_thirds"), " \\w + 3, a3, a4, a5"),
    ".endm",
    concat!(".macro ", symbol!("tap1_thirds"), " x, w"),
    concat!(symbol!("load_thirds"), " \\x"),
    concat!(symbol!("multiply_thirds"), " \\w, a3, a4, a5"),
    ".endm",
    // A channel's words, from where its sums are to be.
    concat!(".macro ", symbol!("resume_thirds"), " at, a, b, c"),
    "lw \\a, (\\at)(a2)",
    "lw \\b, (\\at + 4)(a2)",
    "lw \\c, (\\at + 8)(a2)",
    ".endm",
    concat!(".macro ", symbol!("store_thirds"), " at, a, b, c"),
    "sw \\a, (\\at)(a2)",
    "sw \\b, (\\at + 4)(a2)",
    "sw \\c, (\\at + 8)(a2)",
    ".endm",
    // A channel's sums; t0 says whether to add those that are there.
    concat!(".macro ", symbol!("apart_thirds"), " at, a, b, c"),
    "slli t1, \\a, 8",
    "srai t1, t1, 8",
    "sub \\a, \\a, t1",
    "srli \\a, \\a, 8",
    "sub \\c, \\c, \\a",
    "slli t3, \\c, 8",
    "srai t3, t3, 8",
    "sub \\c, \\c, t3",
    "add \\c, \\c, \\a",
    "srli \\c, \\c, 8",
    "sub \\b, \\b, \\c",
    "slli t4, \\b, 8",
    "srai t4, t4, 8",
    "sub \\b, \\b, t4",
    "add \\c, \\c, \\b",
    "srai t2, \\c, 8",
    "beqz t0, 8f",
    "lw \\a, (\\at)(a2)",
    "lw \\b, (\\at + 4)(a2)",
    "lw \\c, (\\at + 8)(a2)",
    "add t1, t1, \\a",
    "add t2, t2, \\b",
    "add t3, t3, \\c",
    "lw \\a, (\\at + 12)(a2)",
    "add t4, t4, \\a",
    "8:",
    "sw t1, (\\at)(a2)",
    "sw t2, (\\at + 4)(a2)",
    "sw t3, (\\at + 8)(a2)",
    "sw t4, (\\at + 12)(a2)",
    ".endm",
);

// a0 words, a1 weights, a2 sums, t0 taps left, t5 first word, t6 taps, a6 step, a7 end, ra how.
routine!(
    symbol!("accumulate4_thirds"),
    "addi sp, sp, -64",
    "sw ra, 0(sp)",
    "sw s0, 4(sp)",
    "sw s1, 8(sp)",
    "sw s2, 12(sp)",
    "sw s3, 16(sp)",
    "sw s4, 20(sp)",
    "sw s5, 24(sp)",
    "sw s6, 28(sp)",
    "sw s7, 32(sp)",
    "sw s8, 36(sp)",
    "sw s9, 40(sp)",
    "sw s10, 44(sp)",
    "sw s11, 48(sp)",
    "lw t5, 0(a0)",
    "lw t6, 4(a0)",
    "lw a6, 8(a0)",
    "lw a7, 12(a0)",
    "lw ra, 16(a0)",
    "2:", // a block
    "mv a0, t5",
    "mv t0, t6",
    "andi t1, ra, 1",
    "bnez t1, 3f",
    "li s3, 0",
    "li s4, 0",
    "li s5, 0",
    "li s6, 0",
    "li s7, 0",
    "li s8, 0",
    "li s9, 0",
    "li s10, 0",
    "li s11, 0",
    "li a3, 0",
    "li a4, 0",
    "li a5, 0",
    "j 4f",
    "3:",
    concat!(symbol!("resume_thirds"), " 0, s3, s4, s5"),
    concat!(symbol!("resume_thirds"), " 16, s6, s7, s8"),
    concat!(symbol!("resume_thirds"), " 32, s9, s10, s11"),
    concat!(symbol!("resume_thirds"), " 48, a3, a4, a5"),
    "4:", // until a multiple of four is left
    "andi t1, t0, 3",
    "beqz t1, 5f",
    concat!(symbol!("tap4_thirds"), " 0, 0"),
    "addi a0, a0, 12",
    "addi a1, a1, 4",
    "addi t0, t0, -1",
    "bnez t0, 4b",
    "j 6f",
    "5:", // four taps
    concat!(symbol!("tap4_thirds"), " 0, 0"),
    concat!(symbol!("tap4_thirds"), " 12, 4"),
    concat!(symbol!("tap4_thirds"), " 24, 8"),
    concat!(symbol!("tap4_thirds"), " 36, 12"),
    "addi a0, a0, 48",
    "addi a1, a1, 16",
    "addi t0, t0, -4",
    "bnez t0, 5b",
    "6:",
    "andi t0, ra, 2",
    "bnez t0, 7f",
    concat!(symbol!("store_thirds"), " 0, s3, s4, s5"),
    concat!(symbol!("store_thirds"), " 16, s6, s7, s8"),
    concat!(symbol!("store_thirds"), " 32, s9, s10, s11"),
    concat!(symbol!("store_thirds"), " 48, a3, a4, a5"),
    "j 9f",
    "7:",
    "andi t0, ra, 4",
    concat!(symbol!("apart_thirds"), " 0, s3, s4, s5"),
    concat!(symbol!("apart_thirds"), " 16, s6, s7, s8"),
    concat!(symbol!("apart_thirds"), " 32, s9, s10, s11"),
    concat!(symbol!("apart_thirds"), " 48, a3, a4, a5"),
    "9:",
    "addi a2, a2, 64",
    "add a1, a1, a6",
    "bne a2, a7, 2b",
    "lw ra, 0(sp)",
    "lw s0, 4(sp)",
    "lw s1, 8(sp)",
    "lw s2, 12(sp)",
    "lw s3, 16(sp)",
    "lw s4, 20(sp)",
    "lw s5, 24(sp)",
    "lw s6, 28(sp)",
    "lw s7, 32(sp)",
    "lw s8, 36(sp)",
    "lw s9, 40(sp)",
    "lw s10, 44(sp)",
    "lw s11, 48(sp)",
    "addi sp, sp, 64",
    "ret",
);

routine!(
    symbol!("accumulate1_thirds"),
    "addi sp, sp, -16",
    "sw s0, 0(sp)",
    "sw s1, 4(sp)",
    "sw s2, 8(sp)",
    "lw t0, 4(a0)",  // taps
    "lw t5, 16(a0)", // how
    "lw a0, 0(a0)",  // words
    "li a3, 0",
    "li a4, 0",
    "li a5, 0",
    "andi t1, t5, 1",
    "beqz t1, 2f",
    concat!(symbol!("resume_thirds"), " 0, a3, a4, a5"),
    "2:",
    "andi t1, t0, 1",
    "beqz t1, 3f",
    concat!(symbol!("tap1_thirds"), " 0, 0"),
    "addi a0, a0, 12",
    "addi a1, a1, 1",
    "addi t0, t0, -1",
    "beqz t0, 4f",
    "3:",
    concat!(symbol!("tap1_thirds"), " 0, 0"),
    concat!(symbol!("tap1_thirds"), " 12, 1"),
    "addi a0, a0, 24",
    "addi a1, a1, 2",
    "addi t0, t0, -2",
    "bnez t0, 3b",
    "4:",
    "andi t0, t5, 2",
    "bnez t0, 5f",
    concat!(symbol!("store_thirds"), " 0, a3, a4, a5"),
    "j 6f",
    "5:",
    "andi t0, t5, 4",
    concat!(symbol!("apart_thirds"), " 0, a3, a4, a5"),
    "6:",
    "lw s0, 0(sp)",
    "lw s1, 4(sp)",
    "lw s2, 8(sp)",
    "addi sp, sp, 16",
    "ret",
);
