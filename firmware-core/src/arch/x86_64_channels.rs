//! Convolution with an output channel to each lane of a vector.
//!
//! A lane holds the sum of one channel of one pixel. The taps of a pixel's window, two or four at a
//! time, are broadcast from where they lie and multiplied with the weights of 8 or 16 channels, which
//! lie side by side; several pixels share the weights that are loaded. Nothing is gathered, and
//! nothing is added across lanes. Padding is in the [`Strip`].

use super::outputs::{Ending, Outputs, Room};
use super::strip::{Rows, Strip};
use super::vectors::Lanes;
use crate::Activation;
use crate::kernels::Conv2dShape;

/// A convolution; the weights are those of the vectors that compute it, see
/// [`Target::SIDE_BY_SIDE`](crate::arch::Target::SIDE_BY_SIDE).
pub(super) struct Channels<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub x: &'a [X],
    pub weights: &'a [i32],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// Windows that lie in memory, with their padding.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    /// The first window's first value.
    pub start: *const u8,
    /// Bytes from one pixel of the output to the next on its right, and to the next below.
    pub steps: [usize; 2],
    /// Bytes from one kernel row to the next.
    pub pitch: usize,
    /// Kernel rows, and groups of taps in each.
    pub taps: [usize; 2],
}

/// Groups of taps from which on [`doubled`] is worth its additions at last.
const LONG: usize = 16;

/// Taps of a window of 3 x 3 over one channel, in groups of two: so few that loops over them cost as much as they do.
const SHORT: [usize; 2] = [3, 2];

/// Bytes from one such window to the next, where windows are one pixel of 16 bits apart.
const SHORT_STEP: usize = 2;

/// Where the next pixel's window begins.
struct Walk {
    start: *const u8,
    /// Where that of the row's first pixel does.
    line: *const u8,
    column: usize,
    columns: usize,
}

impl Walk {
    /// The windows of the next `N` pixels, of this row and of those below.
    // Rows end at another pixel each time, which no processor guesses.
    #[inline(always)]
    fn next<const N: usize>(&mut self, [right, down]: [usize; 2]) -> [*const u8; N] {
        let mut starts = [self.start; N];
        if self.columns < N {
            self.fill([right, down], &mut starts);
            return starts;
        }
        let left = self.columns - self.column;
        let below = self.line.wrapping_add(down);
        let jump = (below as usize).wrapping_sub(self.start.wrapping_add(left * right) as usize);
        for (n, start) in starts.iter_mut().enumerate() {
            let jump = if n < left { 0 } else { jump };
            *start = start.wrapping_add((n * right).wrapping_add(jump));
        }
        let ends = N >= left;
        self.column = if ends { N - left } else { self.column + N };
        self.line = if ends { below } else { self.line };
        self.start = self.line.wrapping_add(self.column * right);
        starts
    }

    /// The same of rows that are shorter, or of fewer pixels.
    #[inline(never)]
    fn fill(&mut self, [right, down]: [usize; 2], starts: &mut [*const u8]) {
        for to in starts {
            *to = self.start;
            self.start = self.start.wrapping_add(right);
            self.column += 1;
            if self.column == self.columns {
                self.line = self.line.wrapping_add(down);
                (self.start, self.column) = (self.line, 0);
            }
        }
    }
}

impl<X: Activation, R: Copy> Channels<'_, X, R> {
    /// Computes all of `y`, or returns false where a window has gaps between the pixels of a row, where
    /// its rows are too long for a strip, or where a slice is not as long as its shape says. `PIXELS` are computed
    /// together of two vectors of channels, and `MORE` of one.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn run<
        V: Lanes,
        Y,
        E: Ending<R, Y>,
        const PIXELS: usize,
        const MORE: usize,
    >(
        &self,
        ending: E,
        y: &mut [Y],
    ) -> bool {
        let Conv2dShape { input: [height, width, depth], output, window, .. } = *self.shape;
        let [rows, columns, channels] = output;
        let row = window.kernel[1] * depth;
        let taps = [window.kernel[0], row.div_ceil(V::TAPS)];
        let words = channels.next_multiple_of(V::BLOCK) * taps[0] * taps[1];
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
        if size == 1 && X::UNSIGNED && inside && row % V::TAPS == 0 {
            let windows = windows(self.x.as_ptr().cast(), width * depth);
            // SAFETY: all windows lie on the input, and groups of taps within kernel rows; the slices
            // are as long as was checked.
            unsafe { self.rows::<V, Y, E, PIXELS, MORE>(windows, rows, ending, y) };
            return true;
        }
        let Some(Rows { pitch, outputs }) = Strip::rows(self.shape, size) else { return false };
        let mut strip = Strip::new();
        for (n, y) in y.chunks_mut(outputs * columns * channels).enumerate() {
            let rows = y.len() / (columns * channels);
            let place = [n * outputs, rows];
            let lines = Rows { pitch, outputs };
            let start: *const u8 = match size {
                1 => strip.fill(self.shape, self.x, lines, place, |x| x).cast(),
                _ => strip.fill(self.shape, self.x, lines, place, |x| x.to_i32() as i16).cast(),
            };
            // SAFETY: the strip has all that the windows cover, and some bytes behind it for the last
            // group of taps; the slices are as long as was checked.
            unsafe { self.rows::<V, Y, E, PIXELS, MORE>(windows(start, pitch), rows, ending, y) };
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
    unsafe fn rows<V: Lanes, Y, E: Ending<R, Y>, const PIXELS: usize, const MORE: usize>(
        &self,
        windows: Windows,
        rows: usize,
        ending: E,
        y: &mut [Y],
    ) {
        let depth = self.shape.output[2];
        let mut channel = 0;
        while channel < depth {
            // SAFETY: as the caller promises.
            unsafe {
                if depth - channel > V::PIXELS {
                    self.channels::<V, Y, E, PIXELS, 2>(&windows, rows, channel, ending, y);
                    channel += 2 * V::PIXELS;
                } else {
                    self.channels::<V, Y, E, MORE, 1>(&windows, rows, channel, ending, y);
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
    unsafe fn channels<V: Lanes, Y, E: Ending<R, Y>, const PIXELS: usize, const N: usize>(
        &self,
        windows: &Windows,
        rows: usize,
        channel: usize,
        ending: E,
        y: &mut [Y],
    ) {
        let [_, columns, depth] = self.shape.output;
        let [height, groups] = windows.taps;
        let mut room = Room::new();
        let bias = self.bias.get(channel..).unwrap_or_default();
        let requantize = self.requantize.get(channel..).unwrap_or_default();
        let count = (N * V::PIXELS).min(depth.saturating_sub(channel));
        let products = height * groups * V::TAPS;
        // SAFETY: as the caller promises.
        let outputs =
            unsafe { Outputs::new::<V, Y, E>(&mut room, (bias, requantize), count, products) };
        let Some(outputs) = outputs else { return };
        if N == 1 && windows.taps == SHORT && windows.steps[0] == SHORT_STEP {
            let y = y.get_mut(channel..).unwrap_or_default();
            // SAFETY: as the caller promises.
            unsafe {
                let weights = self.weights(channel, height * groups, V::BLOCK);
                self.short::<V, Y, E, PIXELS>(windows, rows, weights, &outputs, ending, y);
            }
            return;
        }
        let pixels = rows * columns;
        // Rows of pixels that are as far apart as their rows are one row.
        let [right, down] = windows.steps;
        let columns = if columns * right == down { pixels } else { columns };
        let mut walk = Walk { line: windows.start, start: windows.start, column: 0, columns };
        let mut done = 0;
        while done < pixels {
            let y = y.get_mut(done * depth + channel..).unwrap_or_default();
            // SAFETY: as the caller promises; there are as many pixels.
            unsafe {
                let weights = self.weights(channel, height * groups, V::BLOCK);
                let steps = windows.steps;
                if walk.column + PIXELS < columns {
                    // All of them are in this row, and so is the next.
                    let mut starts = [walk.start; PIXELS];
                    for (n, start) in starts.iter_mut().enumerate() {
                        *start = start.wrapping_add(n * steps[0]);
                    }
                    walk.start = walk.start.wrapping_add(PIXELS * steps[0]);
                    walk.column += PIXELS;
                    let sums = sums::<V, R, PIXELS, N>(windows, starts, weights, &outputs);
                    outputs.finish(sums, ending, depth, y);
                    done += PIXELS;
                    continue;
                }
                let count = match pixels - done {
                    left if left >= PIXELS => {
                        let starts = walk.next::<PIXELS>(steps);
                        let sums = sums::<V, R, PIXELS, N>(windows, starts, weights, &outputs);
                        outputs.finish(sums, ending, depth, y);
                        PIXELS
                    }
                    4.. if PIXELS > 4 => {
                        let starts = walk.next::<4>(steps);
                        let sums = sums::<V, R, 4, N>(windows, starts, weights, &outputs);
                        outputs.finish(sums, ending, depth, y);
                        4
                    }
                    2.. => {
                        let starts = walk.next::<2>(steps);
                        let sums = sums::<V, R, 2, N>(windows, starts, weights, &outputs);
                        outputs.finish(sums, ending, depth, y);
                        2
                    }
                    _ => {
                        let starts = walk.next::<1>(steps);
                        let sums = sums::<V, R, 1, N>(windows, starts, weights, &outputs);
                        outputs.finish(sums, ending, depth, y);
                        1
                    }
                };
                done += count;
            }
        }
    }

    /// A vector of channels of all pixels of `rows` rows, whose windows have taps and steps of [`SHORT`] ones.
    ///
    /// # Safety
    ///
    /// As [`Channels::rows`], of which these are the weights, outputs and the first pixel's channels.
    #[inline(always)]
    unsafe fn short<V: Lanes, Y, E: Ending<R, Y>, const PIXELS: usize>(
        &self,
        windows: &Windows,
        rows: usize,
        weights: *const i32,
        outputs: &Outputs<'_, R>,
        ending: E,
        y: &mut [Y],
    ) {
        let [_, columns, depth] = self.shape.output;
        for row in 0..rows {
            let line = windows.start.wrapping_add(row * windows.steps[1]);
            let mut column = 0;
            while column < columns {
                let start = line.wrapping_add(column * SHORT_STEP);
                let y = y.get_mut((row * columns + column) * depth..).unwrap_or_default();
                let pitch = windows.pitch;
                // SAFETY: as the caller promises: there are as many pixels.
                unsafe {
                    column += match columns - column {
                        left if left >= PIXELS => {
                            let sums = beside::<V, R, PIXELS>(start, pitch, weights, outputs);
                            outputs.finish(sums, ending, depth, y);
                            PIXELS
                        }
                        2.. => {
                            let sums = beside::<V, R, 2>(start, pitch, weights, outputs);
                            outputs.finish(sums, ending, depth, y);
                            2
                        }
                        _ => {
                            let sums = beside::<V, R, 1>(start, pitch, weights, outputs);
                            outputs.finish(sums, ending, depth, y);
                            1
                        }
                    };
                }
            }
        }
    }

    /// The weights of a channel: of blocks of so many channels of so many groups of taps.
    ///
    /// # Safety
    ///
    /// There must be such a channel.
    #[inline(always)]
    unsafe fn weights(&self, channel: usize, groups: usize, block: usize) -> *const i32 {
        // SAFETY: as the caller promises.
        unsafe { self.weights.as_ptr().add(channel / block * block * groups + channel % block) }
    }
}

/// The sums of `N` vectors of channels of `P` pixels.
///
/// # Safety
///
/// The processor must have the extension of `V`; the windows at all of `starts` must be good for
/// all their taps, and `weights` for those of the channels.
#[inline(always)]
unsafe fn sums<V: Lanes, R: Copy, const P: usize, const N: usize>(
    windows: &Windows,
    starts: [*const u8; P],
    weights: *const i32,
    outputs: &Outputs<'_, R>,
) -> [[V; N]; P] {
    let [rows, groups] = windows.taps;
    // SAFETY: as the caller promises.
    unsafe {
        if V::DOUBLES && N == 1 && groups > 1 && rows * groups >= LONG {
            doubled(windows, starts, weights, outputs)
        } else {
            sums_of(windows.taps, windows.pitch, starts, weights, outputs)
        }
    }
}

/// [`sums`] of so many taps, whose kernel rows are `pitch` bytes apart.
///
/// # Safety
///
/// As [`sums`].
#[inline(always)]
unsafe fn sums_of<V: Lanes, R: Copy, const P: usize, const N: usize>(
    [rows, groups]: [usize; 2],
    pitch: usize,
    starts: [*const u8; P],
    weights: *const i32,
    outputs: &Outputs<'_, R>,
) -> [[V; N]; P] {
    // From one vector of weights to the one of the next channels: in the same block, or in the next.
    let next = if V::BLOCK > V::PIXELS { V::PIXELS } else { rows * groups * V::BLOCK };
    // SAFETY: as the caller promises.
    let mut sums = unsafe { [outputs.start(); P] };
    let mut weights = weights;
    for row in 0..rows {
        let x = starts.map(|start| start.wrapping_add(row * pitch).cast::<i32>());
        for group in 0..groups {
            // SAFETY: as the caller promises.
            unsafe {
                let mut w = [V::zero(); N];
                for n in 0..N {
                    w[n] = V::words(weights.add(n * next));
                }
                for p in 0..P {
                    let x = V::broadcast(x[p].add(group));
                    for n in 0..N {
                        sums[p][n] = V::multiply(sums[p][n], x, w[n]);
                    }
                }
                weights = weights.add(V::BLOCK);
            }
        }
    }
    sums
}

/// [`sums`] of `P` pixels side by side with [`SHORT`] windows.
///
/// # Safety
///
/// As [`sums`].
#[inline(always)]
unsafe fn beside<V: Lanes, R: Copy, const P: usize>(
    start: *const u8,
    pitch: usize,
    weights: *const i32,
    outputs: &Outputs<'_, R>,
) -> [[V; 1]; P] {
    let mut starts = [start; P];
    for (n, start) in starts.iter_mut().enumerate() {
        *start = start.wrapping_add(n * SHORT_STEP);
    }
    // SAFETY: as the caller promises.
    unsafe { sums_of(SHORT, pitch, starts, weights, outputs) }
}

/// [`sums`] of one vector of channels, for which there are as many loads as multiplications otherwise: two groups of
/// taps are broadcast together, every other lane has the sum of every other group, and neighbours are added at last.
///
/// # Safety
///
/// As [`sums`]; the vector must have [`Lanes::DOUBLES`].
#[inline(always)]
unsafe fn doubled<V: Lanes, R: Copy, const P: usize, const N: usize>(
    windows: &Windows,
    starts: [*const u8; P],
    weights: *const i32,
    outputs: &Outputs<'_, R>,
) -> [[V; N]; P] {
    let [rows, groups] = windows.taps;
    // SAFETY: as the caller promises.
    unsafe {
        let mut halves = [[V::zero(); 2]; P];
        let mut weights = weights;
        for row in 0..rows {
            let x = starts.map(|start| start.wrapping_add(row * windows.pitch).cast::<i32>());
            for group in (1..groups).step_by(2) {
                let w = V::zip(V::words(weights), V::words(weights.add(V::BLOCK)));
                weights = weights.add(2 * V::BLOCK);
                for p in 0..P {
                    let x = V::broadcast_two(x[p].add(group - 1));
                    halves[p][0] = V::multiply(halves[p][0], x, w[0]);
                    halves[p][1] = V::multiply(halves[p][1], x, w[1]);
                }
            }
            if groups % 2 > 0 {
                let w = V::zip(V::words(weights), V::zero());
                weights = weights.add(V::BLOCK);
                for p in 0..P {
                    let x = V::broadcast(x[p].add(groups - 1));
                    halves[p][0] = V::multiply(halves[p][0], x, w[0]);
                    halves[p][1] = V::multiply(halves[p][1], x, w[1]);
                }
            }
        }
        let [start] = outputs.start();
        let mut sums = [[V::zero(); N]; P];
        for p in 0..P {
            sums[p] = [V::add_neighbours(start, halves[p]); N];
        }
        sums
    }
}
