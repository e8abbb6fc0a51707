//! Depthwise windows of 3 x 3 that slide over their columns in registers.
//!
//! Where a window's row is one below another's, both share their columns: a column then has four rows, and each
//! row of windows weights of its own, with nothing for the row that is not its.

use super::depthwise::{Depthwise, Taps};
use super::outputs::{Outputs, Requantized};
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
    unsafe fn next<V: Lanes, const GROUPS: usize>(&mut self) -> [V; GROUPS] {
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
            let mut groups = [V::zero(); GROUPS];
            match (GROUPS, DOWN) {
                (1, 1) => groups[0] = V::stack::<X, 3>(x),
                (1, _) => groups[0] = V::stack::<X, 4>(x),
                (_, 1) => {
                    groups[0] = V::stack::<X, 2>(x);
                    groups[1] = V::stack::<X, 1>([x[2]; 4]);
                }
                _ => {
                    groups[0] = V::stack::<X, 2>(x);
                    groups[1] = V::stack::<X, 2>([x[2], x[3], x[2], x[3]]);
                }
            }
            groups
        }
    }

    /// For each row of windows the sums of the next `COUNT`, which begin with `start`; `window` has the columns of
    /// the one before.
    ///
    /// # Safety
    ///
    /// As [`Columns::next`].
    #[inline(always)]
    unsafe fn sums<V: Lanes, const STRIDE: usize, const GROUPS: usize, const COUNT: usize>(
        &mut self,
        window: &mut [[V; GROUPS]; 3],
        start: V,
        taps: &Taps<V>,
    ) -> [[[V; 1]; COUNT]; DOWN] {
        let mut sums = [[[start]; COUNT]; DOWN];
        // SAFETY: as the caller promises.
        unsafe {
            for pixel in 0..COUNT {
                for i in STRIDE..3 {
                    window[i - STRIDE] = window[i];
                }
                for i in 3 - STRIDE..3 {
                    window[i] = self.next();
                }
                for down in 0..DOWN {
                    for i in 0..3 {
                        for group in 0..GROUPS {
                            let w = taps.weights.add((down * 3 + i) * GROUPS + group).read();
                            let sum = &mut sums[down][pixel][0];
                            *sum = V::multiply(*sum, window[i][group], w);
                        }
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
    /// As [`Depthwise::run`], whose conditions must hold; `taps` must have the weights of each of so many rows of
    /// windows as [`Depthwise::down`] says.
    #[inline(always)]
    pub(super) unsafe fn slide<V: Lanes, Y: Activation, const STRIDE: usize>(
        &self,
        channel: usize,
        parts: (&Outputs<'_, R>, &Taps<V>),
        y: &mut [Y],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match (V::TAPS, self.down()) {
                (2, 1) => self.rows::<V, Y, STRIDE, 2, 1>(channel, parts, y),
                (2, _) => self.rows::<V, Y, STRIDE, 2, 2>(channel, parts, y),
                (_, 1) => self.rows::<V, Y, STRIDE, 1, 1>(channel, parts, y),
                _ => self.rows::<V, Y, STRIDE, 1, 2>(channel, parts, y),
            }
        }
    }

    /// As [`Depthwise::slide`], `DOWN` rows of windows at a time, whose columns are `GROUPS` vectors.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(always)]
    unsafe fn rows<
        V: Lanes,
        Y: Activation,
        const STRIDE: usize,
        const GROUPS: usize,
        const DOWN: usize,
    >(
        &self,
        channel: usize,
        (outputs, taps): (&Outputs<'_, R>, &Taps<V>),
        y: &mut [Y],
    ) {
        let ([rows, columns, depth], width) = (self.shape.output, self.shape.input[1]);
        let padding = [X::saturate(self.shape.padding_value); 16];
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
            let y = y.get_mut(row * columns * depth..).unwrap_or_default();
            // SAFETY: as the caller promises.
            unsafe {
                let [start] = outputs.start::<V, 1>();
                let mut window = [[V::zero(); GROUPS]; 3];
                for i in STRIDE..3 {
                    window[i] = all.next();
                }
                let mut column = 0;
                // The next so many windows of each row.
                macro_rules! windows {
                    ($count:literal) => {{
                        let sums = all.sums::<V, STRIDE, GROUPS, $count>(&mut window, start, taps);
                        for (down, sums) in sums.into_iter().enumerate() {
                            let at = (down * columns + column) * depth + channel;
                            let y = y.get_mut(at..).unwrap_or_default();
                            outputs.finish(sums, Requantized, depth, y);
                        }
                        $count
                    }};
                }
                while column < columns {
                    column += match columns - column {
                        4.. => windows!(4),
                        2.. => windows!(2),
                        _ => windows!(1),
                    };
                }
            }
        }
    }
}
