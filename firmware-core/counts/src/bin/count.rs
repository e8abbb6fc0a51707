//! What the model of `INKLING_MODEL` costs: each input's inference in a counted region, and then its
//! layers, each in a region of its own.
//!
//! The file `inputs` in QEMU's working folder holds the inputs, one behind the other; the program
//! writes what the model returns for them, as little-endian `i32`s, to the file `logits`. On standard output it says in which
//! order the layers run: one line `layer INDEX` per region.

#![no_std]
#![no_main]

use bytemuck::{bytes_of, bytes_of_mut};
use counts as _;
use firmware_core::{Observer, Outputs};
use inkling_app::markers::{self, EachLayer};
use inkling_app::memory::{self, Memory};
use inkling_app::model;
use semihosting::fs::File;
use semihosting::io::{Read, Result, Write};
use semihosting::{println, process::ExitCode};

/// Says which layer starts.
struct Order;

impl Observer for Order {
    fn start(&mut self, layer: usize) {
        println!("layer {layer}");
    }
}

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "counts_main"))]
fn main() -> ! {
    match run() {
        Ok(()) => ExitCode::SUCCESS.exit_process(),
        Err(error) => {
            println!("FAILED: {error}");
            semihosting::process::exit(1)
        }
    }
}

fn run() -> Result<()> {
    // SAFETY: nothing else takes it, and this runs once.
    let Memory { arena, image } = unsafe { memory::take() };
    let mut inputs = File::open(c"inputs")?;
    let mut outputs = File::create(c"logits")?;
    let count = inputs.metadata()?.len() as usize / size_of::<model::Image>();
    for number in 0..count {
        let mut rest = bytes_of_mut(image);
        while !rest.is_empty() {
            match inputs.read(rest)? {
                0 => panic!("the file of inputs ends too early"),
                read => rest = &mut rest[read..],
            }
        }
        if number == 0 {
            model::infer_observed(image, arena, &mut Order);
        }
        markers::begin();
        let logits = core::hint::black_box(model::infer(image, arena));
        markers::end();
        assert!(
            model::infer_observed(image, arena, &mut EachLayer) == logits,
            "the same input gave other logits"
        );
        outputs.write_all(bytes_of(&logits.widen()))?;
    }
    Ok(())
}
