//! Armv6-M: Cortex-M0 and M0+. Cortex-M3 and other cores without the DSP extension run the same
//! code but for the fully connected layer.
//!
//! 8 instructions make 4 multiply-accumulates of a convolution.

use super::packed::dot4;
use super::{
    Begin, ConnectedSum, Convolution, ConvolutionFilters, Target, by_four, lines, packed_nibbles,
    thirds,
};
#[cfg(kernels = "armv7m")]
use super::{added, depthwise, divide, planes::Plane, rows};
#[cfg(kernels = "armv6m")]
use super::{depthwise_blocks as depthwise, packed_planes::Plane};
use crate::channels::Taps;
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::nibbles::Arrangement;
use crate::{Activation, Requantize};
#[cfg(kernels = "armv7m")]
use crate::{Multiplier, Term};

pub(crate) use super::packed::Patch;

#[cfg(kernels = "armv6m")]
#[path = "armv6m_plane.rs"]
mod plane;
#[cfg(kernels = "armv6m")]
pub(super) use plane::{LEAST, plane};

#[cfg(kernels = "armv6m")]
#[path = "armv6m_depthwise.rs"]
mod assembly;

#[cfg(kernels = "armv7m")]
#[path = "armv7m_short_rows.rs"]
mod short_rows;

#[path = "armv6m_thirds.rs"]
mod convolution;
pub(super) use convolution::accumulate;

#[path = "armv6m_nibbles.rs"]
mod nibbles;
pub(super) use nibbles::accumulate_nibbles;

pub(crate) enum Chosen {}

impl Target for Chosen {
    #[cfg(kernels = "armv6m")]
    const NAME: &'static str = "armv6m";
    #[cfg(kernels = "armv7m")]
    const NAME: &'static str = "armv7m";
    #[cfg(kernels = "armv7m")]
    const COMBINES: bool = true;
    const TAPS: usize = thirds::TAPS;
    const BEGIN: Begin = Begin::Anything;
    const IN_PARTS: bool = true;
    // LDRB has room for an offset, LDRSB has not.
    const BIASED: bool = true;
    const NIBBLE_SUMS: bool = true;
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

    #[cfg(kernels = "armv7m")]
    #[inline(always)]
    fn add_scaled<A: Activation, B: Activation, Y: Activation>(
        terms: [Term; 2],
        values: (&[A], &[B]),
        requantize: Multiplier,
        y: &mut [Y],
    ) {
        added::add_scaled(terms, values, requantize, y);
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        inputs: (&[X], &[i8]),
        channels: (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        #[cfg(kernels = "armv7m")]
        if short_rows::depthwise_conv2d(shape, inputs, channels, y) {
            return true;
        }
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
