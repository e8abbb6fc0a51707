//! The messages and their lengths.

use serde::{Deserialize, Serialize};

use crate::{FRAME_OVERHEAD, Packed, packed_len};

/// What the host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Opens a session, and asks who is there. Answered by [`Reply::Info`].
    Hello,
    /// Asks for the logits of one image. Answered by [`Reply::Inference`].
    Infer {
        /// The image, `[height][width][channel]`, one byte per value.
        #[serde(borrow)]
        image: Packed<'a>,
    },
}

/// What the device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// To [`Request::Hello`].
    #[serde(borrow)]
    Info(Info<'a>),
    /// To [`Request::Infer`].
    Inference(Inference<'a>),
    /// To a request that was not taken. It changed nothing; the next good one is taken.
    Error(Error),
}

impl<'a> Reply<'a> {
    /// Reads the message of a frame; `None` when it is no reply of this version.
    pub fn from_bytes(message: &'a [u8]) -> Option<Self> {
        postcard::from_bytes(message).ok()
    }
}

/// A device and the model it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info<'a> {
    /// The board, at most 32 bytes.
    pub board: &'a str,
    /// The model's name, at most 32 bytes.
    pub model: &'a str,
    /// SHA-256 of the float ONNX file the model was converted from.
    pub source_sha256: [u8; 32],
    /// Height, width and channels of the image.
    pub input: [u16; 3],
    /// Number of logits.
    pub classes: u16,
    /// Bytes of RAM for activations.
    pub arena_bytes: u32,
    /// Bytes of flash for weights, biases and requantizations.
    pub flash_bytes: u32,
    /// Clock ticks per second of [`Inference::cycles`]; 0 when the device has no counter.
    pub clock_hz: u32,
}

/// The result of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inference<'a> {
    /// The index of the largest logit, the first of equals; of a model that refuses what is none of its
    /// classes what its rule says, with `None` for "none of these".
    pub class: Option<u16>,
    /// Clock ticks that the inference took, `None` when the device has no counter.
    pub cycles: Option<u32>,
    /// The last layer's accumulators.
    #[serde(borrow)]
    pub logits: Logits<'a>,
}

/// A row of logits as it travels: `i32`, little-endian.
///
/// Borrowed from the frame, so that any number of classes needs no memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logits<'a>(#[serde(borrow)] &'a [u8]);

impl<'a> Logits<'a> {
    /// Wraps bytes that are little-endian `i32`s; `None` when their number is no multiple of four.
    pub fn from_le_bytes(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() % 4 == 0).then_some(Self(bytes))
    }

    /// The logits in order. Trailing bytes that make no whole logit are left out.
    pub fn iter(self) -> impl Iterator<Item = i32> + 'a {
        self.0.chunks_exact(4).map(|bytes| bytes.try_into().map_or(0, i32::from_le_bytes))
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Error {
    /// The frame speaks another version than the device's, which is named here.
    Version(u8),
    /// The frame is damaged: its COBS coding or its CRC is wrong.
    Corrupt,
    /// The frame is longer than any request to this device can be.
    TooLong,
    /// The frame is intact, but its message is none that this version knows.
    Unknown,
    /// An image before `Hello`: the device has been reset since, or was never greeted.
    NoSession,
    /// The sequence number is not the one expected, which is named here, nor the one before it.
    Sequence(u16),
    /// The image has another number of bytes than the model's, which is named here.
    ImageSize(u32),
    /// The device could not put its answer into a frame. A mistake in the firmware.
    Internal,
}

const NAME_LEN: usize = 32;
const VARINT_U32: usize = 5;
const VARINT_U16: usize = 3;

/// Bytes of the longest request frame for images of `image_bytes` bytes, before COBS.
pub const fn request_len(image_bytes: usize) -> usize {
    FRAME_OVERHEAD + 1 + VARINT_U32 + packed_len(image_bytes)
}

/// Bytes of the longest reply frame for `classes` logits, before COBS.
pub const fn reply_len(classes: usize) -> usize {
    let info = 1 + 2 * (1 + NAME_LEN) + 32 + 4 * VARINT_U16 + 3 * VARINT_U32;
    let inference = 1 + 1 + VARINT_U16 + 1 + VARINT_U32 + VARINT_U16 + 4 * classes;
    FRAME_OVERHEAD + if info > inference { info } else { inference }
}
