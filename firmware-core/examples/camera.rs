//! From a camera's frame to an answer: what a firmware does, run on the host.
//!
//! `cargo run -p firmware-core --example camera`

#[path = "../../models/simple/model.rs"]
#[rustfmt::skip] // generated
#[allow(dead_code)]
mod model;

use firmware_core::prepare::{self, Error, Form, Format, Frame, Polarity, Preparation};

const DIGITS: Preparation =
    Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity: Polarity::Dark };

/// Memory that is lent to each frame; a firmware has it in a static.
struct Memory {
    scratch: [u32; prepare::scratch_words([120, 160], &DIGITS)],
    image: model::Image,
    arena: firmware_core::Arena<{ model::ARENA_BYTES }>,
}

/// The digit on a frame of 160 × 120 pixels, or why there is none.
fn digit(camera: &[u8], memory: &mut Memory) -> Result<usize, Error> {
    let frame = Frame::new(Format::Rgb565Swapped, 120, 160, camera)?;
    let image = memory.image.as_flattened_mut().as_flattened_mut();
    prepare::prepare(&frame, &DIGITS, &mut memory.scratch, image)?;
    Ok(firmware_core::argmax(&model::infer(&memory.image, &mut memory.arena)))
}

fn main() {
    let mut memory = Memory {
        scratch: [0; prepare::scratch_words([120, 160], &DIGITS)],
        image: [[[0; 1]; 28]; 28],
        arena: firmware_core::Arena::new(),
    };
    // A seven on paper under light from one side.
    let camera: Vec<u8> = (0..120 * 160)
        .flat_map(|at| {
            let (row, column) = (at / 160, at % 160);
            let bar = (30..38).contains(&row) && (60..100).contains(&column);
            let leg = (38..90).contains(&row)
                && (96 - (row - 38) / 2..104 - (row - 38) / 2).contains(&column);
            let light = 200 - column / 2;
            let level = if bar || leg { light / 4 } else { light };
            ((level >> 3 << 11 | level >> 2 << 5 | level >> 3) as u16).to_be_bytes()
        })
        .collect();
    match digit(&camera, &mut memory) {
        Ok(digit) => println!("{digit}"),
        Err(error) => println!("no digit: the frame {error}"),
    }
}
