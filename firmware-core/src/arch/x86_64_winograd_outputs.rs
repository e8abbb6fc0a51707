//! The outputs of Winograd's convolution: from sums at each point to bytes, and where those belong.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::super::avx2::{Avx2, transposed};
use super::super::lanes::{ZEROS, finished, rounded};
use super::super::outputs::Rounding;
use super::super::vectors::Lanes;
use super::{CHANNELS, GROUP, Sums, TILES, Tiles, products};
use crate::{Activation, Requantize};

/// Outputs of a tile, and where those of a vector of tiles belong: how far behind the first output of all.
const OUTPUTS: usize = 4;
pub(super) type Places = [[usize; TILES]; OUTPUTS];

/// Where the outputs of a vector of tiles belong of which the first has number `tile` and all are before number
/// `end`, with so many in a row.
///
/// Outputs and tiles that there are not get the place of one that there is and that is stored later: of outputs the
/// ones before, of tiles the last.
#[inline(always)]
pub(super) fn places<const POOLED: bool>(
    tiles: usize,
    [height, width, depth]: [usize; 3],
    tile: usize,
    end: usize,
) -> Places {
    let mut places = [[0; TILES]; OUTPUTS];
    if POOLED {
        for lane in 0..TILES {
            places[0][lane] = (tile + lane).min(end - 1) * depth;
        }
        return places;
    }
    let [mut row, mut column] = [tile / tiles, tile % tiles];
    for lane in 0..TILES {
        let first = (row * width + column) * 2 * depth;
        let right = if 2 * column + 1 < width { depth } else { 0 };
        let below = if 2 * row + 1 < height { width * depth } else { 0 };
        places[0][lane] = first;
        places[1][lane] = first + right;
        places[2][lane] = first + below;
        places[3][lane] = first + below + right;
        if tile + lane + 1 < end {
            column += 1;
            if column == tiles {
                [row, column] = [row + 1, 0];
            }
        }
    }
    places
}

/// Up to [`GROUP`] channels, a multiple of [`CHANNELS`], and how they are finished.
pub(super) struct Outputs<'a, R> {
    pub weights: *const i32,
    pub bias: &'a [i32],
    pub requantize: &'a [R],
    pub rounding: Option<&'a Rounding<GROUP>>,
    pub tiles: &'a Tiles,
    /// Of the first tile.
    pub y: *mut u8,
}

impl<R: Requantize> Outputs<'_, R> {
    /// `N` vectors of tiles, whose transformed values begin at `x`.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2; there must be values of all these tiles, weights of all channels, and outputs at
    /// all places.
    #[inline(always)]
    pub(super) unsafe fn some<Y: Activation, const POOLED: bool, const N: usize>(
        &self,
        x: *const i32,
        places: [&Places; N],
    ) {
        let outputs = const { if POOLED { 1 } else { OUTPUTS } };
        // SAFETY: as the caller promises.
        unsafe {
            let mut words = [[[_mm256_setzero_si256(); GROUP / CHANNELS]; OUTPUTS]; N];
            let blocks = (self.bias.len() / CHANNELS).min(GROUP / CHANNELS);
            let mut weights = self.weights;
            for block in 0..blocks {
                let mut sums = MaybeUninit::<Sums<N>>::uninit();
                weights = products(x, weights, [self.tiles.pairs, self.tiles.lanes], &mut sums);
                let sums = sums.assume_init_ref();
                for n in 0..N {
                    let bytes = self.bytes::<Y, POOLED, N>(sums, n, block * CHANNELS);
                    for output in 0..outputs {
                        words[n][output][block] = bytes[output];
                    }
                }
            }
            for n in 0..N {
                for output in (0..outputs).rev() {
                    store(words[n][output], blocks, &places[n][output], self.y);
                }
            }
        }
    }

    /// Of vector `n` of tiles the outputs of the channels from `channel` on, a byte of a word for each channel.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2, and there must be as many channels.
    #[inline(always)]
    unsafe fn bytes<Y: Activation, const POOLED: bool, const N: usize>(
        &self,
        sums: &Sums<N>,
        n: usize,
        channel: usize,
    ) -> [__m256i; OUTPUTS] {
        let outputs = const { if POOLED { 1 } else { OUTPUTS } };
        // SAFETY: as the caller promises.
        unsafe {
            let starts = match self.rounding {
                Some(rounding) => (&raw const rounding.start).cast::<i32>().add(channel),
                None => ZEROS.as_ptr(),
            };
            let mut four = [[<Avx2 as Lanes>::zero(); CHANNELS]; OUTPUTS];
            for c in 0..CHANNELS {
                let start = _mm256_set1_epi32(starts.add(c).read());
                let mut all = back(sums, c, n);
                if POOLED {
                    let [a, b, c, d] = all;
                    all[0] = _mm256_max_epi32(_mm256_max_epi32(a, b), _mm256_max_epi32(c, d));
                }
                for output in 0..outputs {
                    let sum = _mm256_srai_epi32::<2>(all[output]);
                    four[output][c] = Avx2(_mm256_add_epi32(sum, start));
                }
            }
            let mut words = [_mm256_setzero_si256(); OUTPUTS];
            for output in 0..outputs {
                words[output] = match self.rounding {
                    Some(rounding) => {
                        rounded::<Avx2, Y, R, GROUP>(four[output], rounding, channel, CHANNELS).0
                    }
                    None => {
                        let channels = (self.bias, self.requantize);
                        let words =
                            finished::<Avx2, Y, R>(channels, four[output], channel, CHANNELS);
                        Avx2::words(words.as_ptr().cast()).0
                    }
                };
            }
            words
        }
    }
}

/// Stores the first `blocks` words of each tile, one behind the other, the last tile's first.
///
/// # Safety
///
/// The processor must have AVX2, and `y` be good for as many words at each place.
#[inline(always)]
unsafe fn store(
    words: [__m256i; GROUP / CHANNELS],
    blocks: usize,
    places: &[usize; TILES],
    y: *mut u8,
) {
    // SAFETY: as the caller promises.
    unsafe {
        // Each of these has a tile in either half.
        let tiles = transposed(words);
        for tile in (0..TILES).rev() {
            let bytes = match tile / 4 {
                0 => _mm256_castsi256_si128(tiles[tile % 4]),
                _ => _mm256_extracti128_si256::<1>(tiles[tile % 4]),
            };
            let to = y.add(places[tile]);
            match blocks {
                4 => _mm_storeu_si128(to.cast(), bytes),
                3 => {
                    _mm_storel_epi64(to.cast(), bytes);
                    to.add(8).cast::<i32>().write_unaligned(_mm_extract_epi32::<2>(bytes));
                }
                2 => _mm_storel_epi64(to.cast(), bytes),
                _ => to.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(bytes)),
            }
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
                column[y] = sums[4 * y + x][channel][n];
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
