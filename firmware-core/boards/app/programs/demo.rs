//! The demonstration: the self-test, then the protocol. Each board's package has it under its name.

#![no_std]
#![no_main]

use board::{Hardware, entry};

#[entry]
fn main() -> ! {
    inkling_app::demo::run(&mut Hardware::new())
}
