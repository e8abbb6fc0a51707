//! A model in a firmware with nothing but `cortex-m-rt`: checked at boot, then asked.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware_core::{Arena, argmax};
use semihosting::{println, process};
use static_cell::ConstStaticCell;

// What the converter wrote; of your own model, or made by a build script (../build-script).
#[allow(dead_code)]
#[rustfmt::skip]
#[path = "../../../models/simple/model.rs"]
mod model;

/// In the map file, not on the stack.
static ARENA: ConstStaticCell<Arena<{ model::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());

#[entry]
fn main() -> ! {
    let arena = ARENA.take();
    if !model::verify() {
        println!("the weights in flash are spoiled");
        process::exit(1);
    }
    let digit = argmax(&model::infer(&image(), arena));
    println!("{} says {}", model::INFO.name, model::LABELS[digit]);
    process::exit(0)
}

/// A one, drawn; yours comes from a camera or a touch screen (`firmware_core::prepare`).
fn image() -> model::Image {
    let mut image = [[[0]; 28]; 28];
    for row in &mut image[5..23] {
        row[13..16].fill([255]);
    }
    image
}
