//! Armv6-M: Cortex-M0 and M0+. Cortex-M3 and other cores without the DSP extension run the same
//! code but for the fully connected layer.
//!
//! 19 instructions make 8 multiply-accumulates of a convolution.

use super::packed::{TAPS, dot4};
#[cfg(kernels = "armv6m")]
use super::packed_planes::Plane;
use super::{
    ConnectedSum, Convolution, ConvolutionFilters, Target, by_four, depthwise, lines,
    packed_nibbles,
};
#[cfg(kernels = "armv7m")]
use super::{divide, planes::Plane, rows};
use crate::channels::Taps;
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::nibbles::Arrangement;
use crate::{Activation, Requantize};

pub(crate) use super::packed::Patch;

#[cfg(kernels = "armv6m")]
#[path = "armv6m_plane.rs"]
mod plane;
#[cfg(kernels = "armv6m")]
pub(super) use plane::{LEAST, plane};

#[path = "armv6m_nibbles.rs"]
mod nibbles;
pub(super) use nibbles::accumulate_nibbles;

pub(crate) enum Chosen {}

impl Target for Chosen {
    #[cfg(kernels = "armv6m")]
    const NAME: &'static str = "armv6m";
    #[cfg(kernels = "armv7m")]
    const NAME: &'static str = "armv7m";
    // Taps go in pairs.
    const TAIL: usize = 1;
    const WEIGHT_SUMS: bool = true;
    const NIBBLES: Arrangement = packed_nibbles::ARRANGEMENT;
    const NIBBLE_ROWS: usize = packed_nibbles::ROWS;

    #[cfg(kernels = "armv7m")]
    #[inline(always)]
    fn divide(value: i32, bits: u32) -> i32 {
        divide::divide(value, bits)
    }

    // Without an instruction that saturates, one comparison for the most, which fit.
    #[cfg(kernels = "armv6m")]
    #[inline(always)]
    fn unsigned(value: i32) -> u8 {
        if value as u32 <= 255 { value as u8 } else { !(value >> 31) as u8 }
    }

    #[cfg(kernels = "armv6m")]
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
        #[cfg(kernels = "armv7m")]
        if let (true, Some(weights)) =
            (rows::fit(convolution.shape, pool), convolution.weights.eight_bits())
        {
            let Convolution { shape, x, bias, requantize, .. } = convolution;
            let shapes = (*shape, pool);
            return rows::max_pool2d(shapes, (x, weights.bytes), (bias, requantize), y);
        }
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

/// Taps of one round of the unrolled loop: as far as LDRB's offset reaches.
const ROUND: usize = 32;

/// Adds the patch times the weights of every channel to `sums`.
pub(super) fn accumulate(
    patch: &[[u32; 2]; TAPS],
    [first, taps, total]: [usize; 3],
    weights: &[i8],
    sums: &mut [[i32; 4]],
) {
    let taps = taps.next_multiple_of(2).min(TAPS);
    let rounds = taps.div_ceil(ROUND);
    let skipped = rounds * ROUND - taps;
    let Some(last) = sums.len().checked_sub(1) else { return };
    if first + last * total + taps > weights.len() {
        return;
    }
    let weights = weights.as_ptr().wrapping_add(first);
    let job = Job {
        x: patch.as_ptr(),
        rounds,
        step: total.wrapping_sub(rounds * ROUND),
        end: sums.as_mut_ptr_range().end.cast(),
        skip: skipped / 2,
    };
    // SAFETY: the routine reads `taps` pairs of words of the patch, which holds that many; `taps`
    // weights at `first + channel * total` for every channel, which are there as was just
    // checked; and it reads and writes the elements of `sums`, of which there is at least one. It
    // keeps to the procedure call standard.
    unsafe { accumulate_all(&job, weights.wrapping_sub(skipped), sums.as_mut_ptr().cast()) };
}

/// The invariants of one [`accumulate`], in the order in which the routine expects them.
#[repr(C)]
struct Job {
    x: *const [u32; 2],
    rounds: usize,
    /// Bytes from where one channel's last round ends to where the next one's first would begin.
    step: usize,
    end: *const i32,
    /// Pairs of taps of the first round to jump over.
    skip: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("accumulate")]
    fn accumulate_all(job: *const Job, weights: *const i8, sums: *mut i32);
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

// r0 patch, r1 weights, r2 weight, r3-r6 words, r7 rounds left, r8-r11 all and high of both pairs,
// r12 0x8000, lr where to jump into the first round. Two taps are 19 instructions of 2 bytes.
routine!(
    symbol!("accumulate"),
    const { pairs = ROUND / 2, round = ROUND },
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "mov r7, r2",
    "movs r3, #1",
    "lsls r3, #15",
    "mov r12, r3",
    "ldr r3, [r0, #16]", // skip
    "movs r4, #38",
    "muls r3, r4, r3",
    "adr r4, 3f",
    "adds r3, r4",
    "adds r3, #1",
    "mov lr, r3",
    "ldm r0!, {{r3-r6}}", // x, rounds, step, end
    "push {{r2-r6}}",
    "2:",
    "ldm r7!, {{r3-r6}}",
    "mov r8, r3",
    "mov r9, r4",
    "mov r10, r5",
    "mov r11, r6",
    "ldr r0, [sp, #4]",
    "ldr r7, [sp, #8]",
    "bx lr",
    ".p2align 2",
    "3:",
    ".set offset, 0",
    ".rept {pairs}",
    "ldrb r2, [r1, #offset]",
    "sxtb r2, r2",
    "ldm r0!, {{r3-r6}}",
    "muls r3, r2, r3",
    "muls r4, r2, r4",
    "ldrb r2, [r1, #(offset + 1)]",
    "sxtb r2, r2",
    "muls r5, r2, r5",
    "muls r6, r2, r6",
    "adds r3, r5",
    "add r8, r3",
    "add r3, r12",
    "asrs r3, #16",
    "add r9, r3",
    "adds r4, r6",
    "add r10, r4",
    "add r4, r12",
    "asrs r4, #16",
    "add r11, r4",
    ".set offset, offset + 2",
    ".endr",
    "adds r1, #{round}",
    "subs r7, #1",
    "beq 4f",
    "b 3b",
    "4:",
    "ldr r7, [sp]",
    "mov r3, r8",
    "mov r4, r9",
    "mov r5, r10",
    "mov r6, r11",
    "stm r7!, {{r3-r6}}",
    "str r7, [sp]",
    "ldr r3, [sp, #12]", // step
    "adds r1, r3",
    "ldr r3, [sp, #16]", // end
    "cmp r7, r3",
    "beq 5f",
    "b 2b",
    "5:",
    "add sp, #20",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
);

// r0-r4 values and rows, r5 counts up to zero, r8-r11 sums. A tap is 14 instructions.
#[cfg(kernels = "armv6m")]
macro_rules! dot4_tap {
    ($load:literal) => {
        concat!(
            $load,
            " r6, [r0, r5]\n",
            "ldrsb r7, [r1, r5]\n",
            "muls r7, r6, r7\n",
            "add r8, r7\n",
            "ldrsb r7, [r2, r5]\n",
            "muls r7, r6, r7\n",
            "add r9, r7\n",
            "ldrsb r7, [r3, r5]\n",
            "muls r7, r6, r7\n",
            "add r10, r7\n",
            "ldrsb r7, [r4, r5]\n",
            "muls r7, r6, r7\n",
            "add r11, r7\n",
            "adds r5, #1",
        )
    };
}

#[cfg(kernels = "armv6m")]
macro_rules! dot4 {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "push {{r3-r7, lr}}",
            "mov r4, r8",
            "mov r5, r9",
            "mov r6, r10",
            "mov r7, r11",
            "push {{r4-r7}}",
            "movs r3, #0",
            "mov r8, r3",
            "mov r9, r3",
            "mov r10, r3",
            "mov r11, r3",
            "mov r5, r2",
            "adds r0, r5", // indices count up to zero
            "adds r1, r5",
            "adds r2, r1, r5",
            "adds r3, r2, r5",
            "adds r4, r3, r5",
            "rsbs r5, r5, #0",
            "2:", // until a multiple of eight is left
            "lsls r6, r5, #29",
            "beq 3f",
            dot4_tap!($load),
            "bne 2b",
            "b 5f",
            "3:", // eight taps
            dot4_tap!($load),
            dot4_tap!($load),
            dot4_tap!($load),
            dot4_tap!($load),
            dot4_tap!($load),
            dot4_tap!($load),
            dot4_tap!($load),
            dot4_tap!($load),
            "bne 3b",
            "5:",
            "mov r0, r8",
            "mov r1, r9",
            "mov r2, r10",
            "mov r3, r11",
            "ldr r5, [sp, #16]", // sums
            "stm r5!, {{r0-r3}}",
            "pop {{r4-r7}}",
            "mov r8, r4",
            "mov r9, r5",
            "mov r10, r6",
            "mov r11, r7",
            "pop {{r3-r7, pc}}",
        );
    };
}

// A tap is 11 instructions, with loads that move their pointer and a multiplication that adds.
#[cfg(kernels = "armv7m")]
macro_rules! dot4 {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "push {{r3-r11, lr}}",
            "add r4, r1, r2",
            "add r5, r4, r2",
            "add r6, r5, r2",
            "movs r8, #0",
            "movs r9, #0",
            "movs r10, #0",
            "movs r11, #0",
            "2:",
            concat!($load, " r12, [r0], #1"),
            "ldrsb r7, [r1], #1",
            "mla r8, r7, r12, r8",
            "ldrsb r7, [r4], #1",
            "mla r9, r7, r12, r9",
            "ldrsb r7, [r5], #1",
            "mla r10, r7, r12, r10",
            "ldrsb r7, [r6], #1",
            "mla r11, r7, r12, r11",
            "subs r2, #1",
            "bne 2b",
            "stm r3, {{r8-r11}}",
            "pop {{r3-r11, pc}}",
        );
    };
}

dot4!(symbol!("dot4_unsigned"), "ldrb");
dot4!(symbol!("dot4_signed"), "ldrsb");
