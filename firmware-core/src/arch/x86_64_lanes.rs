//! Convolution and max pooling with a pixel to each lane of a vector.
//!
//! A lane holds the sum of one pixel, so that nothing is added across lanes, no lane is idle for
//! want of channels, and one weight is broadcast to all pixels. What the windows of 4, 8 or 16
//! pooled pixels cover is first put into a panel, in which a vector has the same taps of all of
//! them; the four pixels under each pooled one share it.

use core::mem::MaybeUninit;

use super::vectors::Lanes;
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::{Activation, Requantize};

/// Bytes of a panel: what fits a first-level cache beside the weights.
const PANEL: usize = 32 * 1024;

/// Pixels of the widest vector.
const PIXELS: usize = 16;

/// Times four pixels.
pub(super) const QUADS: usize = PIXELS / 4;

/// Room for as many words as there are weights: there are no more groups of taps than taps.
type Words<const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
    [[[[i32; IC]; KW]; KH]; OC];

/// The weights in groups of four bytes and in pairs of 16 bits, as vectors multiply them: channel
/// by channel, kernel row by kernel row. A row's last group is filled up with zeros.
pub(crate) struct Arranged<const OC: usize, const KH: usize, const KW: usize, const IC: usize> {
    fours: Words<OC, KH, KW, IC>,
    pairs: Words<OC, KH, KW, IC>,
}

pub(crate) const fn arrange<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> Arranged<OC, KH, KW, IC> {
    let mut arranged =
        Arranged { fours: [[[[0; IC]; KW]; KH]; OC], pairs: [[[[0; IC]; KW]; KH]; OC] };
    let row = KW * IC;
    let mut n = 0;
    while n < OC * KH * row {
        let [o, y, i] = [n / row / KH, n / row % KH, n % row];
        let weight = weights[o][y][i / IC][i % IC];
        let four = (o * KH + y) * row.div_ceil(4) + i / 4;
        let pair = (o * KH + y) * row.div_ceil(2) + i / 2;
        *word(&mut arranged.fours, four) |= (weight as u8 as i32) << (i % 4 * 8);
        *word(&mut arranged.pairs, pair) |= (weight as u16 as i32) << (i % 2 * 16);
        n += 1;
    }
    arranged
}

const fn word<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    words: &mut Words<OC, KH, KW, IC>,
    n: usize,
) -> &mut i32 {
    &mut words[n / IC / KW / KH][n / IC / KW % KH][n / IC % KW][n % IC]
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize> Arranged<OC, KH, KW, IC> {
    pub(crate) fn words(&self) -> [&[i32]; 2] {
        [&self.fours, &self.pairs].map(|w| w.as_flattened().as_flattened().as_flattened())
    }
}

/// A convolution and the pooling after it.
pub(crate) struct Pooled<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub pool: &'a Pool2dShape,
    pub x: &'a [X],
    /// What [`Arranged::words`] gives.
    pub weights: [&'a [i32]; 2],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

/// Where things are, in values of the input and vectors of the panel.
struct Plan {
    /// From one pooled pixel to the one below, and to the one on the right.
    step: [usize; 2],
    /// From the left pixels under a pooled one to the right ones, and input rows from the upper
    /// ones to the lower ones.
    side: usize,
    below: usize,
    /// Rows of the input under a pooled pixel, and from one row to the next.
    rows: usize,
    pitch: usize,
    /// Values in a kernel row, and groups of them.
    row: usize,
    groups: usize,
}

impl<X: Activation, R: Requantize> Pooled<'_, X, R> {
    /// `None` where a window needs padding or is pooled with more than 2 x 2 others, where a
    /// panel does not fit, or where a slice is not as long as its shape says.
    fn plan(&self, taps: usize, vector: usize, outputs: usize) -> Option<Plan> {
        let Self { shape, pool, .. } = self;
        let [_, width, depth] = shape.input;
        let [height, right, channels] = pool.output;
        let ([kernel_rows, kernel_columns], [sy, sx]) = (shape.window.kernel, shape.window.stride);
        let ([ph, pw], [py, px]) = (pool.window.kernel, pool.window.stride);
        let plain = [shape.window.padding, pool.window.padding] == [[0; 2]; 2]
            && [ph, pw].iter().all(|size| (1..=2).contains(size))
            && [height, right, kernel_rows, kernel_columns, depth].iter().all(|&size| size > 0);
        if !plain {
            return None;
        }
        let pitch = width * depth;
        let plan = Plan {
            step: [py * sy * pitch, px * sx * depth],
            side: (pw - 1) * sx * depth,
            below: (ph - 1) * sy,
            rows: (ph - 1) * sy + kernel_rows,
            pitch,
            row: kernel_columns * depth,
            groups: (kernel_columns * depth).div_ceil(taps),
        };
        let last = (height - 1) * plan.step[0] + (right - 1) * plan.step[1];
        let end = last + (plan.rows - 1) * pitch + plan.side + plan.row;
        let words = channels * kernel_rows * plan.groups;
        let fits = end <= self.x.len()
            && plan.rows * 2 * plan.groups * vector <= PANEL
            && self.weights[usize::from(taps == 2)].len() >= words
            && self.bias.len() >= channels
            && self.requantize.len() >= channels
            && outputs == height * right * channels;
        fits.then_some(plan)
    }

    /// Computes all of `y`, `CHANNELS` channels at a time, or returns false.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn run<V: Lanes, Y: Activation, const CHANNELS: usize>(
        &self,
        y: &mut [Y],
    ) -> bool {
        let Some(plan) = self.plan(V::TAPS, size_of::<V>(), y.len()) else { return false };
        let [height, width, depth] = self.pool.output;
        let mut panel = MaybeUninit::<Panel>::uninit();
        let panel: *mut V = panel.as_mut_ptr().cast();
        let mut block = Block { at: [0; QUADS], y: [0; QUADS], count: [0; QUADS] };
        let mut quads = 0;
        for row in 0..height {
            for column in (0..width).step_by(4) {
                block.at[quads] = row * plan.step[0] + column * plan.step[1];
                block.y[quads] = row * width + column;
                block.count[quads] = width - column;
                quads += 1;
                let last = row + 1 == height && column + 4 >= width;
                if quads < V::PIXELS / 4 && !last {
                    continue;
                }
                // Lanes that are left over repeat the last ones.
                for i in quads..QUADS {
                    block.at[i] = block.at[quads - 1];
                    block.count[i] = 0;
                }
                quads = 0;
                // SAFETY: `plan` has checked that every window is part of `x`, that the panel has
                // room, and that there are weights, biases, requantizations and outputs for every
                // channel of every pixel.
                unsafe {
                    self.pack(&plan, &block, panel);
                    let mut channel = 0;
                    while channel < depth {
                        channel += match depth - channel {
                            4.. if CHANNELS >= 4 => {
                                self.block::<V, Y, 4>(&plan, panel, &block, channel, y)
                            }
                            2.. => self.block::<V, Y, 2>(&plan, panel, &block, channel, y),
                            _ => self.block::<V, Y, 1>(&plan, panel, &block, channel, y),
                        };
                    }
                }
            }
        }
        true
    }

    /// Fills the panel, `[left or right][row][group]`, for the pixels of `block`.
    ///
    /// # Safety
    ///
    /// As in `run`.
    #[inline(always)]
    unsafe fn pack<V: Lanes>(&self, plan: &Plan, block: &Block, panel: *mut V) {
        let end = self.x.as_ptr_range().end as usize;
        let last = block.at[QUADS - 1];
        let step = plan.step[1];
        if V::SPREADS && X::UNSIGNED && 3 * step + plan.side + plan.groups * V::TAPS <= 16 {
            // All that the windows of four pixels cover is in one load.
            let mut order = [[[0; 4]; 8]; 2];
            for (right, order) in order.iter_mut().enumerate() {
                for (group, order) in order.iter_mut().enumerate() {
                    for (pixel, word) in order.iter_mut().enumerate() {
                        let first = right * plan.side + pixel * step + group * V::TAPS;
                        *word = V::ORDER.wrapping_add(first as u32 * V::ORDER_STEP);
                    }
                }
            }
            for row in 0..plan.rows {
                // SAFETY: windows are part of `x`, and the panel has room for all groups.
                unsafe {
                    let x = self.x.as_ptr().add(row * plan.pitch);
                    let values = if x.add(last) as usize + 16 <= end {
                        V::load(x.cast(), &block.at)
                    } else {
                        let copy = Copied::new(x, &block.at, 0, end);
                        V::load(copy.0.as_ptr().cast(), &Copied::<X>::QUADS)
                    };
                    for (right, order) in order.iter().enumerate() {
                        let to = panel.add((right * plan.rows + row) * plan.groups);
                        for (group, order) in order.iter().enumerate().take(plan.groups) {
                            to.add(group).write(V::spread(values, order));
                        }
                    }
                }
            }
            return;
        }
        let mut to = panel;
        for side in [0, plan.side] {
            for row in 0..plan.rows {
                // SAFETY: as above.
                unsafe {
                    let x = self.x.as_ptr().add(row * plan.pitch + side);
                    for group in (0..plan.groups).step_by(4) {
                        let x = x.add(group * V::TAPS);
                        let columns = if x.add(last + 3 * step) as usize + 4 * V::TAPS <= end {
                            V::columns(x, &block.at, step)
                        } else {
                            let copy = Copied::new(x, &block.at, step, end);
                            V::columns(copy.0.as_ptr(), &Copied::<X>::QUADS, PIXELS)
                        };
                        for column in columns.into_iter().take(plan.groups - group) {
                            to.write(column);
                            to = to.add(1);
                        }
                    }
                }
            }
        }
    }

    /// `N` channels of the pixels in the panel; returns `N`.
    ///
    /// # Safety
    ///
    /// As in `run`; the panel must be that of `block`.
    #[inline(always)]
    unsafe fn block<V: Lanes, Y: Activation, const N: usize>(
        &self,
        plan: &Plan,
        panel: *const V,
        block: &Block,
        channel: usize,
        y: &mut [Y],
    ) -> usize {
        let taps = (plan.rows - plan.below) * plan.groups;
        let mut words = [0u32; PIXELS];
        // SAFETY: `run` says that the panel is full, and that all slices have these elements.
        unsafe {
            let weights = self.weights[usize::from(V::TAPS == 2)].as_ptr().add(channel * taps);
            let right = panel.add(plan.rows * plan.groups);
            let lower = plan.below * plan.groups;
            let x = [panel, right, panel.add(lower), right.add(lower)];
            let mut sums = [[V::zero(); 4]; N];
            for tap in 0..taps {
                let mut w = [V::zero(); N];
                for n in 0..N {
                    w[n] = V::broadcast(weights.add(n * taps + tap));
                }
                for pixel in 0..4 {
                    let x = x[pixel].add(tap).read();
                    for n in 0..N {
                        sums[n][pixel] = V::multiply(sums[n][pixel], x, w[n]);
                    }
                }
            }
            for n in 0..N {
                let [a, b, c, d] = sums[n];
                let mut largest = [0i32; PIXELS];
                largest
                    .as_mut_ptr()
                    .cast::<V>()
                    .write_unaligned(V::max(V::max(a, b), V::max(c, d)));
                let bias = *self.bias.get_unchecked(channel + n);
                let requantize = *self.requantize.get_unchecked(channel + n);
                // All 16, whatever the vector has: a loop of that length becomes vectors.
                for (word, largest) in words.iter_mut().zip(largest) {
                    let value = Y::saturate(requantize.apply(bias.wrapping_add(largest)));
                    *word |= (value.to_i32() as u32 & 0xff) << (8 * n);
                }
            }
            let depth = self.pool.output[2];
            for quad in 0..V::PIXELS / 4 {
                let y = y.as_mut_ptr().add(block.y[quad] * depth + channel).cast::<u8>();
                for pixel in 0..4 {
                    if pixel >= block.count[quad] {
                        break;
                    }
                    let (y, word) = (y.add(pixel * depth), words[quad * 4 + pixel]);
                    match N {
                        4 => y.cast::<u32>().write_unaligned(word),
                        2 => y.cast::<u16>().write_unaligned(word as u16),
                        _ => y.write(word as u8),
                    }
                }
            }
        }
        N
    }
}

/// Some pixels of the output, in fours that lie side by side.
struct Block {
    /// Where the window of each four's first pixel begins in the input.
    at: [usize; QUADS],
    /// Each four's first pixel in the output.
    y: [usize; QUADS],
    /// How many of each four, if not more, are part of the output.
    count: [usize; QUADS],
}

/// What 16 pixels need of the very end of the input; what lies behind it counts zero.
struct Copied<X>([X; PIXELS * PIXELS]);

impl<X: Activation> Copied<X> {
    /// Where the first of each four pixels is.
    const QUADS: [usize; QUADS] = [0, 4 * PIXELS, 8 * PIXELS, 12 * PIXELS];

    /// 16 values from `x` plus one of `at` plus none to three times `step` on.
    ///
    /// # Safety
    ///
    /// The input must have all values from `x` to `end`.
    #[cold]
    unsafe fn new(x: *const X, at: &[usize; QUADS], step: usize, end: usize) -> Self {
        let mut copy = [X::saturate(0); PIXELS * PIXELS];
        for (i, copy) in copy.chunks_exact_mut(PIXELS).enumerate() {
            let x = x.wrapping_add(at[i / 4] + i % 4 * step);
            let len = end.saturating_sub(x as usize).min(PIXELS);
            // SAFETY: `len` values from `x` on are part of the input, and the copy has 16.
            unsafe { x.copy_to_nonoverlapping(copy.as_mut_ptr(), len) };
        }
        Self(copy)
    }
}

/// Memory for the panel, aligned for every vector.
#[repr(C, align(64))]
struct Panel([u8; PANEL]);
