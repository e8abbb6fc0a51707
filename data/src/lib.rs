//! Labelled samples: what the trainer learns from, and what the converter calibrates and verifies
//! on. A sample is a tensor of height, width and channels, its label a name: see [`Dataset`].
//!
//! [`read`] opens a data set in any of its forms, [`prepare`] brings pictures to a network's form,
//! [`Sets`] divides the samples, [`augment`] varies them, [`corrupt`] damages them on purpose and
//! [`strange`] makes of them what is none of them.
//! [`random`] is where all chance comes from: the same seed gives the same bytes on every machine.

#[cfg(feature = "files")]
pub mod augment;
#[cfg(feature = "files")]
pub mod corrupt;
#[cfg(feature = "files")]
mod dataset;
#[cfg(feature = "files")]
pub mod frames;
pub mod prepare;
#[cfg(feature = "files")]
pub mod random;
#[cfg(feature = "files")]
pub mod read;
#[cfg(feature = "files")]
mod sets;
#[cfg(feature = "files")]
mod source;
#[cfg(feature = "files")]
mod storage;
#[cfg(feature = "files")]
pub mod strange;
#[cfg(feature = "files")]
mod warp;

#[cfg(feature = "files")]
pub use augment::Augmentation;
#[cfg(feature = "files")]
pub use dataset::{
    Dataset, DatasetError, MAX_CHANNELS, MAX_CLASSES, MAX_SIDE, MAX_VALUES, NamedInput, Split,
    planar_order, shape_problem, shape_text,
};
#[cfg(feature = "files")]
pub use sets::{SealedTestSet, Sets, divide, fingerprint, shuffled};
#[cfg(feature = "files")]
pub use source::Source;
#[cfg(feature = "files")]
pub use storage::{Room, Sink, Storage, USUAL_MEMORY};
#[cfg(feature = "files")]
pub use warp::{Border, Matrix, Sampler};
