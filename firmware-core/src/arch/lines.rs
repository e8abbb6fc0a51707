//! Windows of 3 x 3 pixels over one channel, by whole lines: depthwise convolution, and convolution of
//! one input channel.
//!
//! A [`Plane`] has lines of a channel, packed with their padding as its target multiplies best, and
//! computes lines of output from them; here is what all targets share. Lines are the rows or the
//! columns of the image, whichever are longer. As many are there at a time as a plane has room for.

use core::slice;

use super::weights::stored;
use super::{Chosen, Target};
use crate::kernels::Conv2dShape;
use crate::{Activation, Requantize, Shift};

/// Taps of a window along each axis.
pub(super) const TAPS: usize = 3;

/// A channel's weights, line by line.
pub(super) type Weights = [[i32; TAPS]; TAPS];

/// One axis of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    /// Pixels of the input and of the output.
    pub input: usize,
    pub output: usize,
    /// Padding in front of the input.
    pub before: usize,
    /// Values from one pixel to the next, of the input and of the output.
    pub x_step: usize,
    pub y_step: usize,
    /// From one tap of a channel to the next.
    weight_step: usize,
}

/// A convolution by lines.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// From line to line, and along a line.
    pub across: Axis,
    pub along: Axis,
    /// Along both.
    pub stride: usize,
    /// Words of a line of input, and of the sums made of one.
    pub pitch: usize,
    #[cfg_attr(any(kernels = "armv7m", kernels = "armv7em", kernels = "mve"), allow(dead_code))]
    pub sums: usize,
    pub padding: i32,
}

/// Lines of input and the sums that are made of them.
pub(super) trait Plane: Sized {
    /// Outputs of the shortest line that is worth it with stride 1 and with stride 2.
    const LEAST: [usize; 2];
    /// Fewest lines of output. Two or three long lines are always worth it, but not the stack where a plane takes more
    /// of it than other kernels do: what runs row by row is to need little memory.
    const FEWEST: usize;

    /// Words of a line of input and of the sums made of one, for windows that are `stride` apart.
    fn words(along: &Axis, stride: usize) -> [usize; 2];

    /// Whether there is room for `count` lines of output.
    fn has_room(lines: &Lines, count: usize) -> bool;

    /// Nothing but padding.
    fn new<X: Activation>(lines: &Lines) -> Self;

    /// What a channel's sums are too small by.
    fn correction<X: Activation>(weights: &Weights) -> i32;

    /// Packs lines `from..to` of those that the outputs from line `first` on read. `x` is the
    /// channel's first value.
    fn pack<X: Activation>(&mut self, lines: &Lines, x: &[X], first: usize, part: [usize; 2]);

    /// Computes the sums of `count` lines of output.
    fn compute(&mut self, lines: &Lines, weights: &Weights, count: usize);

    /// Makes outputs of the sums of `count` lines; `y` is the first line's channel.
    fn finish<Y>(&self, lines: &Lines, count: usize, finish: impl Fn(i32) -> Y, y: &mut [Y]);

    /// The same where that is the addition of a bias and a shift, if there is something better for it;
    /// else false, and nothing done.
    #[inline(always)]
    fn divide<Y: Activation>(
        &self,
        _lines: &Lines,
        _count: usize,
        _by: (i32, Shift),
        _y: &mut [Y],
    ) -> bool {
        false
    }

    /// Moves `count` lines from line `from` on to the front.
    fn keep(&mut self, lines: &Lines, from: usize, count: usize);
}

impl Lines {
    /// The convolution of channels whose weights lie `weight_step` apart in one tap and the next.
    /// `None` if it is none for this file.
    #[inline(always)]
    fn new<P: Plane>(shape: &Conv2dShape, weight_step: usize) -> Option<Self> {
        let window = &shape.window;
        let [top, left, ..] = window.padding;
        let stride = window.stride[0];
        if window.kernel != [TAPS; 2]
            || window.dilation != [1; 2]
            || window.stride[1] != stride
            || !(1..=2).contains(&stride)
            || top >= TAPS
            || left >= TAPS
        {
            return None;
        }
        let ([height, width, x_step], [rows, columns, y_step]) = (shape.input, shape.output);
        let vertical = Axis {
            input: height,
            output: rows,
            before: top,
            x_step: width * x_step,
            y_step: columns * y_step,
            weight_step: TAPS * weight_step,
        };
        let horizontal =
            Axis { input: width, output: columns, before: left, x_step, y_step, weight_step };
        let (across, along) =
            if rows > columns { (horizontal, vertical) } else { (vertical, horizontal) };
        let [plain, by_two] = P::LEAST;
        let least = if stride == 1 { plain } else { by_two };
        let worth = across.output >= P::FEWEST && along.output >= least;
        let [pitch, sums] = P::words(&along, stride);
        let lines = Self { across, along, stride, pitch, sums, padding: shape.padding_value };
        (worth && P::has_room(&lines, 1)).then_some(lines)
    }

    /// Lines of input that `count` lines of output are made of.
    pub(super) fn under(&self, count: usize) -> usize {
        count.saturating_sub(1) * self.stride + TAPS
    }

    /// Lines of output that are computed at a time.
    fn band<P: Plane>(&self) -> usize {
        let mut count = 1;
        while count < self.across.output && P::has_room(self, count + 1) {
            count += 1;
        }
        count
    }

    /// Of lines `from..to`, of those that the outputs from line `first` on read, the ones that lie on
    /// the input, and where the first of them begins there.
    #[inline(always)]
    pub(super) fn inside(&self, first: usize, [from, to]: [usize; 2]) -> ([usize; 2], usize) {
        let Axis { input, before, x_step, .. } = self.across;
        let top = first * self.stride;
        let [begin, end] =
            [before, before + input].map(|line| line.saturating_sub(top).max(from).min(to));
        ([begin, end], (top + begin).wrapping_sub(before).wrapping_mul(x_step))
    }

    /// The weights of the channel whose first weight is the first here, in steps of `step` times
    /// those of the axes, each from how it is `stored`.
    #[inline(never)]
    fn weights(&self, weights: &[i8], step: usize, stored: impl Fn(i8) -> i8) -> Weights {
        let mut all = [[0; TAPS]; TAPS];
        let [down, right] = [self.across, self.along].map(|axis| axis.weight_step * step);
        if weights.len() <= (TAPS - 1) * (down + right) {
            return all;
        }
        let mut line = weights.as_ptr();
        for all in &mut all {
            let mut tap = line;
            for weight in all {
                // SAFETY: the last tap of the last line was just seen to lie in `weights`.
                *weight = i32::from(stored(unsafe { *tap }));
                tap = tap.wrapping_add(right);
            }
            line = line.wrapping_add(down);
        }
        all
    }
}

/// Where the weights of a convolution's channel begin, and from one of them to the next: see
/// [`Target::BLOCK`].
#[allow(clippy::modulo_one, reason = "on some cores a block is one channel")]
#[inline(always)]
fn place(channel: usize, channels: usize) -> (usize, usize) {
    const BLOCK: usize = Chosen::BLOCK;
    if channel >= channels / BLOCK * BLOCK {
        return (channel * TAPS * TAPS, 1);
    }
    (channel / BLOCK * BLOCK * TAPS * TAPS + channel % BLOCK, BLOCK)
}

/// Whether a convolution is computed here, which must be one of a single channel.
#[inline(always)]
pub(super) fn fit<P: Plane>(shape: &Conv2dShape) -> bool {
    shape.input[2] == 1 && Lines::new::<P>(shape, 1).is_some()
}

/// Depthwise convolution with as many output channels as input channels. False if it is none for
/// this file, and nothing done.
#[inline(never)]
pub(super) fn depthwise_conv2d<P: Plane, X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    y: &mut [Y],
) -> bool {
    let Some(lines) = Lines::new::<P>(shape, shape.output[2]) else { return false };
    let mut plane = P::new::<X>(&lines);
    let band = lines.band::<P>();
    for (channel, (&bias, &requantize)) in bias.iter().zip(requantize).enumerate() {
        let x = x.get(channel..).unwrap_or_default();
        let weights = lines.weights(weights.get(channel..).unwrap_or_default(), 1, |weight| weight);
        let bias = bias.wrapping_add(P::correction::<X>(&weights));
        let (mut done, mut kept) = (0, 0);
        while done < lines.across.output {
            let count = band.min(lines.across.output - done);
            plane.pack(&lines, x, done, [kept, lines.under(count)]);
            plane.compute(&lines, &weights, count);
            let y = y.get_mut(done * lines.across.y_step + channel..).unwrap_or_default();
            let shift = R::shifts(slice::from_ref(&requantize)).and_then(<[Shift]>::first);
            if !shift.is_some_and(|&shift| plane.divide(&lines, count, (bias, shift), y)) {
                let finish = move |sum: i32| Y::saturate(requantize.apply(bias.wrapping_add(sum)));
                plane.finish(&lines, count, finish, y);
            }
            done += count;
            kept = TAPS - lines.stride;
            if done < lines.across.output {
                plane.keep(&lines, count * lines.stride, kept);
            }
        }
    }
    true
}

/// Convolution of one input channel, for shapes that [`fit`].
#[inline(never)]
pub(super) fn conv2d<P: Plane, X: Activation, R: Copy, Y>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) {
    let Some(lines) = Lines::new::<P>(shape, 1) else { return };
    let mut plane = P::new::<X>(&lines);
    let (band, channels) = (lines.band::<P>(), bias.len());
    let (mut done, mut kept) = (0, 0);
    while done < lines.across.output {
        let count = band.min(lines.across.output - done);
        plane.pack(&lines, x, done, [kept, lines.under(count)]);
        for (channel, (&bias, &requantize)) in bias.iter().zip(requantize).enumerate() {
            let (first, step) = place(channel, channels);
            let weights = weights.get(first..).unwrap_or_default();
            let weights = lines.weights(weights, step, stored);
            plane.compute(&lines, &weights, count);
            let y = y.get_mut(done * lines.across.y_step + channel..).unwrap_or_default();
            let bias = bias.wrapping_add(P::correction::<X>(&weights));
            plane.finish(&lines, count, move |sum| finish(requantize, bias.wrapping_add(sum)), y);
        }
        done += count;
        kept = TAPS - lines.stride;
        if done < lines.across.output {
            plane.keep(&lines, count * lines.stride, kept);
        }
    }
}
