//! Lowers a float ONNX classifier to the integers that `firmware-core` computes, and proves it.
//!
//! The pipeline is [`Converter::convert`]: [`read`] the file into a typed [`graph`], rewrite it
//! ([`passes`]), fuse it into layers ([`mod@lower`]), choose exponents and prove the accumulators'
//! bound ([`mod@quantize`]), [`emit`] Rust and ONNX. [`reference`] runs the result on the host,
//! [`prove`] compares it with tract.
//!
//! # Features
//!
//! `prove` brings [`prove`], and with it tract; `verify` talks to devices over serial lines; `cli` is
//! the command line. A `build.rs` that only wants a model's Rust needs none of them.
//!
//! # Contracts
//!
//! - No input makes it panic: a file that is not ONNX, is truncated or holds what is not
//!   supported is an error that names the node and says what is supported.
//! - What it emits is exact or it is refused: see [`quantize::ACCUMULATOR_BOUND`].
//! - The same input gives the same bytes on every machine.

#[macro_use]
pub mod reference;
pub mod qdq;
pub mod tflite;

pub mod arena;
pub mod build;
mod conversion;
mod convert;
pub mod doubts;
pub mod emit;
pub mod evaluate;
pub mod graph;
pub mod imported;
pub mod inspect;
pub mod interpreter;
pub mod limits;
pub mod lower;
pub mod nodes;
pub mod onnx;
pub mod operators;
pub mod passes;
pub mod pb;
#[cfg(feature = "prove")]
pub mod prove;
pub mod quantize;
pub mod quantized;
pub mod read;
pub mod record;
pub mod source;
pub mod stream;
#[cfg(feature = "verify")]
pub mod verify;

pub use arena::Favour;
pub use conversion::Conversion;
pub use convert::{CALIBRATION_IMAGES, ConvertError, Converter, RestoreError, restore, unknown};
