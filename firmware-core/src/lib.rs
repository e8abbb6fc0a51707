//! Integer neural-network inference for microcontrollers: no `std`, no heap, no panic.
//!
//! # The layers, top to bottom
//!
//! A *model* is generated code: one `static` per layer, an [`INFO`](ModelInfo) and an `infer`
//! function that takes an image and the caller's [`Arena`] and returns the logits. It owns no
//! memory but its weights.
//!
//! The *layers* ([`Conv2d`], [`MaxPool2d`], [`FullyConnected`], …) carry the weights and check shapes
//! at compile time: a model whose shapes do not fit does not compile. Each asks the kernels of the
//! processor it is compiled for, which [`KERNELS`] names.
//!
//! The [*kernels*](kernels) compute. The scalar ones in this crate define the result; the ones
//! for a particular processor are faster and give the same integers.
//!
//! [`Requantize`] is the one place where a value is rounded, [`Activation`] the one where it is
//! saturated.
//!
//! # The contracts
//!
//! - Every runtime gives the same integers. Activations are `u8` or `i8`, weights `i8`, biases and
//!   accumulators `i32`; there are no zero points, and every scale is a power of two. Models that
//!   others quantized have zero points and other scales; what they compute is what the runtime
//!   computes that they were made for: see [`Multiplier`] and [`FloatScale`].
//! - An accumulator never overflows, because the converter proves `sum |w| * max(x) + |b| < 2^24`
//!   for every output channel, and refuses a model otherwise. Weights that break that bound give
//!   a wrapped sum: wrong, but defined.
//! - Nothing here panics for any image, any arena content and any weights, and a release build
//!   links no panic routine. What can be wrong about a model is a compile error.
//! - Nothing here allocates, recurses or keeps state: an inference's RAM is the arena and a
//!   bounded stack. On a host the feature `std` adds `infer_batch`, which starts threads.
//!
//! # Names
//!
//! Tensors are laid out `[height][width][channel]`; the batch is one image. `OC` and `IC` are
//! output and input channels, `KH` and `KW` the window's height and width, `IH`, `IW`, `OH` and
//! `OW` the input's and output's.

#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod activation;
mod affine;
#[allow(unsafe_code)]
mod arch;
mod arena;
#[cfg(any(test, feature = "std"))]
mod batch;
pub mod blob;
mod channels;
mod crc32;
mod flatten;
mod float_add;
mod float_mean;
mod float_scale;
mod info;
mod integrity;
pub mod kernels;
pub mod layers;
mod multiplier;
mod nibbles;
mod observer;
mod outputs;
mod part;
pub mod prepare;
mod product;
mod requantize;
mod rows;
#[cfg(kernels)]
mod tile;
mod unknown;
mod window;

pub use activation::Activation;
pub use affine::{AffineAdd, AffineMul, Term};

/// The kernels that this target has, by the name of their file in `src/arch`; `portable` where
/// there are none.
pub const KERNELS: &str = <arch::Chosen as arch::Target>::NAME;

#[cfg(kernels = "aarch64")]
pub use arch::limit_kernels;
#[cfg(kernels = "x86_64")]
pub use arch::limit_vectors;
pub use arena::Arena;
#[cfg(any(test, feature = "std"))]
pub use batch::infer_batch;
pub use flatten::flatten;
pub use float_add::FloatAdd;
pub use float_mean::FloatMean;
pub use float_scale::FloatScale;
pub use info::{LayerInfo, LayerKind, MODEL_SCHEMA, ModelInfo};
pub use integrity::{Checked, Checksum, is_intact};
pub use kernels::{argmax, class_of, softmax};
pub use layers::{
    Add, AveragePool2d, AveragePool2dInside, Concat, Conv2d, DepthwiseConv2d, Dilated, Elementwise,
    FloatMeanPool2d, FourBits, FullyConnected, Gather, GroupedConv2d, LeakyRelu, Lookup, MaxPool2d,
    MeanPool2d, PRelu, Pad2d, PaddedWith, Strided, Unit,
};
pub use multiplier::{Multiplier, Offset};
pub use observer::Observer;
pub use outputs::Outputs;
pub use part::part;
pub use product::Product;
pub use requantize::{Clip, Requantize, Shift};
pub use rows::{InputRows, OutputRows, Rows};
pub use unknown::{Score, Unknown};
pub use window::{Axis, Span, Window, WindowError};
