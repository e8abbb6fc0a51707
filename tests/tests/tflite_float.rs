//! Float `.tflite` files convert like float ONNX: what was read computes what TensorFlow Lite for
//! Microcontrollers computes in floats, and the integers are proven as always.

use std::fs;
use std::process::Command;

use converter::prove::Proof;
use converter::tflite::file::File;
use converter::{Converter, evaluate, tflite};
use inkling_data::Split;
use inkling_data::read::idx;
use tests::tflite_micro::{committed, found, run};
use tests::{program, random_images, scratch};

const MODELS: [&str; 7] = [
    "convnet_float",
    "mobilenet_float",
    "separable_float",
    "attend_float",
    "series_float",
    "heads_float",
    "segments_float",
];

/// Samples that are compared.
const SAMPLES: usize = 100;

/// The largest difference, relative to the largest output: sums are added in another order.
const TOLERANCE: f32 = 1e-4;

#[test]
fn outputs_are_those_of_tflite_micro() {
    let oracle = found("float .tflite files against tflite-micro");
    for name in MODELS {
        let path = committed(name);
        let bytes = fs::read(&path).expect("the model is committed");
        assert_eq!(tflite::is_float(&bytes), Ok(true), "{name}");
        let onnx = tflite::to_onnx(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let lowered = Converter::new(name, &onnx).lower().unwrap_or_else(|e| panic!("{name}: {e}"));
        let (shape, classes) = (lowered.input, lowered.classes());
        let size = shape.size();
        let images = random_images(5, SAMPLES, shape.height, size / shape.height, classes);
        let bytes_of = |n: usize| images.image(n).to_vec();
        let samples = (0..SAMPLES).flat_map(bytes_of).collect();
        let images = images.with_samples([shape.height, shape.width, shape.channels], samples);
        let conversion =
            Converter::new(name, &onnx).convert(&images).unwrap_or_else(|e| panic!("{name}: {e}"));
        Proof::of(&conversion, &images, &images).unwrap_or_else(|error| panic!("{name}: {error}"));
        if !oracle {
            continue;
        }
        let file = File::read(&bytes).expect("it was just read");
        let floats: Vec<u8> = (0..SAMPLES)
            .flat_map(|n| images.image(n).to_vec())
            .flat_map(|pixel| (f32::from(pixel) / 255.0).to_le_bytes())
            .collect();
        let expected = run(&path, &file.outputs, &floats);
        let mut expected = expected.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        let float = &conversion.float;
        for n in 0..SAMPLES {
            let values = evaluate::values(float, images.image(n));
            for output in &float.outputs {
                let value = output.value;
                let ours = output.finished(&values[value], float.shape(value));
                let ours: Vec<f32> = output.order.iter().map(|&at| ours[at]).collect();
                let theirs: Vec<f32> = expected.by_ref().take(ours.len()).collect();
                assert_eq!(ours.len(), theirs.len(), "{name}, output {}", output.name);
                let largest = theirs.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                for (a, b) in ours.iter().zip(&theirs) {
                    let near = (a - b).abs() <= TOLERANCE * largest;
                    assert!(near, "{name}, {}, sample {n}: {a} for {b}", output.name);
                }
            }
        }
        assert_eq!(expected.next(), None, "{name}: more outputs");
    }
}

/// The same network with weights in half precision.
#[test]
fn half_precision_is_read() {
    let networks = ["convnet_float", "convnet_half"].map(|name| {
        let bytes = fs::read(committed(name)).expect("the model is committed");
        let onnx = tflite::to_onnx(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        Converter::new(name, &onnx).lower().unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    let images = random_images(6, 20, 20, 20, 10);
    for n in 0..images.len() {
        let [whole, half] = networks.each_ref().map(|net| evaluate::logits(net, images.image(n)));
        let largest = whole.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        for (a, b) in whole.iter().zip(&half) {
            assert!((a - b).abs() <= 2e-3 * largest && a != b, "sample {n}: {a} and {b}");
        }
    }
}

/// By the command line, from the file to a folder that the trainer can ask.
#[test]
fn the_command_line_takes_them() {
    let folder = scratch("float-tflite");
    idx::write_pair(&folder, Split::Train, &random_images(1, 60, 20, 20, 10)).expect("written");
    idx::write_pair(&folder, Split::Test, &random_images(2, 40, 20, 20, 10)).expect("written");
    let out = folder.join("out");
    let output = Command::new(program("converter"))
        .arg(committed("convnet_float"))
        .arg("--calibration")
        .arg(&folder)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains("logits equal tract's") && said.contains("form of the .tflite"),
        "{said}"
    );
    let asked = Command::new(program("trainer"))
        .args(["evaluate", "--model"])
        .arg(&out)
        .arg("--data")
        .arg(&folder)
        .output()
        .expect("it starts");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));

    // Without samples it is refused with the option that is missing.
    let refused = Command::new(program("converter"))
        .arg(committed("convnet_float"))
        .arg("--out")
        .arg(folder.join("none"))
        .output()
        .expect("it starts");
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains("needs --calibration"), "{error}");
    let _ = fs::remove_dir_all(folder);
}

/// Flipped bits and cut files: never a panic.
#[test]
fn damage_is_one_line() {
    let bytes = fs::read(committed("separable_float")).expect("the model is committed");
    for at in (0..bytes.len()).step_by(97) {
        for bit in [1_u8, 128] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            if let Err(error) = tflite::to_onnx(&damaged) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
        if let Err(error) = tflite::to_onnx(&bytes[..at]) {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
}
