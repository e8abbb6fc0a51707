//! Asking a finished model, and looking at data.

pub mod evaluation;
pub mod explain;
pub mod inspect;
pub mod metrics;
pub mod model;
pub mod saliency;
pub mod unknown;
