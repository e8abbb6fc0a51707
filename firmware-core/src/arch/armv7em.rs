//! Cores with the DSP extension: Cortex-M4 and M7, and Armv8-M cores that have it.
//!
//! SMLAD multiplies two pairs of 16-bit values and adds both products: 13 instructions make 16
//! multiply-accumulates, where the scalar loop needs about 70. Both sides are unpacked alike,
//! bytes 0 and 2 of a word into one pair and bytes 1 and 3 into the other, so weights stay in
//! their natural order.

use super::{
    Begin, ConnectedSum, Convolution, ConvolutionFilters, Target, added, by_four, depthwise_blocks,
    divide, lines, max_pool, planes::Plane, rows,
};
use crate::channels::Taps;
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::nibbles::Arrangement;
use crate::{Activation, Multiplier, Requantize, Term};
use connected::dot4;
use patch::TAPS;

pub(crate) use patch::Patch;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "armv7em";
    const COMBINES: bool = true;
    // Taps go in groups of four.
    const TAIL: usize = 3;
    const GROUP: usize = 4;
    const BEGIN: Begin = Begin::Biases;
    const IN_PARTS: bool = true;
    const NIBBLES_BEGIN: Begin = Begin::Biases;
    const NIBBLES: Arrangement = nibbles::ARRANGEMENT;
    const NIBBLE_ROWS: usize = nibbles::ROWS;

    #[inline(always)]
    fn slide(cells: &mut [u32], step: usize) {
        slide::slide(cells, step);
    }

    #[inline(always)]
    fn divide(value: i32, bits: u32) -> i32 {
        divide::divide(value, bits)
    }

    const ONE: bool = true;

    #[inline(always)]
    fn accumulate_one(patch: &mut Patch, place: [usize; 3], weights: &[i8], sums: &mut [[i32; 4]]) {
        patch.accumulate_by(place, weights, sums, one::accumulate);
    }

    #[inline(always)]
    fn spread(bias: &[i32], sums: &mut [[i32; 4]]) {
        outputs::spread(bias, sums);
    }

    #[inline(always)]
    fn convolve<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let Convolution { shape, x, bias, requantize, .. } = convolution;
        let finish = outputs::Requantized::by::<R, Y>(requantize);
        let weights = convolution.weights.eight_bits();
        let one = shape.input[2] == 1 && strip::fit(shape);
        let shifts = outputs::Requantized::shifts::<R, Y>(requantize);
        let done = match weights {
            Some(weights) if one => {
                by_strips(shape, (x, weights.bytes), (bias, requantize), finish, y)
            }
            _ => false,
        };
        if done {
            return;
        }
        if shifts.is_none() && lines::fit::<Plane>(shape) {
            return Self::conv2d(convolution, staged, sums, requantized, y);
        }
        convolution.conv2d(staged, sums, finish, y);
    }

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let Convolution { shape, x, bias, requantize, .. } = convolution;
        if let (true, Some(weights)) =
            (lines::fit::<Plane>(shape), convolution.weights.eight_bits())
        {
            let (inputs, channels) = ((*x, weights.bytes), (*bias, *requantize));
            return lines::conv2d::<Plane, _, _, _>(shape, inputs, channels, finish, y);
        }
        convolution.conv2d(staged, sums, finish, y);
    }

    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let Convolution { shape, x, weights, bias, requantize, .. } = convolution;
        if rows::fit(shape, pool) {
            if let Some(weights) = weights.eight_bits() {
                let shapes = (*shape, pool);
                return rows::max_pool2d(shapes, (x, weights.bytes), (bias, requantize), y);
            }
        }
        convolution.max_pool2d(staged, pool, sums, y);
    }

    #[inline(always)]
    fn add_scaled<A: Activation, B: Activation, Y: Activation>(
        terms: [Term; 2],
        values: (&[A], &[B]),
        requantize: Multiplier,
        y: &mut [Y],
    ) {
        added::add_scaled(terms, values, requantize, y);
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        inputs: (&[X], &[i8]),
        channels: (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        let by = outputs::Requantized::by::<R, Y>(channels.1);
        let done = strip::fit(shape) && by_strips(shape, inputs, channels, by, y);
        // Where shifts are known by their type, lines are not linked.
        if done || outputs::Requantized::shifts::<R, Y>(channels.1).is_some() {
            return done;
        }
        lines::depthwise_conv2d::<Plane, _, _, _>(shape, inputs, channels, y)
    }

    #[inline(always)]
    fn depthwise<X: Activation>(
        x: &Taps<X>,
        weights: &Taps<i8>,
        taps: [usize; 2],
        bias: &[i32],
        sums: &mut [i32],
    ) {
        depthwise_blocks::depthwise(x, weights, taps, bias, sums);
    }

    #[inline(always)]
    fn max_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], y: &mut [X]) {
        max_pool::max_pool2d(shape, x, y);
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        by_four::fully_connected(x, weights, (bias, requantize), requantized, y, dot4);
    }

    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        by_four::fully_connected(x, weights, (bias, bias), |_, sum| sum, logits, dot4);
    }

    #[inline(always)]
    fn connect_nibbles<X: Activation, R: Copy, Y>(
        x: &[X],
        weights: &[u8],
        channels: (&[i32], &[R]),
        finish: impl Fn(R, i32) -> Y,
        y: &mut [Y],
    ) {
        nibbles::connect(x, weights, channels, finish, y);
    }
}

/// A convolution that strips [`fit`](strip::fit), if its outputs are made as they make them; else false, and nothing
/// done.
#[inline(always)]
fn by_strips<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    inputs: (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    by: outputs::Requantized,
    y: &mut [Y],
) -> bool {
    if let Some((shifts, bounds)) = outputs::Requantized::shifts::<R, Y>(requantize) {
        let done = strip::convolve(shape, inputs, (bias, shifts), y);
        if let (true, Some(bounds)) = (done, bounds) {
            outputs::clip(bounds, y, shape.output.iter().product());
        }
        return done;
    }
    match by.multipliers(requantize) {
        Some(multipliers) => strip::convolve(shape, inputs, (bias, multipliers), y),
        None => false,
    }
}

#[path = "armv7em_connected.rs"]
mod connected;
#[path = "armv7em_depthwise.rs"]
mod depthwise;
#[path = "armv7em_nibbles.rs"]
mod nibbles;
#[path = "armv7em_one.rs"]
mod one;
#[path = "armv7em_outputs.rs"]
mod outputs;
#[path = "armv7em_patch.rs"]
mod patch;
#[path = "armv7em_slide.rs"]
mod slide;
#[path = "armv7em_strip.rs"]
mod strip;
