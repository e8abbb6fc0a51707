//! The trainer's command line: what it gives, twice the same, and what it says of bad input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use inkling_data::Split;
use inkling_data::read::idx;
use tests::{onnxruntime, program, random_images, scratch};

fn run(program: &Path, data: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(program)
        .args(["--epochs", "2", "--threads", "2", "--data"])
        .arg(data)
        .arg("--out")
        .arg(out)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("the trainer starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A good small data set: 20×18 pixels, 3 classes.
fn data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).expect("a test can make folders");
    idx::write_pair(&data, Split::Train, &random_images(1, 500, 20, 18, 3)).expect("it is written");
    idx::write_pair(&data, Split::Test, &random_images(2, 50, 20, 18, 3)).expect("it is written");
    data
}

const FILES: [&str; 10] = [
    "float.onnx",
    "int8.onnx",
    "model.rs",
    "golden.rs",
    "model.json",
    "MODEL_CARD.md",
    "labels.txt",
    "recipe.toml",
    "history.json",
    "learning.html",
];

fn contents(out: &Path) -> Vec<Vec<u8>> {
    FILES.map(|name| fs::read(out.join(name)).expect("a result is there")).into()
}

/// The same seed gives the same bytes, another seed others; the backend and the table are told.
fn check_backend(choice: &str, named: &str) {
    let folder = scratch(&format!("cli-{choice}"));
    let (program, data) = (program("trainer"), data(&folder));
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.join(name));
    let text = stdout(&run(&program, &data, &a, &["--backend", choice]));
    stdout(&run(&program, &data, &b, &["--backend", choice]));
    stdout(&run(&program, &data, &c, &["--backend", choice, "--seed", "1"]));
    let backend = text.lines().next().unwrap_or_default();
    assert!(backend.starts_with("backend:") && backend.contains(named), "{backend}");
    for part in [
        "459 for training, 41 for validation, 50 for the test",
        "epoch 2/2: training loss",
        "float accuracy",
        "int8 accuracy",
        "all 150 int8 logits equal tract's",
        "precision",
        "multiply-accumulates",
        "arena",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    assert!(contents(&a) == contents(&b), "the same seed gave other bytes");
    assert!(contents(&a)[0] != contents(&c)[0], "another seed gave the same weights");
    assert_eq!(fs::read_dir(&a).expect("readable").count(), FILES.len(), "files are left over");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_tract() {
    check_backend("tract", "tract, embedded (asked for with --backend tract)");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_onnxruntime() {
    if onnxruntime::start("the trainer on ONNX Runtime").is_some() {
        check_backend("onnxruntime", "ONNX Runtime 1.");
    }
}

/// The recipe of the article and other thread counts work, and raw pixels may be any size.
#[test]
fn options_do_what_they_say() {
    let folder = scratch("cli-options");
    let (program, data) = (program("trainer"), data(&folder));
    let out = folder.join("out");
    let more = ["--backend", "tract", "--recipe", "article", "--name", "mine"];
    let text = stdout(&run(&program, &data, &out, &more));
    for part in [
        "network:  mine: 1×20×18",
        "article: 2 epochs, batch 64, rate 0.01 constant",
        "momentum 0 ",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    let card = fs::read_to_string(out.join("MODEL_CARD.md")).expect("a card is there");
    assert!(
        card.contains("--backend tract --recipe article --name mine --seed 0` with tract"),
        "{card}"
    );
    let _ = fs::remove_dir_all(folder);
}

/// A network from a file goes through the whole line under its own name, and the card says how to
/// get it again.
#[test]
fn a_network_may_come_from_a_file() {
    let folder = scratch("cli-network");
    let (program, data) = (program("trainer"), data(&folder));
    let file = folder.join("forked.toml");
    fs::write(&file, FORKED).expect("a test can write");
    let file = file.to_str().expect("a plain path");
    let out = folder.join("out");
    let text = stdout(&run(&program, &data, &out, &["--backend", "tract", "--network", file]));
    for part in [
        "network:  forked: 1×20×18 · conv2d1 = conv2d 3 3×3 padding 1×1",
        "all 150 int8 logits equal tract's",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    let card = fs::read_to_string(out.join("MODEL_CARD.md")).expect("a card is there");
    assert!(card.contains("# Model `forked`"), "{card}");
    assert!(card.contains(&format!("--network {file} --name forked --seed 0`")), "{card}");
    assert_eq!(contents(&out).len(), FILES.len());

    // Before anything is trained: what is no network.
    let refused =
        |more: &[&str], parts: &[&str]| refused(&program, &data, &folder.join("no"), more, parts);
    let spoiled = |from: &str, to: &str, parts: &[&str]| {
        fs::write(file, FORKED.replace(from, to)).expect("a test can write");
        refused(&["--network", file], &[&[file], parts].concat());
    };
    spoiled("kernel = 3", "kernel = 3\ncolour = 1", &["layer conv2d1", "colour"]);
    refused(
        &["--network", "nothing"],
        &["nothing", "simple, photo, drawing, recordings, vector, tiny", ".toml"],
    );
    let _ = fs::remove_dir_all(folder);
}

/// A residual block beside a pooled image.
const FORKED: &str = r#"
name = "forked"
[[layer]]
kind = "conv2d"
channels = 3
kernel = 3
padding = 1
[[layer]]
kind = "batch_norm"
[[layer]]
kind = "relu6"
[[layer]]
kind = "add"
inputs = ["relu61", "conv2d1"]
[[layer]]
kind = "concat"
inputs = ["add1", "image"]
[[layer]]
kind = "average_pool2d"
kernel = 4
[[layer]]
kind = "flatten"
[[layer]]
kind = "fully_connected"
"#;

/// Without a rate nothing is learned, so every epoch is as good as the first.
#[test]
fn training_stops_when_nothing_gets_better() {
    let folder = scratch("cli-patience");
    let (program, data) = (program("trainer"), data(&folder));
    let recipe = folder.join("still.toml");
    let text = "name = \"still\"\nepochs = 9\nbatch = 50\nrate = 0.0\npatience = 2\n\
                [schedule]\nkind = \"constant\"\n[optimizer]\nkind = \"sgd\"\n";
    fs::write(&recipe, text).expect("a test can write");
    let recipe = recipe.to_str().expect("a plain path");
    let out = folder.join("out");
    let more = ["--backend", "tract", "--epochs", "9", "--recipe", recipe];
    let output = Command::new(&program)
        .args(["--threads", "2", "--data"])
        .arg(&data)
        .arg("--out")
        .arg(&out)
        .args(more)
        .output()
        .expect("the trainer starts");
    let text = stdout(&output);
    assert!(text.contains("epoch 3/9") && !text.contains("epoch 4/9"), "{text}");
    let history = fs::read_to_string(out.join("history.json")).expect("it is written");
    assert!(history.contains("\"epoch\": 1,"), "{history}");
    let kept = "1 of 3; no lower validation loss in 2 epochs after it, so training stopped early";
    assert!(text.contains(kept), "{text}");
    assert_eq!(history.matches("training_loss").count(), 3, "{history}");
    let page = fs::read_to_string(out.join("learning.html")).expect("it is written");
    assert!(page.contains("<polyline") && !page.contains("NaN"), "{page}");

    // The recipe that was used is written, and can be used again.
    let written = fs::read_to_string(out.join("recipe.toml")).expect("it is written");
    assert!(written.contains("patience = 2") && written.contains("momentum = 0.0"), "{written}");
    let _ = fs::remove_dir_all(folder);
}

/// Whoever has chosen a recipe may spend the validation images on learning; all that is written then says so,
/// and so does what goes on from the model.
#[test]
fn validation_images_may_be_learned_too() {
    let folder = scratch("cli-validation-learned");
    let (program, data, out) = (program("trainer"), data(&folder), folder.join("out"));
    let recipe = folder.join("all.toml");
    let text = "name = \"all\"\nepochs = 1\nbatch = 50\nrate = 0.01\nlearn_validation = true\n\
                [schedule]\nkind = \"constant\"\n[optimizer]\nkind = \"sgd\"\n";
    fs::write(&recipe, text).expect("a test can write");
    let recipe = recipe.to_str().expect("a plain path");
    let more = ["--backend", "tract", "--recipe", recipe];
    refused(&program, &data, &out, &[&more[2..], &["--per-class", "9"]].concat(), &["--per-class"]);
    let text = stdout(&run(&program, &data, &out, &more));
    for said in [
        "500 for training, 41 for validation",
        "41 validation images are learned too",
        "%, of images that were learned",
    ] {
        assert!(text.contains(said), "{said:?} is missing in {text}");
    }
    assert!(!text.contains("over-fitting gap"), "{text}");
    for (file, said) in [
        ("MODEL_CARD.md", "which were learned like the others"),
        ("model.json", "\"validation_learned\": true"),
        ("history.json", "\"validation_learned\": true"),
        ("recipe.toml", "learn_validation = true"),
        ("learning.html", "The validation images were learned"),
    ] {
        let written = fs::read_to_string(out.join(file)).expect("it is written");
        assert!(written.contains(said), "{file}: {written}");
    }

    let output = Command::new(&program)
        .arg("finetune")
        .arg(&out)
        .args(["--epochs", "1", "--threads", "1", "--backend", "tract", "--data"])
        .arg(&data)
        .arg("--out")
        .arg(folder.join("further"))
        .output()
        .expect("the trainer starts");
    let text = stdout(&output);
    assert!(text.contains("the model to go on from learned the validation images"), "{text}");
    assert!(text.contains("459 for training, 41 for validation"), "{text}");
    let _ = fs::remove_dir_all(folder);
}

/// Runs with bad input: exit code 1, one line that says `parts`, nothing written.
fn refused(program: &Path, data: &Path, out: &Path, more: &[&str], parts: &[&str]) {
    let output = run(program, data, out, &[&["--backend", "tract"], more].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{parts:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    for part in parts {
        assert!(error.contains(part), "{part:?} is missing in {error:?}");
    }
    assert!(!out.exists(), "something was written");
}

#[test]
fn bad_data_is_refused_in_one_line() {
    let folder = scratch("cli-data");
    let (program, data, out) = (program("trainer"), data(&folder), folder.join("out"));
    let [(images, labels), (test_images, test_labels)] =
        [Split::Train, Split::Test].map(Split::file_names);
    let refused = |data: &Path, parts: &[&str]| refused(&program, data, &out, &[], parts);

    refused(Path::new("/no/such/folder"), &["/no/such/folder", "a data set is"]);
    refused(&data.join(images), &[images]);

    let spoil = |name: &str, change: &dyn Fn(&mut Vec<u8>), parts: &[&str]| {
        let path = data.join(name);
        let good = fs::read(&path).expect("the good file is there");
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(&path, bad).expect("a test can write");
        refused(&data, parts);
        fs::write(&path, good).expect("a test can write");
    };
    spoil(images, &|bytes| bytes[2] = 9, &[images, "0x00000903", "expected 0x00000803"]);
    spoil(labels, &|bytes| bytes[3] = 3, &[labels, "0x00000803", "expected 0x00000801"]);
    spoil(images, &|bytes| bytes.truncate(bytes.len() - 1), &[images, "truncated"]);
    spoil(images, &|bytes| bytes.truncate(7), &[images]);
    spoil(images, &|bytes| bytes.clear(), &[images]);
    spoil(images, &|bytes| bytes.push(0), &[images]);
    spoil(test_images, &|bytes| bytes.truncate(100), &[test_images]);
    spoil(
        test_labels,
        &|bytes| bytes[10] = 200,
        &[test_labels, "test set has label 200", "end at 2"],
    );
    spoil(labels, &|bytes| bytes[7] = 1, &[labels]);

    let rewrite = |count: usize, height: usize, width: usize| {
        let write = |name: &str, dims: &[usize]| {
            let values: Vec<u8> =
                (0..dims.iter().product()).map(|at: usize| (at % 2) as u8).collect();
            fs::write(data.join(name), idx::encode_bytes(dims, &values)).expect("it is written");
        };
        write(images, &[count, height, width]);
        write(labels, &[count]);
    };
    rewrite(0, 20, 18);
    refused(&data, &[images]);
    rewrite(10, 513, 18);
    refused(&data, &["513", "512"]);
    rewrite(10, 21, 18);
    refused(&data, &[test_images, "21×18"]);
    // Large enough to read, too small for two convolutions and two poolings.
    rewrite(10, 9, 9);
    idx::write_pair(&data, Split::Test, &random_images(2, 5, 9, 9, 2)).expect("it is written");
    refused(&data, &["conv2", "window"]);
    fs::remove_file(data.join(test_labels)).expect("a test can remove");
    refused(&data, &[test_labels]);
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn bad_options_are_refused_in_one_line() {
    let folder = scratch("cli-options-bad");
    let (program, data, out) = (program("trainer"), data(&folder), folder.join("out"));
    let refused = |more: &[&str], parts: &[&str]| refused(&program, &data, &out, more, parts);
    refused(&["--recipe", "souffle"], &["souffle", "default", "article"]);
    refused(&["--name", "no spaces"], &["--name", "letters"]);
    refused(&["--ort-lib", "/lib.so"], &["--ort-lib /lib.so", "--backend tract"]);

    // A file where a folder should be.
    let file = data.join(Split::Train.file_names().0);
    let output = run(&program, &data, &file.join("out"), &["--backend", "tract"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("cannot be written"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");

    for (library, part) in
        [("/no/lib.so", "No such file"), (file.to_str().unwrap(), "cannot be loaded")]
    {
        for choice in ["auto", "onnxruntime"] {
            let output = run(&program, &data, &out, &["--backend", choice, "--ort-lib", library]);
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && error.contains(part) && error.contains(library),
                "{error}"
            );
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
    assert!(!out.exists(), "something was written");
    let _ = fs::remove_dir_all(folder);
}

/// A library that is found but cannot be used is no obstacle: the embedded backend runs, and the
/// run says why.
#[cfg(target_os = "linux")]
#[test]
fn an_unusable_library_leaves_the_embedded_backend() {
    let folder = scratch("cli-library");
    let (program, data) = (program("trainer"), data(&folder));
    for (name, part) in [
        ("libonnxruntime.so", "cannot be loaded"),
        ("libonnxruntime.so.1.19.2", "is ONNX Runtime 1.19.2, but 1.24 or newer is needed"),
    ] {
        let libraries = folder.join(format!("libraries-{name}"));
        fs::create_dir(&libraries).expect("a test can make folders");
        fs::write(libraries.join(name), "no library").expect("a test can write");
        let run = |choice: &str| {
            Command::new(&program)
                .args(["--epochs", "1", "--backend", choice, "--data"])
                .arg(&data)
                .arg("--out")
                .arg(folder.join("out"))
                // No Python, no other library: only the folder that is searched.
                .env("PATH", "")
                .env("LD_LIBRARY_PATH", &libraries)
                .env_remove("VIRTUAL_ENV")
                .env_remove("ORT_DYLIB_PATH")
                .output()
                .expect("the trainer starts")
        };
        let refused = run("onnxruntime");
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!error.contains("panicked"), "{error}");
        let text = stdout(&run("auto"));
        let backend = text.lines().next().unwrap_or_default();
        // A machine may have a good library in its system folders, which is then taken instead of
        // the one that is too old.
        let taken = name.ends_with(".2") && backend.contains("found in a library folder");
        let embedded = backend.contains("tract, embedded (no usable ONNX Runtime found");
        assert!(taken || (embedded && backend.contains(part)), "{backend}");
    }
    let _ = fs::remove_dir_all(folder);
}
