//! Whether what lies in flash still is what the converter wrote.
//!
//! The converter writes a checksum of each layer into the model, computed from its own numbers; `verify` of a
//! generated model computes it again from what the processor reads. Weights lie in flash in the order of a
//! target's kernels, but count here in their natural order, so that the checksum is the same everywhere. What
//! was made of the weights while the model was compiled (sums of channels) is compared with them.

use core::hint::black_box;

use crate::crc32::remainder;

/// A CRC-32 of what [`Checked`] things keep.
///
/// ```
/// use firmware_core::{Checked, Checksum, Shift};
/// let mut sum = Checksum::new();
/// [0x3231i16, 0x3433].add_to(&mut sum);
/// (*b"56789").add_to(&mut sum);
/// assert_eq!(sum.value(), Some(0xcbf4_3926)); // of "123456789"
/// Shift::new(9).add_to(&mut sum);
/// assert_ne!(sum.value(), Some(0xcbf4_3926));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    remainder: u32,
    consistent: bool,
}

impl Checksum {
    /// That of nothing.
    pub const fn new() -> Self {
        Self { remainder: u32::MAX, consistent: true }
    }

    // One copy in a program, whatever its layers.
    #[inline(never)]
    fn add(&mut self, bytes: &[u8]) {
        self.remainder = remainder(self.remainder, bytes);
    }

    /// Notes whether something that was made of what is added agrees with it.
    pub(crate) fn agrees(&mut self, agrees: bool) {
        self.consistent &= agrees;
    }

    /// The checksum; none if what was added contradicts itself.
    pub const fn value(&self) -> Option<u32> {
        if self.consistent { Some(!self.remainder) } else { None }
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

/// What a layer is made of: numbers, requantizations, and the layers themselves.
pub trait Checked {
    /// Adds every number, in little-endian bytes, in the order of the constructor's arguments: for a layer
    /// its weights, biases and requantizations. What is part of the type, as bounds are, is not added: it is
    /// code.
    fn add_to(&self, sum: &mut Checksum);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Checked for $number {
            fn add_to(&self, sum: &mut Checksum) {
                sum.add(&self.to_le_bytes());
            }
        }
    )*};
}

numbers!(u8, i8, u16, i16, u32, i32, i64);

/// The requantization of logits, which have none.
impl Checked for () {
    fn add_to(&self, _: &mut Checksum) {}
}

impl<T: Checked + ?Sized> Checked for &T {
    fn add_to(&self, sum: &mut Checksum) {
        (**self).add_to(sum);
    }
}

impl<T: Checked> Checked for [T] {
    fn add_to(&self, sum: &mut Checksum) {
        self.iter().for_each(|element| element.add_to(sum));
    }
}

impl<T: Checked, const N: usize> Checked for [T; N] {
    fn add_to(&self, sum: &mut Checksum) {
        self.as_slice().add_to(sum);
    }
}

/// Whether a layer has this checksum. It is read from memory, even if the compiler knows what stands there.
///
/// ```
/// use firmware_core::{FullyConnected, is_intact};
/// static LAST: FullyConnected<1, 2, ()> = FullyConnected::logits_only([[0x31, 0x32]], [0x3635_3433]);
/// assert!(is_intact(&LAST, 0x0972_d361)); // of "123456"
/// static SPOILED: FullyConnected<1, 2, ()> = FullyConnected::logits_only([[0x31, 0x33]], [0x3635_3433]);
/// assert!(!is_intact(&SPOILED, 0x0972_d361));
/// ```
pub fn is_intact(layer: &impl Checked, checksum: u32) -> bool {
    let mut sum = Checksum::new();
    black_box(layer).add_to(&mut sum);
    sum.value() == Some(checksum)
}
