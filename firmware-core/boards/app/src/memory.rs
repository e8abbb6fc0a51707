//! The RAM that the inference works on.

use core::mem::MaybeUninit;

use firmware_core::Arena;

use crate::model::{ARENA_BYTES, Image};

/// The arena and the image that is classified.
pub struct Memory {
    /// The activations'.
    pub arena: &'static mut Arena<ARENA_BYTES>,
    /// All zeros at first.
    pub image: &'static mut Image,
}

// Statics and not values on the stack: the linker then knows them, and refuses a model that does not
// fit into the board's RAM. On the stack it would fail in the field, by overwriting the statics.
static mut ARENA: Arena<ARENA_BYTES> = Arena::new();
static mut IMAGE: MaybeUninit<Image> = MaybeUninit::zeroed();

/// Hands out the memory.
///
/// # Safety
///
/// To be called once: what it returns must be the only references.
pub unsafe fn take() -> Memory {
    // SAFETY: the caller takes it once, and nothing else names the statics. Zeros are an image.
    unsafe { Memory { arena: &mut *&raw mut ARENA, image: (*&raw mut IMAGE).assume_init_mut() } }
}
