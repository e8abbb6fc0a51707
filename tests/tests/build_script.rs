//! Conversion in a build script: what it generates is what the command line writes, and a file that nothing
//! vouches for is refused.

use std::fs;
use std::process::Command;

use converter::Favour;
use converter::build::{BuildError, Model};
use inkling_data::Split;
use inkling_data::read::idx;
use tests::structures::{ALL, CLASSES, SIDE, network};
use tests::{random_images, root, scratch};

#[test]
fn a_proven_file_gives_the_same_bytes() {
    let out = scratch("build-proven");
    let simple = root().join("models/simple");
    let model = |file: &str| Model::new(simple.join(file)).out(&out);
    let path = model("float.onnx").proof(simple.join("model.json")).generate();
    let ours = fs::read(path.expect("it is generated")).expect("it is there");
    assert!(ours == fs::read(simple.join("model.rs")).expect("it is committed"));

    // A bit of the file is another file.
    let mut bytes = fs::read(simple.join("float.onnx")).expect("it is committed");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let changed = out.join("changed.onnx");
    fs::write(&changed, bytes).expect("written");
    let refused = Model::new(&changed).proof(simple.join("model.json")).out(&out).generate();
    let error = refused.expect_err("it is refused");
    assert!(!matches!(error, BuildError::Another { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    assert!(matches!(model("float.onnx").generate(), Err(BuildError::NoImages(_))));
    let _ = fs::remove_dir_all(out);
}

/// Without a proof the file's own nodes are evaluated, and its integers are those of a conversion.
#[test]
fn a_file_with_images_is_checked_by_its_nodes() {
    let out = scratch("build-nodes");
    let images = random_images(3, 60, SIDE, SIDE, CLASSES);
    idx::write_pair(&out, Split::Train, &images).expect("written");
    for structure in &ALL[..3] {
        let onnx = network(*structure, 1, 17);
        let path = out.join("net.onnx");
        fs::write(&path, &onnx).expect("written");
        let generated = Model::new(&path).calibration(&out).out(&out).generate();
        let ours = fs::read_to_string(generated.expect("it is generated")).expect("it is there");
        let theirs = converter::Converter::new("net", &onnx).convert(&images).expect("converts");
        assert!(ours == theirs.model_rs(), "{structure:?}");
    }
    let _ = fs::remove_dir_all(out);
}

/// The example, built as a user's crate is: without tract, and with the same bytes.
#[test]
fn the_example_builds() {
    let folder = root().join("examples/build-script");
    let target = root().canonicalize().expect("there").join("target/build-script");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--target-dir"])
        .arg(&target)
        // Two small files are converted here, which takes less than to optimize what converts them.
        .env("CARGO_PROFILE_DEV_BUILD_OVERRIDE_OPT_LEVEL", "0")
        .current_dir(&folder)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("digit: 1") && text.contains("sensor: ["), "{text}");
    let lock = fs::read_to_string(folder.join("Cargo.lock")).expect("it is committed");
    for heavy in ["\"tract-onnx\"", "\"clap\"", "\"serial2\""] {
        // Optional dependencies stand in the lock file; none may have been built.
        let name = heavy.trim_matches('"').replace('-', "_");
        let built = fs::read_dir(target.join("debug/deps")).expect("it was built");
        let found = built
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .any(|file| file.starts_with(&format!("lib{name}-")));
        assert!(!found, "{name} was built");
    }
    assert!(lock.contains("firmware-core"));
}

/// A quantized file gives the bytes of the command line's model, with and without its proof.
#[test]
fn quantized_files_need_nothing_beside_them() {
    let out = scratch("build-quantized");
    for file in ["separable_qdq.onnx", "residual_qoperator.onnx", "convnet.tflite"] {
        let path = root().join("tests/models").join(file);
        let bytes = fs::read(&path).expect("it is committed");
        let model = match file.ends_with(".onnx") {
            true => converter::qdq::convert("net", &bytes, Favour::Time).expect("it converts"),
            false => converter::tflite::convert("net", &bytes, Favour::Time).expect("it converts"),
        };
        model.write(&out).expect("written");
        let theirs = fs::read_to_string(out.join("model.rs")).expect("it is there");
        let generate = |of: Model| {
            let path =
                of.name("net").out(&out).generate().unwrap_or_else(|e| panic!("{file}: {e}"));
            fs::read_to_string(path).expect("it is there")
        };
        assert!(generate(Model::new(&path)) == theirs, "{file}");
        assert!(generate(Model::new(&path).proof(out.join("model.json"))) == theirs, "{file}");
        let other = Model::new(root().join("tests/models/series.tflite"));
        let error = other.proof(out.join("model.json")).out(&out).generate();
        assert!(matches!(error, Err(BuildError::NotProven { .. })), "{file}");
    }
    let refused = Model::new(root().join("tests/models/residual_qdq_i8.onnx")).out(&out).generate();
    let error = refused.expect_err("it is refused").to_string();
    assert!(error.contains("residual_qdq_i8.onnx: node") && error.lines().count() == 1, "{error}");
    let _ = fs::remove_dir_all(out);
}

/// A float `.tflite` file is what its ONNX form is.
#[test]
fn a_float_tflite_file_needs_images() {
    let out = scratch("build-float-tflite");
    let path = root().join("tests/models/convnet_float.tflite");
    let bytes = fs::read(&path).expect("it is committed");
    let onnx = converter::tflite::to_onnx(&bytes).expect("it is float");
    let shape = converter::Converter::new("net", &onnx).lower().expect("it is read");
    let images = random_images(5, 40, shape.input.height, shape.input.width, shape.classes());
    idx::write_pair(&out, Split::Train, &images).expect("written");
    let generated = Model::new(&path).name("net").calibration(&out).out(&out).generate();
    let ours = fs::read_to_string(generated.expect("it is generated")).expect("it is there");
    let theirs = converter::Converter::new("net", &onnx).convert(&images).expect("converts");
    assert!(ours == theirs.model_rs());
    assert!(matches!(Model::new(&path).out(&out).generate(), Err(BuildError::NoImages(_))));
    let _ = fs::remove_dir_all(out);
}
