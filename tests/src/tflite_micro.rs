//! TensorFlow Lite for Microcontrollers as a reference, where its Python package is found.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use converter::quantized::Scale;
use converter::tflite::Imported;
use converter::tflite::file::{Element, File};
use converter::{Favour, tflite};

use crate::imported::Case;

use crate::{root, skip};

/// Set by CI: a missing package is then a failure, not a skip.
const REQUIRED: &str = "INKLING_REQUIRE_TFLITE_MICRO";

/// The committed models.
pub const MODELS: [&str; 12] = [
    "convnet",
    "convnet_4_bits",
    "convnet_float_borders",
    "convnet_per_tensor",
    "convnet_u8_borders",
    "excite",
    "heads",
    "mobilenet",
    "resized",
    "segments",
    "separable",
    "series",
];

/// The four reference models of MLPerf Tiny and two convnets, beside the project.
pub const REFERENCE: [&str; 6] = [
    "models/autoencoder_int8.tflite",
    "models/dscnn_int8.tflite",
    "models/mobilenetv1_025_int8.tflite",
    "models/resnet8_int8.tflite",
    "cases/models/16.tflite",
    "cases/models/k_convnet_int8.tflite",
];

/// A committed model's file.
pub fn committed(name: &str) -> PathBuf {
    root().join("tests/models").join(name).with_extension("tflite")
}

/// Whether the package is there; says loudly that `what` is skipped if not.
pub fn found(what: &str) -> bool {
    let found = Command::new("python3")
        .args(["-c", "from tflite_micro.python.tflite_micro import runtime"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        skip(what, "python3 has no package tflite_micro", "./ci.sh setup", REQUIRED);
    }
    found
}

/// What it computes for samples of `input_bytes` each, in `inputs` one after the other: the tensors with
/// these numbers in the model, as the package gives them.
///
/// # Panics
///
/// If it does not run the model.
pub fn run(model: &Path, tensors: &[usize], inputs: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .arg(root().join("tests/oracles/run_tflite_micro.py"))
        .arg(model)
        .args(tensors.iter().map(usize::to_string))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    // It answers while it reads.
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(inputs).expect("it reads all inputs"));
        child.wait_with_output().expect("it ends")
    });
    assert!(output.status.success(), "tflite_micro does not run {}", model.display());
    output.stdout
}

/// Samples as bytes: noise over the whole range, and smooth signals as sensors and pictures are.
pub fn samples(seed: u64, count: usize, size: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = Vec::with_capacity(count * size);
    for sample in 0..count {
        match sample % 3 {
            0 => bytes.extend((0..size).map(|_| rng.u8(..))),
            kind => {
                let (mut value, step) = (rng.i32(-128..128), rng.i32(1..16) * kind as i32);
                bytes.extend((0..size).map(|_| {
                    value = (value + rng.i32(-step..=step)).clamp(-128, 127);
                    value as i8 as u8
                }));
            }
        }
    }
    bytes
}

/// `count` samples for the model in a file.
///
/// # Panics
///
/// When the model cannot be imported or run.
pub fn case(path: &Path, count: usize) -> Case {
    let bytes = fs::read(path).expect("the model can be read");
    let mut name =
        path.file_stem().and_then(|name| name.to_str()).expect("it has a name").to_string();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        // It becomes a module's.
        name.insert_str(0, "case_");
    }
    let imported =
        tflite::import(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let Imported { network, tensors, .. } = &imported;
    let inputs = samples(1, count, network.input.size());
    let file = File::read(&bytes).expect("it was just read");
    let expected = match file.tensors[file.inputs[0]].element {
        // The model quantizes by itself what its integers stand for.
        Element::F32 => {
            let Scale::Affine { scale, zero } = network.input_format.scale else {
                panic!("{name}: an imported input has a scale");
            };
            let real = |&byte: &u8| scale * (i32::from(byte as i8) - zero) as f32;
            let floats: Vec<u8> = inputs.iter().flat_map(|b| real(b).to_le_bytes()).collect();
            run(path, tensors, &floats)
        }
        _ => run(path, tensors, &inputs),
    };
    let model = tflite::convert(&name, &bytes, Favour::Time);
    let model = model.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Case::new(&name, model, inputs, expected)
}
