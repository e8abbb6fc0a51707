//! 64-bit Arm: NEON, and its dot products where they are found at run time (with the feature `std`) or
//! known at compile time.
//!
//! The kernels are those of vectors of 128 bits, `simd128_*.rs`: a convolution with max pooling keeps a pixel in each
//! lane of a vector, other convolutions an output channel, and so do depthwise ones. What none takes
//! widens values to 16 bits in a [`Patch`]. What differs between the extensions is in a file for each.

// The host's compiler is newer than the boards', for which the crate's minimum stands.
#![allow(clippy::incompatible_msrv)]

use core::sync::atomic::{AtomicU8, Ordering};

use super::{ConnectedSum, Convolution, ConvolutionFilters, Target, by_four};
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::{Activation, Requantize};

#[path = "simd128_channels.rs"]
mod channels;
#[path = "aarch64_connected.rs"]
mod connected;
#[path = "simd128_depthwise.rs"]
mod depthwise;
#[path = "aarch64_dot.rs"]
mod dot;
#[path = "simd128_lanes.rs"]
mod lanes;
#[path = "aarch64_neon.rs"]
mod neon;
#[path = "simd128_outputs.rs"]
mod outputs;
#[path = "host_panel.rs"]
mod panel;
#[path = "host_patch.rs"]
mod patch;
#[path = "host_strip.rs"]
mod strip;
#[path = "simd128_vectors.rs"]
mod vectors;

use channels::Channels;
use connected::Connected;
use depthwise::Depthwise;
use dot::Dot;
use lanes::Pooled;
use neon::{Half, Neon};
use patch::{TAPS, dot4_with};
use vectors::WIDEST;

pub(crate) use patch::Patch;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "aarch64";
    const WIDE: &'static [usize] = &[4, 2];
    const SIDE_BY_SIDE: &'static [[usize; 2]] = &[[4, 8], [2, 8]];
    // Whole vectors are multiplied.
    const TAIL: usize = WIDEST - 1;
    // Products of bytes are those of signed ones.
    const WEIGHT_SUMS: bool = true;
    const CONNECTED_SUMS: bool = true;

    /// In two steps, each of which is one instruction for several values.
    #[inline(always)]
    fn unsigned(value: i32) -> u8 {
        (value.clamp(0, 0xffff) as u16).min(255) as u8
    }

    #[inline(always)]
    fn signed(value: i32) -> i8 {
        (value.clamp(-0x8000, 0x7fff) as i16).clamp(-128, 127) as i8
    }

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        if !conv2d(convolution, finish, y) {
            convolution.conv2d(staged, sums, finish, y);
        }
    }

    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        if !max_pool2d(convolution, pool, y) {
            convolution.max_pool2d(staged, pool, sums, y);
        }
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        (x, weights): (&[X], &[i8]),
        (bias, requantize): (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        let layer = Depthwise { shape, x, weights, bias, requantize };
        // SAFETY: every processor that this is compiled for has NEON.
        unsafe { layer.run::<Neon, Y>(y) }
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        weights: (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        connect(x, weights, (bias, requantize), requantized, y);
    }

    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        weights: (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        connect(x, weights, (bias, bias), |_, sum| sum, logits);
    }
}

/// Convolution into `y`, or false where [`Channels`] does not take it.
#[inline(never)]
fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
    convolution: &Convolution<X, R, W>,
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) -> bool {
    let Some(weights) = convolution.weights.eight_bits() else { return false };
    let Convolution { shape, x, bias, requantize, .. } = *convolution;
    let ([bytes, words], weight_sums) = (weights.side_by_side, weights.sums);
    let layer = |weights| Channels { shape, x, weights, weight_sums, bias, requantize };
    // SAFETY: the extensions are there.
    unsafe {
        if has_dot() && layer(bytes).run::<Dot, Y, 4>(finish, y) {
            return true;
        }
        layer(words).run::<Neon, Y, 4>(finish, y)
    }
}

/// Convolution and max pooling into `y`, or false where windows need padding, are pooled with more
/// than 2 x 2 others or are too large: those take a [`Patch`].
#[inline(never)]
fn max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
    convolution: &Convolution<X, R, W>,
    pool: &Pool2dShape,
    y: &mut [Y],
) -> bool {
    let Some(weights) = convolution.weights.eight_bits() else { return false };
    let Convolution { shape, x, bias, requantize, .. } = *convolution;
    let ([bytes, words], weight_sums) = (weights.wide, weights.sums);
    let layer = |weights| Pooled { shape, pool, x, weights, weight_sums, bias, requantize };
    // SAFETY: the extensions are there.
    unsafe {
        if has_dot() && layer(bytes).run::<Dot, Y, 2>(y) {
            return true;
        }
        layer(words).run::<Neon, Y, 2>(y)
    }
}

/// A fully connected layer.
#[inline(never)]
fn connect<X: Activation, R: Copy, Y>(
    x: &[X],
    (weights, weight_sums): (&[i8], &[ConnectedSum]),
    channels: (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) {
    let layer = Connected { x, weights, weight_sums };
    // SAFETY: the extensions are there.
    let done = unsafe {
        match has_dot() {
            true => layer.run::<Dot, R, Y>(channels, finish, y),
            false => layer.run::<Neon, R, Y>(channels, finish, y),
        }
    };
    if !done {
        // Where there are no sums of the weights, values of 16 bits do.
        by_four::fully_connected(x, weights, channels, finish, y, dot4);
    }
}

/// The sums of `x` times each of four rows of weights.
#[inline(always)]
fn dot4<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    if rows.len() != 4 * x.len() {
        return [0; 4];
    }
    // SAFETY: each of the four rows has as many weights as `x` has values.
    unsafe { dot4_with::<X, Half>(x, rows) }
}

/// Adds to sums what [`Patch`] and weights make.
///
/// # Safety
///
/// As [`patch::accumulate`].
unsafe fn accumulate(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    // SAFETY: as the caller promises.
    unsafe { patch::accumulate::<Half>(patch, taps, weights, stride, sums) }
}

/// What [`has_dot`] has found: 0 nothing yet, 1 that there are no dot products, 2 that there are.
static FOUND: AtomicU8 = AtomicU8::new(0);

/// Whether the processor has the dot product extension, found out once.
#[inline(always)]
fn has_dot() -> bool {
    match FOUND.load(Ordering::Relaxed) {
        1 => false,
        2 => true,
        _ => {
            let found = detect();
            FOUND.store(1 + u8::from(found), Ordering::Relaxed);
            found
        }
    }
}

/// Whether to use dot products from now on, in the whole process, if the processor has them; baseline NEON
/// is used in any case.
///
/// For tests and benchmarks; the results are the same.
pub fn limit_kernels(dot_products: bool) {
    FOUND.store(1 + u8::from(dot_products && detect()), Ordering::Relaxed);
}

#[cold]
fn detect() -> bool {
    #[cfg(feature = "std")]
    return std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(feature = "std"))]
    return cfg!(target_feature = "dotprod");
}
