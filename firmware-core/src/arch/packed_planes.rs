//! Lines of `lines.rs` for cores that multiply 32 bits at a time and have nothing narrower.
//!
//! Two pixels are one word, a0 + a1 * 2^16, those that are under the same tap of two outputs side by
//! side. So one multiplication by a weight makes a product for both. Values are shifted so that they lie
//! in -127..=128: then a product lies in -16384..=16256 and the sum of two fits 16 bits. So two taps are
//! added as words (`word`), and the halves are only then taken apart: `high` adds up
//! `(word + 0x8000) >> 16`, the sum of the upper halves, and `all` the words. The sum of the lower
//! halves is `all - high * 2^16`. The shift of the values is undone with the sum of the weights.
//!
//! The lines of a channel lie one behind the other and with stride 1 a pass goes over many of them; what it
//! makes where one line ends and the next begins is not used.

use super::lines::{self, Axis, Lines, Weights};
use super::target::{LEAST, plane};
use crate::Activation;

/// Words of the lines of input that are there at a time, and of the sums made of them.
const WORDS: usize = 264;
const SUMS: usize = 160;
/// Words in front of the lines, in which what begins before a line is written.
const FRONT: usize = 2;

/// Lines of input and the sums that are made of them, one for each output.
pub(super) struct Plane {
    lines: [i32; FRONT + WORDS],
    sums: [i32; SUMS],
}

/// What is added to a value.
const fn shift<X: Activation>() -> i32 {
    if X::UNSIGNED { -127 } else { 1 }
}

/// Two pixels to a word.
#[inline(always)]
const fn pair(first: i32, second: i32) -> i32 {
    first.wrapping_add(second << 16)
}

impl lines::Plane for Plane {
    const LEAST: [usize; 2] = LEAST;
    const FEWEST: usize = 4;

    #[inline(always)]
    fn words(along: &Axis, stride: usize) -> [usize; 2] {
        // One word for each pixel, and as many more as windows reach beyond the last one and words
        // are written in front of the next line. With stride 1 what is made of those are sums too.
        let output = along.output.next_multiple_of(2);
        if stride == 1 { [output + 2; 2] } else { [2 * output + 2, output] }
    }

    #[inline(always)]
    fn has_room(lines: &Lines, count: usize) -> bool {
        lines.under(count) * lines.pitch <= WORDS && count * lines.sums <= SUMS
    }

    #[inline(always)]
    fn new<X: Activation>(_: &Lines) -> Self {
        Self { lines: [0; FRONT + WORDS], sums: [0; SUMS] }
    }

    #[inline(always)]
    fn correction<X: Activation>(weights: &Weights) -> i32 {
        let sum: i32 = weights.as_flattened().iter().sum();
        -shift::<X>() * sum
    }

    #[inline(never)]
    fn pack<X: Activation>(
        &mut self,
        lines: &Lines,
        x: &[X],
        first: usize,
        [from, to]: [usize; 2],
    ) {
        let Lines { across, along, stride, pitch, .. } = *lines;
        let padding = X::saturate(lines.padding).to_i32() + shift::<X>();
        let ([begin, end], at) = lines.inside(first, [from, to]);
        for padded in [from..begin, end..to] {
            let words = FRONT + padded.start * pitch..FRONT + padded.end * pitch;
            let words = self.lines.get_mut(words).unwrap_or_default();
            words.iter_mut().for_each(|word| *word = pair(padding, padding));
        }
        // Of the pixels of a line those for which there are words: some windows do not reach the end.
        let pixels = along.input.min(pitch.saturating_sub(along.before));
        let last = end.wrapping_sub(begin + 1).wrapping_mul(across.x_step);
        let x = x.get(at..).unwrap_or_default();
        if begin >= end
            || x.len() <= last + (pixels - 1) * along.x_step
            || end * pitch > WORDS
            || stride > FRONT
        {
            return;
        }
        let behind = pitch - along.before - pixels;
        let mut line = x.as_ptr();
        let mut word = self.lines.as_mut_ptr().wrapping_add(FRONT + begin * pitch - stride);
        for _ in begin..end {
            // The pixel that is to be the first of the next word, and the one after it.
            let mut earlier = [padding; 2];
            let mut put = |value: i32| {
                let [first, second] = earlier;
                earlier = if stride == 1 { [value, value] } else { [second, value] };
                // SAFETY: `pitch` words for each of the lines `begin..end`, from `stride` words in
                // front of them on, where `FRONT` are: that they end in `lines` was just checked.
                unsafe { *word = pair(first, value) };
                word = word.wrapping_add(1);
            };
            let mut next = line;
            for _ in 0..along.before {
                put(padding);
            }
            for _ in 0..pixels {
                // SAFETY: the last pixel of the last line was just seen to lie in `x`.
                put(unsafe { (*next).to_i32() } + shift::<X>());
                next = next.wrapping_add(along.x_step);
            }
            for _ in 0..behind {
                put(padding);
            }
            line = line.wrapping_add(across.x_step);
        }
    }

    #[inline(never)]
    fn compute(&mut self, lines: &Lines, weights: &Weights, count: usize) {
        let Lines { stride, pitch, .. } = *lines;
        if !Self::has_room(lines, count) {
            return;
        }
        let (calls, pairs) =
            if stride == 1 { (1, count * lines.sums / 2) } else { (count, lines.sums / 2) };
        let mut start = self.lines.as_ptr().wrapping_add(FRONT);
        let mut sums = self.sums.as_mut_ptr();
        // With stride 1 the last pair of the last line reaches two words too far.
        let pairs = if stride == 1 { pairs.saturating_sub(1) } else { pairs };
        for _ in 0..calls {
            let job = Job { pitch: 4 * pitch, step: 8 * stride, end: sums.wrapping_add(2 * pairs) };
            if pairs > 0 {
                // SAFETY: the routine reads three words at a time from each of three lines, `stride`
                // times two further for each of the pairs, which are in `lines`, and writes two sums
                // for each: that there is room for both was just checked. It keeps to the procedure
                // call standard.
                unsafe { plane(&job, start, weights, sums) };
            }
            start = start.wrapping_add(stride * pitch);
            sums = sums.wrapping_add(lines.sums);
        }
    }

    #[inline(never)]
    fn finish<Y>(&self, lines: &Lines, count: usize, finish: impl Fn(i32) -> Y, y: &mut [Y]) {
        let Lines { across, along, .. } = *lines;
        if y.len() <= (count - 1) * across.y_step + (along.output - 1) * along.y_step
            || !Self::has_room(lines, count)
        {
            return;
        }
        let mut line = y.as_mut_ptr();
        let mut sums = self.sums.as_ptr();
        for _ in 0..count {
            let (mut to, mut next) = (line, sums);
            let end = next.wrapping_add(along.output);
            while next != end {
                // SAFETY: the last pixel of the last line was just seen to lie in `y`, and there is
                // a sum for each.
                unsafe { *to = finish(*next) };
                to = to.wrapping_add(along.y_step);
                next = next.wrapping_add(1);
            }
            line = line.wrapping_add(across.y_step);
            sums = sums.wrapping_add(lines.sums);
        }
    }

    #[inline(always)]
    fn keep(&mut self, lines: &Lines, from: usize, count: usize) {
        let (from, count) = (from * lines.pitch, count * lines.pitch);
        if from + count <= WORDS {
            let words = self.lines.as_mut_ptr().wrapping_add(FRONT);
            // SAFETY: both ranges are in `lines`, as was just checked.
            unsafe { core::ptr::copy(words.wrapping_add(from), words, count) };
        }
    }
}

/// A pass, in the order in which the routine expects it.
#[repr(C)]
pub(super) struct Job {
    /// Bytes from line to line.
    pitch: usize,
    /// Bytes from one pair of outputs to the next, of words.
    step: usize,
    /// Where the sums end.
    end: *const i32,
}
