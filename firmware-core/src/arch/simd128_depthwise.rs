//! Depthwise convolution, eight or sixteen channels at a time, two taps after the other.
//!
//! Channels lie side by side, each in a lane of a vector. Padding is in the [`Strip`].

use super::outputs::{CHANNELS, Outputs};
use super::strip::{Rows, Strip};
use super::vectors::Pairs;
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
struct Taps<V: Pairs> {
    at: [[usize; 2]; PAIRS],
    weights: [[V::Weights; 2]; PAIRS],
    count: usize,
}

impl<V: Pairs> Taps<V> {
    /// No taps.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: as the caller promises.
        let none = unsafe { V::none() };
        Self { at: [[0; 2]; PAIRS], weights: [[none; 2]; PAIRS], count: 0 }
    }
}

impl<X: Activation, R: Requantize> Depthwise<'_, X, R> {
    /// Computes all of `y`, or returns false where there are less than eight channels, more taps than
    /// pairs hold, rows too long for a strip, or where a slice is not as long as its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn run<V: Pairs, Y: Activation>(&self, y: &mut [Y]) -> bool {
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
        let size = size_of::<V::Element<X>>();
        let Some(Rows { pitch, outputs }) = Strip::rows(self.shape, size) else { return false };
        let mut strip = Strip::new();
        // SAFETY: the processor has the extension.
        let mut taps = unsafe { Taps::<V>::new() };
        for (n, y) in y.chunks_mut(outputs * columns * depth).enumerate() {
            let rows = y.len() / (columns * depth);
            let lines = Rows { pitch, outputs };
            let x = strip.fill(self.shape, self.x, lines, [n * outputs, rows], V::element);
            let mut channel = 0;
            // The last channels overlap those before where their number is no multiple of eight.
            while channel < depth {
                // SAFETY: the strip has all that the windows of these rows cover, and sixteen or eight
                // channels from the first on are among those there are.
                unsafe {
                    if depth - channel >= 16 {
                        self.channels::<V, Y, 2>(&mut taps, (x, pitch), channel, y);
                        channel += 16;
                    } else {
                        let first = channel.min(depth - 8);
                        self.channels::<V, Y, 1>(&mut taps, (x, pitch), first, y);
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
    #[inline(always)]
    unsafe fn channels<V: Pairs, Y: Activation, const HALVES: usize>(
        &self,
        taps: &mut Taps<V>,
        (x, pitch): (*const V::Element<X>, usize),
        channel: usize,
        y: &mut [Y],
    ) {
        // SAFETY: as the caller promises.
        unsafe { self.fill::<V, HALVES>(taps, pitch, channel) };
        // Loops of a known length are unrolled.
        // SAFETY: as the caller promises.
        unsafe {
            match taps.count {
                5 => self.pixels::<V, Y, HALVES, 5>(taps, x.add(channel), pitch, channel, y),
                _ => self.pixels::<V, Y, HALVES, 0>(taps, x.add(channel), pitch, channel, y),
            }
        }
    }

    /// Sets the taps in pairs; the last one of an odd number is paired with itself and a weight of zero.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::channels`].
    #[inline(always)]
    unsafe fn fill<V: Pairs, const HALVES: usize>(
        &self,
        taps: &mut Taps<V>,
        pitch: usize,
        channel: usize,
    ) {
        let [_, columns] = self.shape.window.kernel;
        let [down, right] = self.shape.window.dilation;
        let (depth, area) = (self.shape.input[2], self.shape.window.area());
        taps.count = area.div_ceil(2);
        let places = taps.at.iter_mut().zip(&mut taps.weights).take(taps.count);
        for (pair, (at, weights)) in places.enumerate() {
            let taps = [2 * pair, (2 * pair + 1).min(area - 1)];
            *at = taps.map(|tap| tap / columns * down * pitch + tap % columns * right * depth);
            let odd = 2 * pair + 1 == area;
            for half in 0..HALVES {
                let first = channel + 8 * half;
                let [a, b] =
                    taps.map(|tap| self.weights.as_ptr().wrapping_add(tap * depth + first));
                // SAFETY: there are weights for every tap of eight times `HALVES` channels.
                weights[half] = unsafe { V::weights([a, if odd { core::ptr::null() } else { b }]) };
            }
        }
    }

    /// Every pixel; `COUNT` is the number of pairs, or 0 where it is known at run time only.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::channels`]; `x` begins at the first of the channels.
    #[inline(always)]
    unsafe fn pixels<V: Pairs, Y: Activation, const HALVES: usize, const COUNT: usize>(
        &self,
        taps: &Taps<V>,
        x: *const V::Element<X>,
        pitch: usize,
        channel: usize,
        y: &mut [Y],
    ) {
        let ([_, columns, depth], [down, right]) = (self.shape.output, self.shape.window.stride);
        let count = if COUNT == 0 { taps.count.min(PAIRS) } else { COUNT };
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
                    let mut vectors = [V::zero(); HALVES];
                    for pair in 0..count {
                        let x = taps.at[pair].map(|at| x.add(at));
                        for half in 0..HALVES {
                            let x = x.map(|x| x.add(8 * half));
                            let weights = taps.weights[pair][half];
                            vectors[half] = V::multiply_pair::<X>(vectors[half], x, weights);
                        }
                    }
                    for half in 0..HALVES {
                        let to = sums.as_mut_ptr().add(8 * half).cast::<V>();
                        to.write_unaligned(vectors[half]);
                    }
                }
                let y = y.get_mut(channel..).unwrap_or_default();
                outputs.finish(&sums, requantized, y);
            }
        }
    }
}
