//! Models that TensorFlow Lite quantized to int8: read from a `.tflite` file and brought, without
//! any translation of their numbers, to layers that compute what TensorFlow Lite for
//! Microcontrollers computes, in every value.
//!
//! A float `.tflite` file is written as ONNX instead ([`to_onnx`]), which converts like any other.
//!
//! [`file`] reads, [`import()`] makes layers, `rescale` and `tables` derive integers from scales in
//! the same floats as the original.

mod builtin;
mod convert;
mod elementwise;
pub mod file;
mod flatbuffer;
mod float;
mod import;
mod rescale;
mod resize;
mod tables;
mod weighted;

pub use convert::{FILES, SOURCE, convert};
pub use float::{is_float, to_onnx};
pub use import::{Imported, import};

use flatbuffer::Damaged;

/// Why a `.tflite` file was not imported.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TfliteError {
    #[error("not a .tflite file, or a damaged one")]
    Damaged,
    #[error("schema version {found} is not supported; 3 is")]
    Version { found: usize },
    #[error("{0}")]
    Graph(String),
    #[error("tensor '{name}': {what}")]
    Tensor { name: String, what: String },
    #[error("operator {index} ({op}): {what}")]
    Operator { index: usize, op: String, what: String },
}

impl From<Damaged> for TfliteError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// Whether the bytes begin as a `.tflite` file does.
pub fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}
