//! RV32IM and its extensions: ESP32-C3, FE310.
//!
//! Four channels at a time: 68 instructions make 32 multiply-accumulates of a convolution.

use core::arch::global_asm;

use super::packed::{TAPS, dot4};
use super::packed_planes::Plane;
use super::{
    ConnectedSum, Convolution, ConvolutionFilters, Target, by_four, depthwise, lines,
    packed_nibbles,
};
use crate::channels::Taps;
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::nibbles::Arrangement;
use crate::{Activation, Requantize};

pub(crate) use super::packed::Patch;

/// Short instructions where the core has them.
#[cfg(riscv_compressed)]
macro_rules! compressed {
    () => {
        ".option arch, +c"
    };
}
#[cfg(not(riscv_compressed))]
macro_rules! compressed {
    () => {
        ""
    };
}

/// A routine in assembly.
macro_rules! routine {
    ($name:expr, $($line:expr,)*) => {
        global_asm!(
            // Assembly outside of functions does not know the target's extensions.
            ".option push",
            ".option arch, +m",
            compressed!(),
            concat!(".section ", env!("INKLING_KERNELS_SECTION"), ".", $name, ", \"ax\", %progbits"),
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
mod assembly;
#[path = "riscv32_nibbles.rs"]
mod nibbles;
pub(super) use nibbles::accumulate_nibbles;
#[path = "riscv32_plane.rs"]
mod plane;
pub(super) use plane::{LEAST, plane};

/// Output channels that the fast routine takes at a time.
const BLOCK: usize = 4;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "riscv32";
    const BLOCK: usize = BLOCK;
    // Taps go in pairs, of four channels at a time.
    const TAIL: usize = BLOCK;
    const WEIGHT_SUMS: bool = true;
    const NIBBLES: Arrangement = packed_nibbles::ARRANGEMENT;
    const NIBBLE_ROWS: usize = packed_nibbles::ROWS;

    // Without an instruction that saturates, one comparison for the most, which fit.
    #[inline(always)]
    fn unsigned(value: i32) -> u8 {
        if value as u32 <= 255 { value as u8 } else { !(value >> 31) as u8 }
    }

    #[inline(always)]
    fn signed(value: i32) -> i8 {
        let fits = (value.wrapping_add(128) as u32) <= 255;
        if fits { value as i8 } else { ((value >> 31) ^ 127) as i8 }
    }

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let Convolution { shape, x, bias, requantize, .. } = convolution;
        if let (true, Some(weights)) =
            (lines::fit::<Plane>(shape), convolution.weights.eight_bits())
        {
            let (inputs, channels) = ((*x, weights.bytes), (*bias, *requantize));
            return lines::conv2d::<Plane, _, _, _>(shape, inputs, channels, finish, y);
        }
        convolution.conv2d(staged, sums, finish, y);
    }

    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        convolution.max_pool2d(staged, pool, sums, y);
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        inputs: (&[X], &[i8]),
        channels: (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        lines::depthwise_conv2d::<Plane, _, _, _>(shape, inputs, channels, y)
    }

    #[inline(always)]
    fn depthwise<X: Activation>(
        x: &Taps<X>,
        weights: &Taps<i8>,
        taps: [usize; 2],
        bias: &[i32],
        sums: &mut [i32],
    ) {
        depthwise::depthwise(x, weights, taps, bias, sums);
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        by_four::fully_connected(x, weights, (bias, requantize), requantized, y, dot4);
    }

    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        by_four::fully_connected(x, weights, (bias, bias), |_, sum| sum, logits, dot4);
    }

    #[inline(always)]
    fn connect_nibbles<X: Activation, R: Copy, Y>(
        x: &[X],
        weights: &[u8],
        channels: (&[i32], &[R]),
        finish: impl Fn(R, i32) -> Y,
        y: &mut [Y],
    ) {
        packed_nibbles::connect(x, weights, channels, finish, y);
    }
}

/// Adds the patch times the weights of every channel to `sums`.
pub(super) fn accumulate(
    patch: &[[u32; 2]; TAPS],
    [first, taps, total]: [usize; 3],
    weights: &[i8],
    sums: &mut [[i32; 4]],
) {
    let pairs = taps.div_ceil(2).min(TAPS / 2);
    let (blocks, rest) = sums.split_at_mut(sums.len() / BLOCK * BLOCK);
    let job = Job {
        x: patch.as_ptr(),
        pairs,
        step: (total * BLOCK).wrapping_sub(pairs * 2 * BLOCK),
        end: blocks.as_ptr_range().end,
    };
    if let Some(last) = (blocks.len() / BLOCK).checked_sub(1) {
        let Some(weights) = weights.get(first * BLOCK..) else { return };
        if weights.len() < (last * total + pairs * 2) * BLOCK {
            return;
        }
        // SAFETY: the routine reads `pairs * 2` pairs of words of the patch, which holds that many; as
        // many weights of every block, the last of which was just seen to be there; and it reads and
        // writes the elements of `blocks`, a multiple of four. It keeps to the procedure call standard.
        unsafe { accumulate4(&job, weights.as_ptr(), blocks.as_mut_ptr()) };
    }
    for (channel, sums) in rest.iter_mut().enumerate() {
        let at = (blocks.len() + channel) * total + first;
        let Some(weights) = weights.get(at..at + pairs * 2) else { return };
        // SAFETY: as above, with one element of `sums`.
        unsafe { accumulate1(&job, weights.as_ptr(), sums) };
    }
}

/// What the routines of [`accumulate`] share.
#[repr(C)]
struct Job {
    x: *const [u32; 2],
    pairs: usize,
    /// Bytes from where one block's weights end to where the next one's begin.
    step: usize,
    /// Where the last block's sums end.
    end: *const [i32; 4],
}

unsafe extern "C" {
    #[link_name = symbol!("accumulate4")]
    fn accumulate4(job: *const Job, weights: *const i8, sums: *mut [i32; 4]);
    #[link_name = symbol!("accumulate1")]
    fn accumulate1(job: *const Job, weights: *const i8, sums: *mut [i32; 4]);
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

// One channel and two taps: t1 and t2 weights, s0-s3 the words of two taps, t3 and t4 scratch,
// t5 0x8000.
global_asm!(
    concat!(".macro ", symbol!("multiply"), " a, b, c, d, all01, high01, all23, high23"),
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
    concat!(".macro ", symbol!("pair4"), " x, w"),
    "lw s0, (\\x)(a0)",
    "lw s1, (\\x + 4)(a0)",
    "lw s2, (\\x + 8)(a0)",
    "lw s3, (\\x + 12)(a0)",
    "lb t1, (\\w)(a1)",
    "lb t2, (\\w + 4)(a1)",
    concat!(symbol!("multiply"), " s0, s1, s2, s3, s4, s5, s6, s7"),
    "lb t1, (\\w + 1)(a1)",
    "lb t2, (\\w + 5)(a1)",
    concat!(symbol!("multiply"), " s0, s1, s2, s3, s8, s9, s10, s11"),
    "lb t1, (\\w + 2)(a1)",
    "lb t2, (\\w + 6)(a1)",
    concat!(symbol!("multiply"), " s0, s1, s2, s3, a2, a3, a4, a5"),
    "lb t1, (\\w + 3)(a1)",
    "lb t2, (\\w + 7)(a1)",
    concat!(symbol!("multiply"), " s0, s1, s2, s3, a6, a7, t6, ra"),
    ".endm",
    concat!(".macro ", symbol!("pair1"), " x, w"),
    "lw s0, (\\x)(a0)",
    "lw s1, (\\x + 4)(a0)",
    "lw s2, (\\x + 8)(a0)",
    "lw s3, (\\x + 12)(a0)",
    "lb t1, (\\w)(a1)",
    "lb t2, (\\w + 1)(a1)",
    concat!(symbol!("multiply"), " s0, s1, s2, s3, a3, a4, a5, a6"),
    ".endm",
);

routine!(
    symbol!("accumulate4"),
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
    "sw a0, 52(sp)",
    "lui t5, 8",
    "2:", // a block
    "sw a2, 56(sp)",
    "lw t0, 4(a0)", // pairs
    "lw a0, 0(a0)", // x
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
    concat!(symbol!("pair4"), " 0, 0"),
    "addi a0, a0, 16",
    "addi a1, a1, 8",
    "addi t0, t0, -1",
    "beqz t0, 4f",
    "3:",
    concat!(symbol!("pair4"), " 0, 0"),
    concat!(symbol!("pair4"), " 16, 8"),
    "addi a0, a0, 32",
    "addi a1, a1, 16",
    "addi t0, t0, -2",
    "bnez t0, 3b",
    "4:",
    "lw t1, 56(sp)",
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
    "lw a0, 52(sp)",
    "lw t2, 8(a0)",  // step
    "lw t3, 12(a0)", // end
    "addi a2, t1, 64",
    "add a1, a1, t2",
    "bne a2, t3, 2b",
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
    symbol!("accumulate1"),
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
    concat!(symbol!("pair1"), " 0, 0"),
    "addi a0, a0, 16",
    "addi a1, a1, 2",
    "addi t0, t0, -1",
    "beqz t0, 4f",
    "3:",
    concat!(symbol!("pair1"), " 0, 0"),
    concat!(symbol!("pair1"), " 16, 2"),
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
