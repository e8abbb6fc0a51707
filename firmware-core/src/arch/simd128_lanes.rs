//! Convolution and max pooling with a pixel to each lane of a vector.
//!
//! A lane holds the sum of one pixel, so that nothing is added across lanes, no lane is idle for
//! want of channels, and one weight is broadcast to all pixels. What the windows of 4, 8 or 16
//! pooled pixels cover is first put into a panel, in which a vector has the same taps of all of
//! them; the four pixels under each pooled one share it.

use core::mem::MaybeUninit;

use super::outputs::correction;
use super::panel::{Block, PIXELS, Panel, Plan, QUADS};
use super::vectors::Lanes;
use crate::arch::WeightSum;
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::{Activation, Requantize};

/// What sums begin with.
static ZEROS: [i32; 4] = [0; 4];

/// A convolution and the pooling after it.
pub(crate) struct Pooled<'a, X, R> {
    pub shape: &'a Conv2dShape,
    pub pool: &'a Pool2dShape,
    pub x: &'a [X],
    /// In groups of as many as the vectors take: see [`Target::WIDE`](crate::arch::Target).
    pub weights: &'a [i32],
    /// The sum of each channel's weights, if the vectors need it.
    pub weight_sums: &'a [WeightSum],
    pub bias: &'a [i32],
    pub requantize: &'a [R],
}

impl<X: Activation, R: Requantize> Pooled<'_, X, R> {
    /// `None` where [`Plan::new`] says so, or where a slice is not as long as its shape says.
    fn plan(&self, taps: usize, vector: usize, outputs: usize) -> Option<Plan> {
        let plan = Plan::new(self.shape, self.pool, taps, vector)?;
        let channels = self.pool.output[2];
        let fits = plan.inputs <= self.x.len()
            && self.weights.len() >= plan.words
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
            let weights = self.weights.as_ptr().add(channel * taps);
            let sums = plan.largest::<V, N>(panel, weights, ZEROS.as_ptr());
            for n in 0..N {
                let mut largest = [0i32; PIXELS];
                largest.as_mut_ptr().cast::<V>().write_unaligned(sums[n]);
                let mut bias = *self.bias.get_unchecked(channel + n);
                if X::UNSIGNED && V::SIGNED {
                    let sum = self.weight_sums.get(channel + n);
                    bias = bias.wrapping_add(sum.map_or(0, |sum| correction(sum)));
                }
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
