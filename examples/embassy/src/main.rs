//! A model as a task: one task makes images, another asks the model, and no image is copied between them.
//!
//! An inference does not wait for anything, so other tasks of the same executor wait for it. What must not wait
//! belongs into an executor of interrupts (`embassy_executor::InterruptExecutor`), which interrupts it anywhere.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::zerocopy_channel::{Channel, Receiver, Sender};
use firmware_core::{Arena, argmax};
use semihosting::{println, process};
use static_cell::{ConstStaticCell, StaticCell};

// What the converter wrote; of your own model, or made by a build script (../build-script).
#[allow(dead_code)]
#[rustfmt::skip]
#[path = "../../../models/simple/model.rs"]
mod model;

const IMAGES: usize = 3;
const EMPTY: model::Image = [[[0]; 28]; 28];

/// In the map file, not on the stack.
static ARENA: ConstStaticCell<Arena<{ model::ARENA_BYTES }>> = ConstStaticCell::new(Arena::new());
/// One image is made while the model looks at the other.
static BUFFERS: ConstStaticCell<[model::Image; 2]> = ConstStaticCell::new([EMPTY; 2]);
static CHANNEL: StaticCell<Channel<'static, NoopRawMutex, model::Image>> = StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let (sender, receiver) = CHANNEL.init(Channel::new(BUFFERS.take())).split();
    spawner.spawn(camera(sender).expect("it is started once"));
    spawner.spawn(classifier(receiver, ARENA.take()).expect("it is started once"));
}

/// Draws a one at different places; yours waits for a frame and prepares it (`firmware_core::prepare`).
#[embassy_executor::task]
async fn camera(mut images: Sender<'static, NoopRawMutex, model::Image>) {
    for number in 0..IMAGES {
        let image = images.send().await;
        *image = EMPTY;
        for row in &mut image[5..23] {
            row[12 + number..15 + number].fill([255]);
        }
        images.send_done();
        yield_now().await;
    }
}

#[embassy_executor::task]
async fn classifier(
    mut images: Receiver<'static, NoopRawMutex, model::Image>,
    arena: &'static mut Arena<{ model::ARENA_BYTES }>,
) {
    if !model::verify() {
        println!("the weights in flash are spoiled");
        process::exit(1);
    }
    for number in 0..IMAGES {
        let digit = argmax(&model::infer(images.receive().await, arena));
        images.receive_done();
        println!("image {number}: {}", model::LABELS[digit]);
    }
    process::exit(0)
}
