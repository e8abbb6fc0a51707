//! Labelled samples: what the trainer learns from, and what the converter calibrates and verifies
//! on. A sample is a tensor of height, width and channels, its label a name: see [`Dataset`].
//!
//! [`read`] opens a data set in any of its forms, [`prepare`] brings pictures to a network's form,
//! [`Sets`] divides the samples, [`augment`] varies them and [`corrupt`] damages them on purpose.
//! [`random`] is where all chance comes from: the same seed gives the same bytes on every machine.

pub mod augment;
pub mod corrupt;
mod dataset;
pub mod prepare;
pub mod random;
pub mod read;
mod sets;
mod source;
mod warp;

pub use augment::Augmentation;
pub use dataset::{
    Dataset, DatasetError, MAX_CHANNELS, MAX_CLASSES, MAX_SIDE, MAX_VALUES, Split, planar_order,
    shape_problem, shape_text,
};
pub use sets::{SealedTestSet, Sets, divide, fingerprint, shuffled};
pub use source::Source;
pub use warp::{Border, Matrix, Sampler};
