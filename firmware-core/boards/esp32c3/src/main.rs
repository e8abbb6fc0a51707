//! The demonstration on an ESP32-C3.

#![no_std]
#![no_main]

use esp32c3::Esp32C3;
use panic_halt as _;

// The boot loader looks for this description in the image.
esp_bootloader_esp_idf::esp_app_desc!();

#[esp_hal::main]
fn main() -> ! {
    inkling_app::demo::run(&mut Esp32C3::new())
}
