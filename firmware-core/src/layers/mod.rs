//! The layers: kernels whose shapes the compiler checks, with their weights.
//!
//! A layer is built by a `const fn`, so that a model's layers live in `static`s and their weights
//! in flash. A forward pass whose shapes do not fit does not compile.

mod add;
mod average_pool2d;
mod average_pool2d_inside;
mod concat;
mod conv2d;
mod depthwise_conv2d;
mod elementwise;
mod float_mean_pool2d;
mod fully_connected;
mod gather;
mod geometry;
mod grouped_conv2d;
mod leaky_relu;
mod lookup;
mod max_pool2d;
mod mean_pool2d;
mod pad2d;
mod prelu;
mod rows;

pub use crate::arch::{EightBits, FourBits, Storage};
pub use crate::nibbles::filter_bytes;
pub use add::Add;
pub use average_pool2d::AveragePool2d;
pub use average_pool2d_inside::AveragePool2dInside;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use elementwise::Elementwise;
pub use float_mean_pool2d::FloatMeanPool2d;
pub use fully_connected::FullyConnected;
pub use gather::Gather;
pub use geometry::{Dilated, Geometry, PaddedWith, Strided, Unit};
pub use grouped_conv2d::GroupedConv2d;
pub use leaky_relu::LeakyRelu;
pub use lookup::Lookup;
pub use max_pool2d::MaxPool2d;
pub use mean_pool2d::MeanPool2d;
pub use pad2d::Pad2d;
pub use prelu::PRelu;
