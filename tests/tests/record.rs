//! What a model must be used with goes with it: shape, scale, preparation, names, split; and the
//! command that makes it again does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use converter::record::{self, ModelRecord};
use image::{GrayImage, Luma};
use prost::Message;
use tests::{mnist, program, root, scratch};
use tract_onnx::pb;

fn run(program: &str, arguments: &[&str]) -> Output {
    let program = tests::program(program);
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments).stdin(Stdio::null());
    command.output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The one line of an error.
fn refused(output: &Output) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

const CLASSES: [&str; 3] = ["down", "left", "right"];

/// Light squares on a dark ground, whose place is their class: it is lost where the square is taken
/// for a character and centred, and where the ground is taken for the ink.
fn squares(folder: &Path, count: usize, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for (class, name) in CLASSES.iter().enumerate() {
        fs::create_dir_all(folder.join(name)).expect("a test can make folders");
        for number in 0..count {
            let [x, y] = [[8, 20], [2, 8], [18, 8]][class];
            let (left, top) = (x + rng.u32(0..4), y + rng.u32(0..4));
            let level = rng.u8(200..);
            let picture = GrayImage::from_fn(28, 28, |x, y| {
                let inside = (left..left + 5).contains(&x) && (top..top + 5).contains(&y);
                Luma([if inside { level } else { 10 }])
            });
            let file = folder.join(name).join(format!("{number:03}.png"));
            picture.save(file).expect("a test can write");
        }
    }
}

/// Trains on squares with options that nothing but the record can tell later.
fn trained(folder: &Path) -> (PathBuf, PathBuf) {
    let (data, model) = (folder.join("my squares"), folder.join("model"));
    squares(&data, 40, 1);
    let output = run(
        "trainer",
        &[
            "train",
            "--network",
            "tiny",
            "--data",
            path(&data),
            "--layout",
            "whole",
            "--ink",
            "light",
            "--size",
            "20",
            "--seed",
            "5",
            "--epochs",
            "12",
            "--threads",
            "1",
            "--backend",
            "tract",
            "--out",
            path(&model),
        ],
    );
    let said = succeed(&output);
    assert!(said.contains("too few for an accuracy"), "{said}");
    (data, model)
}

#[test]
fn a_model_is_asked_as_it_was_trained() {
    let folder = scratch("record-asked");
    let (data, model) = trained(&folder);
    let record = ModelRecord::of_folder(&model).expect("readable").expect("is there");
    assert_eq!(record.labels, CLASSES);
    assert_eq!(record.inputs[0].shape, [20, 20, 1]);
    for file in ["float.onnx", "int8.onnx"] {
        let onnx = fs::read(model.join(file)).expect("is there");
        let own = ModelRecord::of_onnx(&onnx).expect("readable").expect("is there");
        assert_eq!(
            (own.labels, own.split),
            (record.labels.clone(), record.split.clone()),
            "{file}"
        );
    }
    let code = fs::read_to_string(model.join("model.rs")).expect("is there");
    assert!(code.contains("LABELS: [&str; 3] = [\"down\", \"left\", \"right\"]"), "{code}");

    // A folder, and a file of the model for the model.
    let others = folder.join("others");
    squares(&others, 4, 2);
    let float = model.join("float.onnx");
    let said =
        succeed(&run("trainer", &["predict", "--brief", "--model", path(&float), path(&others)]));
    let right = |line: &&str| {
        CLASSES.iter().any(|name| {
            line.contains(&format!("/{name}/")) && line.contains(&format!(": {name} ("))
        })
    };
    assert_eq!(said.lines().filter(right).count(), 12, "{said}");
    let explained = succeed(&run(
        "trainer",
        &["explain", "--model", path(&model), path(&others.join("left/000.png"))],
    ));
    assert!(explained.contains("answer: left"), "{explained}");

    // An option that disagrees counts, and is told.
    let picture = others.join("left/000.png");
    let output = run(
        "trainer",
        &["predict", "--brief", "--layout", "glyph", "--model", path(&model), path(&picture)],
    );
    assert!(text(&output.stderr).contains("warning: --layout glyph"), "{}", text(&output.stderr));

    // The test images are those that the training set aside, whatever the seed.
    let evaluate = |more: &[&str]| {
        let all = [&["evaluate", "--model", path(&model), "--data", path(&data)], more].concat();
        run("trainer", &all)
    };
    let said = succeed(&evaluate(&[]));
    assert!(said.contains("on 18 images (test)"), "{said}");
    let other_seed = evaluate(&["--seed", "77"]);
    assert_eq!(succeed(&other_seed), said);
    assert!(text(&other_seed.stderr).contains("--seed 77 chooses no test images"));
    assert!(evaluate(&["--part", "all"]).status.success());
    // Other images, which may hold some of those that were learned.
    fs::copy(others.join("left/001.png"), data.join("left/one-more.png")).expect("copied");
    let error = refused(&evaluate(&[]));
    assert!(error.contains("no test set") && error.contains("--part all"), "{error}");
    let _ = fs::remove_dir_all(folder);
}

/// The files that the same command must write again, byte for byte.
const MADE: [&str; 9] = [
    "float.onnx",
    "int8.onnx",
    "model.rs",
    "golden.rs",
    "model.json",
    "MODEL_CARD.md",
    "labels.txt",
    "recipe.toml",
    "history.json",
];

/// Runs the command in a model's card through a shell, into another folder.
fn made_again(model: &Path, other: &Path, files: &[&str]) {
    let card = fs::read_to_string(model.join("MODEL_CARD.md")).expect("a card is there");
    let record = ModelRecord::of_folder(model).expect("readable").expect("is there");
    assert!(card.contains(&format!("`{}`", record.command)), "{} in {card}", record.command);
    let package = if record.command.contains("-p trainer") { "trainer" } else { "converter" };
    let (_, arguments) = record.command.split_once(" -- ").expect("a command of cargo");
    let program = program(package);
    let script = format!("'{}' {arguments} --out '{}'", path(&program), path(other));
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("a shell is there");
    succeed(&output);
    for file in files {
        let [a, b] = [model, other].map(|folder| fs::read(folder.join(file)).expect("is there"));
        assert!(a == b, "{file} is another after {script}");
    }
}

#[test]
fn a_cards_command_makes_the_model_again() {
    let folder = scratch("record-again");
    let (data, model) = trained(&folder);
    made_again(&model, &folder.join("again"), &MADE);
    // Going on from it, with as little said as possible: the split is the model's, not the seed's.
    let tuned = folder.join("tuned");
    let said = succeed(&run(
        "trainer",
        &[
            "finetune",
            path(&model),
            "--data",
            path(&data),
            "--epochs",
            "1",
            "--backend",
            "tract",
            "--out",
            path(&tuned),
        ],
    ));
    assert!(said.contains("divided by seed 5"), "{said}");
    let [before, after] =
        [&model, &tuned].map(|folder| ModelRecord::of_folder(folder).unwrap().unwrap());
    assert_eq!(before.split, after.split);
    assert_eq!(before.inputs, after.inputs);
    made_again(&tuned, &folder.join("tuned again"), &MADE);
    let _ = fs::remove_dir_all(folder);
}

/// `simple` as somebody else would have trained it: on pixels with mean 0 and deviation 1.
fn normalized() -> Vec<u8> {
    let onnx = fs::read(root().join("models/simple/float.onnx")).expect("it is committed");
    let mut model = pb::ModelProto::decode(&onnx[..]).expect("it is ONNX");
    model.metadata_props.clear();
    let graph = model.graph.as_mut().expect("it has a graph");
    let [weights, bias] = [1, 2].map(|place| {
        let name = &graph.node[0].input[place];
        graph.initializer.iter().position(|tensor| tensor.name == *name).expect("a convolution")
    });
    let floats = |tensor: &pb::TensorProto| -> Vec<f32> {
        assert!(!tensor.raw_data.is_empty(), "{} is stored otherwise", tensor.name);
        let four = tensor.raw_data.chunks_exact(4);
        four.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
    };
    // pixel / 255 = deviation · x + mean, and the first convolution has no padding.
    let (mut w, mut b) = (floats(&graph.initializer[weights]), floats(&graph.initializer[bias]));
    let taps = w.len() / b.len();
    for (filter, bias) in w.chunks_mut(taps).zip(&mut b) {
        *bias += MEAN * filter.iter().sum::<f32>();
        filter.iter_mut().for_each(|weight| *weight *= DEVIATION);
    }
    for (place, values) in [(weights, w), (bias, b)] {
        graph.initializer[place].raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    }
    model.encode_to_vec()
}

const MEAN: f32 = 0.1307;
const DEVIATION: f32 = 0.3081;

#[test]
fn an_imported_model_is_evaluated_with_its_own_scale() {
    let folder = scratch("record-scale");
    let (onnx, model) = (folder.join("foreign.onnx"), folder.join("model"));
    fs::write(&onnx, normalized()).expect("a test can write");
    let (mean, deviation) = (MEAN.to_string(), DEVIATION.to_string());
    let convert = |out: &Path, more: &[&str]| {
        let data = mnist();
        let all = [path(&onnx), "--calibration", path(&data), "--out", path(out)];
        run("converter", &[&all, more].concat())
    };
    let said =
        succeed(&convert(&model, &["--mean", &mean, "--deviation", &deviation, "--name", "net"]));
    assert!(said.contains("99.56 % in float"), "{said}");
    let said = succeed(&run("trainer", &["evaluate", "--model", path(&model)]));
    let accuracy = said.lines().find(|line| line.starts_with("accuracy")).expect("it is told");
    assert_eq!(accuracy.matches("99.5").count(), 2, "{said}");

    // Without the scale the figures are other ones, and float and integers agree on them.
    let wrong = folder.join("wrong");
    let said = succeed(&convert(&wrong, &[]));
    assert!(!said.contains("99.56 % in float"), "{said}");

    // Files of two conversions do not belong together.
    fs::copy(wrong.join("int8.onnx"), model.join("int8.onnx")).expect("copied");
    let error = refused(&run("trainer", &["evaluate", "--model", path(&model)]));
    assert!(error.contains("int8.onnx"), "{error}");
    fs::write(model.join("float.onnx"), normalized()).expect("written");
    let error = refused(&run("trainer", &["evaluate", "--model", path(&model)]));
    assert!(error.contains("float.onnx: is not the file"), "{error}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn another_version_and_no_record_are_refused() {
    let folder = scratch("record-version");
    let simple = root().join("models/simple");
    for file in ["float.onnx", "int8.onnx", record::FILE] {
        fs::copy(simple.join(file), folder.join(file)).expect("copied");
    }
    let predict = || run("trainer", &["predict", "docs/seven.png", "--model", path(&folder)]);
    succeed(&predict());
    // What this version does not know is kept and hinders nothing... unless int8.onnx lacks it.
    let good = fs::read_to_string(folder.join(record::FILE)).expect("is there");
    let newer = good.replacen("\"version\": 1", "\"version\": 2", 1);
    assert_ne!(newer, good);
    fs::write(folder.join(record::FILE), newer).expect("written");
    let error = refused(&predict());
    assert!(error.contains("model.json") && error.contains("version 2"), "{error}");

    // Without the file beside them the ONNX files tell.
    fs::remove_file(folder.join(record::FILE)).expect("removed");
    succeed(&predict());
    for file in ["float.onnx", "int8.onnx"] {
        let onnx = fs::read(folder.join(file)).expect("is there");
        let mut model = pb::ModelProto::decode(&onnx[..]).expect("it is ONNX");
        model.metadata_props.clear();
        fs::write(folder.join(file), model.encode_to_vec()).expect("written");
    }
    let error = refused(&predict());
    assert!(error.contains("no record") && error.contains("--bin converter --"), "{error}");
    let _ = fs::remove_dir_all(folder);
}
