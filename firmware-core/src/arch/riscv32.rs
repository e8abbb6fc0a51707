//! RV32IM and its extensions: ESP32-C3, FE310.
//!
//! Four channels at a time: 31 instructions make 16 multiply-accumulates of a convolution.

use super::packed::dot4;
use super::packed_planes::Plane;
use super::{
    Begin, ConnectedSum, Convolution, ConvolutionFilters, Target, by_four, depthwise, lines,
    packed_nibbles, thirds,
};
use crate::channels::Taps;
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::nibbles::Arrangement;
use crate::{Activation, Multiplier, Requantize, Term};

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
        ::core::arch::global_asm!(
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

#[path = "riscv32_added.rs"]
pub(super) mod added;
#[path = "riscv32_dot4.rs"]
mod assembly;
#[path = "riscv32_thirds.rs"]
mod convolution;
#[path = "riscv32_copy.rs"]
pub(super) mod copy;
pub(super) use convolution::accumulate;
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
    const COMBINES: bool = true;
    const BLOCK: usize = BLOCK;
    const TAPS: usize = thirds::TAPS;
    const BEGIN: Begin = Begin::Anything;
    const IN_PARTS: bool = true;
    const NIBBLE_SUMS: bool = true;
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
    fn add_scaled<A: Activation, B: Activation, Y: Activation>(
        terms: [Term; 2],
        values: (&[A], &[B]),
        requantize: Multiplier,
        y: &mut [Y],
    ) {
        super::added::add_scaled(terms, values, requantize, y);
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
