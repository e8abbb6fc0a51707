//! Nothing but the inference on a BBC micro:bit v1.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use microbit::Microbit;
use panic_halt as _;

#[entry]
fn main() -> ! {
    inkling_app::bare::run(&mut Microbit::new())
}
