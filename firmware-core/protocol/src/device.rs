//! The device's side of the conversation.

use crate::{Error, FrameReader, Inference, Info, Packed, Reply, Request, encode};

/// What a device does for the protocol: it knows itself, runs its model and has a line to the host.
pub trait Service {
    /// Who the device is.
    fn info(&self) -> Info<'_>;

    /// Runs the model on `image`, which may be of any length.
    ///
    /// # Errors
    ///
    /// [`Error::ImageSize`] with the right number of bytes.
    fn infer(&mut self, image: Packed<'_>) -> Result<Inference<'_>, Error>;

    /// Puts a byte on the line.
    fn send(&mut self, byte: u8);
}

/// What a byte led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It belongs to a request that is not complete.
    Pending,
    /// A request was answered.
    Answered,
    /// A request was refused, and told why.
    Refused(Error),
}

/// Answers requests of at most `REQUEST` bytes ([`request_len`](crate::request_len)) with replies
/// of at most `REPLY` bytes ([`reply_len`](crate::reply_len)), fed with the line's bytes one by one.
///
/// Its memory is `REQUEST` bytes, and three times `REPLY` of stack while it answers.
pub struct Device<const REQUEST: usize, const REPLY: usize> {
    reader: FrameReader<REQUEST>,
    /// The sequence number of the next request; `None` before the first `Hello`.
    expected: Option<u16>,
}

impl<const REQUEST: usize, const REPLY: usize> Default for Device<REQUEST, REPLY> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const REQUEST: usize, const REPLY: usize> Device<REQUEST, REPLY> {
    /// A device that nobody has greeted.
    pub const fn new() -> Self {
        Self { reader: FrameReader::new(), expected: None }
    }

    /// Takes one byte from the line. When it completes a request, or what should have been one,
    /// the whole answer is sent before this returns.
    pub fn feed(&mut self, byte: u8, service: &mut impl Service) -> Outcome {
        let Some(frame) = self.reader.feed(byte) else {
            return Outcome::Pending;
        };
        let mut line = Line::<REPLY>::new();
        let (sequence, refusal) = match frame {
            Err(error) => (0, Err(error.into())),
            Ok((header, _)) if header.version != crate::VERSION => {
                (header.sequence, Err(Error::Version(crate::VERSION)))
            }
            Ok((header, body)) => {
                let sequence = header.sequence;
                let answer = match postcard::from_bytes(body) {
                    Err(_) => Err(Error::Unknown),
                    Ok(request) => answer(&mut self.expected, sequence, request, service),
                };
                (sequence, answer.and_then(|reply| line.write(sequence, &reply)))
            }
        };
        if let Err(error) = refusal {
            // A refusal is shorter than any other reply; it always fits.
            let _ = line.write(sequence, &Reply::Error(error));
        }
        line.bytes().iter().for_each(|&byte| service.send(byte));
        refusal.map_or_else(Outcome::Refused, |()| Outcome::Answered)
    }
}

fn answer<'s>(
    expected: &mut Option<u16>,
    sequence: u16,
    request: Request<'_>,
    service: &'s mut impl Service,
) -> Result<Reply<'s>, Error> {
    match request {
        Request::Hello => {
            *expected = Some(sequence.wrapping_add(1));
            Ok(Reply::Info(service.info()))
        }
        Request::Infer { image } => {
            let next = expected.ok_or(Error::NoSession)?;
            // The last request again: its answer may have been lost, and inference has no state.
            if sequence != next && sequence != next.wrapping_sub(1) {
                return Err(Error::Sequence(next));
            }
            let inference = service.infer(image)?;
            *expected = Some(sequence.wrapping_add(1));
            Ok(Reply::Inference(inference))
        }
    }
}

/// A reply as it goes over the line. It is complete before the first byte is sent, because what it
/// says is borrowed from the service that sends it.
struct Line<const REPLY: usize> {
    // COBS and the zeros around a frame add less than another REPLY bytes.
    buffer: [[u8; REPLY]; 2],
    len: usize,
}

impl<const REPLY: usize> Line<REPLY> {
    fn new() -> Self {
        const { assert!(REPLY >= crate::reply_len(0), "a reply must be able to hold the device's Info") };
        Self { buffer: [[0; REPLY]; 2], len: 0 }
    }

    fn write(&mut self, sequence: u16, reply: &Reply<'_>) -> Result<(), Error> {
        let mut scratch = [0; REPLY];
        let line = encode(sequence, reply, &mut scratch, self.buffer.as_flattened_mut());
        self.len = line.ok_or(Error::Internal)?.len();
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_flattened().get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{Logits, reply_len, request_len};

    /// Its one logit is the sum of a four-byte image.
    #[derive(Default)]
    struct Sum {
        logit: [u8; 4],
        line: Vec<u8>,
    }

    impl Service for Sum {
        fn info(&self) -> Info<'_> {
            Info {
                board: "a board with a name of 32 bytes.",
                model: "a model with a name of 32 bytes.",
                source_sha256: [255; 32],
                input: [u16::MAX; 3],
                classes: u16::MAX,
                arena_bytes: u32::MAX,
                flash_bytes: u32::MAX,
                clock_hz: u32::MAX,
            }
        }

        fn infer(&mut self, image: Packed<'_>) -> Result<Inference<'_>, Error> {
            let mut bytes = [0; 4];
            if !image.unpack(&mut bytes) {
                return Err(Error::ImageSize(4));
            }
            self.logit = bytes.iter().map(|&x| i32::from(x)).sum::<i32>().to_le_bytes();
            let logits = Logits::from_le_bytes(&self.logit).unwrap();
            Ok(Inference { class: Some(u16::MAX), cycles: Some(u32::MAX), logits })
        }

        fn send(&mut self, byte: u8) {
            self.line.push(byte);
        }
    }

    struct Bench {
        device: Device<{ request_len(4) }, { reply_len(1) }>,
        service: Sum,
        replies: FrameReader<512>,
    }

    impl Bench {
        fn new() -> Self {
            Self { device: Device::new(), service: Sum::default(), replies: FrameReader::new() }
        }

        fn send(&mut self, bytes: &[u8]) -> Vec<(u16, std::string::String)> {
            for &byte in bytes {
                self.device.feed(byte, &mut self.service);
            }
            let mut replies = Vec::new();
            for byte in std::mem::take(&mut self.service.line) {
                if let Some(frame) = self.replies.feed(byte) {
                    let (header, body) = frame.unwrap();
                    let reply: Reply = postcard::from_bytes(body).unwrap();
                    let text = match reply {
                        Reply::Info(_) => "info".into(),
                        Reply::Inference(i) => {
                            std::format!("{:?}", i.logits.iter().collect::<Vec<_>>())
                        }
                        Reply::Error(error) => std::format!("{error:?}"),
                    };
                    replies.push((header.sequence, text));
                }
            }
            replies
        }

        fn ask(&mut self, sequence: u16, request: Request) -> std::string::String {
            let replies = self.send(&line(sequence, &request));
            assert_eq!(replies.len(), 1, "{replies:?}");
            assert_eq!(replies[0].0, sequence);
            replies[0].1.clone()
        }
    }

    fn line(sequence: u16, request: &Request) -> Vec<u8> {
        let (mut scratch, mut buffer) = ([0; 64], [0; 80]);
        let line = encode(sequence, request, &mut scratch, &mut buffer);
        line.unwrap().to_vec()
    }

    fn infer(bench: &mut Bench, sequence: u16, image: &[u8]) -> std::string::String {
        let mut buffer = [0; 8];
        let image = Packed::pack(image, &mut buffer).unwrap();
        bench.ask(sequence, Request::Infer { image })
    }

    const IMAGE: &[u8] = &[1, 2, 3, 250];

    #[test]
    fn a_session_counts_and_wraps() {
        let mut bench = Bench::new();
        assert_eq!(infer(&mut bench, 9, IMAGE), "NoSession");
        assert_eq!(bench.ask(65534, Request::Hello), "info");
        assert_eq!(infer(&mut bench, 65535, IMAGE), "[256]");
        assert_eq!(infer(&mut bench, 0, IMAGE), "[256]");
        assert_eq!(infer(&mut bench, 0, IMAGE), "[256]", "a repetition is answered again");
        assert_eq!(infer(&mut bench, 2, IMAGE), "Sequence(1)");
        assert_eq!(infer(&mut bench, 1, &[1]), "ImageSize(4)");
        assert_eq!(infer(&mut bench, 1, IMAGE), "[256]");
    }

    #[test]
    fn what_cannot_be_taken_changes_nothing() {
        let mut bench = Bench::new();
        bench.ask(1, Request::Hello);
        assert_eq!(bench.send(b"hello\0"), [(0, "Corrupt".into())]);
        assert_eq!(bench.send(&[9; 300]), []);
        assert_eq!(bench.send(&[0, 0, 0]), [(0, "TooLong".into())]);
        assert_eq!(infer(&mut bench, 2, IMAGE), "[256]");
    }

    #[test]
    fn another_version_is_told_ours() {
        use crc::{CRC_32_ISO_HDLC, Crc};
        let mut frame = std::vec![crate::VERSION + 1, 5, 77, 88];
        let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&frame);
        frame.extend_from_slice(&crc.to_le_bytes());
        let mut bytes = [0; 32];
        let len = cobs::try_encode(&frame, &mut bytes).unwrap();
        let mut bench = Bench::new();
        let ours = std::format!("Version({})", crate::VERSION);
        assert_eq!(bench.send(&bytes[..len + 1]), [(5, ours)]);
    }
}
