//! The inference, layer by layer, on an ESP32-C3.

#![no_std]
#![no_main]

use esp32c3::Esp32C3;
use panic_halt as _;
use riscv_rt::entry;

#[entry]
fn main() -> ! {
    inkling_app::bare::run_layers(&mut Esp32C3::new())
}
