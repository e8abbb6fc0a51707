//! Guest instructions of `simple`, total and per layer, and the stack it needs.
//!
//! The regions that the plugin counts are, per image: the whole inference, then its layers.

#![no_std]
#![no_main]

use counts::machine::{PerLayer, end_count, stack_depth, start_count};
use counts::model::{ARENA_BYTES, Image, infer_observed};
use counts::source::Source;
use firmware_core::Arena;
use semihosting::{println, process::ExitCode};

static mut IMAGE: Image = [[[0; 1]; 28]; 28];
static mut ARENA: Arena<ARENA_BYTES> = Arena::new();

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    // SAFETY: one thread, and the only references.
    let (image, arena) = unsafe { (&mut *&raw mut IMAGE, &mut *&raw mut ARENA) };
    let mut source = Source::new(99);
    for round in 0..100 {
        for byte in image.as_flattened_mut().as_flattened_mut() {
            *byte = match round {
                0 => 0,
                1 => 255,
                _ => source.byte(),
            };
        }
        start_count();
        let logits = infer_observed(image, arena, &mut ());
        end_count();
        if infer_observed(image, arena, &mut PerLayer) != logits {
            println!("FAILED: the same image gave other logits");
            semihosting::process::exit(1);
        }
    }
    let stack = stack_depth(|| {
        core::hint::black_box(infer_observed(image, arena, &mut ()));
    });
    println!("stack {stack}");
    ExitCode::SUCCESS.exit_process()
}
