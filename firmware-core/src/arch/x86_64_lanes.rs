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
pub(super) const ROUNDED: usize = 32;

/// What sums begin with whose bias is added later.
pub(super) static ZEROS: [i32; 4] = [0; 4];

/// A convolution and the pooling after it.
pub(crate) struct Pooled<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub pool: &'a Pool2dShape,
    pub x: &'a [X],
    /// In groups of four bytes and in pairs of 16 bits: see [`Target::WIDE`](crate::arch::Target).
    pub weights: [&'a [i32]; 2],
    /// See [`Weights`](crate::arch::Weights).
    pub stacked: [&'a [i32]; 2],
    pub gentle: [&'a [i32]; 2],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

impl<X: Activation, R: Requantize> Pooled<'_, X, R> {
    /// `None` where [`Plan::new`] says so, or where a slice is not as long as its shape says.
    fn plan(&self, taps: usize, vector: usize, outputs: usize) -> Option<Plan> {
        let plan = Plan::new(self.shape, self.pool, taps, vector)?;
        let channels = self.pool.output[2];
        let fits = plan.inputs <= self.x.len()
            && self.weights[usize::from(taps == 2)].len() >= plan.words
            && self.bias.len() >= channels
            && self.requantize.len() >= channels
            && outputs == plan.outputs;
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
        // A word has four products or two.
        let mut room = MaybeUninit::uninit();
        // SAFETY: as the caller promises.
        let rounding = unsafe { self.rounding::<V>(&mut room, plan.rows * plan.groups * 4) };
        let weights = self.weights[usize::from(V::TAPS == 2)].as_ptr();
        // Words of a channel's weights.
        let taps = plan.words / depth;
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
                        let weights = weights.add(channel * taps);
                        let starts = match rounding {
                            Some(rounding) => rounding.start.as_ptr().add(channel),
                            None => ZEROS.as_ptr(),
                        };
                        if CHANNELS >= 4 && count == 4 {
                            four = plan.largest::<V, 4>(panel, weights, starts);
                        } else {
                            for first in (0..count).step_by(2) {
                                let weights = weights.add(first * taps);
                                let starts = starts.add(first);
                                if count - first == 1 {
                                    let [sum] = plan.largest::<V, 1>(panel, weights, starts);
                                    four[first] = sum;
                                } else {
                                    let [a, b] = plan.largest::<V, 2>(panel, weights, starts);
                                    (four[first], four[first + 1]) = (a, b);
                                }
                            }
                        }
                        let words = match rounding {
                            Some(rounding) => {
                                rounded::<V, Y, R, ROUNDED>(four, rounding, channel, count)
                            }
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

    /// The rounding of all channels, whose sums are of so many products, if they have shifts and are not
    /// too many.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn rounding<'r, V: Lanes>(
        &self,
        room: &'r mut MaybeUninit<Rounding<ROUNDED>>,
        products: usize,
    ) -> Option<&'r Rounding<ROUNDED>> {
        let depth = self.pool.output[2];
        let (shifts, _) = R::as_shifts(self.requantize.get(..depth)?)?;
        // SAFETY: as the caller promises.
        unsafe { Rounding::set::<V>(room, self.bias.get(..depth)?, shifts, products) }
    }

    /// The sums of up to four channels, from `channel` on, as bytes: a word for each pixel.
    #[inline(always)]
    pub(super) fn finished<V: Lanes, Y: Activation>(
        &self,
        four: [V; 4],
        channel: usize,
        count: usize,
    ) -> [u32; PIXELS] {
        finished::<V, Y, R>((self.bias, self.requantize), four, channel, count)
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

/// Puts words into four pixels that are `depth` bytes apart.
#[inline(always)]
fn put(words: &[u32; 4], y: *mut u8, depth: usize, write: impl Fn(*mut u8, u32)) {
    for pixel in 0..4 {
        write(y.wrapping_add(pixel * depth), words[pixel]);
    }
}

/// The sums of up to four channels, from `channel` on of those that have these biases and requantizations, as bytes:
/// a word for each pixel.
#[inline(always)]
pub(super) fn finished<V: Lanes, Y: Activation, R: Requantize>(
    (bias, requantize): (&[i32], &[R]),
    four: [V; 4],
    channel: usize,
    count: usize,
) -> [u32; PIXELS] {
    let mut words = [0u32; PIXELS];
    for (n, sums) in four.into_iter().enumerate().take(count) {
        let (Some(&bias), Some(&requantize)) = (bias.get(channel + n), requantize.get(channel + n))
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

/// The sums of `count` channels, up to four, from `channel` on, as bytes: a word for each pixel.
///
/// # Safety
///
/// The processor must have the extension of `V`, and `rounding` as many channels.
#[inline(always)]
pub(super) unsafe fn rounded<V: Lanes, Y: Activation, R: Requantize, const SIZE: usize>(
    four: [V; 4],
    rounding: &Rounding<SIZE>,
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
