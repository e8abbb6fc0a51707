//! Telling people: progress while something runs, plots and pages of what came out.

pub mod progress;
pub mod report;
