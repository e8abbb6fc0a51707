//! Depthwise windows of 3 x 3 over lines of pairs: each lane of a line's vector has what two rows of the input,
//! one below the other, have of a channel.
//!
//! A window has two lines, of which the second is the first of the windows two rows below. Of rows of windows
//! that lie one apart two are computed together: the upper one has no weight for the last row of its lines, the
//! lower one none for the first.

use super::depthwise::{Depthwise, LINE, Room};
use super::scaled::Scaled;
use super::vectors::Lanes;
use crate::{Activation, Requantize};

/// The weights of two rows of windows: those of each line's columns.
type Weights<V> = [[[V; 3]; 2]; 2];

/// The sums of `COUNT` windows, `STRIDE` columns apart, of each of the first `DOWN` rows.
///
/// # Safety
///
/// The processor must have the extension of `V`, and lines be good for all columns of the windows.
#[inline(always)]
unsafe fn sums<V: Lanes, const STRIDE: usize, const DOWN: usize, const COUNT: usize>(
    lines: [*const V; 2],
    weights: &Weights<V>,
    start: V,
) -> [[V; COUNT]; DOWN] {
    let mut sums = [[start; COUNT]; DOWN];
    for (pair, line) in lines.into_iter().enumerate() {
        for column in 0..(COUNT - 1) * STRIDE + 3 {
            // SAFETY: as the caller promises.
            unsafe {
                let x = line.add(column).read();
                for down in 0..DOWN {
                    for n in 0..COUNT {
                        if n * STRIDE <= column && column < n * STRIDE + 3 {
                            let w = weights[down][pair][column - n * STRIDE];
                            sums[down][n] = V::multiply(sums[down][n], x, w);
                        }
                    }
                }
            }
        }
    }
    sums
}

impl<X: Activation, R: Requantize> Depthwise<'_, X, R> {
    /// Whether windows have lines of pairs.
    #[inline(always)]
    pub(super) fn paired(&self, covered: usize) -> bool {
        let window = self.shape.window;
        window.kernel == [3, 3]
            && window.dilation == [1, 1]
            && matches!(window.stride, [1, 1] | [2, 2])
            && 2 * covered <= LINE
    }

    /// All windows, `STRIDE` apart, of as many channels as there are lanes, from `channel` on. `covered` columns
    /// are what windows cover.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::run`], whose conditions must hold, and [`Depthwise::paired`]; `V` must have two taps.
    #[inline(always)]
    pub(super) unsafe fn pairs<V: Lanes, Y: Activation, const STRIDE: usize>(
        &self,
        [channel, covered]: [usize; 2],
        outputs: &Scaled<V, R>,
        room: &mut Room<V, LINE>,
        y: &mut [Y],
    ) {
        let [rows, columns, depth] = self.shape.output;
        let padding = [X::saturate(self.shape.padding_value); 16];
        let room: *mut V = room.as_mut_ptr().cast();
        let down = 3 - STRIDE;
        // SAFETY: as the caller promises; there is room for two lines.
        unsafe {
            let weights = self.paired_weights::<V>(channel);
            let mut lines = [room, room.add(covered)];
            for pair in 0..=rows.div_ceil(down) {
                lines.swap(0, 1);
                let from = self.row([0, 2 * pair], 2, channel, padding.as_ptr());
                self.pair_rows(from, lines[1], covered);
                let Some(before) = pair.checked_sub(1) else { continue };
                let row = before * down;
                let y = y.as_mut_ptr().add(row * columns * depth + channel);
                let lines = lines.map(|line| line.cast_const());
                if STRIDE == 1 && row + 1 < rows {
                    self.paired_rows::<V, Y, STRIDE, 2>(lines, &weights, outputs, y);
                } else {
                    self.paired_rows::<V, Y, STRIDE, 1>(lines, &weights, outputs, y);
                }
            }
        }
    }

    /// Sets what lines have on the left and on the right of the input.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::pairs`].
    #[inline(always)]
    pub(super) unsafe fn pad<V: Lanes>(&self, covered: usize, room: &mut Room<V, LINE>) {
        let padding = [X::saturate(self.shape.padding_value); 16];
        let width = self.shape.input[1];
        let left = self.shape.window.padding[1].min(covered);
        // SAFETY: as the caller promises.
        let outside = unsafe { V::stack::<X, 2>([padding.as_ptr(); 4]) };
        for line in room.chunks_exact_mut(covered).take(2) {
            let (front, rest) = line.split_at_mut_checked(left).unwrap_or_default();
            let back = rest.get_mut(width..).unwrap_or_default();
            front.iter_mut().chain(back).for_each(|to| _ = to.write(outside));
        }
    }

    /// Sets what a line has on the input, from two rows that begin where is said and whose pixels are as far apart.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(always)]
    unsafe fn pair_rows<V: Lanes>(&self, rows: [(*const X, usize); 4], to: *mut V, covered: usize) {
        let left = self.shape.window.padding[1].min(covered);
        let count = self.shape.input[1].min(covered - left);
        let [(mut a, a_step), (mut b, b_step), ..] = rows;
        let mut to = to.wrapping_add(left);
        for _ in 0..count {
            // SAFETY: as the caller promises.
            unsafe { to.write(V::stack::<X, 2>([a, b, a, b])) };
            (a, b) = (a.wrapping_add(a_step), b.wrapping_add(b_step));
            to = to.wrapping_add(1);
        }
    }

    /// The weights of the channels.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::pairs`].
    #[inline(always)]
    unsafe fn paired_weights<V: Lanes>(&self, channel: usize) -> Weights<V> {
        let depth = self.shape.input[2];
        let zeros = [0i8; 16];
        let none = zeros.as_ptr();
        // SAFETY: as the caller promises.
        unsafe {
            let mut weights = [[[V::zero(); 3]; 2]; 2];
            for column in 0..3 {
                let tap = |row: usize| {
                    self.weights.as_ptr().wrapping_add((row * 3 + column) * depth + channel)
                };
                let [a, b, c] = [tap(0), tap(1), tap(2)];
                weights[0][0][column] = V::stack::<i8, 2>([a, b, a, b]);
                weights[0][1][column] = V::stack::<i8, 2>([c, none, c, none]);
                weights[1][0][column] = V::stack::<i8, 2>([none, a, none, a]);
                weights[1][1][column] = V::stack::<i8, 2>([b, c, b, c]);
            }
            weights
        }
    }

    /// `DOWN` rows of windows, which have the same lines.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::pairs`]; `y` must be good for as many rows.
    #[inline(always)]
    unsafe fn paired_rows<V: Lanes, Y: Activation, const STRIDE: usize, const DOWN: usize>(
        &self,
        lines: [*const V; 2],
        weights: &Weights<V>,
        outputs: &Scaled<V, R>,
        y: *mut Y,
    ) {
        let [_, columns, depth] = self.shape.output;
        let (mut lines, mut y) = (lines, [y, y.wrapping_add(columns * depth)]);
        let mut left = columns;
        // The next so many windows of each row.
        macro_rules! windows {
            ($count:literal) => {{
                // SAFETY: lines and rows have so many columns more.
                unsafe {
                    let sums = sums::<V, STRIDE, DOWN, $count>(lines, weights, outputs.start);
                    outputs.finish_rows(sums, depth, y);
                }
                lines = lines.map(|line| line.wrapping_add($count * STRIDE));
                y = y.map(|y| y.wrapping_add($count * depth));
                left -= $count;
            }};
        }
        while left >= 4 {
            windows!(4);
        }
        while left >= 2 {
            windows!(2);
        }
        while left > 0 {
            windows!(1);
        }
    }
}
