//! What people calibrate with: pictures with and without labels, arrays, colours with a scale of their
//! own; and what the converter tells programs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::record::ModelRecord;
use image::{GrayImage, Luma};
use inkling_data::{Dataset, Split};
use serde_json::Value;
use tests::{colour, mnist, program, root, scratch};

fn converter(arguments: &[&str]) -> Output {
    Command::new(program("converter")).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeed(arguments: &[&str]) -> String {
    let output = converter(arguments);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The one line of an error.
fn refused(arguments: &[&str]) -> String {
    let output = converter(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    error
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A network for pictures in colour whose first convolution is padded, as most are.
fn padded_rgb(height: usize, width: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut draw = |count: usize, scale: f32| -> Vec<f32> {
        (0..count).map(|_| scale * (rng.f32() - 0.5)).collect()
    };
    let mut model = ModelBuilder::new("rgb");
    let dims = [Dim::Symbol("N"), 3.into(), height.into(), width.into()];
    let x = model.input("input", ElementType::F32, &dims);
    let w = model.initializer("w", &[6, 3, 3, 3], &draw(162, 0.4));
    let b = model.initializer("b", &[6], &draw(6, 0.5));
    let pads = [("pads", Attribute::Ints(vec![1; 4]))];
    let x = model.node("Conv", "conv", &[&x, &w, &b], &pads);
    let x = model.node("Relu", "relu", &[&x], &[]);
    let x = model.node("GlobalAveragePool", "mean", &[&x], &[]);
    let x = model.node("Flatten", "flatten", &[&x], &[]);
    let w = model.initializer("head", &[6, 3], &draw(18, 2.0));
    let x = model.node("MatMul", "logits", &[&x, &w], &[]);
    model.output(&x, ElementType::F32, &[Dim::Symbol("N"), 3.into()]);
    model.finish()
}

/// ImageNet's, as torchvision has them.
const MEAN: &str = "0.485,0.456,0.406";
const DEVIATION: &str = "0.229,0.224,0.225";

#[test]
fn colours_may_each_have_their_scale() {
    let folder = scratch("calibration-rgb");
    let (data, model, out) = (folder.join("data"), folder.join("rgb.onnx"), folder.join("out"));
    colour::write(&data, 12, [20, 28]);
    fs::write(&model, padded_rgb(20, 28)).expect("written");
    let arguments =
        [path(&model), "--calibration", path(&data), "--out", path(&out), "--mean", MEAN];
    // The proof compares with tract on pixels that were scaled channel by channel.
    let said = succeed(&[&arguments[..], &["--deviation", DEVIATION]].concat());
    assert!(said.contains("logits equal tract's"), "{said}");
    let record = ModelRecord::of_folder(&out).expect("readable").expect("is there");
    let input = &record.inputs[0];
    assert_eq!(
        (input.shape, &record.labels[..]),
        ([20, 28, 3], &colour::SPOTS.map(String::from)[..])
    );
    let scales: Vec<f32> = [0.229, 0.224, 0.225].iter().map(|d| 1.0 / (255.0 * d)).collect();
    assert_eq!(input.scale, scales);
    assert!((input.offset[2] + 0.406 / 0.225).abs() < 1e-6, "{:?}", input.offset);
    assert!(input.preparation.form.is_some());
    // Once said, it is known.
    let again = folder.join("again");
    let float = out.join("float.onnx");
    succeed(&[path(&float), "--calibration", path(&data), "--out", path(&again), "--name", "out"]);
    let [first, second] =
        [&out, &again].map(|out| fs::read(out.join("int8.onnx")).expect("is there"));
    assert_eq!(first, second);

    let error = refused(&[&arguments[..], &["--deviation", "0.2,0.3"]].concat());
    assert!(error.contains("has 3 channels, --deviation 2 numbers"), "{error}");
    let error = refused(&[&arguments[..], &["--deviation", "0.2,0,0.3"]].concat());
    assert!(error.contains("--deviation must be above 0"), "{error}");
    let _ = fs::remove_dir_all(folder);
}

fn digits(folder: &Path, labelled: bool) {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is committed");
    for index in 0..120 {
        let folder = match labelled {
            true => folder.join(images.labels[index].to_string()),
            false => folder.to_path_buf(),
        };
        fs::create_dir_all(&folder).expect("made");
        let image = images.image(index);
        let picture = GrayImage::from_fn(28, 28, |x, y| Luma([image[(y * 28 + x) as usize]]));
        picture.save(folder.join(format!("{index}.png"))).expect("written");
    }
}

#[test]
fn pictures_calibrate_with_labels_and_without() {
    let folder = scratch("calibration-pictures");
    let float = root().join("models/simple/float.onnx");
    let code = |out: &Path| fs::read_to_string(out.join("model.rs")).expect("is there");
    let committed = code(&root().join("models/simple"));
    for labelled in [true, false] {
        let (data, out) = (folder.join(format!("data-{labelled}")), folder.join("simple"));
        digits(&data, labelled);
        let said = succeed(&[path(&float), "--calibration", path(&data), "--out", path(&out)]);
        // Whole pictures of 28×28 are the images that they were, and the exponents are known.
        assert_eq!(code(&out), committed);
        let expected = match labelled {
            true => "test images: 100.00 % in float",
            false => {
                "120 calibration images have no labels: int8 answers 100.00 % of them as float does"
            }
        };
        assert!(said.contains(expected), "{said}");
    }
    // Pictures beside something else may be of any kind.
    let data = folder.join("data-false");
    fs::write(data.join("notes.txt"), "of last summer").expect("written");
    let error = refused(&[
        path(&float),
        "--calibration",
        path(&data),
        "--out",
        path(&folder.join("other")),
    ]);
    assert!(error.contains("no data set; expected a folder per label"), "{error}");
    assert!(!folder.join("other").exists());
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn programs_are_told_in_json() {
    let folder = scratch("calibration-json");
    let out = folder.join("simple");
    let float = root().join("models/simple/float.onnx");
    let data = folder.join("data");
    digits(&data, false);
    let arguments = [path(&float), "--calibration", path(&data), "--out", path(&out)];
    let output = converter(&[&arguments[..], &["--json", "--board", "stm32f100"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["accuracy"]["images"], 120);
    assert_eq!(told["accuracy"]["labelled"], false);
    assert_eq!(told["model"]["macs"], 480_500);
    assert_eq!(told["model"]["layers"].as_array().map(Vec::len), Some(4));
    assert_eq!(told["files"].as_array().map(Vec::len), Some(6));

    let onnx = serde_json::from_str::<Value>(&succeed(&["inspect", "--json", path(&float)]));
    let onnx = onnx.expect("JSON");
    assert_eq!(onnx["layers"], told["model"]["layers"]);
    assert_eq!(onnx["arena_bytes"], 1760);
    let [input] = &onnx["inputs"].as_array().expect("a list")[..] else { panic!("{onnx}") };
    assert_eq!((&input["name"], &input["shape"][0]), (&"image".into(), &28.into()));
    assert!((input["scale"][0].as_f64().expect("a number") * 255.0 - 1.0).abs() < 1e-6, "{input}");
    let text = succeed(&["inspect", path(&float), "--board", "microbit"]);
    assert!(text.contains("480,500 multiply-accumulates") && text.contains("1×1×10 i32"), "{text}");
    assert!(text.contains("microbit") && !text.contains("stm32f100"), "{text}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn what_does_not_fit_is_said_first() {
    let folder = scratch("calibration-board");
    let (data, model, out) = (folder.join("data"), folder.join("rgb.onnx"), folder.join("out"));
    colour::write(&data, 4, [48, 64]);
    fs::write(&model, padded_rgb(48, 64)).expect("written");
    let output = converter(&[
        path(&model),
        "--calibration",
        path(&data),
        "--out",
        path(&out),
        "--board",
        "stm32f100",
    ]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("bytes of RAM, stm32f100 has 8,192"), "{said}");
    let card = fs::read_to_string(out.join("MODEL_CARD.md")).expect("is there");
    assert!(card.contains("stm32f100 has 8,192"), "{card}");

    let inspect = |favour: &str| {
        let json = succeed(&["inspect", path(&model), "--json", "--favour", favour]);
        let told: Value = serde_json::from_str(&json).expect("JSON");
        let of_board = |key: &str| told["boards"][0][key].as_u64().expect("a number");
        let arena = told["arena_bytes"].as_u64().expect("a number");
        (arena, of_board("ram_needed"), of_board("instructions"))
    };
    let (time, memory) = (inspect("time"), inspect("memory"));
    assert!(memory.0 < time.0 && time.0 - memory.0 == time.1 - memory.1, "{time:?} {memory:?}");
    assert!(memory.2 > time.2 && memory.2 * 100 < time.2 * 105, "{time:?} {memory:?}");

    let error = converter(&["inspect", path(&model), "--board", "arduino"]);
    assert!(text(&error.stderr).contains("there is no such board; there are stm32f100, microbit"));
    assert_eq!(error.status.code(), Some(2));
    let error = refused(&["inspect", path(&folder)]);
    assert!(error.contains("a folder; give the model's file"), "{error}");
    let _ = fs::remove_dir_all(folder);
}
