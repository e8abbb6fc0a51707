//! What is nothing but another type: a slice of it may be taken for a slice of the other.

use bytemuck::TransparentWrapper;

use crate::{Clip, Shift};

// SAFETY: it is `repr(transparent)`, and every shift is a byte.
unsafe impl TransparentWrapper<u8> for Shift {}
// SAFETY: it is `repr(transparent)`.
unsafe impl<const LOW: i32, const HIGH: i32> TransparentWrapper<Shift> for Clip<LOW, HIGH> {}
