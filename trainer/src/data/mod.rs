//! What happens to the images between the files and the graphs.

mod affine;
mod batches;
mod split;

pub use affine::Affine;
pub(crate) use batches::columns;
pub use batches::{Batch, Feed, Part};
pub use split::{SealedTestSet, Sets};
