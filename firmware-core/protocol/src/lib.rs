//! What a host and a device that runs a model say to each other over a serial line.
//!
//! Host and device share this crate: it needs neither `std` nor a heap, and nothing in it panics
//! on any byte from the line.
//!
//! # Conversation
//!
//! The host asks, the device answers, one request at a time. [`Request::Hello`] opens a session;
//! the device answers with [`Info`] about itself and its model. Each [`Request::Infer`] then
//! carries one image, and its [`Inference`] brings the logits back. A request carries a sequence
//! number: that of `Hello` is free, every later one is one more (and wraps). A device that was
//! reset in between has no session, and says so ([`Error::NoSession`]).
//!
//! A request that cannot be taken gets an [`Error`] and changes nothing: the same request, sent
//! again, is taken. So does a repetition of the last request, whose answer may have been lost.
//!
//! # Frame
//!
//! ```text
//! 00 · COBS( version u8 · sequence u16 varint · message in postcard · CRC-32 little-endian ) · 00
//! ```
//!
//! Zero bytes appear only around frames, so that a receiver finds the next frame whatever came
//! before it; empty frames are skipped. The CRC is CRC-32/ISO-HDLC over all before it.
//!
//! # Version
//!
//! [`VERSION`] is the frame's first byte. It is raised with every change to a message, to the
//! frame or to the meaning of a field, and never for anything else. A device that reads another
//! version answers [`Error::Version`]; that answer, `Hello` and the frame itself keep their form
//! in all versions.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod device;
mod frame;
mod message;
mod packed;

pub use device::{Device, Outcome, Service};
pub use frame::{FRAME_OVERHEAD, FrameError, FrameReader, Header, decode, encode, encoded_len};
pub use message::{Error, Inference, Info, Logits, Reply, Request, reply_len, request_len};
pub use packed::{Packed, packed_len};

/// The version of frames and messages; see the crate's documentation for when it is raised.
pub const VERSION: u8 = 2;
