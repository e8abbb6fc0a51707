//! Two models in one program, converted by its build script.

use firmware_core::{Arena, argmax};

#[allow(dead_code)]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

#[allow(dead_code)]
mod sensor {
    include!(concat!(env!("OUT_DIR"), "/sensor.rs"));
}

fn main() {
    let mut image: model::Image = [[[0; 1]; 28]; 28];
    // A stroke from the top to the bottom.
    image[4..24].iter_mut().for_each(|row| row[13..15].fill([255]));
    let logits = model::infer(&image, &mut Arena::new());
    println!("digit: {}", model::LABELS[argmax(&logits)]);

    let silence: sensor::Image = [[[0; 3]; 64]; 1];
    let outputs = sensor::infer(&silence, &mut Arena::new());
    println!("sensor: {outputs:?}");
}
