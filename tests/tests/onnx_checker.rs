//! The `onnx` package's own checker accepts what we write.

use std::process::{Command, Stdio};

use converter::Converter;
use tests::{random_images, root, scratch, structures};

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
    let program = format!(
        "import onnx, pathlib\n\
         for path in pathlib.Path({:?}).iterdir():\n    \
         print(path)\n    \
         onnx.checker.check_model(onnx.load(path), full_check=True)",
        folder.display().to_string()
    );
    assert!(python(&program), "onnx.checker refuses a structure");
    let _ = std::fs::remove_dir_all(folder);
}
