//! The `onnx` package's own checker accepts what we write.

use std::path::Path;
use std::process::{Command, Stdio};

use converter::{Converter, prove};
use tests::{onnxruntime, random_images, root, scratch, structures};
use trainer::learn::export::float_onnx;
use trainer::learn::network::{Description, PRESETS};
use trainer::learn::training::exported_predictions;

/// Set by CI: a missing package is then a failure, not a skip.
const REQUIRED: &str = "INKLING_REQUIRE_ONNX";

fn python(program: &str) -> bool {
    Command::new("python3")
        .args(["-c", program])
        .current_dir(root())
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the package is there; says loudly that `what` is skipped if not.
fn has_onnx(what: &str) -> bool {
    let found = python("import importlib.util as u, sys; sys.exit(u.find_spec('onnx') is None)");
    if !found {
        tests::skip(what, "python3 has no package onnx", "pip install onnx", REQUIRED);
    }
    found
}

#[test]
fn committed_models_pass_the_checker() {
    if !has_onnx("onnx.checker on the models") {
        return;
    }
    for model in ["models/simple/float.onnx", "models/simple/int8.onnx"] {
        let program =
            format!("import onnx; onnx.checker.check_model(onnx.load('{model}'), full_check=True)");
        assert!(python(&program), "onnx.checker refuses {model}");
    }
}

/// Every preset as it is exported and as integers: the checker accepts the files, and ONNX Runtime
/// loads and runs them.
#[test]
fn presets_pass_the_checker_and_load() {
    let folder = scratch("onnx-checker-presets");
    let images = random_images(1, 20, 28, 28, 10);
    let mut files = Vec::new();
    for (name, _) in PRESETS {
        let network = Description::named(name)
            .and_then(|description| description.build([1, 28, 28], 10))
            .unwrap_or_else(|error| panic!("{error}"));
        let parameters = network.initial_parameters(1);
        let float = float_onnx(&network, &parameters, None);
        let conversion = Converter::new(name, &float).convert(&images).expect("is converted");
        files.extend([
            (format!("{name}-float"), float),
            (format!("{name}-int8"), conversion.int8_onnx()),
        ]);
    }
    for (name, bytes) in &files {
        std::fs::write(folder.join(format!("{name}.onnx")), bytes).expect("is written");
    }
    if has_onnx("onnx.checker on every preset") {
        assert!(check_all(&folder), "onnx.checker refuses a preset");
    }
    if let Some(backend) = onnxruntime::start("every preset in ONNX Runtime") {
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with("-float")) {
            let predictions = exported_predictions(&backend, bytes, &images);
            assert_eq!(predictions.map(|all| all.len()).ok(), Some(images.len()), "{name}");
        }
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with("-int8")) {
            let logits = onnxruntime::int8_logits(&backend, bytes, 10, &images);
            let ours = prove::int8_logits(bytes, 10, &images).expect("tract runs it");
            assert_eq!(logits, ours, "{name}");
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// Whether the checker accepts every file of a folder.
fn check_all(folder: &Path) -> bool {
    python(&format!(
        "import onnx, pathlib\n\
         for path in pathlib.Path({:?}).iterdir():\n    \
         print(path)\n    \
         onnx.checker.check_model(onnx.load(path), full_check=True)",
        folder.display().to_string()
    ))
}

#[test]
fn structures_pass_the_checker() {
    if !has_onnx("onnx.checker on every structure") {
        return;
    }
    let folder = scratch("onnx-checker");
    let images = random_images(1, 20, structures::SIDE, structures::SIDE, structures::CLASSES);
    for structure in structures::ALL {
        let onnx = structures::network(structure, 1, 17);
        let conversion = Converter::new("net", &onnx).convert(&images).expect("is converted");
        let write = |kind: &str, bytes: &[u8]| {
            std::fs::write(folder.join(format!("{structure:?}-{kind}.onnx")), bytes)
                .expect("is written");
        };
        write("float", &onnx);
        write("int8", &conversion.int8_onnx());
    }
    assert!(check_all(&folder), "onnx.checker refuses a structure");
    let _ = std::fs::remove_dir_all(folder);
}
