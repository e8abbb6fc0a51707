//! The kernels, compiled for each of the extensions that are found at run time: what is inlined into these functions
//! may use them.
//!
//! All functions are unsafe for one reason more than the kernels are: the processor must have the extension.

use super::avx2::Avx2;
use super::channels::Channels;
use super::depthwise::Depthwise;
use super::lanes::Pooled;
use super::narrow::{EVEX, NarrowBytes, PAIRS, VEX};
use super::outputs::Ending;
use super::patch::{self, TAPS, dot4_with};
use super::two_pixels;
use super::vnni::{Vnni, VnniBytes};
use super::winograd::{Tiles, Winograd};
use crate::{Activation, Requantize};

#[target_feature(enable = "avx2")]
pub(super) unsafe fn accumulate_avx2(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    unsafe { patch::accumulate::<Avx2>(patch, taps, weights, stride, sums) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn accumulate_vnni(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    unsafe { patch::accumulate::<Vnni>(patch, taps, weights, stride, sums) }
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn conv2d_avx2<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Channels<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Avx2, Y, E, 6, 8>(ending, y) }
}

#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn conv2d_narrow<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Channels<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<NarrowBytes<VEX>, Y, E, 6, 8>(ending, y) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn conv2d_vnni<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Channels<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    unsafe {
        match layer.bias.len() {
            two_pixels::DEPTH if conv2d_two_pixels(layer, ending, y) => true,
            ..=8 => layer.run::<NarrowBytes<EVEX>, Y, E, 8, 8>(ending, y),
            _ => layer.run::<VnniBytes, Y, E, 8, 8>(ending, y),
        }
    }
}

// In a function of its own, so that the others take no registers from it.
#[inline(never)]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn conv2d_two_pixels<X: Activation, R: Copy, Y, E: Ending<R, Y>>(
    layer: &Channels<X, R>,
    ending: E,
    y: &mut [Y],
) -> bool {
    unsafe { layer.two_pixels::<VnniBytes, Y, E>(ending, y) }
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn depthwise_avx2<X: Activation, Y: Activation, R: Requantize>(
    layer: &Depthwise<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Avx2, Y>(y) }
}

#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn depthwise_narrow<X: Activation, Y: Activation, R: Requantize>(
    layer: &Depthwise<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<NarrowBytes<VEX>, Y>(y) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn depthwise_vnni<X: Activation, Y: Activation, R: Requantize>(
    layer: &Depthwise<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<VnniBytes, Y>(y) || layer.run::<NarrowBytes<EVEX>, Y>(y) }
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn max_pool2d_avx2<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Avx2, Y, 2>(y) }
}

#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn max_pool2d_narrow<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<NarrowBytes<VEX>, Y, 2>(y) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn max_pool2d_vnni<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<VnniBytes, Y, 4>(y) }
}

// Each in a function of its own: in one, they take registers from each other.
#[inline(never)]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn columns_avx2<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.columns::<Avx2, Y, 2>(y) }
}

#[inline(never)]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn columns_pairs<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.columns::<NarrowBytes<PAIRS>, Y, 2>(y) }
}

#[inline(never)]
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn columns_narrow<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.columns::<NarrowBytes<VEX>, Y, 2>(y) }
}

#[inline(never)]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn columns_vnni<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    unsafe { layer.columns::<VnniBytes, Y, 4>(y) }
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn dot4_avx2<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    unsafe { dot4_with::<X, Avx2>(x, rows) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn dot4_vnni<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    unsafe { dot4_with::<X, Vnni>(x, rows) }
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn winograd_avx2<
    X: Activation,
    R: Requantize,
    Y: Activation,
    const POOLED: bool,
>(
    layer: &Winograd<X, R>,
    tiles: &Tiles,
    y: &mut [Y],
) -> bool {
    unsafe { layer.run::<Y, POOLED>(tiles, y) }
}
