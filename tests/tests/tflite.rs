//! Imported `.tflite` files compute what TensorFlow Lite for Microcontrollers computes, in every
//! value.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use converter::quantized::{Affine, Scale};
use converter::reference;
use converter::tflite::file::{Element, File};
use converter::tflite::{Imported, import};
use tests::{root, tflite_micro};

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

/// All outputs of the host reference, one byte each.
fn host(imported: &Imported, inputs: &[u8]) -> Vec<u8> {
    let size = imported.network.input.size();
    inputs
        .chunks(size)
        .flat_map(|sample| reference::logits(&imported.network, sample))
        .map(|value| value as u8)
        .collect()
}

fn compare(path: &Path, count: usize) {
    let bytes = fs::read(path).expect("the model can be read");
    let imported = import(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let inputs = samples(1, count, imported.network.input.size());
    let file = File::read(&bytes).expect("it was just read");
    let theirs = match file.tensors[file.inputs[0]].element {
        // The model quantizes by itself what its integers stand for.
        Element::F32 => {
            let Scale::Affine(Affine { scale, zero }) = imported.network.input_format.scale else {
                panic!("{}: an imported input has a scale", path.display());
            };
            let real = |&byte: &u8| scale * (i32::from(byte as i8) - zero) as f32;
            let floats: Vec<u8> = inputs.iter().flat_map(|b| real(b).to_le_bytes()).collect();
            tflite_micro::run(path, imported.output, &floats)
        }
        _ => tflite_micro::run(path, imported.output, &inputs),
    };
    let ours = host(&imported, &inputs);
    assert_eq!(ours.len(), theirs.len(), "{}", path.display());

    let different = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
    assert_eq!(different, 0, "of {} outputs of {}", ours.len(), path.display());
    let distinct: std::collections::BTreeSet<&u8> = ours.iter().collect();
    assert!(distinct.len() > 20, "{}: only {distinct:?}", path.display());
}

#[test]
fn the_host_equals_tflite_micro() {
    if !tflite_micro::found("imported models beside tflite-micro") {
        return;
    }
    for name in MODELS {
        println!("{name}");
        compare(&committed(name), 1000);
    }
}

/// The four reference models of MLPerf Tiny and a convnet on MNIST, which are no part of the project.
#[test]
fn the_host_equals_tflite_micro_on_reference_models() {
    if !tflite_micro::found("reference models beside tflite-micro") {
        return;
    }
    for model in [
        "models/autoencoder_int8",
        "models/dscnn_int8",
        "models/mobilenetv1_025_int8",
        "models/resnet8_int8",
        "cases/models/k_convnet_int8",
    ] {
        let Some(path) = shared(&format!("{model}.tflite")) else { continue };
        println!("{model}");
        compare(&path, inputs());
    }
}
