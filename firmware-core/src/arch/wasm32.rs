//! WebAssembly with `simd128`: the kernels of vectors of 128 bits, `simd128_*.rs`. A module that has
//! them does not start where they are not supported, so nothing is found at run time.

// The host's compiler is newer than the boards', for which the crate's minimum stands.
#![allow(clippy::incompatible_msrv)]

use super::{ConnectedSum, Convolution, ConvolutionFilters, Target, by_four};
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::{Activation, Requantize};

#[path = "simd128_channels.rs"]
mod channels;
#[path = "simd128_depthwise.rs"]
mod depthwise;
#[path = "simd128_lanes.rs"]
mod lanes;
#[path = "simd128_outputs.rs"]
mod outputs;
#[path = "host_panel.rs"]
mod panel;
#[path = "host_patch.rs"]
mod patch;
#[path = "wasm32_vectors.rs"]
mod simd128;
#[path = "host_strip.rs"]
mod strip;
#[path = "simd128_vectors.rs"]
mod vectors;

use channels::Channels;
use depthwise::Depthwise;
use lanes::Pooled;
use patch::{TAPS, dot4_with};
use simd128::{Half, Wide};
use vectors::WIDEST;

pub(crate) use patch::Patch;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "wasm32";
    const WIDE: &'static [usize] = &[2];
    const SIDE_BY_SIDE: &'static [[usize; 2]] = &[[2, 8]];
    // Whole vectors are multiplied.
    const TAIL: usize = WIDEST - 1;

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
        // SAFETY: the module has vectors.
        unsafe { layer.run::<Wide, Y>(y) }
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
    let ([weights], weight_sums) = (weights.side_by_side, weights.sums);
    let layer = Channels { shape, x, weights, weight_sums, bias, requantize };
    // SAFETY: the module has vectors.
    unsafe { layer.run::<Wide, Y, 2>(finish, y) }
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
    let ([weights], weight_sums) = (weights.wide, weights.sums);
    let layer = Pooled { shape, pool, x, weights, weight_sums, bias, requantize };
    // SAFETY: the module has vectors.
    unsafe { layer.run::<Wide, Y, 1>(y) }
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
