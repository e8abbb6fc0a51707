//! Microcontrollers: the boards and the cores that there are, how their programs are built, and how they
//! run in QEMU.

mod boards;
mod cores;
pub mod costs;
mod elf;
mod measure;
mod plugin;
pub mod report;
mod rp2040;
mod serial;
mod toolchain;

use std::path::Path;

pub use boards::{
    BOARDS, BUILT_ONLY, Board, ESP32C3, ESP32C6, HIFIVE1, MICROBIT, NANO33BLE, NRF52840DK, PICO,
    PICO2, Program, STM32F100, STM32F405, STM32F411, STM32H743, STM32L475, all_boards,
};
pub use cores::{APPLICATION_CORES, CORES, Core, Cost, Prepared};
pub use elf::{Elf, Symbol, statics};
pub use measure::{FLASH_BUDGET, Measurement, RAM_BUDGET, measure};
pub use rp2040::rp2040;
pub use serial::{boot, connect};
pub use toolchain::{Build, Toolchain};

/// The committed model, as the boards carry it.
#[allow(dead_code)]
#[rustfmt::skip] // generated
#[path = "../../../models/simple/model.rs"]
pub mod simple;

/// The logits that the committed model's code computes on this machine.
pub fn expected(image: &[u8]) -> [i32; 10] {
    let mut pixels = [[[0; 1]; 28]; 28];
    pixels.as_flattened_mut().as_flattened_mut().copy_from_slice(image);
    simple::infer(&pixels, &mut firmware_core::Arena::new())
}

/// Reads a firmware file.
///
/// # Panics
///
/// When it is missing or no ELF file.
pub fn read_elf(path: &Path) -> Elf {
    let bytes = std::fs::read(path).expect("the build left an ELF file");
    Elf::read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
