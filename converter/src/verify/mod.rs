//! Verifies a device: streams a test set to it and compares every logit with the host's.
//!
//! The host's logits are those of the model's `int8.onnx` in tract, so that what the device computes
//! is held against an implementation that shares no code with it. A model that others quantized has no
//! such file: there they are the scalar kernels' on the host, which the tests hold against the model's
//! own runtime. What the device says of itself is held against the model before the first image is sent.

pub mod emulator;
mod model;
mod port;
mod report;
mod samples;
mod session;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use inkling_data::DatasetError;
use inkling_data::read::ImportError;

use emulator::{BoardFolder, Emulator, EmulatorError};
use model::Model;
use report::Progress;
use samples::Samples;

pub use model::ModelError;
pub use port::{Port, PortError};
pub use report::Verification;
pub use session::{Device, Result, Session, SessionError};

/// What to verify, on which images.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The device: a serial port such as /dev/ttyACM0 or COM3, or tcp:HOST:PORT for an emulator's
    #[arg(long, value_name = "PORT", required_unless_present = "qemu", conflicts_with = "qemu")]
    pub port: Option<String>,
    /// Build the firmware of this board, such as microbit, with the model, and verify it in QEMU
    #[arg(long, value_name = "BOARD")]
    pub qemu: Option<String>,
    /// Folder with the IDX files whose test images are sent; for a model of several inputs data in any
    /// form [default: data/mnist for a model that takes such images, else noise]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of the model that the device should carry, as the trainer or the converter wrote it
    #[arg(long, value_name = "DIR", default_value = "models/simple")]
    pub model: PathBuf,
    /// Send only the first N test images, or N samples of noise
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

/// Why a device could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Data(#[from] DatasetError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("{path}: tract cannot run it: {error}")]
    Reference { path: String, error: String },
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    #[error("the emulator's serial port cannot be shared: {0}")]
    Line(io::Error),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("neither --port nor --qemu says where the device is")]
    NoDevice,
    #[error(
        "the device answers image {image} with {}, but its logits say {}; its firmware does not do what this \
         project's does",
        said(class.map(usize::from)), said(*expected)
    )]
    Class { image: usize, class: Option<u16>, expected: Option<usize> },
    #[error(
        "the device answers image {image} with {logits} logits, but the model has {classes} classes; its \
         firmware does not do what this project's does"
    )]
    Logits { image: usize, logits: usize, classes: usize },
}

/// An answer in words.
fn said(class: Option<usize>) -> String {
    class.map_or("\"none of these\"".to_string(), |class| format!("class {class}"))
}

/// Connects to the device, or starts an emulator that ends with the verification, checks that it
/// carries the model, and sends it the test images.
///
/// Progress goes to standard error.
///
/// # Errors
///
/// Files that cannot be read, a port that cannot be opened, an emulator that does not start; a device
/// that carries another model or says of itself what is not so, falls silent or was reset. Logits that
/// differ are no error here: see [`Verification::mismatches`].
pub fn run(args: &VerifyArgs) -> std::result::Result<Verification, VerifyError> {
    match (&args.port, &args.qemu) {
        (Some(name), _) => {
            let job = Job::load(args)?;
            // A board is at a serial port; what is behind TCP is an emulator, or may be one.
            job.verify(port::open(name, args.baud)?, name.starts_with("tcp:"))
        }
        (None, Some(board)) => {
            let job = Job::load(args)?;
            let board = BoardFolder::open(board)?;
            board.machine()?;
            let elf = board.build(&args.model)?;
            let emulator = Emulator::start(&board, &elf, &[])?;
            job.verify(Box::new(emulator.line().map_err(VerifyError::Line)?), true)
        }
        (None, None) => Err(VerifyError::NoDevice),
    }
}

/// As [`run`], on an emulator that runs already.
///
/// # Errors
///
/// As [`run`].
pub fn run_on(
    emulator: &Emulator,
    args: &VerifyArgs,
) -> std::result::Result<Verification, VerifyError> {
    Job::load(args)?.verify(Box::new(emulator.line().map_err(VerifyError::Line)?), true)
}

/// What is verified, read and found sound.
struct Job<'a> {
    args: &'a VerifyArgs,
    model: Model,
    samples: Samples,
}

impl<'a> Job<'a> {
    fn load(args: &'a VerifyArgs) -> std::result::Result<Self, VerifyError> {
        let model = Model::load(&args.model)?;
        let samples = Samples::load(args.data.as_deref(), args.images, &model)?;
        Ok(Self { args, model, samples })
    }

    fn verify(
        &self,
        port: Box<dyn Port>,
        emulated: bool,
    ) -> std::result::Result<Verification, VerifyError> {
        let Self { args, model, samples: Samples { inputs, labelled } } = self;
        let mut session = Session::open(port, Duration::from_secs_f64(args.timeout))?;
        model.must_be_on(session.device())?;
        let expected = model.logits(inputs)?;

        let progress = Progress::new(inputs.len());
        let (mut correct, mut refused, mut mismatches) = (0, 0, 0);
        let mut cycles = Vec::with_capacity(inputs.len());
        for (index, expected) in expected.iter().enumerate() {
            let answer = session.infer(inputs.image(index))?;
            let (image, logits) = (index + 1, answer.logits.len());
            if logits != model.classes {
                return Err(VerifyError::Logits { image, logits, classes: model.classes });
            }
            let expected_answer = model.answer(&answer.logits);
            if answer.class.map(usize::from) != expected_answer {
                let class = answer.class;
                return Err(VerifyError::Class { image, class, expected: expected_answer });
            }
            correct += usize::from(expected_answer == Some(usize::from(inputs.labels[index])));
            refused += usize::from(expected_answer.is_none());
            mismatches += expected.iter().zip(&answer.logits).filter(|(a, b)| a != b).count();
            cycles.extend(answer.cycles);
            progress.step(image, mismatches);
        }
        progress.finish();
        cycles.sort_unstable();
        Ok(Verification {
            device: session.device().clone(),
            emulated,
            images: inputs.len(),
            correct: labelled.then_some(correct),
            refused: model.unknown.is_some().then_some(refused),
            mismatches,
            repeats: session.repeats(),
            cycles,
        })
    }
}
