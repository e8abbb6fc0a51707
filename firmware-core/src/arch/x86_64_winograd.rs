//! Winograd's convolution F(2 x 2, 3 x 3): 16 products for each input channel of a tile of 2 x 2 outputs, rather
//! than 36.
//!
//! A lane holds a tile, so that weights are broadcast and nothing is added across lanes; the four outputs of a tile
//! are what a max pooling of 2 x 2 compares. Some rows of tiles are computed together: their inputs are put into a
//! panel with even columns apart from odd ones, transformed in 16 bits, multiplied by the transformed weights of four
//! channels at each of 16 points, and the sums transformed back.
//!
//! All of it is exact: the sums are four times the outputs, whose two upper bits no shape here needs.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;
use core::ops::Range;

#[path = "x86_64_winograd_input.rs"]
mod input;
#[path = "x86_64_winograd_outputs.rs"]
mod outputs;

use super::avx2::Avx2;
use super::compiled::winograd_avx2;
use super::lanes::Pooled;
use super::outputs::Rounding;
use super::strip::Strip;
use crate::arch::winograd::{CHANNELS, POINTS, is_transformed};
use crate::kernels::Conv2dShape;
use crate::{Activation, Requantize, Window};
use input::Block;
pub(super) use input::Tiles;
use outputs::Outputs;

/// Tiles in a vector.
const TILES: usize = 8;

/// Most output channels whose outputs are stored together.
const GROUP: usize = 4 * CHANNELS;

/// Most products in a sum, of at most 2^15 each: four times as much is 31 bits long.
const PRODUCTS: usize = 1 << 14;

/// Convolution and max pooling into `y`, or false where pooling is another one or it takes less otherwise.
///
/// # Safety
///
/// The processor must have AVX2.
pub(super) unsafe fn tiles_pooled<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    let Pooled { shape, pool, x, stacked: [_, weights], bias, requantize, .. } = *layer;
    let layer = Winograd { shape, output: pool.output, x, weights, bias, requantize };
    if pool.window != Window::tiling([2, 2]) {
        return false;
    }
    let Some(tiles) = layer.tiles(true, y.len()) else { return false };
    // SAFETY: as the caller promises.
    unsafe { winograd_avx2::<_, _, _, true>(&layer, &tiles, y) }
}

/// A convolution whose weights are [`transformed`](crate::arch::winograd).
pub(super) struct Winograd<'a, X, R> {
    pub shape: &'a Conv2dShape,
    /// Of the convolution, or of the max pooling of 2 x 2 behind it.
    pub output: [usize; 3],
    pub x: &'a [X],
    pub weights: &'a [i32],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// The sums of [`CHANNELS`] channels and `N` vectors of tiles at each point.
type Sums<const N: usize> = [[[__m256i; N]; CHANNELS]; POINTS];

impl<X: Activation, R: Requantize> Winograd<'_, X, R> {
    /// How the tiles lie, or `None` where the window is another one or has too many products, where there are too few
    /// tiles or channels for it to take less, or where a slice is not as long as its shape says. `pooled` says whether
    /// `output` is that of the pooling, and there must be so many `outputs`.
    // Apart from what computes them, whose large frame costs something even where nothing is done.
    pub(super) fn tiles(&self, pooled: bool, outputs: usize) -> Option<Tiles> {
        let [height, width, depth] = self.shape.input;
        let [rows, columns, channels] = self.output;
        let window = &self.shape.window;
        let ([down, right], [dy, dx]) = (window.stride, window.dilation);
        if !is_transformed([channels, window.kernel[0], window.kernel[1], depth])
            || (down, right, dy, dx) != (1, 1, 1, 1)
            || 9 * depth >= PRODUCTS
            || self.x.len() < height * width * depth
            || self.weights.len() < channels * POINTS / 2 * depth
            || self.bias.len() < channels
            || self.requantize.len() < channels
            || outputs != rows * columns * channels
        {
            return None;
        }
        let tiles = match pooled {
            true => [rows, columns],
            false => [rows.div_ceil(2), columns.div_ceil(2)],
        };
        let tiles = Tiles::new(tiles, depth)?;
        // In cycles, as measured: products, transforming inputs, and transforming sums and storing outputs;
        let vector = (9 * depth * channels + 60 * depth + 36 * channels) / 2;
        // and of what computes it otherwise, a channel to each lane, or columns of so many pixels.
        let pixels = match pooled {
            true if columns < 4 => 8 * rows * columns * channels,
            true => 4 * rows.next_multiple_of(2) * columns.next_multiple_of(4) * channels,
            false => rows * columns * channels.next_multiple_of(8),
        };
        (tiles.vectors() * vector < pixels * 9 * depth / 26).then_some(tiles)
    }

    /// Computes all of `y`, or returns false where there is too little room for padding.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2, and `tiles` be what [`Winograd::tiles`] makes of `y`.
    #[inline(always)]
    pub(super) unsafe fn run<Y: Activation, const POOLED: bool>(
        &self,
        tiles: &Tiles,
        y: &mut [Y],
    ) -> bool {
        let [height, width, depth] = self.shape.input;
        let channels = self.output[2];
        let window = &self.shape.window;
        // As if all tiles were whole.
        let shape =
            Conv2dShape { output: [2 * tiles.rows, 2 * tiles.columns, channels], ..*self.shape };
        let inside =
            !window.is_padded() && 2 * tiles.rows + 2 <= height && 2 * tiles.columns + 2 <= width;
        let lines = match Strip::rows(&shape, 1) {
            _ if inside => None,
            Some(lines) if lines.outputs >= 2 * tiles.together => Some(lines),
            _ => return false,
        };
        let mut strip = Strip::new();
        let mut block = Block::new();
        for first in (0..tiles.rows).step_by(tiles.together) {
            let count = tiles.together.min(tiles.rows - first);
            let (x, pitch) = match lines {
                Some(lines) => {
                    let place = [2 * first, 2 * count];
                    (strip.fill(&shape, self.x, lines, place, |x| x), lines.pitch)
                }
                None => (self.x.as_ptr().wrapping_add(2 * first * width * depth), width * depth),
            };
            // SAFETY: as the caller promises; `x` has all rows and columns of the block, from the input or with what
            // is behind it, and there are weights, biases, requantizations and outputs of all channels of all tiles.
            unsafe {
                block.transform(tiles, x, pitch, count);
                for channel in (0..channels).step_by(GROUP) {
                    let channels = channel..channels.min(channel + GROUP);
                    self.channels::<Y, POOLED>(tiles, &block, [first, count], channels, y);
                }
            }
        }
        true
    }

    /// The `channels`, no more than [`GROUP`], of `count` rows of tiles from row `first` on.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2, `block` must be that of the rows, and there must be weights, biases,
    /// requantizations and outputs of these channels.
    #[inline(always)]
    unsafe fn channels<Y: Activation, const POOLED: bool>(
        &self,
        tiles: &Tiles,
        block: &Block,
        [first, count]: [usize; 2],
        channels: Range<usize>,
        y: &mut [Y],
    ) {
        let depth = self.shape.input[2];
        let mut room = MaybeUninit::<Rounding<GROUP>>::uninit();
        let bias = self.bias.get(channels.clone()).unwrap_or_default();
        let requantize = self.requantize.get(channels.clone()).unwrap_or_default();
        let end = (first + count) * tiles.columns;
        // SAFETY: as the caller promises.
        unsafe {
            let rounding = match R::as_shifts(requantize) {
                Some((shifts, _)) => Rounding::set::<Avx2>(&mut room, bias, shifts, 9 * depth),
                None => None,
            };
            let weights = self.weights.as_ptr().add(channels.start * POINTS / 2 * depth);
            let y = y.as_mut_ptr().cast::<u8>().add(channels.start);
            let outputs = Outputs::<R> { weights, bias, requantize, rounding, tiles, y };
            let mut x = block.values();
            let mut tile = first * tiles.columns;
            while tile < end {
                let places = outputs::places::<POOLED>(tiles.columns, self.output, tile, end);
                if end - tile > TILES {
                    let more =
                        outputs::places::<POOLED>(tiles.columns, self.output, tile + TILES, end);
                    outputs.some::<Y, POOLED, 2>(x, [&places, &more]);
                } else {
                    outputs.some::<Y, POOLED, 1>(x, [&places]);
                }
                x = x.add(2 * TILES);
                tile += 2 * TILES;
            }
        }
    }
}

/// The sums of products at each point, of all pairs of input channels, whose values at the next point are `lanes` words
/// behind in `x`; returns the weights of the next channels.
///
/// # Safety
///
/// The processor must have AVX2; there must be a pair, `x` must have the values of all pairs at all points, and
/// `weights` those of [`CHANNELS`] channels.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn products<const N: usize>(
    x: *const i32,
    weights: *const i32,
    [pairs, lanes]: [usize; 2],
    sums: &mut MaybeUninit<Sums<N>>,
) -> *const i32 {
    let to: *mut [[__m256i; N]; CHANNELS] = sums.as_mut_ptr().cast();
    // SAFETY: as the caller promises.
    unsafe {
        let mut weights = weights;
        for point in 0..POINTS {
            let mut x = x.add(point * lanes);
            // There is a first pair, to which nothing need be added.
            let mut all = multiplied::<N>(x, weights);
            for _ in 1..pairs {
                x = x.add(POINTS * lanes);
                weights = weights.add(CHANNELS);
                let more = multiplied::<N>(x, weights);
                for c in 0..CHANNELS {
                    for n in 0..N {
                        all[c][n] = _mm256_add_epi32(all[c][n], more[c][n]);
                    }
                }
            }
            weights = weights.add(CHANNELS);
            to.add(point).write(all);
        }
        weights
    }
}

/// The products of a pair of input channels, `N` vectors of tiles, and [`CHANNELS`] output channels.
///
/// # Safety
///
/// The processor must have AVX2, and there must be as many values and weights.
#[inline(always)]
unsafe fn multiplied<const N: usize>(
    x: *const i32,
    weights: *const i32,
) -> [[__m256i; N]; CHANNELS] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut all = [[_mm256_setzero_si256(); N]; CHANNELS];
        let mut values = [_mm256_setzero_si256(); N];
        for n in 0..N {
            values[n] = _mm256_loadu_si256(x.add(n * TILES).cast());
        }
        for c in 0..CHANNELS {
            let weight = _mm256_set1_epi32(weights.add(c).read());
            for n in 0..N {
                all[c][n] = _mm256_madd_epi16(values[n], weight);
            }
        }
        all
    }
}
