//! Frames: a message with its version, sequence number and CRC, between zero bytes.

use cobs::{DecodeResult, DecoderState};
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::{Error, VERSION};

/// Bitwise: a table would be faster, and take 1 KB of a flash of which the model needs most.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
const CRC_LEN: usize = size_of::<u32>();

/// Bytes that a frame adds to its message before COBS: version, sequence number and CRC.
pub const FRAME_OVERHEAD: usize = 1 + 3 + CRC_LEN;

/// Bytes on the line of a frame of `frame_len` bytes: COBS adds one in 254 and at least one, and
/// there is a zero on either side.
pub const fn encoded_len(frame_len: usize) -> usize {
    cobs::max_encoding_length(frame_len) + 2
}

/// What precedes every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The sender's protocol version.
    pub version: u8,
    /// The request's number; a reply repeats that of its request, or 0 if it could not be read.
    pub sequence: u16,
}

/// Writes the frame of `message` into `buffer`, ready for the line, and returns it.
///
/// `scratch` must hold the frame before COBS, `buffer` [`encoded_len`] of that. `None` when one of
/// them is too short.
pub fn encode<'b>(
    sequence: u16,
    message: &impl Serialize,
    scratch: &mut [u8],
    buffer: &'b mut [u8],
) -> Option<&'b [u8]> {
    let header = Header { version: VERSION, sequence };
    let body = postcard::to_slice(&(header, message), scratch).ok()?.len();
    let crc = CRC.checksum(scratch.get(..body)?).to_le_bytes();
    scratch.get_mut(body..body + CRC_LEN)?.copy_from_slice(&crc);
    let frame = scratch.get(..body + CRC_LEN)?;

    let (first, rest) = buffer.split_first_mut()?;
    *first = 0;
    // The encoder stops with an error at the end of its buffer; the closing zero needs a place too.
    let room = rest.len().checked_sub(1)?;
    let len = cobs::try_encode(frame, rest.get_mut(..room)?).ok()?;
    *rest.get_mut(len)? = 0;
    buffer.get(..len + 2)
}

/// Takes a frame apart after COBS: its header and the bytes of its message.
///
/// # Errors
///
/// [`FrameError::Corrupt`] for a wrong CRC or a frame too short to have one.
pub fn decode(frame: &[u8]) -> Result<(Header, &[u8]), FrameError> {
    let body_len = frame.len().checked_sub(CRC_LEN).ok_or(FrameError::Corrupt)?;
    let (body, crc) = frame.split_at_checked(body_len).ok_or(FrameError::Corrupt)?;
    if CRC.checksum(body).to_le_bytes() != crc {
        return Err(FrameError::Corrupt);
    }
    postcard::take_from_bytes(body).map_err(|_| FrameError::Corrupt)
}

/// Why bytes between two zeros are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Damaged: its COBS coding or its CRC is wrong.
    Corrupt,
    /// Longer than the reader's buffer.
    TooLong,
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Corrupt => Self::Corrupt,
            FrameError::TooLong => Self::TooLong,
        }
    }
}

/// Finds frames of at most `N` bytes (before COBS) in a stream of bytes, one byte at a time.
///
/// A zero byte always ends what came before it, so whatever a frame looks like, the next one is
/// read from its own start.
pub struct FrameReader<const N: usize> {
    frame: Vec<u8, N>,
    cobs: DecoderState,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A zero was the last byte, or nothing has come yet.
    Start,
    /// Inside a frame that fits so far.
    Inside,
    /// Inside a frame that does not fit: skip to its end.
    TooLong,
    /// The frame was handed out; it is dropped with the next byte.
    Done,
}

impl<const N: usize> Default for FrameReader<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> FrameReader<N> {
    /// A reader that has seen nothing yet.
    pub const fn new() -> Self {
        Self { frame: Vec::new(), cobs: DecoderState::Idle, state: State::Start }
    }

    /// Takes one byte; `Some` when it ended a frame or what should have been one.
    pub fn feed(&mut self, byte: u8) -> Option<Result<(Header, &[u8]), FrameError>> {
        if self.state == State::Done {
            self.frame.clear();
            self.state = State::Start;
        }
        if byte == 0 {
            return self.end();
        }
        if self.state == State::TooLong {
            return None;
        }
        self.state = State::Inside;
        if let Ok(DecodeResult::DataContinue(decoded)) = self.cobs.feed(byte) {
            if self.frame.push(decoded).is_err() {
                self.state = State::TooLong;
            }
        }
        None
    }

    fn end(&mut self) -> Option<Result<(Header, &[u8]), FrameError>> {
        let state = core::mem::replace(&mut self.state, State::Done);
        let complete = matches!(self.cobs.feed(0), Ok(DecodeResult::DataComplete));
        self.cobs = DecoderState::Idle;
        match state {
            State::Start | State::Done => None,
            State::TooLong => Some(Err(FrameError::TooLong)),
            State::Inside if complete => Some(decode(&self.frame)),
            State::Inside => Some(Err(FrameError::Corrupt)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{Packed, Request};

    fn packed<'a>(image: &[u8], buffer: &'a mut [u8]) -> Request<'a> {
        Request::Infer { image: Packed::pack(image, buffer).unwrap() }
    }

    fn line(sequence: u16, image: &[u8]) -> Vec<u8> {
        let (mut scratch, mut buffer, mut image_buffer) =
            ([0xa5; 1024], [0xa5; 1100], [0xa5; 1024]);
        let request = packed(image, &mut image_buffer);
        let line = encode(sequence, &request, &mut scratch, &mut buffer);
        line.unwrap().to_vec()
    }

    fn read(
        reader: &mut FrameReader<300>,
        bytes: &[u8],
    ) -> Vec<Result<(Header, Vec<u8>), FrameError>> {
        let mut frames = Vec::new();
        for &byte in bytes {
            if let Some(frame) = reader.feed(byte) {
                frames.push(frame.map(|(header, body)| (header, body.to_vec())));
            }
        }
        frames
    }

    #[test]
    fn a_frame_comes_back_whatever_its_bytes() {
        let mut reader = FrameReader::new();
        for len in [0, 1, 2, 252, 253, 254, 255, 280] {
            for fill in [0, 1, 255] {
                let image = std::vec![fill; len];
                let frames = read(&mut reader, &line(700, &image));
                let [Ok((header, body))] = &frames[..] else { panic!("{frames:?}") };
                assert_eq!(*header, Header { version: VERSION, sequence: 700 });
                assert_eq!(postcard::from_bytes(body), Ok(packed(&image, &mut [0; 512])));
            }
        }
    }

    #[test]
    fn a_damaged_frame_is_one_error_and_the_next_one_is_read() {
        let good = line(1, &[7; 20]);
        for at in 1..good.len() - 1 {
            let mut bytes = good.clone();
            bytes[at] ^= 0x40;
            bytes.extend_from_slice(&good);
            let frames = read(&mut FrameReader::new(), &bytes);
            let errors = frames.iter().filter(|frame| frame.is_err()).count();
            assert!(errors >= 1 && frames.len() == errors + 1, "byte {at}: {frames:?}");
            assert!(frames.last().unwrap().is_ok());
        }
    }

    #[test]
    fn truncated_and_oversized_frames_do_not_swallow_the_next() {
        let good = line(1, &[7; 20]);
        let mut reader = FrameReader::new();
        assert_eq!(read(&mut reader, &good[..9]), []);
        assert_eq!(read(&mut reader, &good).len(), 2);
        let frames = read(&mut reader, &line(2, &[9; 900]));
        assert_eq!(frames, [Err(FrameError::TooLong)]);
        assert!(read(&mut reader, &good)[0].is_ok());
    }

    #[test]
    fn a_buffer_too_short_is_none_not_a_panic() {
        let mut image = [0; 64];
        let request = packed(&[1; 50], &mut image);
        let needed = crate::request_len(50);
        for scratch in 0..needed + 4 {
            for buffer in 0..encoded_len(needed) + 4 {
                let mut scratch = std::vec![0; scratch];
                let mut buffer = std::vec![0; buffer];
                let _ = encode(3, &request, &mut scratch, &mut buffer);
            }
        }
        let (mut scratch, mut buffer) = (std::vec![0; needed], std::vec![0; encoded_len(needed)]);
        assert!(encode(u16::MAX, &request, &mut scratch, &mut buffer).is_some());
    }
}
