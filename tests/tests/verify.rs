//! `verify` against devices that misbehave: silent, reset, damaged, of another version, wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use converter::verify::{self, SessionError, Verification, VerifyArgs, VerifyError};
use firmware_core::argmax;
use inkling_data::{Dataset, Split};
use inkling_protocol::{
    Device, Error, Inference, Info, Logits, Outcome, Packed, Service, reply_len, request_len,
};
use tests::mcu::{expected, simple};

/// A device on this machine that runs the committed model.
struct Good {
    line: TcpStream,
    logits: [[u8; 4]; 10],
    flip: bool,
}

impl Service for Good {
    fn info(&self) -> Info<'_> {
        Info {
            board: "host",
            model: simple::INFO.name,
            source_sha256: simple::INFO.source_sha256,
            input: [28, 28, 1],
            classes: 10,
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
        logits[3] ^= i32::from(self.flip);
        self.logits = logits.map(i32::to_le_bytes);
        let class = argmax(&logits) as u16;
        let logits = Logits::from_le_bytes(self.logits.as_flattened()).ok_or(Error::Internal)?;
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
        port,
        data: tests::mnist(),
        model: tests::root().join("models/simple"),
        images: Some(images),
        baud: 115_200,
        timeout: 1.0,
    }
}

fn serve(line: TcpStream, fault: Fault) {
    let mut reading = line.try_clone().expect("a socket can be shared");
    let mut service = Good { line, logits: [[0; 4]; 10], flip: matches!(fault, Fault::WrongLogit) };
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
        (300, right, 0, 0)
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
