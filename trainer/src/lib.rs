//! Trains small image classifiers and hands them to the converter.
//!
//! The rooms, from bottom to top; none looks into one above it:
//!
//! - [`learn`]: a network as a list of layers, each of which emits its forward and its backward
//!   pass into a graph; the graphs of a training step; optimizers, recipes and schedules; a device's
//!   rounding; the runtimes that run the graphs; the loop over batches and epochs with its
//!   checkpoints; the float ONNX file at its end.
//! - [`tell`]: progress, plots and pages.
//! - [`ask`]: what a finished model answers, how right it is and why; what a data set holds.
//! - [`line`](mod@line): all of it in one go, from data to proven integers; many runs as a sweep.
//!
//! The commands on top are the binary's. The same seed, backend and number of threads give the same
//! bytes.

pub mod ask;
pub mod learn;
pub mod line;
pub mod tell;
