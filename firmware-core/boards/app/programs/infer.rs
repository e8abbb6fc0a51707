//! Nothing but the inference, the whole of it in one counted region.

#![no_std]
#![no_main]

use board::{Hardware, entry};

#[entry]
fn main() -> ! {
    inkling_app::bare::run(&mut Hardware::new())
}
