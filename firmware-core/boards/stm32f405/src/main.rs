//! The demonstration on an Olimex STM32-H405.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use stm32f405::OlimexH405;
use panic_halt as _;

#[entry]
fn main() -> ! {
    inkling_app::demo::run(&mut OlimexH405::new())
}
