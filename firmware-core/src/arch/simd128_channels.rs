//! Convolution with an output channel to each lane of a vector.
//!
//! A lane holds the sum of one channel of one pixel. The taps of a pixel's window, two or four at a
//! time, are broadcast from where they lie and multiplied with the weights of 8 or 16 channels, which
//! lie side by side; several pixels share the weights that are loaded. Nothing is gathered, and
//! nothing is added across lanes. Padding is in the [`Strip`].

use super::outputs::{CHANNELS, Outputs};
use super::strip::{Rows, Strip};
use super::vectors::Lanes;
use crate::Activation;
use crate::arch::WeightSum;
use crate::kernels::Conv2dShape;

/// A convolution; the weights are those of the vectors that compute it, see
/// [`Target::SIDE_BY_SIDE`](crate::arch::Target::SIDE_BY_SIDE).
pub(super) struct Channels<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub x: &'a [X],
    pub weights: &'a [i32],
    /// The sum of each channel's weights, if the vectors need it.
    pub weight_sums: &'a [WeightSum],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// Windows that lie in memory, with their padding.
#[derive(Clone, Copy)]
struct Windows {
    /// The first window's first value.
    start: *const u8,
    /// Bytes from one pixel of the output to the next on its right, and to the next below.
    steps: [usize; 2],
    /// Bytes from one kernel row to the next.
    pitch: usize,
    /// Kernel rows, and groups of taps in each.
    taps: [usize; 2],
}

impl<X: Activation, R: Copy> Channels<'_, X, R> {
    /// Computes all of `y`, or returns false where a window has gaps between the pixels of a row, where
    /// its rows are too long for a strip, or where a slice is not as long as its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn run<V: Lanes, Y, const PIXELS: usize>(
        &self,
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) -> bool {
        let Conv2dShape { input: [height, width, depth], output, window, .. } = *self.shape;
        let [rows, columns, channels] = output;
        let row = window.kernel[1] * depth;
        let taps = [window.kernel[0], row.div_ceil(V::TAPS)];
        let words = channels.next_multiple_of(V::PIXELS) * taps[0] * taps[1];
        if window.dilation[1] != 1
            || self.x.len() < height * width * depth
            || self.weights.len() < words
            || self.bias.len() < channels
            || self.requantize.len() < channels
            || y.len() != rows * columns * channels
            || words == 0
            || y.is_empty()
        {
            return false;
        }
        let size = 4 / V::TAPS;
        let [down, right] = window.stride;
        let windows = |start: *const u8, pitch: usize| Windows {
            start,
            steps: [right * depth * size, down * pitch * size],
            pitch: window.dilation[0] * pitch * size,
            taps,
        };
        let inside = self.shape.window.lies_inside([height, width], [rows, columns]);
        // Bytes without padding are where they should be, if no group reaches beyond a row.
        if size == 1 && X::UNSIGNED != V::SIGNED && inside && row % V::TAPS == 0 {
            let windows = windows(self.x.as_ptr().cast(), width * depth);
            // SAFETY: all windows lie on the input, and groups of taps within kernel rows; the slices
            // are as long as was checked.
            unsafe { self.rows::<V, Y, PIXELS>(windows, rows, finish, y) };
            return true;
        }
        let Some(Rows { pitch, outputs }) = Strip::rows(self.shape, size) else { return false };
        let mut strip = Strip::new();
        for (n, y) in y.chunks_mut(outputs * columns * channels).enumerate() {
            let rows = y.len() / (columns * channels);
            let place = [n * outputs, rows];
            let lines = Rows { pitch, outputs };
            let start: *const u8 = match size {
                1 if X::UNSIGNED && V::SIGNED => strip
                    .fill(self.shape, self.x, lines, place, |x| (x.to_i32() - 128) as i8)
                    .cast(),
                1 => strip.fill(self.shape, self.x, lines, place, |x| x).cast(),
                _ => strip.fill(self.shape, self.x, lines, place, |x| x.to_i32() as i16).cast(),
            };
            // SAFETY: the strip has all that the windows cover, and some bytes behind it for the last
            // group of taps; the slices are as long as was checked.
            unsafe { self.rows::<V, Y, PIXELS>(windows(start, pitch), rows, finish, y) };
        }
        true
    }

    /// `rows` rows of output, channel by channel, so that a channel's weights stay in the cache.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`; `windows` must be good for all pixels of the rows,
    /// which `y` has, and there must be weights, biases and requantizations for all channels.
    #[inline(always)]
    unsafe fn rows<V: Lanes, Y, const PIXELS: usize>(
        &self,
        windows: Windows,
        rows: usize,
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let depth = self.shape.output[2];
        let mut channel = 0;
        while channel < depth {
            // SAFETY: as the caller promises.
            unsafe {
                if depth - channel > V::PIXELS {
                    self.channels::<V, Y, PIXELS, 2>(&windows, rows, channel, finish, y);
                    channel += 2 * V::PIXELS;
                } else {
                    self.channels::<V, Y, PIXELS, 1>(&windows, rows, channel, finish, y);
                    channel += V::PIXELS;
                }
            }
        }
    }

    /// `N` vectors of channels of all pixels of `rows` rows.
    ///
    /// # Safety
    ///
    /// As [`Channels::rows`].
    #[inline(always)]
    unsafe fn channels<V: Lanes, Y, const PIXELS: usize, const N: usize>(
        &self,
        windows: &Windows,
        rows: usize,
        channel: usize,
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let [_, columns, depth] = self.shape.output;
        let outputs = [channel, channel + CHANNELS].map(|first| {
            let bias = self.bias.get(first..).unwrap_or_default();
            let requantize = self.requantize.get(first..).unwrap_or_default();
            let lanes = (channel + N * V::PIXELS).saturating_sub(first).min(CHANNELS);
            let mut outputs =
                Outputs::new(bias, requantize, lanes.min(depth.saturating_sub(first)));
            if let (Some(outputs), true) = (&mut outputs, X::UNSIGNED && V::SIGNED) {
                outputs.correct(self.weight_sums.get(first..).unwrap_or_default());
            }
            outputs
        });
        let pixels = rows * columns;
        let (mut line, mut start, mut column, mut done) = (windows.start, windows.start, 0, 0);
        while done < pixels {
            let mut starts = [start; PIXELS];
            let count = match pixels - done {
                left if left >= PIXELS => PIXELS,
                4.. if PIXELS > 4 => 4,
                2.. => 2,
                _ => 1,
            };
            for to in starts.iter_mut().take(count) {
                *to = start;
                start = start.wrapping_add(windows.steps[0]);
                column += 1;
                if column == columns {
                    line = line.wrapping_add(windows.steps[1]);
                    (start, column) = (line, 0);
                }
            }
            let y = y.get_mut(done * depth + channel..).unwrap_or_default();
            // SAFETY: as the caller promises; there are `count` pointers.
            unsafe {
                let weights =
                    self.weights.as_ptr().add(channel * windows.taps[0] * windows.taps[1]);
                let starts = starts.as_ptr();
                match count {
                    1 => block::<V, R, Y, 1, N>(
                        windows,
                        starts,
                        weights,
                        (&outputs, depth),
                        finish,
                        y,
                    ),
                    2 => block::<V, R, Y, 2, N>(
                        windows,
                        starts,
                        weights,
                        (&outputs, depth),
                        finish,
                        y,
                    ),
                    4 if PIXELS > 4 => block::<V, R, Y, 4, N>(
                        windows,
                        starts,
                        weights,
                        (&outputs, depth),
                        finish,
                        y,
                    ),
                    _ => block::<V, R, Y, PIXELS, N>(
                        windows,
                        starts,
                        weights,
                        (&outputs, depth),
                        finish,
                        y,
                    ),
                }
            }
            done += count;
        }
    }
}

/// `N` vectors of channels of `P` pixels, which lie `depth` values apart in `y`.
///
/// # Safety
///
/// The processor must have the extension of `V`; the windows at the first `P` of `starts` must be good for
/// all their taps, and `weights` for those of the channels.
#[inline(always)]
unsafe fn block<V: Lanes, R: Copy, Y, const P: usize, const N: usize>(
    windows: &Windows,
    starts: *const *const u8,
    weights: *const i32,
    (outputs, depth): (&[Option<Outputs<R>>; 2], usize),
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) {
    let [rows, groups] = windows.taps;
    // SAFETY: as the caller promises.
    let (starts, mut sums) = unsafe { (&*starts.cast::<[*const u8; P]>(), [[V::zero(); N]; P]) };
    let mut weights = weights;
    for row in 0..rows {
        let x = starts.map(|start| start.wrapping_add(row * windows.pitch).cast::<i32>());
        let mut group = 0;
        // Four groups of taps in one load.
        while V::FOURS && group + 4 <= groups {
            // SAFETY: as the caller promises.
            unsafe {
                let mut four = [V::zero(); P];
                for p in 0..P {
                    four[p] = V::four(x[p].add(group));
                }
                let step = rows * groups * V::PIXELS;
                number::<V, P, N, 0>(&mut sums, &four, weights, step);
                number::<V, P, N, 1>(&mut sums, &four, weights.add(V::PIXELS), step);
                number::<V, P, N, 2>(&mut sums, &four, weights.add(2 * V::PIXELS), step);
                number::<V, P, N, 3>(&mut sums, &four, weights.add(3 * V::PIXELS), step);
                weights = weights.add(4 * V::PIXELS);
            }
            group += 4;
        }
        while group < groups {
            // SAFETY: as the caller promises.
            unsafe {
                let mut w = [V::zero(); N];
                for n in 0..N {
                    w[n] = V::side_by_side(weights.add(n * rows * groups * V::PIXELS));
                }
                for p in 0..P {
                    let x = V::broadcast(x[p].add(group));
                    for n in 0..N {
                        sums[p][n] = V::multiply_same(sums[p][n], x, w[n]);
                    }
                }
                weights = weights.add(V::PIXELS);
            }
            group += 1;
        }
    }
    // All of them once, at places known at compile time: else the compiler keeps sums in memory while
    // they are added up.
    let mut words = [[[0i32; CHANNELS]; N]; P];
    for p in 0..P {
        for n in 0..N {
            // SAFETY: a vector has as many lanes as there are channels, or less.
            unsafe {
                let to = words[p].as_mut_ptr().cast::<i32>().add(n * V::PIXELS);
                to.cast::<V>().write_unaligned(sums[p][n]);
            }
        }
    }
    for (p, words) in words.iter().enumerate() {
        let y = y.get_mut(p * depth..).unwrap_or_default();
        for (n, (words, outputs)) in words.iter().zip(outputs).enumerate() {
            if let Some(outputs) = outputs {
                outputs.finish(words, finish, y.get_mut(n * CHANNELS..).unwrap_or_default());
            }
        }
    }
}

/// Adds the products of one of four groups of taps of `P` pixels and the weights of `N` vectors of channels,
/// which lie `step` words apart.
///
/// # Safety
///
/// The processor must have the extension of `V`; there must be weights.
#[inline(always)]
unsafe fn number<V: Lanes, const P: usize, const N: usize, const NUMBER: i32>(
    sums: &mut [[V; N]; P],
    x: &[V; P],
    weights: *const i32,
    step: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut w = [V::zero(); N];
        for n in 0..N {
            w[n] = V::side_by_side(weights.add(n * step));
        }
        for p in 0..P {
            for n in 0..N {
                sums[p][n] = V::multiply_number::<NUMBER>(sums[p][n], x[p], w[n]);
            }
        }
    }
}
