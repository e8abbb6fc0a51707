//! Imported `.tflite` files compute what TensorFlow Lite for Microcontrollers computes, in every
//! value.

use std::fs;

use converter::tflite::Conversion;
use tests::tflite_micro::{self, Case, MODELS, REFERENCE, committed};
use tests::{all_inputs, generated, shared};

/// Host reference and generated code beside tflite-micro.
fn compare(folder: &str, cases: &[Case]) {
    for case in cases {
        case.check("the host reference", &case.host());
    }
    let programs: Vec<generated::Program> = cases
        .iter()
        .map(|case| generated::Program {
            module: &case.name,
            code: case.conversion.model.model_rs(),
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
    let count = if all_inputs() { 1000 } else { 300 };
    let paths = REFERENCE.iter().filter_map(|model| shared(model));
    let cases: Vec<Case> = paths.map(|path| Case::new(&path, count)).collect();
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
                Ok(conversion) if round % 50 == 0 => drop(conversion.model.model_rs()),
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
