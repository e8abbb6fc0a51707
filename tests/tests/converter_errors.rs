//! Bad input to the converter: one clear line, exit code 1, nothing written, never a panic.

use std::path::Path;
use std::process::{Command, Output};
use std::{fs, str};

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::read::{ReadError, read};
use tests::dialects::{Dialect, PLAIN, SIDE, network};
use tests::{program, scratch};

/// Every prefix of a model is refused or read, and no flipped byte makes the reader panic.
#[test]
fn damaged_files_never_panic() {
    let onnx = network(1, &PLAIN);
    assert_eq!(read(&[]), Err(ReadError::Empty));
    for len in (1..onnx.len()).step_by(13) {
        assert!(read(&onnx[..len]).is_err(), "a prefix of {len} bytes was read");
    }
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let mut damaged = onnx.clone();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..damaged.len());
            damaged[at] ^= 1 << rng.u8(..8);
        }
        // Refused or read: both are fine, a panic is not.
        let _ = converter::Converter::new("damaged", &damaged).lower();
    }
}

/// A model of one node between an image input and an output.
fn one_node(op: &str, attributes: &[(&str, Attribute)]) -> Vec<u8> {
    let mut model = ModelBuilder::new("one");
    let dims = [Dim::Symbol("N"), 1.into(), SIDE.into(), SIDE.into()];
    let x = model.input("input", ElementType::F32, &dims);
    let y = model.node(op, "the_node", &[&x], attributes);
    model.output(&y, ElementType::F32, &dims);
    model.finish()
}

#[test]
fn an_unknown_operator_is_named_with_its_node() {
    let error = read(&one_node("Hardmax", &[])).expect_err("is refused").to_string();
    for part in ["'the_node'", "Hardmax", "supported: Add, ", "Conv", "MaxPool"] {
        assert!(error.contains(part), "{part:?} is missing in {error:?}");
    }
}

#[test]
fn what_is_not_supported_is_said_at_its_node() {
    let pool = |extra: (&'static str, Attribute)| {
        one_node("MaxPool", &[("kernel_shape", Attribute::Ints(vec![2, 2])), extra])
    };
    for (onnx, parts) in [
        (pool(("ceil_mod", Attribute::Int(1))), ["'the_node' (MaxPool)", "\"ceil_mod\""]),
        (pool(("ceil_mode", Attribute::Ints(vec![1]))), ["'the_node' (MaxPool)", "ceil_mode"]),
        (pool(("dilations", Attribute::Ints(vec![0, 1]))), ["'the_node' (MaxPool)", "dilations"]),
        (pool(("pads", Attribute::Ints(vec![2, 2, 2, 2]))), ["'the_node' (MaxPool)", "padding"]),
        (pool(("strides", Attribute::Ints(vec![0, 1]))), ["'the_node' (MaxPool)", "strides"]),
        (
            one_node("Transpose", &[("perm", Attribute::Ints(vec![3, 2, 1, 1]))]),
            ["'the_node' (Transpose)", "perm"],
        ),
        (one_node("Gemm", &[]), ["'the_node' (Gemm)", "input 1"]),
        (network(1, &Dialect { opset: 6, ..PLAIN }), ["opset 6", "7 to 25"]),
    ] {
        let error = read(&onnx).expect_err("is refused").to_string();
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing in {error:?}");
        }
    }
}

/// What returns an image instead of classes is taken as that.
#[test]
fn a_network_without_a_classifier_returns_its_image() {
    let network = converter::Converter::new("net", &one_node("Relu", &[])).lower();
    let network = network.expect("it is read");
    assert!(!network.gives_vector(), "{:?}", network.outputs);
}

/// A channel whose accumulator could pass 2^24 at every exponent: its bias dwarfs its weights.
#[test]
fn an_accumulator_out_of_bounds_is_refused() {
    let mut model = ModelBuilder::new("big");
    let dims = [Dim::Symbol("N"), 1.into(), 4.into(), 4.into()];
    let x = model.input("input", ElementType::F32, &dims);
    let flat = model.node("Flatten", "flatten", &[&x], &[]);
    let w = model.initializer("w", &[2, 16], &[0.01_f32; 32]);
    let b = model.initializer("b", &[2], &[1e30_f32, 0.0]);
    let y = model.node("Gemm", "head", &[&flat, &w, &b], &[("transB", Attribute::Int(1))]);
    model.output(&y, ElementType::F32, &[Dim::Symbol("N"), 2.into()]);
    let images = tests::random_images(5, 10, 4, 4, 2);
    let error = converter::Converter::new("big", &model.finish()).convert(&images).err();
    let error = error.expect("is refused").to_string();
    assert!(error.contains("'head'") && error.contains("2^24"), "{error}");
}

struct Run {
    output: Output,
    out: std::path::PathBuf,
}

/// Runs the converter on a file with the given contents.
fn run(name: &str, model: &[u8], calibration: &Path) -> Run {
    let folder = scratch(&format!("converter-{name}"));
    let file = folder.join("model.onnx");
    fs::write(&file, model).expect("the model is written");
    let out = folder.join("out");
    let output = Command::new(program("converter"))
        .arg(&file)
        .arg("--calibration")
        .arg(calibration)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("the converter runs");
    Run { output, out }
}

#[test]
fn the_program_says_one_line_and_writes_nothing() {
    let mnist = tests::mnist();
    let wrong_size = network(1, &PLAIN);
    let unsupported = one_node("LSTM", &[]);
    let cases: [(&str, &[u8], &Path, &str); 5] = [
        ("empty", b"", &mnist, "0 bytes"),
        ("text", b"this is no model", &mnist, "not an ONNX model"),
        ("operator", &unsupported, &mnist, "LSTM"),
        ("size", &wrong_size, &mnist, "28×28"),
        ("data", &wrong_size, Path::new("/no/such/folder"), "/no/such/folder"),
    ];
    for (name, model, calibration, part) in cases {
        let Run { output, out } = run(name, model, calibration);
        let text = str::from_utf8(&output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{name}: {text}");
        assert!(text.starts_with("error: ") && text.contains(part), "{name}: {text}");
        assert!(!out.exists(), "{name}: something was written");
    }
}
