//! TensorFlow Lite for Microcontrollers as a reference, where its Python package is found.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::root;

/// Set by CI: a missing package is then a failure, not a skip.
pub const REQUIRED: &str = "INKLING_REQUIRE_TFLITE_MICRO";

/// Whether the package is there; says loudly that `what` is skipped if not.
///
/// # Panics
///
/// If it is missing and [`REQUIRED`] is set.
pub fn found(what: &str) -> bool {
    let found = Command::new("python3")
        .args(["-c", "from tflite_micro.python.tflite_micro import runtime"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        assert!(env::var_os(REQUIRED).is_none(), "{what}: python3 has no package tflite_micro");
        // Past the test harness's capture, which would hide it when the test passes.
        let line = format!("SKIPPED: {what} - enable with: ./ci.sh setup\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    found
}

/// What it computes for samples of `input_bytes` each, in `inputs` one after the other: tensor
/// number `tensor` of the model, as the package gives it.
///
/// # Panics
///
/// If it does not run the model.
pub fn run(model: &Path, tensor: usize, inputs: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .arg(root().join("tests/oracles/run_tflite_micro.py"))
        .arg(model)
        .arg(tensor.to_string())
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
