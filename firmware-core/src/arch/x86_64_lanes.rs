//! Convolution and max pooling with a pixel to each lane of a vector.
//!
//! A lane holds the sum of one pixel, so that nothing is added across lanes, no lane is idle for
//! want of channels, and one weight is broadcast to all pixels. What the windows of 4, 8 or 16
//! pooled pixels cover is first put into a panel, in which a vector has the same taps of all of
//! them; the four pixels under each pooled one share it.

use core::mem::MaybeUninit;

use super::outputs::{Rounding, bounds};
use super::panel::{Block, PIXELS, Panel, Plan, QUADS};
use super::vectors::Lanes;
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::{Activation, Requantize};

/// Most channels whose shifts are divided by in vectors, a multiple of four.
const ROUNDED: usize = 32;

/// What sums begin with whose bias is added later.
static ZEROS: [i32; 4] = [0; 4];

/// A convolution and the pooling after it.
pub(crate) struct Pooled<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub pool: &'a Pool2dShape,
    pub x: &'a [X],
    /// In groups of four bytes and in pairs of 16 bits: see [`Target::WIDE`](crate::arch::Target).
    pub weights: [&'a [i32]; 2],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

impl<X: Activation, R: Requantize> Pooled<'_, X, R> {
    /// `None` where a window needs padding or is pooled with more than 2 x 2 others, where a
    /// panel does not fit, or where a slice is not as long as its shape says.
    fn plan(&self, taps: usize, vector: usize, outputs: usize) -> Option<Plan> {
        let Self { shape, pool, .. } = self;
        let [_, width, depth] = shape.input;
        let [height, columns, channels] = pool.output;
        let ([kernel_rows, kernel_columns], [sy, sx]) = (shape.window.kernel, shape.window.stride);
        let ([ph, pw], [py, px]) = (pool.window.kernel, pool.window.stride);
        let plain = !shape.window.is_padded()
            && !pool.window.is_padded()
            && [shape.window.dilation, pool.window.dilation] == [[1; 2]; 2]
            && [ph, pw].iter().all(|size| (1..=2).contains(size))
            && [height, columns, kernel_rows, kernel_columns, depth].iter().all(|&size| size > 0);
        if !plain {
            return None;
        }
        let pitch = width * depth;
        let groups = (kernel_columns * depth).div_ceil(taps);
        let rows = (ph - 1) * sy + kernel_rows;
        let side = (pw - 1) * sx * depth;
        // Only where windows are packed by columns, that is, are long.
        let both = side % taps == 0 && side / taps <= groups && groups > 4;
        let (width, right) =
            if both { (groups + side / taps, side / taps) } else { (groups, rows * groups) };
        let plan = Plan {
            step: [py * sy * pitch, px * sx * depth],
            side,
            below: (ph - 1) * sy,
            rows,
            pitch,
            row: kernel_columns * depth,
            groups,
            width,
            right,
        };
        let last = (height - 1) * plan.step[0] + (columns - 1) * plan.step[1];
        let end = last + (plan.rows - 1) * pitch + plan.side + plan.row;
        let words = channels * kernel_rows * plan.groups;
        // A window that would reach beyond the right side asks for padding there.
        let fits = (columns - 1) * plan.step[1] + plan.side + plan.row <= pitch
            && end <= self.x.len()
            && plan.rows * 2 * plan.groups * vector <= size_of::<Panel>()
            && self.weights[usize::from(taps == 2)].len() >= words
            && self.bias.len() >= channels
            && self.requantize.len() >= channels
            && outputs == height * columns * channels;
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
        let order = plan.order::<X, V>();
        let rounding = self.rounding(&plan);
        let mut panel = MaybeUninit::<Panel>::uninit();
        let panel: *mut V = panel.as_mut_ptr().cast();
        let mut block = Block::default();
        let mut quads = 0;
        for row in 0..height {
            for column in (0..width).step_by(4) {
                let at = row * plan.step[0] + column * plan.step[1];
                block.set(quads, at, row * width + column, width - column);
                quads += 1;
                let last = row + 1 == height && column + 4 >= width;
                if quads < V::PIXELS / 4 && !last {
                    continue;
                }
                // Lanes that are left over repeat the last ones.
                for quad in quads..QUADS {
                    block.set(quad, at, 0, 0);
                }
                quads = 0;
                // SAFETY: `plan` has checked that every window is part of `x`, that the panel has
                // room, and that there are weights, biases, requantizations and outputs for every
                // channel of every pixel.
                unsafe {
                    plan.pack(self.x, &order, &block, panel);
                    let mut channel = 0;
                    while channel < depth {
                        let count = 4.min(depth - channel);
                        let mut four = [V::zero(); 4];
                        let starts = match &rounding {
                            Some(rounding) => rounding.start.as_ptr().add(channel),
                            None => ZEROS.as_ptr(),
                        };
                        if CHANNELS >= 4 && count == 4 {
                            four = self.sums::<V, 4>(&plan, panel, channel, starts);
                        } else {
                            for first in (0..count).step_by(2) {
                                let starts = starts.add(first);
                                if count - first == 1 {
                                    let [sum] =
                                        self.sums::<V, 1>(&plan, panel, channel + first, starts);
                                    four[first] = sum;
                                } else {
                                    let [a, b] =
                                        self.sums::<V, 2>(&plan, panel, channel + first, starts);
                                    (four[first], four[first + 1]) = (a, b);
                                }
                            }
                        }
                        let words = match &rounding {
                            Some(rounding) => rounded::<V, Y, R>(four, rounding, channel, count),
                            None => V::words(
                                self.finished::<V, Y>(four, channel, count).as_ptr().cast(),
                            ),
                        };
                        self.store::<V, Y>(words, &block, (channel, count), y);
                        channel += 4;
                    }
                }
            }
        }
        true
    }

    /// The rounding of all channels, if they have shifts and are not too many.
    #[inline(always)]
    fn rounding(&self, plan: &Plan) -> Option<Rounding<ROUNDED>> {
        let depth = self.pool.output[2];
        let (shifts, _) = R::as_shifts(self.requantize.get(..depth)?)?;
        // A word has four products or two.
        let products = plan.rows * plan.groups * 4;
        if depth > ROUNDED {
            return None;
        }
        Rounding::new(self.bias.get(..depth)?, shifts, products)
    }

    /// For `N` channels the largest of the four sums under each pixel in the panel, which begin with `starts`.
    ///
    /// # Safety
    ///
    /// As in `run`; the panel must be full.
    #[inline(always)]
    unsafe fn sums<V: Lanes, const N: usize>(
        &self,
        plan: &Plan,
        panel: *const V,
        channel: usize,
        starts: *const i32,
    ) -> [V; N] {
        let rows = plan.rows - plan.below;
        let taps = rows * plan.groups;
        // SAFETY: as the caller promises.
        unsafe {
            let mut weights = self.weights[usize::from(V::TAPS == 2)].as_ptr().add(channel * taps);
            let lower = plan.below * plan.width;
            let right = plan.right;
            let mut sums = [[V::zero(); 4]; N];
            for n in 0..N {
                sums[n] = [V::broadcast(starts.add(n)); 4];
            }
            let mut line = panel;
            // One loop where rows lie one behind the other.
            let (lines, groups) = match plan.width == plan.groups {
                true => (1, taps),
                false => (rows, plan.groups),
            };
            for _ in 0..lines {
                let mut x = [line, line.add(right), line.add(lower), line.add(lower + right)];
                let mut left = groups;
                // Two at a time where a group is little work: a loop's own instructions count.
                while V::TAPS == 2 && left >= 2 {
                    add_tap(&mut sums, x, weights, 0, taps);
                    add_tap(&mut sums, x, weights, 1, taps);
                    x = x.map(|x| x.wrapping_add(2));
                    weights = weights.add(2);
                    left -= 2;
                }
                for group in 0..left {
                    add_tap(&mut sums, x, weights, group, taps);
                }
                weights = weights.add(left);
                line = line.add(plan.width);
            }
            // Not a closure: those do not inherit the caller's extensions.
            let mut largest = [V::zero(); N];
            for n in 0..N {
                let [a, b, c, d] = sums[n];
                largest[n] = V::max(V::max(a, b), V::max(c, d));
            }
            largest
        }
    }

    /// The sums of up to four channels, from `channel` on, as bytes: a word for each pixel.
    #[inline(always)]
    fn finished<V: Lanes, Y: Activation>(
        &self,
        four: [V; 4],
        channel: usize,
        count: usize,
    ) -> [u32; PIXELS] {
        let mut words = [0u32; PIXELS];
        for (n, sums) in four.into_iter().enumerate().take(count) {
            let (Some(&bias), Some(&requantize)) =
                (self.bias.get(channel + n), self.requantize.get(channel + n))
            else {
                continue;
            };
            let mut largest = [0i32; PIXELS];
            // SAFETY: a vector has no more lanes.
            unsafe { largest.as_mut_ptr().cast::<V>().write_unaligned(sums) };
            // All 16, whatever the vector has: a loop of that length becomes vectors.
            for (word, largest) in words.iter_mut().zip(largest) {
                let value = Y::saturate(requantize.apply(bias.wrapping_add(largest)));
                *word |= (value.to_i32() as u32 & 0xff) << (8 * n);
            }
        }
        words
    }

    /// Stores `count` bytes of each pixel's word, from channel number `channel` on.
    ///
    /// # Safety
    ///
    /// `y` must have the channels of all pixels of the block.
    #[inline(always)]
    unsafe fn store<V: Lanes, Y: Activation>(
        &self,
        words: V,
        block: &Block,
        (channel, count): (usize, usize),
        y: &mut [Y],
    ) {
        let depth = self.pool.output[2];
        let mut all = [0u32; PIXELS];
        // SAFETY: a vector has no more lanes.
        unsafe { all.as_mut_ptr().cast::<V>().write_unaligned(words) };
        let quads = block.y.iter().zip(&block.count).zip(all.as_chunks::<4>().0);
        for ((first, pixels), words) in quads.take(V::PIXELS / 4) {
            let y = y.as_mut_ptr().wrapping_add(first * depth + channel).cast::<u8>();
            // SAFETY: as the caller promises.
            unsafe {
                match (count, *pixels) {
                    (4, 4..) => {
                        put(words, y, depth, |y, word| y.cast::<u32>().write_unaligned(word))
                    }
                    (2, 4..) => {
                        put(words, y, depth, |y, word| {
                            y.cast::<u16>().write_unaligned(word as u16)
                        });
                    }
                    (_, pixels) => {
                        for (pixel, word) in words.iter().enumerate().take(pixels) {
                            for n in 0..count {
                                y.add(pixel * depth + n).write((word >> (8 * n)) as u8);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Adds the products of group number `group` of the values at four places and of each channel's weights,
/// which lie `next` words apart.
///
/// # Safety
///
/// The processor must have the extension of `V`, and all pointers be good for a vector or a word.
#[inline(always)]
unsafe fn add_tap<V: Lanes, const N: usize>(
    sums: &mut [[V; 4]; N],
    x: [*const V; 4],
    weights: *const i32,
    group: usize,
    next: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut w = [V::zero(); N];
        for n in 0..N {
            w[n] = V::broadcast(weights.add(n * next + group));
        }
        for pixel in 0..4 {
            let x = x[pixel].add(group).read();
            for n in 0..N {
                sums[n][pixel] = V::multiply(sums[n][pixel], x, w[n]);
            }
        }
    }
}

/// Puts words into four pixels that are `depth` bytes apart.
#[inline(always)]
fn put(words: &[u32; 4], y: *mut u8, depth: usize, write: impl Fn(*mut u8, u32)) {
    for pixel in 0..4 {
        write(y.wrapping_add(pixel * depth), words[pixel]);
    }
}

/// The sums of `count` channels, up to four, from `channel` on, as bytes: a word for each pixel.
///
/// # Safety
///
/// The processor must have the extension of `V`, and `rounding` as many channels.
#[inline(always)]
unsafe fn rounded<V: Lanes, Y: Activation, R: Requantize>(
    four: [V; 4],
    rounding: &Rounding<ROUNDED>,
    channel: usize,
    count: usize,
) -> V {
    // SAFETY: as the caller promises.
    unsafe {
        let mut all = [V::zero(); 4];
        for n in 0..4 {
            if n >= count {
                break;
            }
            let mask = V::broadcast(rounding.mask.as_ptr().add(channel + n));
            let tie = V::broadcast(rounding.tie.as_ptr().add(channel + n));
            let bits = V::broadcast(rounding.bits.as_ptr().add(channel + n));
            all[n] = V::round(four[n], mask, tie, bits);
        }
        V::gather::<Y>(all, bounds::<R>())
    }
}
