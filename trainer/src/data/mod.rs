//! What happens to the images between the files and the graphs.

mod augment;
mod batches;
mod split;
mod warp;

pub use augment::Augmentation;
pub(crate) use batches::columns;
pub use batches::{Batch, Feed, Part};
pub use split::{SealedTestSet, Sets, divide};
pub use warp::{Matrix, Sampler};
