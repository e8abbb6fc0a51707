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

#[path = "x86_64_winograd_input.rs"]
mod input;

use super::avx2::Avx2;
use super::lanes::{ZEROS, finished, rounded};
use super::outputs::Rounding;
use super::strip::Strip;
use super::vectors::Lanes;
use crate::arch::winograd::{POINTS, is_transformed};
use crate::kernels::Conv2dShape;
use crate::{Activation, Requantize};
use input::{Block, Tiles};

/// Tiles in a vector.
const TILES: usize = 8;

/// Output channels that are computed together.
const CHANNELS: usize = 4;

/// Most products in a sum, of at most 2^15 each: four times as much is 31 bits long.
const PRODUCTS: usize = 1 << 14;

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
type Sums<const N: usize> = [[[Avx2; N]; CHANNELS]; POINTS];

impl<X: Activation, R: Requantize> Winograd<'_, X, R> {
    /// Computes all of `y`, or returns false where the window is another one or has too many products, where there
    /// are too few tiles or channels for it to be worth it, or where a slice is not as long as its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    #[inline(always)]
    pub(super) unsafe fn run<Y: Activation, const POOLED: bool>(&self, y: &mut [Y]) -> bool {
        let [height, width, depth] = self.shape.input;
        let [rows, columns, channels] = self.output;
        let window = &self.shape.window;
        let ([down, right], [dy, dx]) = (window.stride, window.dilation);
        if !is_transformed([window.kernel[0], window.kernel[1], depth])
            || (down, right, dy, dx) != (1, 1, 1, 1)
            || 9 * depth >= PRODUCTS
            || channels < CHANNELS
            || self.x.len() < height * width * depth
            || self.weights.len() < channels * POINTS / 2 * depth
            || self.bias.len() < channels
            || self.requantize.len() < channels
            || y.len() != rows * columns * channels
        {
            return false;
        }
        let tiles = match POOLED {
            true => [rows, columns],
            false => [rows.div_ceil(2), columns.div_ceil(2)],
        };
        let Some(tiles) = Tiles::new(tiles, depth) else { return false };
        // As if all tiles were whole.
        let shape =
            Conv2dShape { output: [2 * tiles.rows, 2 * tiles.columns, channels], ..*self.shape };
        let inside = !window.is_padded()
            && 2 * tiles.rows + 2 <= height
            && 2 * tiles.columns + 2 <= width;
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
                block.transform(&tiles, x, pitch, count);
                for channel in (0..channels).step_by(CHANNELS) {
                    // The last channels overlap the ones before where they are no multiple.
                    let channel = channel.min(channels - CHANNELS);
                    self.channels::<Y, POOLED>(&tiles, &block, [first, count], channel, y);
                }
            }
        }
        true
    }

    /// [`CHANNELS`] channels from `channel` on of `count` rows of tiles from row `first` on.
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
        channel: usize,
        y: &mut [Y],
    ) {
        let depth = self.shape.input[2];
        let mut room = MaybeUninit::<Rounding<TILES>>::uninit();
        let bias = self.bias.get(channel..channel + CHANNELS).unwrap_or_default();
        let requantize = self.requantize.get(channel..channel + CHANNELS).unwrap_or_default();
        let all = count * tiles.columns;
        let vectors = all.div_ceil(TILES);
        // SAFETY: as the caller promises.
        unsafe {
            let rounding = match R::as_shifts(requantize) {
                Some((shifts, _)) => Rounding::set::<Avx2>(&mut room, bias, shifts, 9 * depth),
                None => None,
            };
            let outputs = Outputs::<Y, R> {
                output: self.output,
                tiles: tiles.columns,
                first: first * tiles.columns,
                end: first * tiles.columns + all,
                channel,
                bias,
                requantize,
                rounding,
                y: y.as_mut_ptr(),
            };
            let weights = self.weights.as_ptr().add(channel * POINTS / 2 * depth);
            let mut at = 0;
            while at < vectors {
                let x = block.values().add(at * TILES);
                at += match vectors - at {
                    1 => outputs.some::<POOLED, 1>(tiles, x, weights, at),
                    _ => outputs.some::<POOLED, 2>(tiles, x, weights, at),
                };
            }
        }
    }
}

/// Where the outputs of [`CHANNELS`] channels of some tiles belong, and how they are finished.
struct Outputs<'a, Y, R> {
    output: [usize; 3],
    /// Tiles in a row, and the numbers of the first one and of the one behind the last.
    tiles: usize,
    first: usize,
    end: usize,
    channel: usize,
    bias: &'a [i32],
    requantize: &'a [R],
    rounding: Option<&'a Rounding<TILES>>,
    y: *mut Y,
}

impl<Y: Activation, R: Requantize> Outputs<'_, Y, R> {
    /// `N` vectors of tiles from vector number `at` on, whose transformed values begin at `x`; returns `N`.
    ///
    /// # Safety
    ///
    /// As [`Winograd::channels`]; `weights` must be those of the channels.
    #[inline(always)]
    unsafe fn some<const POOLED: bool, const N: usize>(
        &self,
        tiles: &Tiles,
        x: *const i32,
        weights: *const i32,
        at: usize,
    ) -> usize {
        let mut sums = MaybeUninit::<Sums<N>>::uninit();
        // SAFETY: as the caller promises.
        unsafe {
            products(x, weights, [tiles.pairs, tiles.lanes], &mut sums);
            let sums = sums.assume_init_ref();
            for n in 0..N {
                self.finish::<POOLED, N>(sums, n, self.first + (at + n) * TILES);
            }
        }
        N
    }

    /// The outputs of vector `n` of tiles, the first of which has number `tile`.
    ///
    /// # Safety
    ///
    /// As [`Winograd::channels`].
    #[inline(always)]
    unsafe fn finish<const POOLED: bool, const N: usize>(
        &self,
        sums: &Sums<N>,
        n: usize,
        tile: usize,
    ) {
        // SAFETY: as the caller promises; there are as many outputs as was said.
        unsafe {
            let starts = match self.rounding {
                Some(rounding) => &raw const rounding.start as *const i32,
                None => ZEROS.as_ptr(),
            };
            let mut four = [[<Avx2 as Lanes>::zero(); CHANNELS]; 4];
            for channel in 0..CHANNELS {
                let start = _mm256_set1_epi32(starts.add(channel).read());
                let mut outputs = back(sums, channel, n);
                if POOLED {
                    let [a, b, c, d] = outputs;
                    outputs[0] = _mm256_max_epi32(_mm256_max_epi32(a, b), _mm256_max_epi32(c, d));
                }
                for place in 0..if POOLED { 1 } else { 4 } {
                    let sum = _mm256_srai_epi32::<2>(outputs[place]);
                    four[place][channel] = Avx2(_mm256_add_epi32(sum, start));
                }
            }
            if POOLED {
                let words = self.words(four[0]);
                let y = self.y.cast::<u8>().add(tile * self.output[2] + self.channel);
                let count = self.end - tile;
                for lane in 0..TILES {
                    if lane < count {
                        y.add(lane * self.output[2]).cast::<u32>().write_unaligned(words[lane]);
                    }
                }
                return;
            }
            let mut words = [[0; TILES]; 4];
            for place in 0..4 {
                words[place] = self.words(four[place]);
            }
            let [height, width, depth] = self.output;
            let [mut row, mut column] = [tile / self.tiles, tile % self.tiles];
            for lane in 0..TILES.min(self.end - tile) {
                let first = self.y.cast::<u8>().add((row * width + column) * 2 * depth + self.channel);
                let [right, below] = [2 * column + 1 < width, 2 * row + 1 < height];
                let put = |at: usize, word: u32| first.add(at).cast::<u32>().write_unaligned(word);
                put(0, words[0][lane]);
                if right {
                    put(depth, words[1][lane]);
                }
                if below {
                    put(width * depth, words[2][lane]);
                }
                if right && below {
                    put((width + 1) * depth, words[3][lane]);
                }
                column += 1;
                if column == self.tiles {
                    [row, column] = [row + 1, 0];
                }
            }
        }
    }

    /// The channels' sums as bytes, a word for each tile.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    #[inline(always)]
    unsafe fn words(&self, four: [Avx2; CHANNELS]) -> [u32; TILES] {
        let mut words = [0; TILES];
        // SAFETY: as the caller promises; there are as many words as lanes.
        unsafe {
            match self.rounding {
                Some(rounding) => {
                    let all = rounded::<Avx2, Y, R, TILES>(four, rounding, 0, CHANNELS);
                    words.as_mut_ptr().cast::<Avx2>().write_unaligned(all);
                }
                None => {
                    let all = finished::<Avx2, Y, R>((self.bias, self.requantize), four, CHANNELS);
                    words.iter_mut().zip(all).for_each(|(to, word)| *to = word);
                }
            }
        }
        words
    }
}

/// The sums of products at each point: of all pairs of input channels, whose values are `lanes` apart in `x`.
///
/// # Safety
///
/// The processor must have AVX2; `x` must have the values of all pairs at all points, and `weights` those of
/// [`CHANNELS`] channels.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn products<const N: usize>(
    x: *const i32,
    weights: *const i32,
    [pairs, lanes]: [usize; 2],
    sums: &mut MaybeUninit<Sums<N>>,
) {
    let to: *mut [[Avx2; N]; CHANNELS] = sums.as_mut_ptr().cast();
    let channel = POINTS * pairs;
    // SAFETY: as the caller promises.
    unsafe {
        let mut weights = weights;
        for point in 0..POINTS {
            let mut x = x.add(point * lanes);
            let mut all = [[<Avx2 as Lanes>::zero(); N]; CHANNELS];
            for pair in 0..pairs {
                let mut values = [<Avx2 as Lanes>::zero(); N];
                for n in 0..N {
                    values[n] = Avx2::words(x.add(n * TILES));
                }
                for c in 0..CHANNELS {
                    let weight = Avx2::broadcast(weights.add(c * channel + pair));
                    for n in 0..N {
                        all[c][n] = <Avx2 as Lanes>::multiply(all[c][n], values[n], weight);
                    }
                }
                x = x.add(POINTS * lanes);
            }
            weights = weights.add(pairs);
            to.add(point).write(all);
        }
    }
}

/// Four times the outputs of a channel and vector `n` of tiles: the two of the upper row, then those of the lower.
///
/// # Safety
///
/// The processor must have AVX2.
#[inline(always)]
unsafe fn back<const N: usize>(sums: &Sums<N>, channel: usize, n: usize) -> [__m256i; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut columns = [[_mm256_setzero_si256(); 2]; 4];
        for x in 0..4 {
            let mut column = [_mm256_setzero_si256(); 4];
            for y in 0..4 {
                column[y] = sums[4 * y + x][channel][n].0;
            }
            columns[x] = halve(column);
        }
        let [a, b, c, d] = columns;
        let [above, below] = [halve([a[0], b[0], c[0], d[0]]), halve([a[1], b[1], c[1], d[1]])];
        [above[0], above[1], below[0], below[1]]
    }
}

/// `[[1, 1, 1, 0], [0, 1, -1, -1]]` times four sums.
///
/// # Safety
///
/// The processor must have AVX2.
#[inline(always)]
unsafe fn halve([a, b, c, d]: [__m256i; 4]) -> [__m256i; 2] {
    // SAFETY: as the caller promises.
    unsafe {
        let [sum, difference] = [_mm256_add_epi32(b, c), _mm256_sub_epi32(b, c)];
        [_mm256_add_epi32(a, sum), _mm256_sub_epi32(difference, d)]
    }
}
