//! The reference network `simple` with random weights: the same work as the trained one, since no
//! kernel's path depends on a weight.

use crate::source::Source;
use firmware_core::{Arena, Conv2d, FullyConnected, MaxPool2d, Observer, Shift};

pub const ARENA_BYTES: usize = 1760;
pub const LAYERS: [&str; 4] = ["conv1+pool1", "conv2+pool2", "fc1", "fc2"];
pub type Image = [[[u8; 1]; 28]; 28];

pub const CONV1_WEIGHTS: [[[[i8; 1]; 5]; 5]; 10] = Source::new(1).weights();
pub const CONV1_BIAS: [i32; 10] = Source::new(2).biases();
pub const CONV1_SHIFTS: [Shift; 10] = Source::new(3).shifts(8);
pub const CONV2_WEIGHTS: [[[[i8; 10]; 5]; 5]; 20] = Source::new(4).weights();
pub const CONV2_BIAS: [i32; 20] = Source::new(5).biases();
pub const CONV2_SHIFTS: [Shift; 20] = Source::new(6).shifts(10);
pub const FC1_WEIGHTS: [[i8; 320]; 50] = Source::new(7).weights::<1, 1, 50, 320>()[0][0];
pub const FC1_BIAS: [i32; 50] = Source::new(8).biases();
pub const FC1_SHIFTS: [Shift; 50] = Source::new(9).shifts(10);
pub const FC2_WEIGHTS: [[i8; 50]; 10] = Source::new(10).weights::<1, 1, 10, 50>()[0][0];

pub static CONV1: Conv2d<10, 5, 5, 1> = Conv2d::new(CONV1_WEIGHTS, CONV1_BIAS, CONV1_SHIFTS);
pub static POOL: MaxPool2d<2, 2> = MaxPool2d::new();
pub static CONV2: Conv2d<20, 5, 5, 10> = Conv2d::new(CONV2_WEIGHTS, CONV2_BIAS, CONV2_SHIFTS);
pub static FC1: FullyConnected<50, 320> = FullyConnected::new(FC1_WEIGHTS, FC1_BIAS, FC1_SHIFTS);
pub static FC2: FullyConnected<10, 50, ()> = FullyConnected::logits_only(FC2_WEIGHTS, Source::new(11).biases());

#[inline(never)]
pub fn infer_observed(image: &Image, arena: &mut Arena<ARENA_BYTES>, observer: &mut impl Observer) -> [i32; 10] {
    observer.start(0);
    CONV1.forward_max_pool2d(&POOL, image, arena.region::<[[[u8; 10]; 12]; 12], 0>());
    observer.end(0);
    observer.start(1);
    let (x, y) = arena.pair::<[[[u8; 10]; 12]; 12], 0, [[[u8; 20]; 4]; 4], 1440>();
    CONV2.forward_max_pool2d(&POOL, x, y);
    observer.end(1);
    observer.start(2);
    let (x, y) = arena.pair::<[u8; 320], 1440, [u8; 50], 0>();
    FC1.forward(x, y);
    observer.end(2);
    observer.start(3);
    let logits = FC2.logits(arena.region::<[u8; 50], 0>());
    observer.end(3);
    logits
}
