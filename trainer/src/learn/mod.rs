//! Learning: from a description of a network and labelled samples to trained parameters.

pub mod backend;
pub mod batches;
pub mod distillation;
pub mod export;
pub mod graph;
pub mod network;
pub mod optimizer;
pub mod quantization;
pub mod recipe;
pub mod schedule;
pub mod softmax;
pub mod step;
pub mod toml_error;
pub mod training;
pub mod unknown;
