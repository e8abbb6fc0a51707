//! RV32IM(A)C: ESP32-C3, FE310.
//!
//! Four channels at a time: 68 instructions make 32 multiply-accumulates of a convolution.

use core::arch::global_asm;

use super::packed::TAPS;
use super::{Cursor, LayerBytes};
use crate::Activation;

/// A routine in assembly.
macro_rules! routine {
    ($name:literal, $($line:expr,)*) => {
        global_asm!(
            // Assembly outside of functions does not know the target's extensions.
            ".option push",
            ".option arch, +m, +c",
            concat!(".section .text.", $name, ", \"ax\", %progbits"),
            concat!(".global ", $name),
            concat!(".type ", $name, ", %function"),
            ".p2align 1",
            concat!($name, ":"),
            $($line,)*
            concat!(".size ", $name, ", . - ", $name),
            ".option pop",
        );
    };
}

#[path = "riscv32_dot4.rs"]
mod dot4;

pub(crate) use dot4::dot4;

pub(crate) use super::packed::{Patch, WeightSum, correction, weight_sums};

/// Output channels that the fast routine takes at a time.
const BLOCK: usize = 4;

/// Per block of four output channels tap after tap, the four channels of a tap side by side, so
/// that one pointer reaches the weights of a block. The channels that are left over stay as they
/// are.
pub(crate) const fn arrange<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: [[[[i8; IC]; KW]; KH]; OC],
) -> [[[[i8; IC]; KW]; KH]; OC] {
    let taps = KH * KW * IC;
    let blocked = OC / BLOCK * BLOCK;
    let mut arranged = weights;
    let mut i = 0;
    while i < blocked * taps {
        let (block, tap, channel) = (i / (BLOCK * taps), i / BLOCK % taps, i % BLOCK);
        let [o, y, x, c] = [block * BLOCK + channel, tap / IC / KW, tap / IC % KW, tap % IC];
        arranged[i / taps][i % taps / IC / KW][i % taps / IC % KW][i % IC] = weights[o][y][x][c];
        i += 1;
    }
    arranged
}

/// Packs what `cursor` reads, with `shift` added to every word.
///
/// # Safety
///
/// The cursor reads at most `TAPS` taps.
pub(super) unsafe fn gather<X: Activation>(
    cursor: &mut Cursor<X>,
    patch: &mut [[u32; 2]; TAPS],
    shift: i32,
) {
    let cursor = (&raw mut *cursor).cast();
    // SAFETY: a cursor stays inside the slice it was made for, so that the routines read nothing
    // else; they write the taps, which the patch has. They keep to the procedure call standard.
    unsafe {
        if X::UNSIGNED {
            inkling_gather_unsigned(cursor, patch.as_mut_ptr(), shift);
        } else {
            inkling_gather_signed(cursor, patch.as_mut_ptr(), shift);
        }
    }
}

/// Adds the patch times the weights of every channel to `sums`.
pub(super) fn accumulate(
    patch: &[[u32; 2]; TAPS],
    [first, taps, total]: [usize; 3],
    layer: LayerBytes,
    sums: &mut [[i32; 4]],
) {
    let pairs = taps.div_ceil(2).min(TAPS / 2);
    let (blocks, rest) = sums.split_at_mut(sums.len() / BLOCK * BLOCK);
    let job = Job { x: patch.as_ptr(), pairs };
    for (block, sums) in blocks.chunks_exact_mut(BLOCK).enumerate() {
        let at = (block * total + first) * BLOCK;
        let Some(weights) = layer.get(at, pairs * 2 * BLOCK) else { return };
        // SAFETY: the routine reads `pairs * 2` pairs of words of the patch, which holds that
        // many; `pairs * 8` bytes at `weights`, which `get` says belong to the layer; and it
        // reads and writes the four elements of `sums`. It keeps to the procedure call standard.
        unsafe { inkling_accumulate4(&job, weights, sums.as_mut_ptr()) };
    }
    for (channel, sums) in rest.iter_mut().enumerate() {
        let at = (blocks.len() + channel) * total + first;
        let Some(weights) = layer.get(at, pairs * 2) else { return };
        // SAFETY: as above, with `pairs * 2` bytes at `weights` and one element of `sums`.
        unsafe { inkling_accumulate1(&job, weights, sums) };
    }
}

/// What the routines of [`accumulate`] share.
#[repr(C)]
struct Job {
    x: *const [u32; 2],
    pairs: usize,
}

unsafe extern "C" {
    fn inkling_gather_unsigned(cursor: *mut Cursor<u8>, patch: *mut [u32; 2], shift: i32);
    fn inkling_gather_signed(cursor: *mut Cursor<u8>, patch: *mut [u32; 2], shift: i32);
    fn inkling_accumulate4(job: *const Job, weights: *const u8, sums: *mut [i32; 4]);
    fn inkling_accumulate1(job: *const Job, weights: *const u8, sums: *mut [i32; 4]);
}

// a3-a6 the pixels, t1 taps left in the current row or call, a7 in the row, t0 in the call, a1 where
// the next tap goes. A tap is 12 instructions, and 8 for four of them or one.
macro_rules! gather {
    ($name:literal, $load:literal) => {
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

gather!("inkling_gather_unsigned", "lbu");
gather!("inkling_gather_signed", "lb");

// One channel and two taps: t1 and t2 weights, s0-s3 the words of two taps, t3 and t4 scratch,
// t5 0x8000.
global_asm!(
    ".macro inkling_multiply a, b, c, d, all01, high01, all23, high23",
    "mul t3, t1, \\a",
    "mul t4, t2, \\c",
    "add t3, t3, t4",
    "add \\all01, \\all01, t3",
    "add t3, t3, t5",
    "srai t3, t3, 16",
    "add \\high01, \\high01, t3",
    "mul t1, t1, \\b",
    "mul t2, t2, \\d",
    "add t1, t1, t2",
    "add \\all23, \\all23, t1",
    "add t1, t1, t5",
    "srai t1, t1, 16",
    "add \\high23, \\high23, t1",
    ".endm",
    // What four channels do with two taps.
    ".macro inkling_pair4 x, w",
    "lw s0, (\\x)(a0)",
    "lw s1, (\\x + 4)(a0)",
    "lw s2, (\\x + 8)(a0)",
    "lw s3, (\\x + 12)(a0)",
    "lb t1, (\\w)(a1)",
    "lb t2, (\\w + 4)(a1)",
    "inkling_multiply s0, s1, s2, s3, s4, s5, s6, s7",
    "lb t1, (\\w + 1)(a1)",
    "lb t2, (\\w + 5)(a1)",
    "inkling_multiply s0, s1, s2, s3, s8, s9, s10, s11",
    "lb t1, (\\w + 2)(a1)",
    "lb t2, (\\w + 6)(a1)",
    "inkling_multiply s0, s1, s2, s3, a2, a3, a4, a5",
    "lb t1, (\\w + 3)(a1)",
    "lb t2, (\\w + 7)(a1)",
    "inkling_multiply s0, s1, s2, s3, a6, a7, t6, ra",
    ".endm",
    ".macro inkling_pair1 x, w",
    "lw s0, (\\x)(a0)",
    "lw s1, (\\x + 4)(a0)",
    "lw s2, (\\x + 8)(a0)",
    "lw s3, (\\x + 12)(a0)",
    "lb t1, (\\w)(a1)",
    "lb t2, (\\w + 1)(a1)",
    "inkling_multiply s0, s1, s2, s3, a3, a4, a5, a6",
    ".endm",
);

routine!(
    "inkling_accumulate4",
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
    "sw a2, 52(sp)",
    "lw t0, 4(a0)", // pairs
    "lw a0, 0(a0)", // x
    "lui t5, 8",
    "lw s4, 0(a2)",
    "lw s5, 4(a2)",
    "lw s6, 8(a2)",
    "lw s7, 12(a2)",
    "lw s8, 16(a2)",
    "lw s9, 20(a2)",
    "lw s10, 24(a2)",
    "lw s11, 28(a2)",
    "lw a3, 36(a2)",
    "lw a4, 40(a2)",
    "lw a5, 44(a2)",
    "lw a6, 48(a2)",
    "lw a7, 52(a2)",
    "lw t6, 56(a2)",
    "lw ra, 60(a2)",
    "lw a2, 32(a2)",
    "andi t1, t0, 1",
    "beqz t1, 3f",
    "inkling_pair4 0, 0",
    "addi a0, a0, 16",
    "addi a1, a1, 8",
    "addi t0, t0, -1",
    "beqz t0, 4f",
    "3:",
    "inkling_pair4 0, 0",
    "inkling_pair4 16, 8",
    "addi a0, a0, 32",
    "addi a1, a1, 16",
    "addi t0, t0, -2",
    "bnez t0, 3b",
    "4:",
    "lw t1, 52(sp)",
    "sw s4, 0(t1)",
    "sw s5, 4(t1)",
    "sw s6, 8(t1)",
    "sw s7, 12(t1)",
    "sw s8, 16(t1)",
    "sw s9, 20(t1)",
    "sw s10, 24(t1)",
    "sw s11, 28(t1)",
    "sw a2, 32(t1)",
    "sw a3, 36(t1)",
    "sw a4, 40(t1)",
    "sw a5, 44(t1)",
    "sw a6, 48(t1)",
    "sw a7, 52(t1)",
    "sw t6, 56(t1)",
    "sw ra, 60(t1)",
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
    "inkling_accumulate1",
    "addi sp, sp, -16",
    "sw s0, 0(sp)",
    "sw s1, 4(sp)",
    "sw s2, 8(sp)",
    "sw s3, 12(sp)",
    "lw t0, 4(a0)", // pairs
    "lw a0, 0(a0)", // x
    "lui t5, 8",
    "lw a3, 0(a2)",
    "lw a4, 4(a2)",
    "lw a5, 8(a2)",
    "lw a6, 12(a2)",
    "andi t1, t0, 1",
    "beqz t1, 3f",
    "inkling_pair1 0, 0",
    "addi a0, a0, 16",
    "addi a1, a1, 2",
    "addi t0, t0, -1",
    "beqz t0, 4f",
    "3:",
    "inkling_pair1 0, 0",
    "inkling_pair1 16, 2",
    "addi a0, a0, 32",
    "addi a1, a1, 4",
    "addi t0, t0, -2",
    "bnez t0, 3b",
    "4:",
    "sw a3, 0(a2)",
    "sw a4, 4(a2)",
    "sw a5, 8(a2)",
    "sw a6, 12(a2)",
    "lw s0, 0(sp)",
    "lw s1, 4(sp)",
    "lw s2, 8(sp)",
    "lw s3, 12(sp)",
    "addi sp, sp, 16",
    "ret",
);
