//! The host: SSE2, which every x86-64 has, and AVX2, AVX-VNNI or AVX-512 with VNNI where they are found at
//! run time.
//!
//! A convolution with max pooling keeps a pixel in each lane of a vector (`columns`, or `lanes` over what
//! `panel` packs), other convolutions an output channel (`channels`), with padding and all in a `strip`: 64, 32, 16
//! or 8 multiply-accumulates to an instruction, and nothing is added across lanes. So do depthwise ones
//! (`depthwise`). Without VNNI, windows of 3 x 3 take fewer products in tiles of outputs (`winograd`). Shifts are
//! divided by where the sums are (`outputs`, `scaled`). Fully connected layers add the lanes of several outputs
//! together (`connected`). What none of them takes, and SSE2, widens values to 16 bits in a [`Patch`], and two
//! channels share the loads of four pixels. What differs between the extensions is in a file
//! for each.

// The host's compiler is newer than the boards', for which the crate's minimum stands.
#![allow(clippy::incompatible_msrv)]

#[cfg(not(miri))]
use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use super::{ConnectedSum, Convolution, ConvolutionFilters, Target, by_four};
use crate::kernels::{self, Conv2dShape, Pool2dShape, requantized};
use crate::{Activation, Requantize};

#[path = "x86_64_avx2.rs"]
mod avx2;
#[path = "x86_64_channels.rs"]
mod channels;
#[path = "x86_64_columns.rs"]
mod columns;
#[path = "x86_64_compiled.rs"]
mod compiled;
#[path = "x86_64_connected.rs"]
mod connected;
#[path = "x86_64_depthwise.rs"]
mod depthwise;
#[path = "x86_64_elements.rs"]
mod elements;
#[path = "x86_64_isa.rs"]
mod isa;
#[path = "x86_64_lanes.rs"]
mod lanes;
#[path = "x86_64_narrow.rs"]
mod narrow;
#[path = "x86_64_outputs.rs"]
mod outputs;
#[path = "x86_64_pairs.rs"]
mod pairs;
#[path = "host_panel.rs"]
mod panel;
#[path = "host_patch.rs"]
mod patch;
#[path = "x86_64_scaled.rs"]
mod scaled;
#[path = "x86_64_slide.rs"]
mod slide;
#[path = "x86_64_sse2.rs"]
mod sse2;
#[path = "host_strip.rs"]
mod strip;
#[path = "x86_64_two_pixels.rs"]
mod two_pixels;
#[path = "x86_64_vectors.rs"]
mod vectors;
#[path = "x86_64_vnni.rs"]
mod vnni;
#[path = "x86_64_winograd.rs"]
mod winograd;

use channels::Channels;
use compiled::*;
use connected::Connected;
use depthwise::Depthwise;
use elements::Addition;
pub use isa::limit_vectors;
use isa::{Isa, isa};
use outputs::{Each, Ending, Requantized};
use patch::{TAPS, dot4_with};
use sse2::Sse2;
use vectors::WIDEST;
use vnni::VnniBytes;
use winograd::{Winograd, tiles_pooled};

use lanes::Pooled;

pub(crate) use patch::Patch;

/// Bytes of a cache's line, and most bytes that are worth fetching: the processor finds out itself what follows.
#[cfg(not(miri))]
const LINE: usize = 64;
#[cfg(not(miri))]
const PREFETCHED: usize = 4096;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "x86_64";
    const WIDE: &'static [usize] = &[4, 2];
    const STACKED: bool = true;
    const SIDE_BY_SIDE: &'static [[usize; 2]] = &[[4, 16], [2, 8]];
    // Whole vectors are multiplied.
    const TAIL: usize = WIDEST - 1;

    #[cfg(not(miri))]
    #[inline(always)]
    fn prefetch<T>(value: &T) {
        let first = (&raw const *value).cast::<i8>();
        for at in (0..size_of::<T>().min(PREFETCHED)).step_by(LINE) {
            // SAFETY: every x86-64 has the instruction, which does nothing that is seen.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(at)) };
        }
    }

    #[inline(always)]
    fn convolve<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        if conv2d(convolution, Requantized, y) {
            return;
        }
        convolution.conv2d(staged, sums, requantized, y);
    }

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        if conv2d(convolution, Each(finish), y) {
            return;
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
        if let Some(weights) = convolution.weights.eight_bits() {
            let pooled = Pooled {
                shape: convolution.shape,
                pool,
                x: convolution.x,
                weights: weights.wide,
                stacked: weights.stacked,
                gentle: weights.gentle,
                bias: convolution.bias,
                requantize: convolution.requantize,
            };
            if max_pool2d(&pooled, y) {
                return;
            }
        }
        convolution.max_pool2d(staged, pool, sums, y);
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        (x, weights): (&[X], &[i8]),
        (bias, requantize): (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        let layer = Depthwise { shape, x, weights, bias, requantize };
        // SAFETY: `isa` found the extensions that the routines are compiled for.
        unsafe {
            match isa() {
                // The products of bytes are those of an unsigned one and a signed one.
                Isa::Vbmi | Isa::Vnni if X::UNSIGNED && depthwise_vnni(&layer, y) => true,
                Isa::Narrow if X::UNSIGNED && depthwise_narrow(&layer, y) => true,
                Isa::Vbmi | Isa::Vnni | Isa::Narrow | Isa::Avx2 => depthwise_avx2(&layer, y),
                Isa::Sse2 => false,
            }
        }
    }

    #[inline(always)]
    fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Pool2dShape,
        x: &[X],
        requantize: R,
        y: &mut [Y],
    ) -> bool {
        if isa() == Isa::Sse2 || shape.input[2] < 16 {
            return false;
        }
        // SAFETY: `isa` found the extension.
        unsafe { elements::average_pool2d(shape, x, requantize, y) };
        true
    }

    #[inline(always)]
    fn add<A: Activation, B: Activation, Y: Activation, R: Requantize>(
        bits: [u32; 2],
        (a, b): (&[A], &[B]),
        requantize: R,
        y: &mut [Y],
    ) {
        match Addition::new::<Y, R>(bits, requantize) {
            // SAFETY: `isa` found the extension.
            Some(addition) if isa() != Isa::Sse2 => unsafe { elements::add(&addition, a, b, y) },
            _ => kernels::add(bits, a, b, requantize, y),
        }
    }

    #[inline(always)]
    fn add_in_place<A: Activation, Y: Activation, R: Requantize>(
        bits: [u32; 2],
        a: &[A],
        requantize: R,
        y: &mut [Y],
    ) {
        match Addition::new::<Y, R>(bits, requantize) {
            // SAFETY: `isa` found the extension.
            Some(addition) if isa() != Isa::Sse2 => unsafe {
                elements::add_in_place(&addition, a, y)
            },
            _ => kernels::add_in_place(bits, a, requantize, y),
        }
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        let layer = Connected { x, weights, bias, requantize };
        if fully_connected(&layer, Requantized, y) {
            return;
        }
        by_four::fully_connected(x, weights, (bias, requantize), requantized, y, dot4);
    }

    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        let layer = Connected { x, weights, bias, requantize: bias };
        if fully_connected(&layer, Each(|_, sum| sum), logits) {
            return;
        }
        by_four::fully_connected(x, weights, (bias, bias), |_, sum| sum, logits, dot4);
    }
}

/// Convolution into `y`, or false where the processor has SSE2 alone, or [`Channels`] does not take it.
#[inline(never)]
fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y, E: Ending<R, Y>>(
    convolution: &Convolution<X, R, W>,
    ending: E,
    y: &mut [Y],
) -> bool {
    let Some(weights) = convolution.weights.eight_bits() else { return false };
    let Convolution { shape, x, bias, requantize, .. } = *convolution;
    let [bytes, words] = weights.side_by_side;
    let layer = |weights| Channels { shape, x, weights, bias, requantize };
    // SAFETY: `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            // The products of bytes are those of an unsigned one and a signed one.
            Isa::Vbmi | Isa::Vnni if X::UNSIGNED && conv2d_vnni(&layer(bytes), ending, y) => true,
            Isa::Narrow if X::UNSIGNED && conv2d_narrow(&layer(bytes), ending, y) => true,
            Isa::Vbmi | Isa::Vnni | Isa::Narrow | Isa::Avx2 => {
                let weights = weights.transformed();
                let tiles = Winograd { shape, output: shape.output, x, weights, bias, requantize };
                ending.tiles(&tiles, y) || conv2d_avx2(&layer(words), ending, y)
            }
            Isa::Sse2 => false,
        }
    }
}

/// Convolution and max pooling into `y`, or false where windows need padding, are pooled with more
/// than 2 x 2 others or are too large: those take a [`Patch`].
#[inline(never)]
fn max_pool2d<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    // SAFETY: `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            // The products of bytes are those of an unsigned one and a signed one.
            Isa::Vbmi if X::UNSIGNED => {
                columns::few_words(layer, y) || columns_vnni(layer, y) || max_pool2d_vnni(layer, y)
            }
            Isa::Vnni if X::UNSIGNED => columns_vnni(layer, y) || max_pool2d_vnni(layer, y),
            Isa::Narrow if X::UNSIGNED => columns_narrow(layer, y) || max_pool2d_narrow(layer, y),
            Isa::Vbmi | Isa::Vnni | Isa::Narrow | Isa::Avx2 => {
                tiles_pooled(layer, y)
                    || (X::UNSIGNED && isa() == Isa::Avx2 && columns_pairs(layer, y))
                    || columns_avx2(layer, y)
                    || max_pool2d_avx2(layer, y)
            }
            Isa::Sse2 => layer.run::<Sse2, Y, 2>(y),
        }
    }
}

/// A fully connected layer, or false where [`dot4`] is as good: one of few outputs, or a processor that has SSE2
/// alone.
#[inline(always)]
fn fully_connected<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Connected<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    // SAFETY: `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            // The products of bytes are those of an unsigned one and a signed one.
            Isa::Vbmi | Isa::Vnni if X::UNSIGNED => connected::with_vnni(layer, ending, y),
            Isa::Narrow if X::UNSIGNED => connected::with_avx_vnni(layer, ending, y),
            Isa::Vbmi | Isa::Vnni | Isa::Narrow | Isa::Avx2 => {
                connected::with_avx2(layer, ending, y)
            }
            Isa::Sse2 => false,
        }
    }
}

/// Four outputs of a fully connected layer: the sums of `x` times each of four rows of weights.
#[inline(always)]
fn dot4<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    let stride = x.len();
    if rows.len() != 4 * stride {
        return [0; 4];
    }
    // SAFETY: each of the four rows has as many weights as `x` has values, and `isa` found the
    // extensions that the routines are compiled for.
    unsafe {
        match isa() {
            // The products of bytes are those of an unsigned one and a signed one.
            Isa::Vbmi | Isa::Vnni if X::UNSIGNED => {
                VnniBytes::dot4(x.as_ptr().cast(), stride, rows.as_ptr())
            }
            Isa::Vbmi | Isa::Vnni => dot4_vnni(x, rows),
            Isa::Narrow | Isa::Avx2 => dot4_avx2(x, rows),
            Isa::Sse2 => dot4_with::<X, Sse2>(x, rows),
        }
    }
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
    // SAFETY: as the caller promises; `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            Isa::Vbmi | Isa::Vnni => accumulate_vnni(patch, taps, weights, stride, sums),
            Isa::Narrow | Isa::Avx2 => accumulate_avx2(patch, taps, weights, stride, sums),
            Isa::Sse2 => patch::accumulate::<Sse2>(patch, taps, weights, stride, sums),
        }
    }
}
