//! The demonstration on a HiFive1.

#![no_std]
#![no_main]

use riscv_rt::entry;
use hifive1::HiFive1;
use panic_halt as _;

#[entry]
fn main() -> ! {
    inkling_app::demo::run(&mut HiFive1::new())
}
