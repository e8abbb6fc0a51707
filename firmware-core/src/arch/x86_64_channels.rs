//! Convolution with an output channel to each lane of a vector.
//!
//! A lane holds the sum of one channel of one pixel. The taps of a pixel's window, two or four at a
//! time, are broadcast from where they lie and multiplied with the weights of 8 or 16 channels, which
//! lie side by side; several pixels share the weights that are loaded. Nothing is gathered, and
//! nothing is added across lanes. Padding is in the [`Strip`].

use super::strip::{Rows, Strip};
use super::vectors::Lanes;
use crate::Activation;
use crate::kernels::Conv2dShape;

/// Channels of the widest vector.
const MOST: usize = 16;

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
        if size == 1 && X::UNSIGNED && inside && row % V::TAPS == 0 {
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
                1 => strip.fill(self.shape, self.x, lines, place, |x| x).cast(),
                _ => strip.fill(self.shape, self.x, lines, place, |x| x.to_i32() as i16).cast(),
            };
            // SAFETY: the strip has all that the windows cover, and some bytes behind it for the last
            // group of taps; the slices are as long as was checked.
            unsafe { self.rows::<V, Y, PIXELS>(windows(start, pitch), rows, finish, y) };
        }
        true
    }

    /// `rows` rows of output.
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
        let [_, columns, channels] = self.shape.output;
        let pixels = rows * columns;
        let (mut row, mut column, mut done) = (0, 0, 0);
        while done < pixels {
            let mut starts = [windows.start; PIXELS];
            let count = match pixels - done {
                left if left >= PIXELS => PIXELS,
                4.. if PIXELS > 4 => 4,
                2.. => 2,
                _ => 1,
            };
            for start in starts.iter_mut().take(count) {
                *start =
                    windows.start.wrapping_add(column * windows.steps[0] + row * windows.steps[1]);
                column += 1;
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
            }
            let y = y.get_mut(done * channels..).unwrap_or_default();
            // SAFETY: as the caller promises.
            unsafe {
                match count {
                    2 => self.pixels::<V, Y, 2>(&windows, starts.as_ptr(), finish, y),
                    1 => self.pixels::<V, Y, 1>(&windows, starts.as_ptr(), finish, y),
                    4 if PIXELS > 4 => self.pixels::<V, Y, 4>(&windows, starts.as_ptr(), finish, y),
                    _ => self.pixels::<V, Y, PIXELS>(&windows, starts.as_ptr(), finish, y),
                }
            }
            done += count;
        }
    }

    /// All channels of `P` pixels that lie side by side in `y`.
    ///
    /// # Safety
    ///
    /// As [`Channels::rows`]; `starts` must be good for as many pointers.
    #[inline(always)]
    unsafe fn pixels<V: Lanes, Y, const P: usize>(
        &self,
        windows: &Windows,
        starts: *const *const u8,
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        // SAFETY: as the caller promises.
        let starts: &[*const u8; P] = unsafe { &*starts.cast() };
        let depth = self.shape.output[2];
        let mut channel = 0;
        while channel < depth {
            // SAFETY: as the caller promises.
            unsafe {
                if depth - channel > V::PIXELS {
                    self.block::<V, Y, P, 2>(windows, starts, channel, finish, y);
                    channel += 2 * V::PIXELS;
                } else {
                    self.block::<V, Y, P, 1>(windows, starts, channel, finish, y);
                    channel += V::PIXELS;
                }
            }
        }
    }

    /// `N` vectors of channels of `P` pixels.
    ///
    /// # Safety
    ///
    /// As [`Channels::pixels`].
    #[inline(always)]
    unsafe fn block<V: Lanes, Y, const P: usize, const N: usize>(
        &self,
        windows: &Windows,
        starts: &[*const u8; P],
        channel: usize,
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let [rows, groups] = windows.taps;
        // SAFETY: as the caller promises.
        let mut sums = [[unsafe { V::zero() }; N]; P];
        // SAFETY: as the caller promises.
        unsafe {
            let mut weights = self.weights.as_ptr().add(channel * rows * groups);
            for row in 0..rows {
                let x = starts.map(|start| start.wrapping_add(row * windows.pitch).cast::<i32>());
                for group in 0..groups {
                    let mut w = [V::zero(); N];
                    for n in 0..N {
                        let vector = weights.add(n * rows * groups * V::PIXELS);
                        w[n] = vector.cast::<V>().read_unaligned();
                    }
                    for p in 0..P {
                        let x = V::broadcast(x[p].add(group));
                        for n in 0..N {
                            sums[p][n] = V::multiply(sums[p][n], x, w[n]);
                        }
                    }
                    weights = weights.add(V::PIXELS);
                }
            }
        }
        let depth = self.shape.output[2];
        for n in 0..N {
            let first = channel + n * V::PIXELS;
            let bias = self.bias.get(first..).unwrap_or_default();
            let requantize = self.requantize.get(first..).unwrap_or_default();
            for p in 0..P {
                let mut sum = [0i32; MOST];
                // SAFETY: the widest vector has as many lanes.
                unsafe { sum.as_mut_ptr().cast::<V>().write_unaligned(sums[p][n]) };
                let y = y.get_mut(p * depth + first..(p + 1) * depth).unwrap_or_default();
                // Loops of a known length become vectors.
                if V::PIXELS == 16 && y.len() >= 16 {
                    finish_some::<R, Y, 16>(&sum, bias, requantize, finish, y);
                } else if y.len() >= 8 && V::PIXELS == 8 {
                    finish_some::<R, Y, 8>(&sum, bias, requantize, finish, y);
                } else {
                    let channels = sum.iter().take(V::PIXELS).zip(bias).zip(requantize);
                    for (y, ((sum, bias), requantize)) in y.iter_mut().zip(channels) {
                        *y = finish(*requantize, bias.wrapping_add(*sum));
                    }
                }
            }
        }
    }
}

/// The first `N` outputs; nothing where there are fewer.
#[inline(always)]
fn finish_some<R: Copy, Y, const N: usize>(
    sums: &[i32; MOST],
    bias: &[i32],
    requantize: &[R],
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
) {
    let (Some(sums), Some(bias)) = (sums.first_chunk::<N>(), bias.first_chunk::<N>()) else {
        return;
    };
    let (Some(requantize), Some(y)) = (requantize.first_chunk::<N>(), y.first_chunk_mut::<N>())
    else {
        return;
    };
    for n in 0..N {
        y[n] = finish(requantize[n], bias[n].wrapping_add(sums[n]));
    }
}
