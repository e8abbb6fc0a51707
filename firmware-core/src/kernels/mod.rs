//! The kernels: what every layer computes, over flat slices, with shapes known at run time.
//!
//! These are the definition. They are plain and portable; the kernels in `arch` are faster and
//! give the same integers. A host interpreter calls these functions directly, the layers call
//! them where the target has nothing better.
//!
//! Layouts: activations are `[height][width][channel]` (HWC), convolution weights
//! `[out][kernel row][kernel column][in]` (OHWI), depthwise ones
//! `[kernel row][kernel column][out]`, fully connected weights `[out][in]`; biases and
//! requantizations one per output channel.
//!
//! Every slice must have the length its shape says. A kernel never panics on one that has not: it
//! leaves out what is missing, and the output is then meaningless.
//!
//! Accumulators are `i32` and wrap. They cannot wrap in a converted model, because the converter
//! proves `sum |w| * max(x) + |b| < 2^24` for every output channel.

mod add;
mod argmax;
mod average_pool2d;
mod average_pool2d_inside;
mod concat;
mod conv2d;
mod depthwise_conv2d;
mod elementwise;
mod filters;
mod float_mean_pool2d;
mod fully_connected;
mod gather;
mod global_sum;
mod grouped_conv2d;
mod leaky_relu;
mod lookup;
mod max_pool2d;
mod mean_pool2d;
mod pad2d;
mod prelu;
mod softmax;

pub use add::{add, add_in_place};
pub use argmax::{argmax, class_of};
pub use average_pool2d::average_pool2d;
pub use average_pool2d_inside::average_pool2d_inside;
pub use concat::concat;
pub use conv2d::{Conv2dShape, conv2d, conv2d_accumulate, conv2d_max_pool2d};
pub(crate) use conv2d::{convolve, convolve_max_pool2d};
pub use depthwise_conv2d::depthwise_conv2d;
pub use elementwise::{Combine, elementwise, elementwise_in_place};
pub(crate) use filters::{Filter, Filters};
pub use float_mean_pool2d::float_mean_pool2d;
pub(crate) use fully_connected::connect;
pub use fully_connected::{fully_connected, fully_connected_logits};
pub use gather::gather;
pub use global_sum::add_pixels;
pub use grouped_conv2d::grouped_conv2d;
pub use leaky_relu::{leaky_relu, leaky_relu_in_place};
pub use lookup::{lookup, lookup_in_place};
pub use max_pool2d::{Pool2dShape, max_pool2d};
pub use mean_pool2d::{mean_pool2d, means};
pub use pad2d::pad2d;
pub use prelu::{prelu, prelu_in_place};
pub use softmax::softmax;

use crate::{Activation, Requantize};

/// An accumulator, requantized and saturated.
#[inline(always)]
pub(crate) fn requantized<Y: Activation, R: Requantize>(requantize: R, accumulator: i32) -> Y {
    Y::saturate(requantize.apply(accumulator))
}

/// An accumulator as it is. A function and no closure: those in a layer's methods have a type for each of
/// the layer's shapes, and every kernel that took one would be compiled for each of them.
#[inline(always)]
pub(crate) fn accumulated<R>(_: R, accumulator: i32) -> i32 {
    accumulator
}

/// The sum of products of two slices, as far as the shorter one goes.
#[inline(always)]
fn dot<X: Activation>(x: &[X], weights: &[i8]) -> i32 {
    x.iter().zip(weights).fold(0, |sum: i32, (x, w)| sum.wrapping_add(x.to_i32() * i32::from(*w)))
}
