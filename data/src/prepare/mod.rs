//! From what a camera, a scanner or a table gives to what a network takes.

#[cfg(feature = "files")]
mod choose;
mod glyph;
mod ground;
mod missing;
mod picture;
mod plane;
mod preparation;
#[cfg(feature = "files")]
pub mod repair;
mod scaling;
mod strokes;
mod whole;

#[cfg(feature = "files")]
pub use choose::{LEAST_SIDE, Wishes, choose};
pub use ground::Polarity;
pub use missing::{Fill, fill};
pub use picture::Picture;
pub use plane::Plane;
pub use preparation::{Layout, Preparation, Prepared, Step};
pub use scaling::{InputForm, Scaling};
