//! The demonstration on an STM32VLDISCOVERY.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use stm32f100::ValueLine;
use panic_halt as _;

#[entry]
fn main() -> ! {
    inkling_app::demo::run(&mut ValueLine::new())
}
