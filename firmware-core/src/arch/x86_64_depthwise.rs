//! Depthwise convolution with AVX2: eight or sixteen channels at a time, two taps to an instruction.
//!
//! The bytes of two taps are interleaved and widened, so that a pair of 16-bit values belongs to one
//! channel; their products with a pair of weights are added to the channel's lane. Padding is in the
//! [`Strip`].

use core::arch::x86_64::*;

use super::outputs::{CHANNELS, Outputs};
use super::strip::{Rows, Strip};
use crate::kernels::{Conv2dShape, requantized};
use crate::{Activation, Requantize};

/// Most pairs of taps.
const PAIRS: usize = 32;

/// A depthwise convolution with as many output channels as input channels.
pub(super) struct Depthwise<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub x: &'a [X],
    pub weights: &'a [i8],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// For every pair of taps where they lie from a window's beginning on, and their weights: of channels
/// 0 to 7 and 8 to 15.
struct Pairs {
    at: [[usize; 2]; PAIRS],
    weights: [[__m256i; 2]; PAIRS],
    count: usize,
}

impl<X: Activation, R: Requantize> Depthwise<'_, X, R> {
    /// Computes all of `y`, or returns false where there are less than eight channels, more taps than
    /// pairs hold, rows too long for a strip, or where a slice is not as long as its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn run<Y: Activation>(&self, y: &mut [Y]) -> bool {
        let Conv2dShape { input: [height, width, depth], output, window, .. } = *self.shape;
        let [rows, columns, channels] = output;
        if depth < 8
            || channels != depth
            || window.area() > 2 * PAIRS
            || self.x.len() < height * width * depth
            || self.weights.len() < window.area() * depth
            || self.bias.len() < depth
            || self.requantize.len() < depth
            || y.len() != rows * columns * depth
            || y.is_empty()
        {
            return false;
        }
        let Some(Rows { pitch, outputs }) = Strip::rows(self.shape, 1) else { return false };
        let mut strip = Strip::new();
        for (n, y) in y.chunks_mut(outputs * columns * depth).enumerate() {
            let rows = y.len() / (columns * depth);
            let lines = Rows { pitch, outputs };
            let x = strip.fill(self.shape, self.x, lines, [n * outputs, rows], |x| x);
            let mut channel = 0;
            // The last channels overlap those before where their number is no multiple of eight.
            while channel < depth {
                // SAFETY: the strip has all that the windows of these rows cover, and sixteen or eight
                // channels from the first on are among those there are.
                unsafe {
                    if depth - channel >= 16 {
                        self.channels::<Y, 2>(x, pitch, channel, y);
                        channel += 16;
                    } else {
                        self.channels::<Y, 1>(x, pitch, channel.min(depth - 8), y);
                        channel += 8;
                    }
                }
            }
        }
        true
    }

    /// Eight times `HALVES` channels, from `channel` on, of the rows of `y`.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::run`]; `x` must be a strip with rows of `pitch` values for all rows of `y`, and
    /// there must be as many channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn channels<Y: Activation, const HALVES: usize>(
        &self,
        x: *const X,
        pitch: usize,
        channel: usize,
        y: &mut [Y],
    ) {
        // SAFETY: as the caller promises.
        let pairs = unsafe { self.pairs::<HALVES>(pitch, channel) };
        // Loops of a known length are unrolled.
        // SAFETY: as the caller promises.
        unsafe {
            match pairs.count {
                5 => self.pixels::<Y, HALVES, 5>(&pairs, x.add(channel), pitch, channel, y),
                _ => self.pixels::<Y, HALVES, 0>(&pairs, x.add(channel), pitch, channel, y),
            }
        }
    }

    /// The taps in pairs; the last one of an odd number is paired with itself and a weight of zero.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::channels`].
    #[target_feature(enable = "avx2")]
    unsafe fn pairs<const HALVES: usize>(&self, pitch: usize, channel: usize) -> Pairs {
        let [_, columns] = self.shape.window.kernel;
        let [down, right] = self.shape.window.dilation;
        let (depth, area) = (self.shape.input[2], self.shape.window.area());
        let mut pairs = Pairs {
            at: [[0; 2]; PAIRS],
            weights: [[_mm256_setzero_si256(); 2]; PAIRS],
            count: area.div_ceil(2),
        };
        let places = pairs.at.iter_mut().zip(&mut pairs.weights).take(area.div_ceil(2));
        for (pair, (at, weights)) in places.enumerate() {
            let taps = [2 * pair, (2 * pair + 1).min(area - 1)];
            *at = taps.map(|tap| tap / columns * down * pitch + tap % columns * right * depth);
            // SAFETY: there are weights for every tap of eight times `HALVES` channels.
            unsafe {
                let [a, b] = taps.map(|tap| self.weights.as_ptr().add(tap * depth + channel));
                let odd = 2 * pair + 1 == area;
                for half in 0..HALVES {
                    let a = _mm_loadl_epi64(a.add(8 * half).cast());
                    let b = _mm_loadl_epi64(b.add(8 * half).cast());
                    let b = if odd { _mm_setzero_si128() } else { b };
                    weights[half] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b));
                }
            }
        }
        pairs
    }

    /// Every pixel; `COUNT` is the number of pairs, or 0 where it is known at run time only.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::channels`]; `x` begins at the first of the channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn pixels<Y: Activation, const HALVES: usize, const COUNT: usize>(
        &self,
        pairs: &Pairs,
        x: *const X,
        pitch: usize,
        channel: usize,
        y: &mut [Y],
    ) {
        let ([_, columns, depth], [down, right]) = (self.shape.output, self.shape.window.stride);
        let count = if COUNT == 0 { pairs.count.min(PAIRS) } else { COUNT };
        let bias = self.bias.get(channel..).unwrap_or_default();
        let requantize = self.requantize.get(channel..).unwrap_or_default();
        let Some(outputs) = Outputs::new(bias, requantize, 8 * HALVES) else { return };
        for (row, y) in y.chunks_exact_mut(columns * depth).enumerate() {
            let line = x.wrapping_add(row * down * pitch);
            for (column, y) in y.chunks_exact_mut(depth).enumerate() {
                let x = line.wrapping_add(column * right * depth);
                let mut sums = [0i32; CHANNELS];
                // SAFETY: the strip has every tap of the window.
                unsafe {
                    let mut vectors = [_mm256_setzero_si256(); HALVES];
                    for pair in 0..count {
                        let [a, b] = pairs.at[pair].map(|at| x.add(at));
                        for half in 0..HALVES {
                            let a = _mm_loadl_epi64(a.add(8 * half).cast());
                            let b = _mm_loadl_epi64(b.add(8 * half).cast());
                            let bytes = _mm_unpacklo_epi8(a, b);
                            let wide = match X::UNSIGNED {
                                true => _mm256_cvtepu8_epi16(bytes),
                                false => _mm256_cvtepi8_epi16(bytes),
                            };
                            let products = _mm256_madd_epi16(wide, pairs.weights[pair][half]);
                            vectors[half] = _mm256_add_epi32(vectors[half], products);
                        }
                    }
                    for half in 0..HALVES {
                        _mm256_storeu_si256(sums.as_mut_ptr().add(8 * half).cast(), vectors[half]);
                    }
                }
                let y = y.get_mut(channel..).unwrap_or_default();
                outputs.finish(&sums, requantized, y);
            }
        }
    }
}
