//! What the integration tests share: where things are, small data sets and small ONNX models in
//! the dialects that exporters write, the pages for readers.

pub mod archives;
pub mod camera;
pub mod colour;
pub mod dialects;
pub mod documents;
pub mod fuzz;
pub mod generated;
pub mod imported;
pub mod kinds;
pub mod mcu;
pub mod networks;
pub mod onnxruntime;
pub mod pictures;
pub mod quantized_onnx;
pub mod records;
pub mod several;
mod skip;
pub mod structures;
pub mod tflite_micro;

use std::path::{Path, PathBuf};

use inkling_data::Dataset;
use inkling_data::read::labels;

pub use skip::skip;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The committed MNIST files.
pub fn mnist() -> PathBuf {
    root().join("data/mnist")
}

/// Random images with some structure: a background of 0 and random strokes.
pub fn random_images(
    seed: u64,
    count: usize,
    height: usize,
    width: usize,
    classes: usize,
) -> Dataset {
    let mut rng = fastrand::Rng::with_seed(seed);
    let pixel = |rng: &mut fastrand::Rng| if rng.u8(..4) == 0 { rng.u8(..) } else { 0 };
    let samples = (0..count * height * width).map(|_| pixel(&mut rng)).collect();
    let labels = (0..count).map(|index| (index % classes) as u16).collect();
    Dataset::new([height, width, 1], samples, labels, labels::numbers(classes))
}

/// A file of `../shared`, which is no part of the project; says loudly that it is missing if it is.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(name);
    if !path.is_file() {
        let missing = format!("there is no {}", path.display());
        skip(name, &missing, "putting it there", "INKLING_REQUIRE_SHARED");
        return None;
    }
    Some(path)
}

/// Whether tests take all inputs, and not only as many as everyday checks have time for.
pub fn all_inputs() -> bool {
    std::env::var("INKLING_ALL_INPUTS").is_ok_and(|value| value == "1")
}

/// An empty folder of its own for a test; `name` must differ between tests.
pub fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("inkling-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a scratch folder can be made");
    folder
}

/// The path of a program of this workspace, built by cargo if it is not.
pub fn program(name: &str) -> PathBuf {
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bin", name])
        .current_dir(root())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{name} does not build");
    // Tests lie in <target>/<profile>/deps.
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in the profile's folder");
    profile.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Says which test a process of its own is for.
const PROCESS: &str = "INKLING_TEST_PROCESS";

/// Runs `work` of the test called `test` in a process of its own: a backend is for the whole
/// process.
pub fn in_own_process(test: &str, work: impl FnOnce()) {
    if std::env::var_os(PROCESS).is_some() {
        return work();
    }
    let program = std::env::current_exe().expect("a test knows its own path");
    let status = std::process::Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(PROCESS, test)
        .status()
        .expect("a test can start itself");
    assert!(status.success(), "{test} failed in its own process; see above");
}
