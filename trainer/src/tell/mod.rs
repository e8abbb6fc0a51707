//! Telling people: progress while something runs, learning curves, plots and pages of what
//! came out.

pub mod history;
pub mod progress;
pub mod report;
