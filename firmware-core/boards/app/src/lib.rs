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
#[cfg(not(several_inputs))]
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod model {
    include!(env!("MODEL_RS"));
}

/// The generated model. Its inputs come and lie one after another, as if they were one image.
#[cfg(several_inputs)]
pub mod model {
    #[allow(missing_docs, clippy::all, reason = "generated")]
    mod generated {
        include!(env!("MODEL_RS"));
    }

    pub use generated::*;
    // What is named here goes before what the line above brings.
    pub use generated::{
        Sample as Image, infer_sample as infer, infer_sample_observed as infer_observed,
    };
}

/// Its golden images.
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod golden {
    include!(env!("GOLDEN_RS"));
}

const CLASSES: usize = <model::Logits as firmware_core::Outputs>::COUNT;
