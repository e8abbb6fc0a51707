//! A camera's line interrupt feeds a network row by row: the frame is never stored, and the answer is
//! that of the whole image.
//!
//! `model.rs` is a residual network with random weights, converted with `--favour memory`.

#[allow(missing_docs, dead_code, clippy::all, reason = "generated")]
mod model {
    include!("model.rs");
}

use firmware_core::{Arena, argmax};

/// Stands for the camera: what it sends as line `number` of frame `frame`.
fn line(frame: usize, number: usize) -> model::Row {
    core::array::from_fn(|column| [(frame * 31 + number * 17 + column * (frame + 5)) as u8])
}

fn main() {
    // On a device a static, so that the linker knows its size.
    let mut stream = model::Stream::new();
    for frame in 0..3 {
        // What the line interrupt does: one line is all that has to be at hand.
        let mut number = 0;
        while stream.push_row(&line(frame, number)) {
            number += 1;
        }
        // Behind the last line; the stream is ready for the next frame.
        let logits = stream.finish().expect("all lines were sent");
        println!("frame {frame}: {number} lines, class {}, logits {logits:?}", argmax(&logits));

        let image: model::Image = core::array::from_fn(|number| line(frame, number));
        assert_eq!(model::infer(&image, &mut Arena::new()), logits);
    }
    println!(
        "RAM: {} bytes, {} of them arena; the frame would be {} more",
        size_of::<model::Stream>(),
        model::ARENA_BYTES,
        size_of::<model::Image>()
    );
}
