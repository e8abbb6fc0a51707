//! Cores with the M-profile Vector Extension (Helium): Cortex-M52, M55 and M85.
//!
//! VMLADAVA multiplies sixteen pairs of bytes and adds all products to a register of the core, so a
//! sum lies in one register and needs no lanes put together. Both sides must have the same sign:
//! values without one are 128 less in a window's and what that takes from a channel's sum, 128
//! times the sum of its weights, is added to its bias. Loops know how many bytes are left: no window
//! needs room behind its last tap.
//!
//! Such cores have the DSP extension as well: weights of four bits are its kernels' business.

use super::{Begin, ConnectedSum, Convolution, ConvolutionFilters, Target, dsp, max_pool};
use crate::kernels::{self, Conv2dShape, Pool2dShape};
use crate::nibbles::Arrangement;
use crate::{Activation, Multiplier, Requantize, Shift, Term};

#[path = "mve_connected.rs"]
mod connected;
#[path = "mve_convolution.rs"]
mod convolution;
#[path = "mve_depthwise.rs"]
mod depthwise;
#[path = "mve_elements.rs"]
mod elements;
#[path = "mve_pool.rs"]
mod pool;
#[path = "mve_requantize.rs"]
mod requantize;
#[path = "mve_windows.rs"]
mod windows;

pub(crate) use super::dsp::Patch;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "mve";
    const COMBINES: bool = true;
    const WEIGHT_SUMS: bool = true;
    const GROUP: usize = connected::GROUP;
    const CONNECTED_SUMS: bool = true;
    const NIBBLES_BEGIN: Begin = Begin::Biases;
    const NIBBLES: Arrangement = dsp::Chosen::NIBBLES;
    const NIBBLE_ROWS: usize = dsp::Chosen::NIBBLE_ROWS;

    #[inline(always)]
    fn slide(cells: &mut [u32], step: usize) {
        dsp::Chosen::slide(cells, step);
    }

    #[inline(always)]
    fn divide(value: i32, bits: u32) -> i32 {
        dsp::Chosen::divide(value, bits)
    }

    #[inline(always)]
    fn divide_all<Y: Activation>(
        shifts: &[Shift],
        bounds: [i32; 2],
        accumulators: &[i32],
        y: &mut [Y],
    ) {
        requantize::divide(shifts, bounds, accumulators, y);
    }

    #[inline(always)]
    fn multiply_all<Y: Activation>(multipliers: &[Multiplier], accumulators: &[i32], y: &mut [Y]) {
        requantize::multiply(multipliers, accumulators, y);
    }

    #[inline(always)]
    fn requantize<R: Requantize, Y: Activation>(
        requantize: &[R],
        accumulators: &[i32],
        y: &mut [Y],
    ) {
        R::apply_all(requantize, accumulators, y);
    }

    #[inline(always)]
    fn convolve<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        match convolution.weights.eight_bits() {
            Some(weights) => {
                let finish = |sums: &[i32], y: &mut [Y]| {
                    R::apply_all(convolution.requantize, sums, y);
                };
                convolution::conv2d(&convolution.with(weights), sums, finish, y);
            }
            None => convolution.conv2d(staged, sums, kernels::requantized, y),
        }
    }

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        match convolution.weights.eight_bits() {
            Some(weights) => {
                let finish = |sums: &[i32], y: &mut [Y]| {
                    let channels = sums.iter().zip(convolution.requantize);
                    for (y, (sum, requantize)) in y.iter_mut().zip(channels) {
                        *y = finish(*requantize, *sum);
                    }
                };
                convolution::conv2d(&convolution.with(weights), sums, finish, y);
            }
            None => convolution.conv2d(staged, sums, finish, y),
        }
    }

    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        match convolution.weights.eight_bits() {
            Some(weights) => convolution::max_pool2d(&convolution.with(weights), pool, sums, y),
            None => convolution.max_pool2d(staged, pool, sums, y),
        }
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        inputs: (&[X], &[i8]),
        channels: (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        depthwise::depthwise_conv2d(shape, inputs, channels, y);
        true
    }

    #[inline(always)]
    fn add_pixels<X: Activation>(x: &[X], sums: &mut [i32]) {
        pool::add_pixels(x, sums);
    }

    #[inline(always)]
    fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Pool2dShape,
        x: &[X],
        requantize: R,
        y: &mut [Y],
    ) -> bool {
        pool::average_pool2d(shape, x, requantize, y);
        true
    }

    #[inline(always)]
    fn max_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], y: &mut [X]) {
        max_pool::max_pool2d(shape, x, y);
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, sums): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        connected::fully_connected(x, (weights, sums), bias, requantize, y);
    }

    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        weights: (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        connected::logits(x, weights, bias, logits);
    }

    #[inline(always)]
    fn connect_nibbles<X: Activation, R: Copy, Y>(
        x: &[X],
        weights: &[u8],
        channels: (&[i32], &[R]),
        finish: impl Fn(R, i32) -> Y,
        y: &mut [Y],
    ) {
        dsp::Chosen::connect_nibbles(x, weights, channels, finish, y);
    }

    #[inline(always)]
    fn add<A: Activation, B: Activation, Y: Activation, R: Requantize>(
        bits: [u32; 2],
        (a, b): (&[A], &[B]),
        requantize: R,
        y: &mut [Y],
    ) {
        elements::add(bits, (a, b), requantize, y);
    }

    #[inline(always)]
    fn add_weights(weights: &[i8], value: i32, sums: &mut [i32]) {
        depthwise::add_weights(weights, value, sums);
    }

    #[inline(always)]
    fn add_scaled<A: Activation, B: Activation, Y: Activation>(
        terms: [Term; 2],
        (a, b): (&[A], &[B]),
        requantize: Multiplier,
        y: &mut [Y],
    ) {
        elements::add_scaled(terms, (a, b), requantize, y);
    }

    #[inline(always)]
    fn add_in_place<A: Activation, Y: Activation, R: Requantize>(
        bits: [u32; 2],
        a: &[A],
        requantize: R,
        y: &mut [Y],
    ) {
        elements::add_in_place(bits, a, requantize, y);
    }
}
