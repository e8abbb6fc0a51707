//! Imported `.tflite` files compute what TensorFlow Lite for Microcontrollers computes, in every
//! value.

use std::fs;

use converter::{Favour, tflite};
use tests::imported::compare;
use tests::tflite_micro::{self, MODELS, REFERENCE, case, committed};
use tests::{all_inputs, shared};

#[test]
fn committed_models_equal_tflite_micro() {
    if !tflite_micro::found("imported models beside tflite-micro") {
        return;
    }
    let cases: Vec<_> = MODELS.iter().map(|name| case(&committed(name), 1000)).collect();
    compare("tflite", &cases);
}

/// The four reference models of MLPerf Tiny and two convnets, which are no part of the project.
#[test]
fn reference_models_equal_tflite_micro() {
    if !tflite_micro::found("reference models beside tflite-micro") {
        return;
    }
    let count = if all_inputs() { 1000 } else { 300 };
    let paths = REFERENCE.iter().filter_map(|model| shared(model));
    let cases: Vec<_> = paths.map(|path| case(&path, count)).collect();
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
            match tflite::convert("damaged", &damaged, Favour::Time) {
                Ok(model) if round % 50 == 0 => drop(model.model_rs()),
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
            let _ = tflite::convert("damaged", &damaged, Favour::Time);
        }
    }
}
