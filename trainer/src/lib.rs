//! Trains small image classifiers and hands them to the converter.
//!
//! From top to bottom: [`network`] describes a network as a list of layers, each of which emits its
//! forward and its backward pass into a [`graph`]; [`step`] puts these together into the graphs of a
//! training step, to which [`optimizer`] adds its update and [`quantization`] a device's rounding;
//! [`backend`] runs the graphs, with ONNX Runtime or with the embedded tract; [`data`] divides,
//! shuffles and augments the images; [`training`] repeats the step under a [`recipe`], on several
//! threads, with checkpoints; [`export`] writes the result as a float ONNX file; [`job`] is all of it
//! in one go, with the conversion to integers and the proof behind it; [`sweep`] tries many recipes.
//!
//! The same seed, backend and number of threads give the same bytes.

pub mod backend;
pub mod corrupt;
pub mod data;
pub mod evaluation;
pub mod explain;
pub mod export;
pub mod files;
pub mod graph;
pub mod import;
pub mod inspect;
pub mod job;
pub mod metrics;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod progress;
pub mod quantization;
pub mod random;
pub mod recipe;
pub mod report;
pub mod schedule;
pub mod step;
mod summary;
pub mod sweep;
pub mod training;
