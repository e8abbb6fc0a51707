//! What every board runs. A board brings a [`Board`]: its clock, its serial port, its lamp and its
//! counter; everything else is here.
//!
//! - [`demo::run`]: the self-test at boot, then the serial protocol;
//! - [`bare::run`]: nothing but the inference, for sizes and counts.
//!
//! The model is `models/simple`, or the one in the folder that the environment variable
//! `INKLING_MODEL` names at build time.

#![no_std]
#![warn(missing_docs)]

pub mod bare;
mod board;
pub mod demo;
pub mod markers;
pub mod memory;
mod service;
#[cfg(feature = "systick")]
mod systick;
mod text;

pub use board::Board;
#[cfg(feature = "systick")]
pub use systick::Ticks;

/// The generated model.
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod model {
    include!(env!("MODEL_RS"));
}

/// Its golden images.
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod golden {
    include!(env!("GOLDEN_RS"));
}

const CLASSES: usize = <model::Logits as firmware_core::Outputs>::COUNT;
