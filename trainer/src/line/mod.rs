//! The line from data to files: one job, or many as a sweep; and finished runs beside each other.

pub mod compare;
pub mod job;
mod summary;
pub mod sweep;

/// The folder beside those of results in which samples are kept that do not fit into memory.
pub const SAMPLES: &str = "samples";
