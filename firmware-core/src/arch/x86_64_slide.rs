//! Depthwise windows of 3 x 3 that slide over their columns in registers.
//!
//! Where a window's row is one below another's, both share their columns: a column then has four rows, and each
//! row of windows weights of its own, with nothing for the row that is not its.

use super::depthwise::Depthwise;
use super::scaled::Scaled;
use super::vectors::Lanes;
use crate::{Activation, Requantize};

/// The columns of the rows that `DOWN` rows of windows cover, one after the other, with their padding.
struct Columns<X, const DOWN: usize> {
    /// Where the rows' next pixels are, and how far those of a row are apart.
    x: [(*const X, usize); 4],
    /// The next column of the input.
    next: usize,
    width: usize,
    padding: *const X,
}

impl<X: Activation, const DOWN: usize> Columns<X, DOWN> {
    /// # Safety
    ///
    /// The processor must have the extension of `V`; rows must be good for as many values of every pixel as it
    /// has lanes.
    #[inline(always)]
    unsafe fn next<V: Lanes>(&mut self) -> V {
        let on = self.next < self.width;
        self.next = self.next.wrapping_add(1);
        let mut x = [self.padding; 4];
        if on {
            x = self.x.map(|(x, _)| x);
            for (x, step) in &mut self.x {
                *x = x.wrapping_add(*step);
            }
        }
        // SAFETY: as the caller promises.
        unsafe {
            match DOWN {
                1 => V::stack::<X, 3>(x),
                _ => V::stack::<X, 4>(x),
            }
        }
    }

    /// For each row of windows the sums of the next `COUNT`, which begin with `start`; `window` has the columns of
    /// the one before.
    ///
    /// # Safety
    ///
    /// As [`Columns::next`].
    #[inline(always)]
    unsafe fn sums<V: Lanes, const STRIDE: usize, const COUNT: usize>(
        &mut self,
        window: &mut [V; 3],
        start: V,
        weights: &[[V; 3]; 2],
    ) -> [[V; COUNT]; DOWN] {
        let mut sums = [[start; COUNT]; DOWN];
        // SAFETY: as the caller promises.
        unsafe {
            for pixel in 0..COUNT {
                // (Loops would become copies from memory to memory.)
                let [_, second, third] = *window;
                *window = match STRIDE {
                    1 => [second, third, self.next()],
                    _ => [third, self.next(), self.next()],
                };
                for down in 0..DOWN {
                    for i in 0..3 {
                        let sum = &mut sums[down][pixel];
                        *sum = V::multiply(*sum, window[i], weights[down][i]);
                    }
                }
            }
        }
        sums
    }
}

impl<X: Activation, R: Requantize> Depthwise<'_, X, R> {
    /// Whether windows slide.
    #[inline(always)]
    pub(super) fn slides(&self) -> bool {
        let window = self.shape.window;
        window.kernel == [3, 3] && window.dilation[1] == 1 && matches!(window.stride[1], 1 | 2)
    }

    /// How many rows of windows share their columns.
    #[inline(always)]
    pub(super) fn down(&self) -> usize {
        let (window, rows) = (self.shape.window, self.shape.output[0]);
        if [window.stride[0], window.dilation[0]] == [1, 1] && rows >= 2 { 2 } else { 1 }
    }

    /// All windows, `STRIDE` columns apart, of as many channels as there are lanes, from `channel` on.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::run`], whose conditions must hold; `V` must have four taps.
    #[inline(always)]
    pub(super) unsafe fn slide<V: Lanes, Y: Activation, const STRIDE: usize>(
        &self,
        channel: usize,
        outputs: &Scaled<V, R>,
        y: &mut [Y],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.down() {
                1 => self.rows::<V, Y, STRIDE, 1>(channel, outputs, y),
                _ => self.rows::<V, Y, STRIDE, 2>(channel, outputs, y),
            }
        }
    }

    /// As [`Depthwise::slide`], `DOWN` rows of windows at a time.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(always)]
    unsafe fn rows<V: Lanes, Y: Activation, const STRIDE: usize, const DOWN: usize>(
        &self,
        channel: usize,
        outputs: &Scaled<V, R>,
        y: &mut [Y],
    ) {
        let ([rows, columns, depth], width) = (self.shape.output, self.shape.input[1]);
        let padding = [X::saturate(self.shape.padding_value); 16];
        // SAFETY: as the caller promises.
        let weights = unsafe { self.slide_weights::<V>(channel) };
        for row in (0..rows).step_by(DOWN) {
            // The last rows overlap those before where their number is no multiple.
            let row = row.min(rows - DOWN);
            let mut all: Columns<X, DOWN> = Columns {
                x: self.row([row, 0], 2 + DOWN, channel, padding.as_ptr()),
                // Wraps around in front of the input.
                next: 0usize.wrapping_sub(self.shape.window.padding[1]),
                width,
                padding: padding.as_ptr(),
            };
            let y = y.as_mut_ptr().wrapping_add(row * columns * depth + channel);
            let mut y = [y, y.wrapping_add(columns * depth)];
            // SAFETY: as the caller promises.
            let mut window = unsafe {
                let first = all.next();
                [V::zero(), first, if STRIDE == 1 { all.next() } else { first }]
            };
            let mut left = columns;
            // The next so many windows of each row.
            macro_rules! windows {
                ($count:literal) => {{
                    // SAFETY: as the caller promises; there are so many more.
                    unsafe {
                        let sums =
                            all.sums::<V, STRIDE, $count>(&mut window, outputs.start, &weights);
                        outputs.finish_rows(sums, depth, y);
                    }
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

    /// The weights of the channels: columns, and for the lower one of two rows of windows the same one row below.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::slide`].
    #[inline(always)]
    unsafe fn slide_weights<V: Lanes>(&self, channel: usize) -> [[V; 3]; 2] {
        let depth = self.shape.input[2];
        let zeros = [0i8; 16];
        let none = zeros.as_ptr();
        // SAFETY: as the caller promises.
        unsafe {
            let mut weights = [[V::zero(); 3]; 2];
            for column in 0..3 {
                let tap = |row: usize| {
                    self.weights.as_ptr().wrapping_add((row * 3 + column) * depth + channel)
                };
                let [a, b, c] = [tap(0), tap(1), tap(2)];
                weights[0][column] = V::stack::<i8, 4>([a, b, c, none]);
                weights[1][column] = V::stack::<i8, 4>([none, a, b, c]);
            }
            weights
        }
    }
}
