//! The layers: kernels whose shapes the compiler checks, with their weights.
//!
//! A layer is built by a `const fn`, so that a model's layers live in `static`s and their weights
//! in flash. A forward pass whose shapes do not fit does not compile.

mod conv2d;
mod fully_connected;
mod geometry;
mod max_pool2d;

pub use conv2d::Conv2d;
pub use fully_connected::FullyConnected;
pub use geometry::{Geometry, Strided, Unit};
pub use max_pool2d::MaxPool2d;
