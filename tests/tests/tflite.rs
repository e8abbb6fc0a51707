//! Imported `.tflite` files compute what TensorFlow Lite for Microcontrollers computes, in every
//! value.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use converter::quantized::Scale;
use converter::reference;
use converter::tflite::file::{Element, File};
use converter::tflite::{Conversion, Imported};
use tests::{generated, root, tflite_micro};

/// The committed models.
const MODELS: [&str; 9] = [
    "convnet",
    "convnet_4_bits",
    "convnet_float_borders",
    "convnet_per_tensor",
    "convnet_u8_borders",
    "excite",
    "mobilenet",
    "separable",
    "series",
];

fn committed(name: &str) -> PathBuf {
    root().join("tests/models").join(name).with_extension("tflite")
}

/// A file beside the project; says loudly that it is missing if it is.
fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(name);
    if !path.is_file() {
        let line =
            format!("SKIPPED: {name} beside tflite-micro - there is no {}\n", path.display());
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    }
    Some(path)
}

/// Inputs for a large model: all that are asked for where CI sets the variable, else fewer.
fn inputs() -> usize {
    if std::env::var_os("INKLING_ALL_INPUTS").is_some() { 1000 } else { 300 }
}

/// Samples as bytes: noise over the whole range, and smooth signals as sensors and pictures are.
fn samples(seed: u64, count: usize, size: usize) -> Vec<u8> {
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

/// A model with samples and what TensorFlow Lite for Microcontrollers computes for them.
struct Case {
    name: String,
    conversion: Conversion,
    inputs: Vec<u8>,
    expected: Vec<u8>,
}

impl Case {
    fn new(path: &Path, count: usize) -> Self {
        let bytes = fs::read(path).expect("the model can be read");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("it has a name");
        let conversion = Conversion::new(name, &bytes)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let Imported { network, output, .. } = &conversion.imported;
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
                tflite_micro::run(path, *output, &floats)
            }
            _ => tflite_micro::run(path, *output, &inputs),
        };
        let distinct: BTreeSet<&u8> = expected.iter().collect();
        assert!(distinct.len() > 20, "{name}: all outputs are among {distinct:?}");
        Self { name: name.into(), conversion, inputs, expected }
    }

    /// All outputs of the host reference, one byte each.
    fn host(&self) -> Vec<u8> {
        let network = &self.conversion.imported.network;
        self.inputs
            .chunks(network.input.size())
            .flat_map(|sample| reference::logits(network, sample))
            .map(|value| value as u8)
            .collect()
    }

    fn check(&self, what: &str, ours: &[u8]) {
        assert_eq!(ours.len(), self.expected.len(), "{what}: {}", self.name);
        let different = ours.iter().zip(&self.expected).filter(|(a, b)| a != b).count();
        println!("{}: {} outputs of {what}, {different} differ", self.name, ours.len());
        assert_eq!(different, 0, "{what}: of {} outputs of {}", ours.len(), self.name);
    }
}

/// Host reference and generated code beside tflite-micro.
fn compare(folder: &str, cases: &[Case]) {
    for case in cases {
        case.check("the host reference", &case.host());
    }
    let programs: Vec<generated::Program> = cases
        .iter()
        .map(|case| generated::Program {
            module: &case.name,
            code: case.conversion.model_rs(),
            inputs: case.inputs.clone(),
        })
        .collect();
    for (case, ours) in cases.iter().zip(generated::outputs(folder, &programs)) {
        case.check("the generated code", &ours);
    }
}

#[test]
fn committed_models_equal_tflite_micro() {
    if !tflite_micro::found("imported models beside tflite-micro") {
        return;
    }
    let cases: Vec<Case> = MODELS.iter().map(|name| Case::new(&committed(name), 1000)).collect();
    compare("tflite", &cases);
}

/// The four reference models of MLPerf Tiny and a convnet on MNIST, which are no part of the project.
#[test]
fn reference_models_equal_tflite_micro() {
    if !tflite_micro::found("reference models beside tflite-micro") {
        return;
    }
    let models = [
        "models/autoencoder_int8",
        "models/dscnn_int8",
        "models/mobilenetv1_025_int8",
        "models/resnet8_int8",
        "cases/models/k_convnet_int8",
    ];
    let paths = models.iter().filter_map(|model| shared(&format!("{model}.tflite")));
    let cases: Vec<Case> = paths.map(|path| Case::new(&path, inputs())).collect();
    compare("tflite-reference", &cases);
}

/// Damaged files are refused in one line or imported; none makes the converter panic or ask for
/// much memory.
#[test]
fn damaged_files_never_panic() {
    let mut rng = fastrand::Rng::with_seed(4);
    for name in MODELS {
        let whole = fs::read(committed(name)).expect("the model is committed");
        for round in 0..1500 {
            let mut damaged = whole.clone();
            match round % 10 {
                0 => damaged.truncate(rng.usize(..whole.len())),
                // Where the tables are; the rest is mostly weights.
                1..4 => {
                    let at = rng.usize(..whole.len() / 4) * 4;
                    let number = [0, 1, u32::MAX, 1 << 31, 0xffff, rng.u32(..)][rng.usize(..6)];
                    damaged[at..at + 4].copy_from_slice(&number.to_le_bytes());
                }
                _ => {
                    for _ in 0..rng.usize(1..6) {
                        let at = rng.usize(..damaged.len());
                        damaged[at] ^= 1 << rng.u8(..8);
                    }
                }
            }
            match Conversion::new("damaged", &damaged) {
                Ok(conversion) if round % 50 == 0 => drop(conversion.model_rs()),
                Ok(_) => {}
                Err(error) => assert!(!error.to_string().contains('\n'), "{name}: {error}"),
            }
        }
    }
}

/// Every byte of a small model with each of some values that offsets and sizes trip over.
#[test]
fn no_byte_makes_it_panic() {
    let whole = fs::read(committed("series")).expect("the model is committed");
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            let _ = Conversion::new("damaged", &damaged);
        }
    }
}
