//! The `onnx` package's own checker accepts what we write.

use std::process::{Command, Stdio};

use tests::root;

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

#[test]
fn committed_models_pass_the_checker() {
    let has_onnx = "import importlib.util as u, sys; sys.exit(u.find_spec('onnx') is None)";
    if !python(has_onnx) {
        assert!(std::env::var_os(REQUIRED).is_none(), "python3 has no package onnx");
        eprintln!("SKIPPED: onnx.checker on the models - enable with: pip install onnx");
        return;
    }
    for model in ["models/simple/float.onnx", "models/simple/int8.onnx"] {
        let program =
            format!("import onnx; onnx.checker.check_model(onnx.load('{model}'), full_check=True)");
        assert!(python(&program), "onnx.checker refuses {model}");
    }
}
