//! Nothing but the inference: what a product that brings its own input and output would carry.
//!
//! Raw bytes on the serial port, no framing, again and again: `?` out when ready, an image in, the
//! outputs out as they are: little-endian `i32`s, or bytes.

use core::hint::black_box;

use firmware_core::{Arena, Outputs};

use crate::Board;
use crate::markers::{self, EachLayer};
use crate::memory::{self, Memory};
use crate::model::{self, ARENA_BYTES, Image, Logits};

/// Infers image after image, the whole inference in one counted region.
pub fn run(board: &mut impl Board) -> ! {
    serve(board, infer)
}

/// Infers image after image, each layer in a counted region of its own.
pub fn run_layers(board: &mut impl Board) -> ! {
    serve(board, infer_layers)
}

// Functions of their own in the program, compiled here with this crate's optimization and not with the
// board's, so that no panic path is left in them and their size can be read from the symbols.

#[inline(never)]
fn infer(image: &Image, arena: &mut Arena<ARENA_BYTES>) -> Logits {
    markers::begin();
    let logits = black_box(model::infer(image, arena));
    markers::end();
    logits
}

#[inline(never)]
fn infer_layers(image: &Image, arena: &mut Arena<ARENA_BYTES>) -> Logits {
    model::infer_observed(image, arena, &mut EachLayer)
}

#[inline(always)]
fn serve(board: &mut impl Board, infer: impl Fn(&Image, &mut Arena<ARENA_BYTES>) -> Logits) -> ! {
    // Nothing here asks for the time, and the tick's interrupt would fall into some of the counted
    // regions and not into others.
    #[cfg(feature = "systick")]
    cortex_m::interrupt::disable();
    // SAFETY: a program runs either this or the demonstration, once, and it never returns.
    let Memory { arena, image } = unsafe { memory::take() };
    loop {
        board.write(b'?');
        for byte in bytemuck::bytes_of_mut(image) {
            *byte = board.read();
        }
        let logits = infer(image, arena).widen();
        for byte in bytemuck::bytes_of(&logits) {
            board.write(*byte);
        }
    }
}
