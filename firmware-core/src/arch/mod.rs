//! Kernels for particular processors, a file for each and others of its name: the only files with `unsafe`.
//!
//! A processor is a [`Target`]: every method has a default, the portable code, and a file
//! overrides what it can do better. The order of the sums is all that differs from the scalar
//! kernels, and integers do not mind. The layers ask [`Chosen`] and know none of the targets.

use crate::affine;
use crate::channels::{self, Taps};
use crate::kernels::{self, Combine, Conv2dShape, Pool2dShape};
use crate::nibbles::{Arrangement, Nibbles};
use crate::{Activation, Multiplier, Requantize, Shift, Term, requantize};

/// The name of a routine in assembly. It carries the crate's version, so that two versions can be
/// linked into one program.
#[allow(unused_macros)] // a host has none
macro_rules! symbol {
    ($name:literal) => {
        concat!(
            "inkling_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH"),
            "_",
            $name
        )
    };
}

/// What the assembler is told of an Arm core before every routine. Armv7E-M includes the DSP extension; for
/// Armv8-M it must be told of it, and of vectors.
#[cfg(all(kernels = "armv7em", armv8m))]
macro_rules! directives {
    () => {
        ".syntax unified\n.cpu cortex-m33"
    };
}
#[cfg(kernels = "mve")]
macro_rules! directives {
    () => {
        ".syntax unified\n.cpu cortex-m55"
    };
}
#[cfg(any(kernels = "armv6m", kernels = "armv7m", all(kernels = "armv7em", not(armv8m))))]
macro_rules! directives {
    () => {
        ".syntax unified"
    };
}

/// A routine in assembly for an Arm core: its name, the constants that its lines name, and the lines.
#[cfg(any(kernels = "armv6m", kernels = "armv7m", kernels = "armv7em", kernels = "mve"))]
macro_rules! routine {
    ($name:expr, const { $($constant:ident = $value:expr),* }, $($line:expr,)*) => {
        ::core::arch::global_asm!(
            concat!(".section ", env!("INKLING_KERNELS_SECTION"), ".", $name, ", \"ax\", %progbits"),
            directives!(),
            ".thumb",
            ".p2align 2",
            concat!(".global ", $name),
            concat!(".type ", $name, ", %function"),
            ".thumb_func",
            concat!($name, ":"),
            $($line,)*
            concat!(".size ", $name, ", . - ", $name),
            $($constant = const $value,)*
        );
    };
    ($name:expr, $($line:expr,)*) => {
        routine!($name, const {}, $($line,)*);
    };
}

#[cfg(any(kernels = "armv7m", kernels = "armv7em", kernels = "mve", kernels = "riscv32"))]
mod added;
mod arranged;
#[cfg(kernels)]
mod by_four;
mod convolution;
pub(crate) mod copy;
#[cfg(kernels)]
mod cursor;
#[cfg(any(kernels = "armv7m", kernels = "riscv32"))]
mod depthwise;
#[cfg(any(kernels = "armv6m", kernels = "armv7em", kernels = "mve"))]
mod depthwise_blocks;
#[cfg(any(kernels = "armv7m", kernels = "armv7em", kernels = "mve"))]
mod divide;
#[cfg(all(kernels, not(host)))]
mod lines;
// Cores with vectors have the DSP extension, too.
#[cfg(kernels = "mve")]
#[path = "armv7em.rs"]
mod dsp;
mod elementwise;
#[cfg(any(kernels = "armv7em", kernels = "mve"))]
mod max_pool;
#[cfg(not(host))]
mod nibbles;
#[cfg(any(kernels = "armv6m", kernels = "armv7m", kernels = "riscv32"))]
mod packed;
#[cfg(any(kernels = "armv6m", kernels = "armv7m", kernels = "riscv32"))]
mod packed_nibbles;
#[cfg(any(kernels = "armv6m", kernels = "riscv32"))]
mod packed_planes;
#[cfg(any(kernels = "armv7m", kernels = "armv7em", kernels = "mve"))]
mod planes;
#[cfg(any(kernels = "armv7m", kernels = "armv7em", kernels = "mve"))]
mod rows;
mod stacked;
mod storage;
#[cfg(kernels)]
mod store;
mod stored;
#[cfg(any(kernels = "armv6m", kernels = "armv7m", kernels = "riscv32"))]
mod thirds;
mod transparent;
mod weights;
mod weights_connected;
mod weights_depthwise;
mod winograd;

#[cfg_attr(kernels = "armv6m", path = "armv6m.rs")]
#[cfg_attr(kernels = "armv7m", path = "armv6m.rs")]
#[cfg_attr(kernels = "armv7em", path = "armv7em.rs")]
#[cfg_attr(kernels = "mve", path = "mve.rs")]
#[cfg_attr(kernels = "riscv32", path = "riscv32.rs")]
#[cfg_attr(kernels = "x86_64", path = "x86_64.rs")]
#[cfg_attr(kernels = "aarch64", path = "aarch64.rs")]
#[cfg_attr(kernels = "wasm32", path = "wasm32.rs")]
#[cfg_attr(not(kernels), path = "scalar.rs")]
mod target;

pub(crate) use arranged::Arranged;
#[cfg(all(kernels, not(host)))]
pub(crate) use convolution::Part;
#[cfg(kernels)]
pub(crate) use convolution::Place;
pub(crate) use convolution::{Convolution, Convolving, Whole};
#[cfg(any(kernels = "armv6m", kernels = "armv7m", kernels = "riscv32"))]
use nibbles::NibbleSum;
#[cfg(not(host))]
pub(crate) use nibbles::{PackedConnected, PackedConvolution, PackedDepthwise};
#[cfg(kernels)]
pub(crate) use storage::room;
pub(crate) use storage::{ConvolutionFilters, ConvolutionStorage, DepthwiseStorage};
pub use storage::{EightBits, FourBits, Storage};
pub use stored::Stored;
pub(crate) use target::Chosen;
#[cfg(kernels = "aarch64")]
pub use target::limit_kernels;
#[cfg(kernels = "x86_64")]
pub use target::limit_vectors;
#[cfg(kernels)]
use weights::WeightSum;
pub(crate) use weights::{ConvolutionWeights, Weights, biased};
pub(crate) use weights_connected::{ConnectedSum, ConnectedWeights};
pub(crate) use weights_depthwise::DepthwiseWeights;
#[cfg(kernels)]
pub(crate) use {
    cursor::Cursor,
    store::{Begin, Finish, begin, interleave},
    target::Patch,
};

/// A processor, with the kernels that it has. What they compute is what the default computes.
pub(crate) trait Target {
    /// Which kernels these are.
    const NAME: &'static str;
    /// Output channels of a convolution whose weights lie side by side, tap by tap; 1 is the
    /// natural order.
    const BLOCK: usize = 1;
    /// Bytes behind the last weight of a convolution that may be loaded.
    const TAIL: usize = 0;
    /// Whether a convolution needs the sum of each output channel's weights.
    const WEIGHT_SUMS: bool = false;
    /// The same with weights of four bits.
    #[cfg_attr(host, allow(dead_code))] // a host unpacks them
    const NIBBLE_SUMS: bool = false;
    /// Whether the weights of a convolution are stored as bytes without a sign, 128 too large.
    const BIASED: bool = false;
    /// Taps of a patch with weights of eight bits.
    #[cfg(kernels)]
    const TAPS: usize = Patch::TAPS;
    /// What the sums of a window begin with, before its first patch.
    #[cfg(kernels)]
    const BEGIN: Begin = Begin::Zeros;
    /// The same with weights of four bits.
    #[cfg(kernels)]
    #[cfg_attr(host, allow(dead_code))] // a host unpacks them
    const NIBBLES_BEGIN: Begin = Begin::Zeros;
    /// Whether convolutions of many output channels go over their input once for each
    /// [`MOST`](channels::MOST) of them, so that the sums of no more are on the stack.
    const IN_PARTS: bool = false;
    /// Words of 32 bits that a convolution needs beside its weights, each of as many of a kernel
    /// row's weights as it says here.
    const WIDE: &'static [usize] = &[];

    /// Whether a convolution needs words of four weights in the orders of [`stacked`], too, the first of
    /// [`Target::WIDE`] being of four.
    const STACKED: bool = false;

    /// The same words in other orders: of each `[group, channels]` words of as many weights, those of so
    /// many output channels side by side, group by group; see [`Weights::side_by_side`].
    const SIDE_BY_SIDE: &'static [[usize; 2]] = &[];

    /// Inputs of a fully connected layer of which the weights of four outputs lie side by side;
    /// 0 is the natural order.
    const GROUP: usize = 0;

    /// Whether a fully connected layer needs the sum of each output's weights.
    const CONNECTED_SUMS: bool = false;

    /// How weights of four bits lie in a filter.
    #[cfg_attr(host, allow(dead_code))] // a host unpacks them
    const NIBBLES: Arrangement = Arrangement::NATURAL;
    /// Outputs of a fully connected layer with weights of four bits whose weights lie side by side: 1
    /// is the natural order, 2 two bytes of each in turn, 4 four bytes.
    #[cfg_attr(host, allow(dead_code))]
    const NIBBLE_ROWS: usize = 1;

    /// Has the processor fetch the beginning of what is needed soon.
    #[cfg_attr(not(feature = "std"), allow(dead_code))]
    #[inline(always)]
    fn prefetch<T>(_: &T) {}

    /// Division by 2^`bits`, 0 to 31 of them, rounding half to even.
    #[inline(always)]
    fn divide(value: i32, bits: u32) -> i32 {
        requantize::divide(value, bits)
    }

    /// The nearest value from 0 to 255.
    #[inline(always)]
    fn unsigned(value: i32) -> u8 {
        value.clamp(0, 255) as u8
    }

    /// The nearest value from -128 to 127.
    #[inline(always)]
    fn signed(value: i32) -> i8 {
        value.clamp(-128, 127) as i8
    }

    /// [`Requantize::apply_all`] of shifts whose results are kept between two bounds.
    #[inline(always)]
    fn divide_all<Y: Activation>(
        shifts: &[Shift],
        [low, high]: [i32; 2],
        accumulators: &[i32],
        y: &mut [Y],
    ) {
        let apply = |shift: Shift, value| Y::saturate(shift.apply(value).max(low).min(high));
        requantize::apply_each(shifts, apply, accumulators, y);
    }

    /// [`Requantize::apply_all`] of multipliers.
    #[inline(always)]
    fn multiply_all<Y: Activation>(multipliers: &[Multiplier], accumulators: &[i32], y: &mut [Y]) {
        requantize::apply_each(multipliers, kernels::requantized, accumulators, y);
    }

    /// The accumulators of a pixel's channels, requantized and saturated.
    #[inline(always)]
    fn requantize<R: Requantize, Y: Activation>(
        requantize: &[R],
        accumulators: &[i32],
        y: &mut [Y],
    ) {
        for (y, (sum, requantize)) in y.iter_mut().zip(accumulators.iter().zip(requantize)) {
            *y = kernels::requantized(*requantize, *sum);
        }
    }

    /// Adds the pixels of `x`, `[pixel][channel]`, to the sums of their channels.
    #[inline(always)]
    fn add_pixels<X: Activation>(x: &[X], sums: &mut [i32]) {
        kernels::add_pixels(x, sums);
    }

    /// Every byte of words of four, 0 to 127, becomes the larger of itself and the one `step` bytes behind it,
    /// where there is one.
    #[inline(always)]
    fn slide(cells: &mut [u32], step: usize) {
        crate::prepare::slide(cells, step);
    }

    /// Convolution, requantized and saturated; see [`Target::conv2d`].
    #[inline(always)]
    fn convolve<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        Self::conv2d(convolution, staged, sums, kernels::requantized, y);
    }

    /// Convolution; `finish` makes an output of an accumulator and its channel's requantization.
    /// `staged` says whether some window may reach beyond the input or have gaps between its
    /// pixels; `sums` is scratch, one element per output channel.
    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        _staged: bool,
        _sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let Convolution { shape, x, weights, bias, requantize, .. } = convolution;
        kernels::convolve(shape, x, weights.scalar(), bias, requantize, finish, y);
    }

    /// Convolution and the max pooling of its output.
    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        _staged: bool,
        pool: &Pool2dShape,
        _sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let Convolution { shape, x, weights, bias, requantize, .. } = convolution;
        let (shapes, weights) = ((*shape, pool), weights.scalar());
        kernels::convolve_max_pool2d(shapes, x, weights, bias, requantize, y);
    }

    /// Whether [`Target::accumulate_one`] takes less than [`Patch::accumulate`].
    #[cfg(kernels)]
    const ONE: bool = false;

    /// [`Patch::accumulate`] where the four pixels of a patch are one.
    #[cfg(kernels)]
    #[inline(always)]
    fn accumulate_one(patch: &mut Patch, place: [usize; 3], weights: &[i8], sums: &mut [[i32; 4]]) {
        patch.accumulate(place, weights, sums);
    }

    /// Each channel's bias as the sums of four pixels.
    #[cfg(kernels)]
    #[inline(always)]
    fn spread(bias: &[i32], sums: &mut [[i32; 4]]) {
        sums.iter_mut().zip(bias).for_each(|(sums, bias)| *sums = [*bias; 4]);
    }

    /// Depthwise convolution with as many output channels as input channels, where a target has
    /// something better than [`Target::depthwise`] for the shape; else false, and nothing done.
    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        _shape: &Conv2dShape,
        _inputs: (&[X], &[i8]),
        _channels: (&[i32], &[R]),
        _y: &mut [Y],
    ) -> bool {
        false
    }

    /// The sums of as many channels as there are, a multiple of four: of the bias and what a
    /// window of `[rows, columns]` taps makes of each.
    #[inline(always)]
    fn depthwise<X: Activation>(
        x: &Taps<X>,
        weights: &Taps<i8>,
        taps: [usize; 2],
        bias: &[i32],
        sums: &mut [i32],
    ) {
        channels::depthwise(x, weights, taps, bias, sums);
    }

    /// Adds to channels' sums their weights times a value.
    #[inline(always)]
    fn add_weights(weights: &[i8], value: i32, sums: &mut [i32]) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = sum.wrapping_add(i32::from(*weight) * value);
        }
    }

    /// Average pooling, where a target has something better than four channels after the other; else
    /// false, and nothing done.
    #[inline(always)]
    fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
        _shape: &Pool2dShape,
        _x: &[X],
        _requantize: R,
        _y: &mut [Y],
    ) -> bool {
        false
    }

    /// Max pooling.
    #[inline(always)]
    fn max_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], y: &mut [X]) {
        kernels::max_pool2d(shape, x, y);
    }

    /// Fully connected. Beside the weights lie their sums where [`Target::CONNECTED_SUMS`] says so and
    /// somebody has them.
    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        kernels::fully_connected(x, weights, bias, requantize, y);
    }

    /// Fully connected, without requantization.
    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        kernels::fully_connected_logits(x, weights, bias, logits);
    }

    /// Fully connected with weights of four bits; `finish` makes an output of a requantization and an
    /// accumulator.
    #[inline(always)]
    #[cfg_attr(host, allow(dead_code))]
    fn connect_nibbles<X: Activation, R: Copy, Y>(
        x: &[X],
        weights: &[u8],
        (bias, requantize): (&[i32], &[R]),
        finish: impl Fn(R, i32) -> Y,
        y: &mut [Y],
    ) {
        kernels::connect(x, Nibbles(weights), bias, requantize, finish, y);
    }

    /// The sum of two tensors: [`kernels::add`].
    #[inline(always)]
    fn add<A: Activation, B: Activation, Y: Activation, R: Requantize>(
        bits: [u32; 2],
        (a, b): (&[A], &[B]),
        requantize: R,
        y: &mut [Y],
    ) {
        kernels::add(bits, a, b, requantize, y);
    }

    /// The same where `y` holds the second tensor: [`kernels::add_in_place`].
    #[inline(always)]
    fn add_in_place<A: Activation, Y: Activation, R: Requantize>(
        bits: [u32; 2],
        a: &[A],
        requantize: R,
        y: &mut [Y],
    ) {
        kernels::add_in_place(bits, a, requantize, y);
    }

    /// Whether [`Combine::combine_all`] takes less than as many of [`Combine::combine`].
    const COMBINES: bool = false;

    /// A function of two tensors: [`kernels::elementwise`].
    #[inline(always)]
    fn elementwise<F: Combine, A: Activation, B: Activation, Y: Activation>(
        function: F,
        a: &[A],
        b: &[B],
        y: &mut [Y],
    ) {
        if Self::COMBINES {
            elementwise::elementwise(function, a, b, y);
        } else {
            kernels::elementwise(function, a, b, y);
        }
    }

    /// The same where `y` holds the first tensor: [`kernels::elementwise_in_place`].
    #[inline(always)]
    fn elementwise_in_place<F: Combine, B: Activation, Y: Activation>(
        function: F,
        b: &[B],
        y: &mut [Y],
    ) {
        if Self::COMBINES {
            elementwise::elementwise_in_place(function, b, y);
        } else {
            kernels::elementwise_in_place(function, b, y);
        }
    }

    /// [`Combine::combine_all`] of [`AffineAdd`](crate::AffineAdd).
    #[inline(always)]
    fn add_scaled<A: Activation, B: Activation, Y: Activation>(
        terms: [Term; 2],
        values: (&[A], &[B]),
        requantize: Multiplier,
        y: &mut [Y],
    ) {
        affine::add_scaled(terms, values, requantize, y);
    }
}
