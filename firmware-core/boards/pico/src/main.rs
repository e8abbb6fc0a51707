//! The demonstration on a Raspberry Pi Pico.

#![no_std]
#![no_main]

use panic_halt as _;
use pico::Pico;
use rp2040_hal::entry;

#[entry]
fn main() -> ! {
    inkling_app::demo::run(&mut Pico::new())
}
