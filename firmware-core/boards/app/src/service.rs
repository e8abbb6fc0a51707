//! The model as the protocol's service.

use bytemuck::{bytes_of, bytes_of_mut};
#[cfg(not(refuses))]
use firmware_core::class_of;
use firmware_core::{Arena, Outputs};
use inkling_protocol::{Error, Inference, Info, Logits, Packed, Service};

use crate::memory::Memory;
use crate::model::{self, ARENA_BYTES, INFO, Image};
use crate::{Board, CLASSES};

/// The model on a board, with its memory and its last logits.
pub struct Model<'b, B> {
    pub board: &'b mut B,
    pub memory: Memory,
    pub logits: [i32; CLASSES],
}

/// Compiled with this crate's optimization and not with the board's.
#[inline(never)]
fn infer(image: &Image, arena: &mut Arena<ARENA_BYTES>) -> model::Logits {
    model::infer(image, arena)
}

/// The model's answer by its logits; nothing for "none of these".
fn answer(logits: &[i32; CLASSES]) -> Option<u16> {
    #[cfg(refuses)]
    let class = model::UNKNOWN.classify(logits);
    #[cfg(not(refuses))]
    let class = Some(class_of(logits));
    class.map(|class| class as u16)
}

/// One inference.
pub struct Timed {
    /// Nothing for "none of these".
    pub class: Option<u16>,
    /// `None` when the board has no counter.
    pub cycles: Option<u32>,
}

impl<B: Board> Model<'_, B> {
    /// One inference on `image`.
    pub fn run_on(&mut self, image: &Image) -> Timed {
        *self.memory.image = *image;
        self.run()
    }

    /// One inference on the image in the memory.
    fn run(&mut self) -> Timed {
        let start = self.board.ticks();
        self.logits = infer(self.memory.image, self.memory.arena).widen();
        let cycles = self.board.ticks().wrapping_sub(start);
        Timed {
            class: answer(&self.logits),
            cycles: (self.board.ticks_hz() != 0).then_some(cycles),
        }
    }
}

impl<B: Board> Service for Model<'_, B> {
    fn info(&self) -> Info<'_> {
        Info {
            board: B::NAME,
            model: INFO.name,
            source_sha256: INFO.source_sha256,
            input: INFO.input.map(|size| size as u16),
            classes: INFO.classes as u16,
            arena_bytes: INFO.arena_bytes as u32,
            flash_bytes: INFO.weight_bytes as u32,
            clock_hz: self.board.ticks_hz(),
        }
    }

    fn infer(&mut self, image: Packed<'_>) -> Result<Inference<'_>, Error> {
        if !image.unpack(bytes_of_mut(self.memory.image)) {
            return Err(Error::ImageSize(size_of::<Image>() as u32));
        }
        let Timed { class, cycles } = self.run();
        let logits = Logits::from_le_bytes(bytes_of(&self.logits)).ok_or(Error::Internal)?;
        Ok(Inference { class, cycles, logits })
    }

    fn send(&mut self, byte: u8) {
        self.board.write(byte);
    }
}
