//! Numbers that are too many for memory: as samples are kept, in memory or in a file that is mapped.

use inkling_support::files::WriteError;

use crate::storage::{Room, Sink, Storage};

/// Numbers one after the other, four bytes each.
pub struct Floats(Storage);

impl Floats {
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    pub fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        self.0.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
    }

    /// The numbers in groups of `size`, of which none is empty.
    pub fn samples(&self, size: usize) -> impl Iterator<Item = Vec<f32>> + '_ {
        let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
        let sample = move |bytes: &[u8]| bytes.as_chunks().0.iter().map(number).collect();
        self.0.chunks(4 * size.max(1)).map(sample)
    }
}

/// Takes numbers one after the other.
pub struct FloatSink {
    sink: Sink,
    bytes: Vec<u8>,
}

impl FloatSink {
    pub fn new(room: &Room) -> Self {
        Self { sink: Sink::new(room), bytes: Vec::new() }
    }

    /// Takes more numbers.
    ///
    /// # Errors
    ///
    /// The file system's, with the file.
    pub fn push(&mut self, numbers: &[f32]) -> Result<(), WriteError> {
        self.bytes.clear();
        self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.sink.push(&self.bytes)
    }

    /// All that was taken.
    ///
    /// # Errors
    ///
    /// The file system's, with the file.
    pub fn finish(self) -> Result<Floats, WriteError> {
        Ok(Floats(self.sink.finish()?))
    }
}
