//! The host's side of the protocol: one request at a time, repeated when the line damaged it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use inkling_protocol::{
    Error as Refusal, FrameReader, Packed, Reply, Request, VERSION, encode, encoded_len,
    packed_len, reply_len, request_len,
};

use super::port::Port;
use inkling_data::MAX_CLASSES;

/// How often a damaged request is sent again before the line is given up.
const REPEATS: usize = 5;

/// How often a greeting may be answered by a complaint. Its line is still full of what was on it
/// before, and a device that is starting complains about half of a frame.
const COMPLAINTS: usize = 20;

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub board: String,
    pub model: String,
    /// SHA-256 of the float ONNX file the model was converted from.
    pub source_sha256: [u8; 32],
    /// Height, width and channels of the image.
    pub input: [u16; 3],
    pub classes: u16,
    pub arena_bytes: u32,
    pub flash_bytes: u32,
    /// Clock ticks per second; 0 when the device has no counter.
    pub clock_hz: u32,
}

/// The result of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub class: Option<u16>,
    pub cycles: Option<u32>,
    pub logits: Vec<i32>,
}

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(
        "the device does not answer (waited {0:.1} s); is it running this project's firmware, at this baud rate?"
    )]
    NoAnswer(f64),
    #[error(
        "the device fell silent at image {image} (waited {waited:.1} s); it was reset, unplugged or hangs"
    )]
    Silent { image: usize, waited: f64 },
    #[error(
        "the device answers the greeting with nothing but complaints, the last of them {refusal:?}; is it \
         running this project's firmware?"
    )]
    Complains { refusal: Refusal },
    #[error(
        "the device takes nothing more from the line at image {image}; it hangs, or talks without listening"
    )]
    Deaf { image: usize },
    #[error("the device was reset at image {image}: it does not remember the session; start again")]
    Reset { image: usize },
    #[error(
        "the device speaks version {0} of the protocol and this program version {VERSION}; flash the device again"
    )]
    Version(u8),
    #[error("the device refuses image {image}: {refusal:?}")]
    Refused { image: usize, refusal: Refusal },
    #[error(
        "the line damages what is sent: image {image} did not get through in {REPEATS} tries; try a lower --baud or another cable"
    )]
    Line { image: usize },
    #[error("the line to the device broke at image {image}: {error}")]
    Io { image: usize, error: io::Error },
}

pub type Result<T> = std::result::Result<T, SessionError>;

enum Received {
    Info(Device),
    Answer(Answer),
    Refused(Refusal),
}

/// An open conversation with a device.
pub struct Session {
    port: Box<dyn Port>,
    timeout: Duration,
    reader: Box<FrameReader<{ reply_len(MAX_CLASSES) }>>,
    /// What was read from the port and not yet fed to the reader.
    unread: Vec<u8>,
    sequence: u16,
    /// The number of the image that is on its way, from 1; 0 while greeting.
    image: usize,
    repeats: usize,
    device: Device,
}

impl Session {
    /// Greets the device on `port`. Every wait for an answer ends after `timeout`.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoAnswer`], [`SessionError::Version`] or a broken line.
    pub fn open(port: Box<dyn Port>, timeout: Duration) -> Result<Self> {
        let nobody = Device {
            board: String::new(),
            model: String::new(),
            source_sha256: [0; 32],
            input: [0; 3],
            classes: 0,
            arena_bytes: 0,
            flash_bytes: 0,
            clock_hz: 0,
        };
        let reader = Box::new(FrameReader::new());
        let (unread, device) = (Vec::new(), nobody);
        let mut session =
            Self { port, timeout, reader, unread, sequence: 0, image: 0, repeats: 0, device };
        match session.ask(&Request::Hello, 0)? {
            Received::Info(device) => session.device = device,
            _ => return Err(SessionError::NoAnswer(timeout.as_secs_f64())),
        }
        // A greeting may have been sent more than once while the device was starting.
        session.repeats = 0;
        Ok(session)
    }

    /// Who answered the greeting.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How many requests had to be sent again.
    pub fn repeats(&self) -> usize {
        self.repeats
    }

    /// Sends an image, `[height][width][channel]`, and waits for its logits.
    ///
    /// # Errors
    ///
    /// The device is silent, was reset, or refuses; or the line is broken.
    pub fn infer(&mut self, image: &[u8]) -> Result<Answer> {
        self.image += 1;
        let mut buffer = vec![0; packed_len(image.len())];
        let refused = SessionError::Refused { image: self.image, refusal: Refusal::Internal };
        let packed = Packed::pack(image, &mut buffer).ok_or(refused)?;
        match self.ask(&Request::Infer { image: packed }, image.len())? {
            Received::Answer(answer) => Ok(answer),
            _ => Err(SessionError::Refused { image: self.image, refusal: Refusal::Unknown }),
        }
    }

    /// Sends a request until it is answered by more than a complaint about the line.
    fn ask(&mut self, request: &Request, image_len: usize) -> Result<Received> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut scratch = vec![0; request_len(image_len)];
        let mut buffer = vec![0; encoded_len(scratch.len())];
        let line = encode(self.sequence, request, &mut scratch, &mut buffer).unwrap_or_default();
        let greeting = matches!(request, Request::Hello);

        let start = Instant::now();
        let (mut damaged, most) = (0, if greeting { COMPLAINTS } else { REPEATS });
        while start.elapsed() < self.timeout {
            self.send(line)?;
            // A device that is just starting misses what comes early, and a damaged end of a frame
            // makes it wait: then the same request is sent again before the time is over.
            let patience =
                if greeting { self.timeout.min(Duration::from_secs(1)) } else { self.timeout / 2 };
            match self.receive(patience, greeting)? {
                None => self.repeats += 1,
                Some(Received::Refused(refusal @ (Refusal::Corrupt | Refusal::TooLong))) => {
                    self.repeats += 1;
                    damaged += 1;
                    if damaged == most {
                        return Err(self.given_up(refusal));
                    }
                }
                Some(Received::Refused(refusal)) => return Err(self.refused(refusal)),
                Some(received) => return Ok(received),
            }
        }
        let waited = start.elapsed().as_secs_f64();
        match greeting {
            true => Err(SessionError::NoAnswer(waited)),
            false => Err(SessionError::Silent { image: self.image, waited }),
        }
    }

    /// After so many complaints about the line.
    fn given_up(&self, refusal: Refusal) -> SessionError {
        match self.image {
            0 => SessionError::Complains { refusal },
            image => SessionError::Line { image },
        }
    }

    fn refused(&self, refusal: Refusal) -> SessionError {
        let image = self.image;
        match refusal {
            Refusal::Version(version) => SessionError::Version(version),
            refusal if image == 0 => SessionError::Complains { refusal },
            Refusal::NoSession | Refusal::Sequence(_) => SessionError::Reset { image },
            refusal => SessionError::Refused { image, refusal },
        }
    }

    fn send(&mut self, line: &[u8]) -> Result<()> {
        let image = self.image;
        let sent = self.port.write_all(line).and_then(|()| self.port.flush());
        sent.map_err(|error| match retriable(&error) {
            true => SessionError::Deaf { image },
            false => SessionError::Io { image, error },
        })
    }

    /// The answer to the current request, or a complaint; `None` when neither came in time. What else
    /// is on the line is skipped: the device's text at boot, noise, answers to earlier requests.
    fn receive(&mut self, patience: Duration, greeting: bool) -> Result<Option<Received>> {
        let start = Instant::now();
        loop {
            let unread = std::mem::take(&mut self.unread);
            for (index, &byte) in unread.iter().enumerate() {
                if let Some(received) = self.feed(byte, greeting) {
                    self.unread = unread[index + 1..].to_vec();
                    return Ok(Some(received));
                }
            }
            let Some(left) = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero())
            else {
                return Ok(None);
            };
            self.read(left)?;
        }
    }

    fn read(&mut self, timeout: Duration) -> Result<()> {
        let mut buffer = [0; 4096];
        let read = self.port.set_timeout(timeout).and_then(|()| self.port.read(&mut buffer));
        match read {
            Ok(0) => {
                let error =
                    io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the other side");
                Err(SessionError::Io { image: self.image, error })
            }
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if retriable(&error) => Ok(()),
            Err(error) => Err(SessionError::Io { image: self.image, error }),
        }
    }

    fn feed(&mut self, byte: u8, greeting: bool) -> Option<Received> {
        let (header, body) = self.reader.feed(byte)?.ok()?;
        if header.version != VERSION {
            // Whole and undamaged, so somebody means it; what its body would mean is not known here.
            return Some(Received::Refused(Refusal::Version(header.version)));
        }
        let received = match Reply::from_bytes(body)? {
            // A complaint about an unreadable frame cannot know its number, and text from the boot of
            // the device may have met our greeting on the line; only one at a time is on its way.
            Reply::Error(refusal) if header.sequence == self.sequence || header.sequence == 0 => {
                Received::Refused(refusal)
            }
            _ if header.sequence != self.sequence => return None,
            Reply::Info(info) if greeting => Received::Info(Device {
                board: printable(info.board),
                model: printable(info.model),
                source_sha256: info.source_sha256,
                input: info.input,
                classes: info.classes,
                arena_bytes: info.arena_bytes,
                flash_bytes: info.flash_bytes,
                clock_hz: info.clock_hz,
            }),
            Reply::Inference(inference) if !greeting => Received::Answer(Answer {
                class: inference.class,
                cycles: inference.cycles,
                logits: inference.logits.iter().collect(),
            }),
            _ => return None,
        };
        Some(received)
    }
}

/// A name from the line as it may go to a terminal: what would steer it is left out.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Nothing came yet, or the system call was interrupted.
fn retriable(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
