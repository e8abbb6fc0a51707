//! Convolution of eight output channels with two pixels to a vector of sixteen lanes.
//!
//! The windows of two pixels that are side by side cover bytes that lie side by side. Both are multiplied with the
//! same word of them, the left one's lanes with the weights as they are, the right one's with those moved by as
//! many bytes as its window is: what one window does not cover has zeros. So no lane is idle, and the
//! outputs of the two are side by side as well.

use super::channels::{Channels, Windows};
use super::outputs::{Ending, Outputs, Room};
use super::strip::{Rows, Strip};
use super::vectors::Lanes;
use crate::Activation;
use crate::kernels::Conv2dShape;

/// Output channels.
pub(super) const DEPTH: usize = 8;

/// Lanes, of two pixels.
const LANES: usize = 2 * DEPTH;

/// Most words of the weights of a lane.
const WORDS: usize = 32;

/// Of each word the weights of all lanes.
type Weights = [[i32; LANES]; WORDS];

/// Pixels that are computed together, and where a row has fewer.
const MANY: usize = 16;
const FEW: usize = 8;

impl<X: Activation, R: Copy> Channels<'_, X, R> {
    /// Computes all of `y`, or returns false where the channels are not eight, a row has fewer than eight pixels or
    /// gaps between those of a window, two windows side by side have too many words or a slice is not as long as
    /// its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, which has 16 lanes of four bytes.
    #[inline(always)]
    pub(super) unsafe fn two_pixels<V: Lanes, Y, E: Ending<R, Y>>(
        &self,
        ending: E,
        y: &mut [Y],
    ) -> bool {
        const { assert!(V::PIXELS == LANES && V::TAPS == 4 && V::BLOCK == LANES) };
        let Conv2dShape { input: [height, width, depth], output, window, .. } = *self.shape;
        let [rows, columns, channels] = output;
        let row = window.kernel[1] * depth;
        let [down, right] = window.stride;
        let moved = right * depth;
        let (groups, words) = (row.div_ceil(4), (row + moved).div_ceil(4));
        let count = window.kernel[0] * words;
        if channels != DEPTH
            || columns < FEW
            || window.dilation[1] != 1
            || count > WORDS
            || words > 2 * groups
            || self.x.len() < height * width * depth
            || self.weights.len() < LANES * window.kernel[0] * groups
            || y.len() != rows * columns * DEPTH
        {
            return false;
        }
        let (Some(&bias), Some(&requantize)) =
            (self.bias.first_chunk::<DEPTH>(), self.requantize.first_chunk::<DEPTH>())
        else {
            return false;
        };
        let (bias, requantize) = (twice(bias), twice(requantize));
        let mut room = Room::new();
        // SAFETY: as the caller promises.
        let outputs =
            unsafe { Outputs::new::<V, Y, E>(&mut room, (&bias, &requantize), LANES, 4 * count) };
        let Some(outputs) = outputs else { return false };
        let mut weights = [[0; LANES]; WORDS];
        self.arrange([groups, words, moved], &mut weights);
        let windows = |start: *const u8, pitch: usize| Windows {
            start,
            steps: [moved, down * pitch],
            pitch: window.dilation[0] * pitch,
            taps: [window.kernel[0], words],
        };
        let inside = window.lies_inside([height, width], [rows, columns]);
        // Windows without padding are where they should be, if no word reaches beyond two of them.
        if inside && (row + moved) % 4 == 0 {
            let windows = windows(self.x.as_ptr().cast(), width * depth);
            // SAFETY: all words of two windows side by side lie on the input.
            unsafe { windows.run::<V, R, Y, E>(columns, &weights, &outputs, ending, y) };
            return true;
        }
        let Some(Rows { pitch, outputs: most }) = Strip::rows(self.shape, 1) else { return false };
        let mut strip = Strip::new();
        for (n, y) in y.chunks_mut(most * columns * DEPTH).enumerate() {
            let place = [n * most, y.len() / (columns * DEPTH)];
            let lines = Rows { pitch, outputs: most };
            let start = strip.fill(self.shape, self.x, lines, place, |x| x);
            // SAFETY: the strip has all that the windows cover, and some bytes behind it for the last word.
            unsafe {
                windows(start.cast(), pitch)
                    .run::<V, R, Y, E>(columns, &weights, &outputs, ending, y);
            }
        }
        true
    }

    /// The weights of both pixels: of kernel rows of `groups` words those of `words`, and again `moved` bytes later.
    fn arrange(&self, [groups, words, moved]: [usize; 3], all: &mut Weights) {
        let rows = self.weights.as_chunks::<LANES>().0.chunks_exact(groups.max(1));
        for (row, all) in rows.zip(all.chunks_exact_mut(words.max(1))) {
            let word = |n: usize, lane: usize| match row.get(n) {
                Some(lanes) => lanes.get(lane).map_or(0, |word| u64::from(word.cast_unsigned())),
                None => 0,
            };
            for (n, lanes) in all.iter_mut().enumerate() {
                let (left, right) = lanes.split_at_mut(DEPTH);
                // The word that ends `moved` bytes before this one does, and the one before it.
                let last = (4 * n + 3).wrapping_sub(moved).cast_signed();
                let (at, bits) = (last.div_euclid(4), 8 * (last.rem_euclid(4) as u32 + 1));
                for (lane, (left, right)) in left.iter_mut().zip(right).enumerate() {
                    *left = word(n, lane) as i32;
                    let before = word(at.wrapping_sub(1) as usize, lane);
                    *right = ((word(at as usize, lane) << 32 | before) >> bits) as i32;
                }
            }
        }
    }
}

impl Windows {
    /// All rows of `columns` pixels, eight or more, that `y` has.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, and the windows be good for all these pixels.
    #[inline(always)]
    unsafe fn run<V: Lanes, R: Copy, Y, E: Ending<R, Y>>(
        &self,
        columns: usize,
        weights: &Weights,
        outputs: &Outputs<'_, R>,
        ending: E,
        y: &mut [Y],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            if self.taps[1] == 1 && self.steps[0] == 1 {
                self.rows::<V, R, Y, E, true>(columns, weights, outputs, ending, y);
            } else {
                self.rows::<V, R, Y, E, false>(columns, weights, outputs, ending, y);
            }
        }
    }

    /// The same; whether windows have a word to each row and are a byte apart, as often with one input channel,
    /// is known at compile time.
    ///
    /// # Safety
    ///
    /// As [`Windows::run`].
    #[inline(always)]
    unsafe fn rows<V: Lanes, R: Copy, Y, E: Ending<R, Y>, const ONE: bool>(
        &self,
        columns: usize,
        weights: &Weights,
        outputs: &Outputs<'_, R>,
        ending: E,
        y: &mut [Y],
    ) {
        for (row, y) in y.chunks_exact_mut(columns * DEPTH).enumerate() {
            let line = self.start.wrapping_add(row * self.steps[1]);
            let mut column = 0;
            while column < columns {
                // The last pixels overlap the ones before.
                let count = if columns - column > FEW && columns >= MANY { MANY } else { FEW };
                let first = column.min(columns - count);
                let start = line.wrapping_add(first * self.steps[0]);
                let y = y.get_mut(first * DEPTH..).unwrap_or_default();
                // SAFETY: as the caller promises; the pixels are in the row.
                unsafe {
                    match count {
                        MANY => {
                            let sums =
                                self.sums::<V, R, { MANY / 2 }, ONE>(start, weights, outputs);
                            outputs.finish(sums, ending, LANES, y);
                        }
                        _ => {
                            let sums = self.sums::<V, R, { FEW / 2 }, ONE>(start, weights, outputs);
                            outputs.finish(sums, ending, LANES, y);
                        }
                    }
                }
                column = first + count;
            }
        }
    }

    /// The sums of `P` times two pixels from the one on whose window begins at `start`.
    ///
    /// # Safety
    ///
    /// As [`Windows::rows`].
    #[inline(always)]
    unsafe fn sums<V: Lanes, R: Copy, const P: usize, const ONE: bool>(
        &self,
        start: *const u8,
        weights: &Weights,
        outputs: &Outputs<'_, R>,
    ) -> [[V; 1]; P] {
        let [rows, words] = if ONE { [self.taps[0], 1] } else { self.taps };
        let right = if ONE { 1 } else { self.steps[0] };
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [outputs.start::<V, 1>(); P];
            let mut all = weights.as_ptr().cast::<i32>();
            for row in 0..rows {
                let x = start.wrapping_add(row * self.pitch);
                for word in 0..words {
                    let w = V::words(all);
                    all = all.wrapping_add(LANES);
                    for p in 0..P {
                        let x = x.wrapping_add(p * 2 * right + 4 * word).cast();
                        sums[p][0] = V::multiply(sums[p][0], V::broadcast(x), w);
                    }
                }
            }
            sums
        }
    }
}

/// The same again behind them.
fn twice<T: Copy>(all: [T; DEPTH]) -> [T; LANES] {
    core::array::from_fn(|n| all[n % DEPTH])
}
