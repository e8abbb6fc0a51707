//! Depthwise convolution with a channel to each lane of a vector.
//!
//! The values that the rows of a window have of one channel, two or four of them, are put side by side
//! into a lane, column by column. Then each tap of a kernel row is one instruction for all of them and for as
//! many channels as there are lanes, and windows share their columns: those of 3 x 3 slide over them in
//! registers (`slide`) or share lines of two rows (`pairs`), others find them in a line. Padding is a column like
//! others.

use core::mem::MaybeUninit;

use super::scaled::{Scaled, exact};
use super::vectors::Lanes;
use crate::kernels::Conv2dShape;
use crate::{Activation, Requantize};

/// Vectors of a line, and of the weights.
pub(super) const LINE: usize = 768;
const WEIGHTS: usize = 64;

/// A depthwise convolution with as many output channels as input channels.
pub(super) struct Depthwise<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub x: &'a [X],
    pub weights: &'a [i8],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// Vectors that are filled before they are read.
pub(super) type Room<V, const N: usize> = [MaybeUninit<V>; N];

/// The weights of some channels: vectors for each column of a kernel, and where columns are in a line.
struct Taps<V> {
    weights: *const V,
    columns: usize,
    /// Vectors of each column.
    groups: usize,
    /// From one column to the next in a line.
    step: usize,
}

impl<V: Lanes> Taps<V> {
    /// `sum` plus the products of a line from `x` on.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`, and all pointers be good for the columns.
    #[inline(always)]
    unsafe fn add_to(&self, sum: V, x: *const V) -> V {
        let mut sum = sum;
        for column in 0..self.columns {
            for group in 0..self.groups {
                // SAFETY: as the caller promises.
                unsafe {
                    let w = self.weights.add(column * self.groups + group).read();
                    sum = V::multiply(sum, x.add(column * self.step + group).read(), w);
                }
            }
        }
        sum
    }
}

/// Where windows find their columns.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// In lines of pairs of rows: `pairs`.
    Pairs,
    /// In registers: `slide`.
    Slide,
    /// In a line of all their rows.
    Lines,
}

impl<X: Activation, R: Requantize> Depthwise<'_, X, R> {
    /// Computes all of `y`, or returns false where there are fewer channels than lanes, rows too long for a
    /// line, too many weights, or where a slice is not as long as its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn run<V: Lanes, Y: Activation>(&self, y: &mut [Y]) -> bool {
        let Conv2dShape { input: [height, width, depth], output, window, .. } = *self.shape;
        let [rows, columns, channels] = output;
        let groups = window.kernel[0].div_ceil(V::TAPS);
        let covered = columns.saturating_sub(1) * window.stride[1] + window.extent()[1];
        if depth < V::PIXELS
            || channels != depth
            || groups * window.kernel[1] > WEIGHTS
            || (self.how::<V>(covered) == How::Lines && groups * covered > LINE)
            || self.x.len() < height * width * depth
            || self.weights.len() < window.area() * depth
            || self.bias.len() < depth
            || self.requantize.len() < depth
            || y.len() != rows * columns * depth
            || y.is_empty()
        {
            return false;
        }
        let exact = exact(self.bias.get(..depth).unwrap_or_default(), window.area());
        let mut room: Room<V, LINE> = [const { MaybeUninit::uninit() }; LINE];
        if self.how::<V>(covered) == How::Pairs {
            // SAFETY: there is room for two lines.
            unsafe { self.pad(covered, &mut room) };
        }
        let mut channel = 0;
        while channel < depth {
            // The last channels overlap those before where their number is no multiple of the lanes.
            channel = channel.min(depth - V::PIXELS);
            let bias = self.bias.get(channel..).unwrap_or_default();
            let requantize = self.requantize.get(channel..).unwrap_or_default();
            // SAFETY: as many channels are there, and lines and weights have room.
            unsafe {
                let Some(outputs) = Scaled::new(bias, requantize, exact) else { return false };
                match (self.how::<V>(covered), window.stride[1]) {
                    (How::Pairs, 1) => {
                        self.pairs::<V, Y, 1>([channel, covered], &outputs, &mut room, y)
                    }
                    (How::Pairs, _) => {
                        self.pairs::<V, Y, 2>([channel, covered], &outputs, &mut room, y)
                    }
                    (How::Slide, 1) => self.slide::<V, Y, 1>(channel, &outputs, y),
                    (How::Slide, _) => self.slide::<V, Y, 2>(channel, &outputs, y),
                    (How::Lines, _) => self.lines(channel, &outputs, &mut room, y),
                }
            }
            channel += V::PIXELS;
        }
        true
    }

    /// What is fastest.
    #[inline(always)]
    fn how<V: Lanes>(&self, covered: usize) -> How {
        match V::TAPS {
            2 if self.paired(covered) => How::Pairs,
            4 if self.slides() => How::Slide,
            _ => How::Lines,
        }
    }

    /// As many channels as there are lanes, from `channel` on, with windows of any shape, a line for each row of
    /// output.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::run`], whose conditions must hold.
    #[inline(always)]
    unsafe fn lines<V: Lanes, Y: Activation>(
        &self,
        channel: usize,
        outputs: &Scaled<V, R>,
        line: &mut Room<V, LINE>,
        y: &mut [Y],
    ) {
        let ([_, columns, depth], window) = (self.shape.output, self.shape.window);
        let groups = window.kernel[0].div_ceil(V::TAPS);
        let mut weights: Room<V, WEIGHTS> = [const { MaybeUninit::uninit() }; WEIGHTS];
        // SAFETY: as the caller promises; what is read was written.
        unsafe {
            self.weights::<V>(channel, &mut weights);
            let taps = Taps {
                weights: weights.as_ptr().cast(),
                columns: window.kernel[1],
                groups,
                step: window.dilation[1] * groups,
            };
            for (row, y) in y.chunks_exact_mut(columns * depth).enumerate() {
                self.line::<V>(row, channel, line);
                let line: *const V = line.as_ptr().cast();
                let sum = |column: usize| {
                    taps.add_to(outputs.start, line.add(column * window.stride[1] * groups))
                };
                let y = y.as_mut_ptr().add(channel);
                for first in (0..columns).step_by(4) {
                    let count = 4.min(columns - first);
                    let (mut sums, mut to) = ([outputs.start; 4], [y; 4]);
                    for n in 0..count {
                        sums[n] = sum(first + n);
                        to[n] = y.add((first + n) * depth);
                    }
                    match count {
                        4 => outputs.finish(sums, to, 4, depth == V::PIXELS),
                        _ => outputs.finish(sums, to, count, false),
                    }
                }
            }
        }
    }

    /// Where `count` rows that an output row's windows cover begin, from their row `first` on, and how far their
    /// pixels are apart: what lies on padding stays where it is.
    #[inline(always)]
    pub(super) fn row(
        &self,
        [row, first]: [usize; 2],
        count: usize,
        channel: usize,
        padding: *const X,
    ) -> [(*const X, usize); 4] {
        let Conv2dShape { input: [height, width, depth], window, .. } = *self.shape;
        let mut rows = [(padding, 0); 4];
        for (n, to) in rows.iter_mut().enumerate().take(count) {
            let at = row * window.stride[0] + (first + n) * window.dilation[0];
            let at = at.wrapping_sub(window.padding[0]);
            if at < height {
                *to = (self.x.as_ptr().wrapping_add(at * width * depth + channel), depth);
            }
        }
        rows
    }

    /// The weights of the channels, `[kernel column][group of rows]`.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::lines`].
    #[inline(always)]
    unsafe fn weights<V: Lanes>(&self, channel: usize, to: &mut Room<V, WEIGHTS>) {
        let ([rows, columns], depth) = (self.shape.window.kernel, self.shape.input[2]);
        let zeros = [0i8; 16];
        let mut to = to.iter_mut();
        for column in 0..columns {
            for first in (0..rows).step_by(V::TAPS) {
                let mut taps = [zeros.as_ptr(); 4];
                for (row, tap) in (first..rows).zip(&mut taps).take(V::TAPS) {
                    let at = (row * columns + column) * depth + channel;
                    *tap = self.weights.as_ptr().wrapping_add(at);
                }
                // SAFETY: as the caller promises.
                let all = unsafe {
                    match V::TAPS {
                        2 => V::stack::<i8, 2>(taps),
                        _ => V::stack::<i8, 4>(taps),
                    }
                };
                to.next().map(|to| to.write(all));
            }
        }
    }

    /// The line of an output row, `[column][group of rows]`.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::lines`].
    #[inline(always)]
    unsafe fn line<V: Lanes>(&self, row: usize, channel: usize, to: &mut Room<V, LINE>) {
        let window = self.shape.window;
        let groups = window.kernel[0].div_ceil(V::TAPS);
        let padding = [X::saturate(self.shape.padding_value); 16];
        let to: *mut V = to.as_mut_ptr().cast();
        for group in 0..groups {
            let all = V::TAPS.min(window.kernel[0] - group * V::TAPS);
            let rows = self.row([row, group * V::TAPS], all, channel, padding.as_ptr());
            // SAFETY: the line has room for all columns and groups; rows are part of `x`, or padding.
            unsafe {
                let to = to.add(group);
                match all {
                    1 => self.columns::<V, 1>(rows, padding.as_ptr(), groups, to),
                    2 => self.columns::<V, 2>(rows, padding.as_ptr(), groups, to),
                    3 => self.columns::<V, 3>(rows, padding.as_ptr(), groups, to),
                    _ => self.columns::<V, 4>(rows, padding.as_ptr(), groups, to),
                }
            }
        }
    }

    /// One group of a line, whose vectors are `step` apart: of rows that begin where is said and whose pixels
    /// are as far apart.
    ///
    /// # Safety
    ///
    /// As [`Depthwise::lines`]; the line must have room for all columns.
    #[inline(always)]
    unsafe fn columns<V: Lanes, const ROWS: usize>(
        &self,
        rows: [(*const X, usize); 4],
        padding: *const X,
        step: usize,
        to: *mut V,
    ) {
        let Conv2dShape { input: [_, width, _], output, window, .. } = *self.shape;
        let covered = output[1].saturating_sub(1) * window.stride[1] + window.extent()[1];
        let begin = window.padding[1].min(covered);
        let end = (window.padding[1] + width).clamp(begin, covered);
        // SAFETY: as the caller promises.
        unsafe {
            let outside = V::stack::<X, ROWS>([padding; 4]);
            let mut column = 0;
            while column < begin {
                to.add(column * step).write(outside);
                column += 1;
            }
            let mut x = rows.map(|(start, _)| start);
            let mut to_next = to.add(column * step);
            while column < end {
                to_next.write(V::stack::<X, ROWS>(x));
                for n in 0..ROWS {
                    x[n] = x[n].wrapping_add(rows[n].1);
                }
                to_next = to_next.add(step);
                column += 1;
            }
            while column < covered {
                to.add(column * step).write(outside);
                column += 1;
            }
        }
    }
}
