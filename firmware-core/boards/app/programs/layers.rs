//! Nothing but the inference, each layer in a counted region of its own.

#![no_std]
#![no_main]

use board::{Hardware, entry};

#[entry]
fn main() -> ! {
    inkling_app::bare::run_layers(&mut Hardware::new())
}
