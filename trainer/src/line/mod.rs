//! The line from data to files: one job, or many as a sweep.

pub mod job;
mod summary;
pub mod sweep;
