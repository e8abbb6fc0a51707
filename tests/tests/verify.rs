//! `verify` against devices that misbehave: silent, reset, damaged, of another version, wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use converter::verify::{self, ModelError, SessionError, Verification, VerifyArgs, VerifyError};
use firmware_core::argmax;
use inkling_data::{Dataset, Split};
use inkling_protocol::{
    Device, Error, Inference, Info, Logits, Outcome, Packed, Reply, Service, VERSION, encode,
    reply_len, request_len,
};
use tests::mcu::{expected, simple};

/// A device on this machine that runs the committed model, honestly or not.
struct Host {
    line: TcpStream,
    logits: [[u8; 4]; 10],
    fault: Fault,
}

impl Service for Host {
    fn info(&self) -> Info<'_> {
        Info {
            board: "host\u{1b}[2J",
            model: simple::INFO.name,
            source_sha256: simple::INFO.source_sha256,
            input: if matches!(self.fault, Fault::OtherInput) { [784, 1, 1] } else { [28, 28, 1] },
            classes: if matches!(self.fault, Fault::ManyClasses) { 250 } else { 10 },
            arena_bytes: 0,
            flash_bytes: 0,
            clock_hz: 1_000_000,
        }
    }

    fn infer(&mut self, image: Packed<'_>) -> Result<Inference<'_>, Error> {
        let mut pixels = [0; 784];
        if !image.unpack(&mut pixels) {
            return Err(Error::ImageSize(784));
        }
        let mut logits = expected(&pixels);
        logits[3] ^= i32::from(matches!(self.fault, Fault::WrongLogit));
        self.logits = logits.map(i32::to_le_bytes);
        let class = argmax(&logits) as u16 ^ u16::from(matches!(self.fault, Fault::WrongClass));
        let count = if matches!(self.fault, Fault::FewLogits) { 2 } else { 10 };
        let bytes = self.logits[..count].as_flattened();
        let logits = Logits::from_le_bytes(bytes).ok_or(Error::Internal)?;
        let class = Some(class).filter(|_| !matches!(self.fault, Fault::Refuses));
        Ok(Inference { class, cycles: Some(7), logits })
    }

    fn send(&mut self, byte: u8) {
        let _ = self.line.write_all(&[byte]);
    }
}

/// What the device does with the requests it answers, counted from the greeting.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// One bit of one logit is wrong in every answer.
    WrongLogit,
    /// From this request on it says nothing.
    SilentFrom(usize),
    /// Before this request it forgets the session.
    ResetAt(usize),
    /// One bit flips on the way to the device, once in so many bytes.
    NoisyEvery(usize),
    /// Ends the connection at this request.
    HangsUpAt(usize),
    /// Says that its model has 250 classes.
    ManyClasses,
    /// Says that its model takes other images.
    OtherInput,
    /// Names a class beside the one with the largest logit.
    WrongClass,
    /// Says "none of these", which the model does not know.
    Refuses,
    /// Answers with the first two logits.
    FewLogits,
    /// Answers in frames of another version.
    OtherVersion,
    /// Sends nothing but this complaint, again and again, whatever it is asked.
    Complains(Error),
    /// The same, and reads nothing.
    Babbles(Error),
}

/// Starts a device and verifies it on the first `images` test images.
fn verify_against(fault: Fault, images: u64) -> Result<Verification, VerifyError> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = format!("tcp:{}", listener.local_addr().expect("it has an address"));
    let device = thread::spawn(move || {
        let (line, _) = listener.accept().expect("the host connects");
        serve(line, fault);
    });
    let result = verify::run(&arguments(port, images));
    device.join().expect("the device does not panic");
    result
}

fn arguments(port: String, images: u64) -> VerifyArgs {
    VerifyArgs {
        port: Some(port),
        qemu: None,
        data: Some(tests::mnist()),
        model: tests::root().join("models/simple"),
        images: Some(images),
        baud: 115_200,
        timeout: 1.0,
    }
}

/// A frame that nobody asked for.
fn frame(version: u8, sequence: u16, reply: &Reply) -> Vec<u8> {
    let mut scratch = [0; 256];
    let mut buffer = [0; 512];
    let line = encode(sequence, reply, &mut scratch, &mut buffer).expect("a short frame").to_vec();
    if version == VERSION {
        return line;
    }
    // The version is the first byte behind the zero and COBS's own; the checksum is put right again.
    let mut bytes = decode_cobs(&line);
    let end = bytes.len() - 4;
    bytes[0] = version;
    let checksum = crc32(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    encode_cobs(&bytes)
}

/// What the protocol's documentation says of a frame, in the plainest way.
fn decode_cobs(line: &[u8]) -> Vec<u8> {
    let mut rest = &line[1..line.len() - 1];
    let mut bytes = Vec::new();
    while let Some((&code, after)) = rest.split_first() {
        let (run, after) = after.split_at(usize::from(code) - 1);
        bytes.extend(run);
        rest = after;
        if code < 255 && !rest.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

fn encode_cobs(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 254, "one run is enough for a test");
    let mut line = vec![0];
    for run in bytes.split(|&byte| byte == 0) {
        line.push(run.len() as u8 + 1);
        line.extend(run);
    }
    line.push(0);
    line
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn serve(line: TcpStream, fault: Fault) {
    let mut reading = line.try_clone().expect("a socket can be shared");
    let mut service = Host { line, logits: [[0; 4]; 10], fault };
    if let Fault::Complains(error) | Fault::Babbles(error) = fault {
        let complaint = frame(VERSION, 0, &Reply::Error(error));
        if matches!(fault, Fault::Complains(_)) {
            thread::spawn(move || while reading.read(&mut [0; 64]).is_ok_and(|count| count > 0) {});
        }
        while service.line.write_all(&complaint).is_ok() {}
        return;
    }
    if matches!(fault, Fault::OtherVersion) {
        // Whole frames, as a later firmware would send them.
        for sequence in 0..4 {
            let reply = frame(VERSION + 1, sequence, &Reply::Error(Error::Unknown));
            let _ = service.line.write_all(&reply);
        }
    }
    let new = || Device::<{ request_len(784) }, { reply_len(10) }>::new();
    let mut device = new();
    // The text of a self-test, which the host must skip.
    let _ = service.line.write_all(b"\r\ninkling on host\r\nself-test passed\r\n");
    let (mut requests, mut bytes) = (0, 0);
    let mut byte = [0];
    while reading.read(&mut byte).is_ok_and(|count| count == 1) {
        bytes += 1;
        match fault {
            Fault::SilentFrom(request) if requests >= request => continue,
            Fault::HangsUpAt(request) if requests == request => return,
            Fault::ResetAt(request) if requests == request => {
                requests += 1;
                device = new();
            }
            Fault::NoisyEvery(period) if bytes % period == 0 => byte[0] ^= 0x10,
            _ => {}
        }
        if device.feed(byte[0], &mut service) != Outcome::Pending {
            requests += 1;
        }
    }
}

#[test]
fn a_good_device_passes() {
    let result = verify_against(Fault::None, 300).expect("it answers");
    let test = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let right = (0..300)
        .filter(|&i| argmax(&expected(test.image(i))) == usize::from(test.labels[i]))
        .count();
    assert_eq!(
        (result.images, result.correct, result.mismatches, result.repeats),
        (300, Some(right), 0, 0)
    );
    assert_eq!(result.cycles, vec![7; 300]);
    assert!(result.report().contains("mismatches  0 of 3000 logits"), "{}", result.report());
}

#[test]
fn a_wrong_logit_is_counted() {
    let result = verify_against(Fault::WrongLogit, 20).expect("it answers");
    assert_eq!(result.mismatches, 20);
}

#[test]
fn a_noisy_line_is_repaired_by_asking_again() {
    let result = verify_against(Fault::NoisyEvery(1709), 100).expect("the line is good enough");
    assert_eq!((result.images, result.mismatches), (100, 0));
    assert!(result.repeats > 0);
}

#[test]
fn a_silent_device_is_given_up() {
    let error = verify_against(Fault::SilentFrom(0), 5).expect_err("nobody answers");
    assert!(matches!(error, VerifyError::Session(SessionError::NoAnswer(_))), "{error}");
    let error = verify_against(Fault::SilentFrom(4), 10).expect_err("it falls silent");
    assert!(
        matches!(error, VerifyError::Session(SessionError::Silent { image: 4, .. })),
        "{error}"
    );
}

#[test]
fn a_reset_device_is_noticed() {
    let error = verify_against(Fault::ResetAt(3), 10).expect_err("it forgot the session");
    assert!(matches!(error, VerifyError::Session(SessionError::Reset { image: 3 })), "{error}");
}

#[test]
fn a_device_that_hangs_up_is_an_error() {
    let error = verify_against(Fault::HangsUpAt(2), 10).expect_err("the line broke");
    assert!(matches!(error, VerifyError::Session(SessionError::Io { .. })), "{error}");
}

/// What a device says of itself is held against the model, and the first untruth ends it.
#[test]
fn a_device_that_lies_is_found_out() {
    let lie = |fault| verify_against(fault, 20).expect_err("it lies");
    for fault in [Fault::ManyClasses, Fault::OtherInput] {
        let error = lie(fault);
        assert!(matches!(error, VerifyError::Model(ModelError::OtherShape { .. })), "{error}");
    }
    let error = lie(Fault::WrongClass);
    assert!(matches!(error, VerifyError::Class { image: 1, .. }), "{error}");
    let error = lie(Fault::Refuses);
    assert!(
        matches!(error, VerifyError::Class { image: 1, class: None, expected: Some(_) })
            && error.to_string().contains("\"none of these\", but its logits say class"),
        "{error}"
    );
    let error = lie(Fault::FewLogits);
    assert!(matches!(error, VerifyError::Logits { image: 1, logits: 2, classes: 10 }), "{error}");
    let error = lie(Fault::OtherVersion);
    let version = VERSION + 1;
    assert!(
        matches!(error, VerifyError::Session(SessionError::Version(v)) if v == version),
        "{error}"
    );
}

/// A device that does nothing but complain is given up, whatever it complains about.
#[test]
fn a_flood_of_complaints_is_one_clear_line() {
    for complaint in [Error::Corrupt, Error::TooLong, Error::NoSession, Error::Internal] {
        for fault in [Fault::Complains(complaint), Fault::Babbles(complaint)] {
            let error = verify_against(fault, 5).expect_err("it only complains");
            assert!(
                matches!(error, VerifyError::Session(SessionError::Complains { .. })),
                "{complaint:?}: {error}"
            );
        }
    }
}

#[test]
fn a_name_that_would_steer_the_terminal_is_printed_harmlessly() {
    let result = verify_against(Fault::None, 2).expect("it answers");
    assert_eq!(result.device.board, "host\u{fffd}[2J");
    assert!(!result.report().contains('\u{1b}'), "{}", result.report());
}

/// Behind TCP there may be an emulator, whose milliseconds are none.
#[test]
fn an_emulators_clock_is_not_given_in_milliseconds() {
    let result = verify_against(Fault::None, 2).expect("it answers");
    assert!(result.emulated && !result.report().contains(" ms"), "{}", result.report());
    let board = Verification { emulated: false, ..result };
    assert!(board.report().contains("worst 7 (0.01 ms) at 1 MHz"), "{}", board.report());
}

/// The command line: one clear line, and an exit code that says no.
#[test]
fn the_command_fails_with_one_line() {
    let converter = tests::program("converter");
    let verify = |port: &str| {
        let output = Command::new(&converter)
            .args(["verify", "--port", port, "--data"])
            .arg(tests::mnist())
            .arg("--model")
            .arg(tests::root().join("models/simple"))
            .output()
            .expect("the converter runs");
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).trim().to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert!(verify("/dev/no-such-port").contains("--port /dev/no-such-port: cannot be opened"));
    assert!(verify("tcp:127.0.0.1:1").contains("cannot connect"));
    assert!(verify("tcp:nonsense").contains("write tcp:HOST:PORT"));
}
