//! The device's side of the protocol against everything a line can bring.

mod common;

use common::frames::{hello, image, infer, spoiled};
use fastrand::Rng;
use inkling_protocol::{
    Device, Error, FrameReader, Inference, Info, Logits, Outcome, Packed, Reply, Service, VERSION,
    reply_len, request_len,
};

/// A device whose only logit is the sum of the image, and which reads back its own replies.
struct Bench<const REQUEST: usize> {
    device: Device<REQUEST, { reply_len(1) }>,
    model: Sum,
    replies: FrameReader<{ reply_len(1) }>,
}

struct Sum {
    image_len: usize,
    logit: [u8; 4],
    line: Vec<u8>,
}

fn sum(image: &[u8]) -> i32 {
    image.iter().map(|&x| i32::from(x)).sum()
}

impl Service for Sum {
    fn info(&self) -> Info<'_> {
        Info {
            board: "host",
            model: "sum",
            source_sha256: [7; 32],
            input: [1, self.image_len as u16, 1],
            classes: 1,
            arena_bytes: 0,
            flash_bytes: 0,
            clock_hz: 0,
        }
    }

    fn infer(&mut self, packed: Packed<'_>) -> Result<Inference<'_>, Error> {
        let mut image = vec![0xa5; self.image_len];
        if !packed.unpack(&mut image) {
            return Err(Error::ImageSize(self.image_len as u32));
        }
        self.logit = sum(&image).to_le_bytes();
        let logits = Logits::from_le_bytes(&self.logit).ok_or(Error::Internal)?;
        Ok(Inference { class: None, cycles: None, logits })
    }

    fn send(&mut self, byte: u8) {
        self.line.push(byte);
    }
}

#[derive(Debug, PartialEq)]
enum Answer {
    Info,
    Logit(i32),
    Error(Error),
}

impl<const REQUEST: usize> Bench<REQUEST> {
    fn new(image_len: usize) -> Self {
        let model = Sum { image_len, logit: [0; 4], line: Vec::new() };
        Self { device: Device::new(), model, replies: FrameReader::new() }
    }

    /// Every answer to `bytes`; fails if the device says anything that is no reply.
    fn send(&mut self, bytes: &[u8]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for &byte in bytes {
            let outcome = self.device.feed(byte, &mut self.model);
            let line = std::mem::take(&mut self.model.line);
            assert_eq!(outcome == Outcome::Pending, line.is_empty(), "one answer per frame");
            for &byte in &line {
                let Some(frame) = self.replies.feed(byte) else {
                    continue;
                };
                let (header, body) = frame.expect("the device sends whole frames");
                assert_eq!(header.version, VERSION);
                answers.push(match Reply::from_bytes(body).expect("the device sends replies") {
                    Reply::Info(info) => {
                        assert_eq!(info, self.model.info());
                        Answer::Info
                    }
                    Reply::Inference(inference) => {
                        let logits: Vec<i32> = inference.logits.iter().collect();
                        let [logit] = logits[..] else { panic!("{} logits", logits.len()) };
                        Answer::Logit(logit)
                    }
                    Reply::Error(error) => Answer::Error(error),
                });
            }
        }
        answers
    }
}

fn attack<const REQUEST: usize>(image_len: usize, frames: usize, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut bench = Bench::<REQUEST>::new(image_len);
    let (mut refused, mut taken) = (0, 0);
    for round in 0..frames {
        let answers = bench.send(&spoiled(&mut rng, image_len));
        assert!(!answers.contains(&Answer::Error(Error::Internal)));
        refused += answers.iter().filter(|answer| matches!(answer, Answer::Error(_))).count();
        taken += answers.iter().filter(|answer| !matches!(answer, Answer::Error(_))).count();
        // Whatever came before, the next good conversation works.
        if round % 64 == 0 {
            let sequence = rng.u16(..);
            let image = image(&mut rng, image_len);
            assert_eq!(bench.send(&hello(sequence)), [Answer::Info]);
            for step in 1..=2 {
                let answers = bench.send(&infer(sequence.wrapping_add(step), &image));
                assert_eq!(answers, [Answer::Logit(sum(&image))], "round {round}");
            }
        }
    }
    println!("{frames} frames: {refused} refused, {taken} taken");
    assert!(refused > frames / 2, "the frames must be mostly bad ones: {refused} of {frames}");
    assert!(taken > frames / 100, "some must get through: {taken} of {frames}");
}

#[test]
fn a_million_spoiled_frames_never_stop_the_device() {
    attack::<{ request_len(16) }>(16, 1_000_000, 1);
}

#[test]
fn spoiled_frames_of_the_real_size_never_stop_the_device() {
    attack::<{ request_len(784) }>(784, 20_000, 2);
}

#[test]
fn a_device_whose_buffer_is_shorter_than_its_image_refuses_and_goes_on() {
    let mut bench = Bench::<20>::new(784);
    assert_eq!(bench.send(&hello(1)), [Answer::Info]);
    assert_eq!(bench.send(&infer(2, &[1; 784])), [Answer::Error(Error::TooLong)]);
    assert_eq!(bench.send(&hello(1)), [Answer::Info]);
}
