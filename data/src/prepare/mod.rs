//! From what a camera, a scanner or a table gives to what a network takes.

mod glyph;
mod ground;
mod missing;
mod plane;
pub mod repair;
mod strokes;

pub use glyph::{Layout, Preparation, Prepared, Step};
pub use ground::Polarity;
pub use missing::{Fill, fill};
pub use plane::Plane;
