//! Lowers a float ONNX classifier to the integers that `firmware-core` computes.

pub mod dataset;
pub mod onnx;
