//! The demonstration on a Raspberry Pi Pico.

#![no_std]
#![no_main]

use panic_halt as _;
use pico::Pico;
use rp2040_hal::entry;

/// The flash chip's set-up, which the boot ROM runs first.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2_FIRMWARE: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;

#[entry]
fn main() -> ! {
    inkling_app::demo::run(&mut Pico::new())
}
