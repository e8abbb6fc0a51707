//! Every kind of layer against the scalar kernels, bit for bit, in random shapes, and the golden images of
//! a model. Ends with the exit code 1 at the first difference.

#![no_std]
#![no_main]

use counts::{cases, compare};
use firmware_core::layers::{Dilated, EightBits, PaddedWith};
use firmware_core::{Arena, Clip, Shift, Strided};
use inkling_app::golden::GOLDEN;
use inkling_app::model;
use semihosting::{println, process::ExitCode};

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

const ROUNDS: u64 = 3;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "counts_main"))]
fn main() -> ! {
    for round in 0..ROUNDS {
        random_shapes(round * 1000);
    }
    golden();
    println!("checked");
    ExitCode::SUCCESS.exit_process()
}

/// The layers of a whole model, whose weights are in the flash: a host computed the logits.
fn golden() {
    let mut arena = Arena::new();
    for (image, _, logits) in &GOLDEN {
        compare::must_match(&model::infer(image, &mut arena), logits, "the model's logits", &[]);
    }
}
