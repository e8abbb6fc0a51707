//! Verifies a device: streams a test set to it and compares every logit with the host's.
//!
//! The host's logits are those of the model's `int8.onnx` in tract, so that what the device computes
//! is held against an implementation that shares no code with it.

mod port;
mod session;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use firmware_core::argmax;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::prove;
use inkling_data::{Dataset, DatasetError, Split};

pub use port::PortError;
pub use session::{Device, Result, Session, SessionError};

/// What to verify, on which images.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The device: a serial port such as /dev/ttyACM0 or COM3, or tcp:HOST:PORT for QEMU's
    #[arg(long, value_name = "PORT")]
    pub port: String,
    /// Folder with the IDX files whose test images are sent
    #[arg(long, value_name = "DIR", default_value = "data/mnist")]
    pub data: PathBuf,
    /// Folder of the model that the device should carry, with float.onnx and int8.onnx
    #[arg(long, value_name = "DIR", default_value = "models/simple")]
    pub model: PathBuf,
    /// Send only the first N test images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub images: Option<u64>,
    /// Baud rate of a serial port
    #[arg(long, value_name = "BAUD", default_value_t = 115_200)]
    pub baud: u32,
    /// How long to wait for an answer before giving up
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub timeout: f64,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds from 0.1 to 3600".into()),
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    pub device: Device,
    /// Images sent, and answered.
    pub images: usize,
    /// Images whose class was their label.
    pub correct: usize,
    /// Logits, over all images, that differ from the host's. Anything but 0 is a failure.
    pub mismatches: usize,
    /// Requests that had to be sent again, because they or their answers were damaged on the line.
    pub repeats: usize,
    /// Clock ticks of each inference, in ascending order; empty when the device has no counter.
    pub cycles: Vec<u32>,
}

/// Why a device could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Data(#[from] DatasetError),
    #[error(
        "{path}: cannot be read ({error}); --model needs a folder with float.onnx and int8.onnx"
    )]
    Model { path: String, error: io::Error },
    #[error("{path}: tract cannot run it: {error}")]
    Reference { path: String, error: String },
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(
        "the device carries another model: '{theirs}', made from the file with SHA-256 {their_sha256}, \
         and not {ours} ({our_sha256}); flash the device again, or name its model's folder with --model"
    )]
    OtherModel { theirs: String, their_sha256: String, ours: String, our_sha256: String },
    #[error(
        "the device takes images of {0}x{1}x{2} and has {3} classes, but the images in {4} are \
         {5}x{6}x1 and have {7}; name the model's own images with --data"
    )]
    OtherImages(u16, u16, u16, u16, String, usize, usize, usize),
}

/// Connects to the device, checks that it carries the model, and sends it the test images.
///
/// Progress goes to standard error.
///
/// # Errors
///
/// Files that cannot be read, a port that cannot be opened, a device that carries another model,
/// falls silent or was reset. Logits that differ are no error here: see
/// [`Verification::mismatches`].
pub fn run(args: &VerifyArgs) -> std::result::Result<Verification, VerifyError> {
    let mut images = Dataset::load(&args.data, Split::Test)?;
    if let Some(count) = args.images {
        let count = images.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        images = images.subset(&(0..count).collect::<Vec<_>>());
    }
    let read = |file: &str| {
        let path = args.model.join(file);
        fs::read(&path)
            .map_err(|error| VerifyError::Model { path: path.display().to_string(), error })
    };
    let (float, int8) = (read("float.onnx")?, read("int8.onnx")?);

    let port = port::open(&args.port, args.baud)?;
    let mut session = Session::open(port, Duration::from_secs_f64(args.timeout))?;
    check(session.device(), &float, &images, args)?;
    let classes = usize::from(session.device().classes);
    let expected = prove::int8_logits(&int8, classes, &images).map_err(|error| {
        let path = args.model.join("int8.onnx").display().to_string();
        VerifyError::Reference { path, error: format!("{error:#}") }
    })?;

    let progress = Progress::new(images.len());
    let (mut correct, mut mismatches, mut cycles) = (0, 0, Vec::with_capacity(images.len()));
    for (index, expected) in expected.iter().enumerate() {
        let answer = session.infer(images.image(index))?;
        correct += usize::from(argmax(&answer.logits) == usize::from(images.labels[index]));
        let differ = expected.iter().zip(&answer.logits).filter(|(a, b)| a != b).count();
        mismatches += differ + expected.len().abs_diff(answer.logits.len());
        cycles.extend(answer.cycles);
        progress.step(index + 1, mismatches);
    }
    progress.finish();
    cycles.sort_unstable();
    let repeats = session.repeats();
    let device = session.device().clone();
    Ok(Verification { device, images: images.len(), correct, mismatches, repeats, cycles })
}

fn check(
    device: &Device,
    float: &[u8],
    images: &Dataset,
    args: &VerifyArgs,
) -> std::result::Result<(), VerifyError> {
    let sha256: [u8; 32] = Sha256::digest(float).into();
    if device.source_sha256 != sha256 {
        return Err(VerifyError::OtherModel {
            theirs: device.model.clone(),
            their_sha256: hex(&device.source_sha256),
            ours: args.model.join("float.onnx").display().to_string(),
            our_sha256: hex(&sha256),
        });
    }
    let [height, width, channels] = device.input;
    let fits = [height, width, channels].map(usize::from) == [images.height, images.width, 1]
        && images.classes <= usize::from(device.classes);
    if fits {
        return Ok(());
    }
    let folder = args.data.display().to_string();
    let (ours, classes) = ((images.height, images.width), images.classes);
    Err(VerifyError::OtherImages(
        height,
        width,
        channels,
        device.classes,
        folder,
        ours.0,
        ours.1,
        classes,
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Verification {
    /// The result for a person.
    pub fn report(&self) -> String {
        let Device { board, model, arena_bytes, flash_bytes, clock_hz, .. } = &self.device;
        let accuracy = 100.0 * self.correct as f64 / self.images as f64;
        let mut text = format!(
            "board       {board}\n\
             model       {model}: {flash_bytes} bytes of flash, {arena_bytes} bytes of arena\n\
             images      {}\n\
             accuracy    {accuracy:.2} %\n\
             mismatches  {} of {} logits\n",
            self.images,
            self.mismatches,
            self.images * usize::from(self.device.classes),
        );
        if let Some(&worst) = self.cycles.last() {
            let median = self.cycles[self.cycles.len() / 2];
            let ms = |cycles: u32| 1e3 * f64::from(cycles) / f64::from((*clock_hz).max(1));
            text += &format!(
                "cycles      median {median} ({:.2} ms), worst {worst} ({:.2} ms) at {} MHz\n",
                ms(median),
                ms(worst),
                f64::from(*clock_hz) / 1e6,
            );
        }
        if self.repeats > 0 {
            text += &format!("repeats     {} requests, damaged on the line\n", self.repeats);
        }
        text
    }
}

/// A bar on a terminal, a line every tenth of the way elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    images: usize,
}

impl Progress {
    fn new(images: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let template = "{pos}/{len} images [{bar:30}] {per_sec}, {eta} left{msg}";
            let style = ProgressStyle::with_template(template);
            ProgressBar::new(images as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, images }
    }

    fn step(&self, done: usize, mismatches: usize) {
        let wrong =
            if mismatches > 0 { format!(", {mismatches} logits differ") } else { String::new() };
        match &self.bar {
            Some(bar) => {
                bar.set_message(wrong);
                bar.set_position(done as u64);
            }
            None if done.is_multiple_of(self.images.div_ceil(10)) => {
                eprintln!("{done} of {} images{wrong}", self.images);
            }
            None => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
