//! The host: SSE2, which every x86-64 has, and AVX2 or AVX-512 with VNNI where they are found at
//! run time.
//!
//! A convolution with max pooling keeps a pixel in each lane of a vector (`lanes`, over what `panel`
//! packs), other convolutions an output channel (`channels`), with padding and all in a `strip`: 64, 16
//! or 8 multiply-accumulates to an instruction, and nothing is added across lanes. So do depthwise ones
//! (`depthwise`). What neither takes, and SSE2, widens values to 16 bits in a [`Patch`]. What differs
//! between the extensions is in a file for each.

// The host's compiler is newer than the boards', for which the crate's minimum stands.
#![allow(clippy::incompatible_msrv)]

use core::arch::x86_64::*;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{ConnectedSum, Convolution, ConvolutionFilters, Target, by_four};
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::{Activation, Requantize};

#[path = "x86_64_avx2.rs"]
mod avx2;
#[path = "host_channels.rs"]
mod channels;
#[path = "host_depthwise.rs"]
mod depthwise;
#[path = "host_lanes.rs"]
mod lanes;
#[path = "host_outputs.rs"]
mod outputs;
#[path = "host_panel.rs"]
mod panel;
#[path = "host_patch.rs"]
mod patch;
#[path = "x86_64_sse2.rs"]
mod sse2;
#[path = "host_strip.rs"]
mod strip;
#[path = "host_vectors.rs"]
mod vectors;
#[path = "x86_64_vnni.rs"]
mod vnni;

use avx2::Avx2;
use channels::Channels;
use depthwise::Depthwise;
use patch::{TAPS, dot4_with};
use sse2::Sse2;
use vectors::WIDEST;
use vnni::{Vnni, VnniBytes};

use lanes::Pooled;

pub(crate) use patch::Patch;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "x86_64";
    const WIDE: &'static [usize] = &[4, 2];
    const SIDE_BY_SIDE: &'static [[usize; 2]] = &[[4, 16], [2, 8]];
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
        if conv2d(convolution, finish, y) {
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
        if max_pool2d(convolution, pool, y) {
            return;
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
        // SAFETY: `isa` found the extension.
        isa() != Isa::Sse2 && unsafe { depthwise_avx2(&layer, y) }
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        if wide_fully_connected(x, weights, bias, requantize, y) {
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
        by_four::fully_connected(x, weights, (bias, bias), |_, sum| sum, logits, dot4);
    }
}

/// Adds to sums what [`Patch`] and weights make.
///
/// # Safety
///
/// As [`patch::accumulate`], for every vector.
unsafe fn accumulate(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    // SAFETY: as the caller promises, and `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            Isa::Vnni => accumulate_vnni(patch, taps, weights, stride, sums),
            Isa::Avx2 => accumulate_avx2(patch, taps, weights, stride, sums),
            Isa::Sse2 => patch::accumulate::<Sse2>(patch, taps, weights, stride, sums),
        }
    }
}

/// Convolution into `y`, or false where the processor has SSE2 alone, or [`Channels`] does not take it.
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
    // SAFETY: `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            // The products of bytes are those of an unsigned one and a signed one.
            Isa::Vnni if X::UNSIGNED && conv2d_vnni(&layer(bytes), finish, y) => true,
            Isa::Vnni | Isa::Avx2 => conv2d_avx2(&layer(words), finish, y),
            Isa::Sse2 => false,
        }
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
    // SAFETY: `isa` found the extensions that the routines are compiled for.
    unsafe {
        match isa() {
            // The products of bytes are those of an unsigned one and a signed one.
            Isa::Vnni if X::UNSIGNED => max_pool2d_vnni(&layer(bytes), y),
            Isa::Vnni | Isa::Avx2 => max_pool2d_avx2(&layer(words), y),
            Isa::Sse2 => layer(words).run::<Sse2, Y, 2>(y),
        }
    }
}

/// A fully connected layer, or false where [`dot4`] is as good: one of few outputs, or a processor
/// without the widest vectors.
#[inline(always)]
fn wide_fully_connected<X: Activation, Y: Activation, R: Requantize>(
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) -> bool {
    let fits = y.len() >= vnni::ROWS && weights.len() == x.len() * y.len();
    if !X::UNSIGNED || isa() != Isa::Vnni || !fits {
        return false;
    }
    // SAFETY: `isa` found the extensions; there are 16 rows of weights and more, as long as `x`.
    unsafe { vnni::fully_connected(bytemuck::must_cast_slice(x), weights, bias, requantize, y) };
    true
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
            Isa::Vnni if X::UNSIGNED => VnniBytes::dot4(x.as_ptr().cast(), stride, rows.as_ptr()),
            Isa::Vnni => dot4_vnni(x, rows),
            Isa::Avx2 => dot4_avx2(x, rows),
            Isa::Sse2 => dot4_with::<X, Sse2>(x, rows),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Isa {
    Sse2 = 1,
    Avx2 = 2,
    Vnni = 3,
}

/// What [`isa`] has found, or 0.
static FOUND: AtomicU8 = AtomicU8::new(0);

/// The widest vectors that processor and operating system support, found out once.
#[inline(always)]
fn isa() -> Isa {
    match FOUND.load(Ordering::Relaxed) {
        1 => Isa::Sse2,
        2 => Isa::Avx2,
        3 => Isa::Vnni,
        _ => {
            let isa = detect();
            FOUND.store(isa as u8, Ordering::Relaxed);
            isa
        }
    }
}

/// Uses vectors of at most `bytes` bytes from now on, in the whole process: 16 is SSE2, 32 AVX2 and
/// 64 AVX-512. Wider ones than the processor has are not used in any case.
///
/// For tests and benchmarks of the narrower kernels; the results are the same.
pub fn limit_vectors(bytes: usize) {
    let isa = match (bytes, detect()) {
        (64.., found) => found,
        (32.., Isa::Avx2 | Isa::Vnni) => Isa::Avx2,
        _ => Isa::Sse2,
    };
    FOUND.store(isa as u8, Ordering::Relaxed);
}

/// Miri knows no CPUID, and of the vectors only SSE2.
#[cfg(miri)]
fn detect() -> Isa {
    Isa::Sse2
}

#[cfg(not(miri))]
#[cold]
fn detect() -> Isa {
    const XSAVE_AVX: u32 = 1 << 27 | 1 << 28;
    const AVX2: u32 = 1 << 5;
    const AVX512F_BW: u32 = 1 << 16 | 1 << 30;
    const AVX512_VNNI: u32 = 1 << 11;
    // SAFETY: every x86-64 has CPUID; XGETBV exists where CPUID says so.
    #[allow(unused_unsafe)] // newer compilers know CPUID to be safe
    let (features, state) = unsafe {
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & XSAVE_AVX != XSAVE_AVX {
            return Isa::Sse2;
        }
        (__cpuid_count(7, 0), xgetbv())
    };
    if state & 0x6 != 0x6 || features.ebx & AVX2 == 0 {
        Isa::Sse2
    } else if state & 0xe6 == 0xe6
        && features.ebx & AVX512F_BW == AVX512F_BW
        && features.ecx & AVX512_VNNI != 0
    {
        Isa::Vnni
    } else {
        Isa::Avx2
    }
}

/// Which registers the operating system saves.
#[cfg(not(miri))]
#[target_feature(enable = "xsave")]
unsafe fn xgetbv() -> u64 {
    // SAFETY: the caller has checked that the instruction exists; register 0 always does.
    unsafe { _xgetbv(0) }
}

#[target_feature(enable = "avx2")]
unsafe fn accumulate_avx2(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    unsafe { patch::accumulate::<Avx2>(patch, taps, weights, stride, sums) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn accumulate_vnni(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    unsafe { patch::accumulate::<Vnni>(patch, taps, weights, stride, sums) }
}

#[target_feature(enable = "avx2")]
unsafe fn conv2d_avx2<X: Activation, R: Copy, Y>(
    layer: &Channels<X, R>,
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Avx2, Y, 4>(finish, y) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn conv2d_vnni<X: Activation, R: Copy, Y>(
    layer: &Channels<X, R>,
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<VnniBytes, Y, 8>(finish, y) }
}

#[target_feature(enable = "avx2")]
unsafe fn depthwise_avx2<X: Activation, R: Requantize, Y: Activation>(
    layer: &Depthwise<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Avx2, Y>(y) }
}

#[target_feature(enable = "avx2")]
unsafe fn max_pool2d_avx2<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Avx2, Y, 2>(y) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn max_pool2d_vnni<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<VnniBytes, Y, 4>(y) }
}

#[target_feature(enable = "avx2")]
unsafe fn dot4_avx2<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    unsafe { dot4_with::<X, Avx2>(x, rows) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn dot4_vnni<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    unsafe { dot4_with::<X, Vnni>(x, rows) }
}
