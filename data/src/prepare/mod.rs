//! From what a camera, a scanner or a table gives to what a network takes.
//!
//! Pictures are prepared by `firmware_core::prepare`, the code that a device runs, to the same bytes.

#[cfg(feature = "files")]
mod choose;
#[cfg(feature = "files")]
mod drawn;
mod missing;
mod picture;
mod plane;
mod preparation;
#[cfg(feature = "files")]
pub mod repair;
mod scaling;

#[cfg(feature = "files")]
pub use choose::{LEAST_SIDE, Wishes, choose};
#[cfg(feature = "files")]
pub use drawn::drawn;
pub use missing::{Fill, Filler, Gaps, fill};
pub use picture::Picture;
pub use plane::Plane;
pub use preparation::{Layout, Polarity, Preparation, Prepared, Step};
pub use scaling::{InputForm, Scaling};
