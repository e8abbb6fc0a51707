//! `trainer predict` and `trainer explain` on pictures as people have them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::{GrayImage, Luma};
use inkling_data::{Dataset, Split};
use tests::pictures::{Paper, beside, in_shadow, on_paper, on_wood};
use tests::{mnist, program, root, scratch};
use trainer::ask::model::Model;

fn run(arguments: &[&str]) -> Output {
    Command::new(program("trainer")).current_dir(root()).args(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Digits on grainy paper under light from one side.
#[test]
fn photographed_digits_are_recognized() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let folder = scratch("predict-photos");
    let photo = Paper { light: 205.0, ink: 70.0, slope: 0.3, grain: 6.0 };
    let right =
        recognized(&images, &folder, |index| on_paper(images.image(index), &photo, index as u64));
    assert!(right >= 28, "{right} of 30 right");
}

/// Of the first 30 test images, how many `predict` knows on the pictures that `draw` makes of them.
fn recognized(images: &Dataset, folder: &Path, draw: impl Fn(usize) -> GrayImage) -> usize {
    let paths: Vec<String> = (0..30)
        .map(|index| {
            let path = folder.join(format!("{index:02}-{}.jpg", images.labels[index]));
            draw(index).save(&path).expect("written");
            path.to_str().expect("UTF-8").to_string()
        })
        .collect();
    let mut arguments = vec!["predict", "--brief"];
    arguments.extend(paths.iter().map(String::as_str));
    let output = run(&arguments);
    let said = text(&output.stdout);
    let right = said.lines().filter(|line| {
        images.labels[..30]
            .iter()
            .enumerate()
            .any(|(index, label)| line.contains(&format!("{index:02}-{label}.jpg: {label} (")))
    });
    let right = right.count();
    println!("{right} of 30 right:\n{said}{}", text(&output.stderr));
    right
}

/// The edge of a shadow across the digit is no ink, and neither is the grain of wood.
#[test]
fn digits_in_a_hard_shadow_and_on_wood_are_recognized() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let paper = Paper { light: 205.0, ink: 60.0, slope: 0.1, grain: 4.0 };
    type Draw = fn(&[u8], &Paper, u64) -> GrayImage;
    for (name, draw) in [("shadow", in_shadow as Draw), ("wood", on_wood as Draw)] {
        let folder = scratch(&format!("predict-{name}"));
        let right =
            recognized(&images, &folder, |index| draw(images.image(index), &paper, index as u64));
        assert!(right >= 28, "{name}: {right} of 30 right");
    }
}

/// Several digits on one picture are no single one, and their number is told.
#[test]
fn several_digits_are_refused_with_their_number() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let folder = scratch("predict-several");
    let one = |index: usize| on_paper(images.image(index), &Paper::WHITE, 3);
    let two = beside(&one(0), &one(1));
    for (count, picture) in [(2, two.clone()), (3, beside(&two, &one(2)))] {
        let path = folder.join(format!("{count}.png"));
        picture.save(&path).expect("written");
        let output = run(&["predict", path.to_str().expect("UTF-8")]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("shows {count} characters side by side")), "{said}");
    }
}

/// The steps are told and drawn.
#[test]
fn the_preparation_is_shown_step_by_step() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let folder = scratch("predict-steps");
    let picture = folder.join("seven.png");
    on_paper(images.image(0), &Paper::WHITE, 1).save(&picture).expect("written");
    let steps = folder.join("steps");
    let output = run(&[
        "predict",
        picture.to_str().expect("UTF-8"),
        "--steps",
        steps.to_str().expect("UTF-8"),
    ]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for part in ["7 (", "dark ink on a light ground", "box ", "field ", "logits "] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
    assert_eq!(fs::read_dir(&steps).expect("written").count(), 4);
}

/// The integers printed are those that the device computes: the golden logits.
#[test]
fn the_logits_are_the_devices() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let images = images.subset(&(0..40).collect::<Vec<_>>());
    let folder = root().join("models/simple");
    let model = Model::open(&folder).expect("the model is committed");
    let logits = model.int8_logits(&images).expect("it runs");
    let golden = fs::read_to_string(folder.join("golden.rs")).expect("it is committed");
    let found = logits.iter().filter(|logits| {
        let list: Vec<String> = logits.iter().map(i32::to_string).collect();
        let [spaced, tight] = [", ", ","].map(|between| list.join(between));
        golden.contains(&spaced) || golden.contains(&tight)
    });
    // Golden images are the first two of each digit of the test set.
    assert!(found.count() >= 15, "the golden file has other logits");
    for index in 0..5 {
        let trace = model.trace(images.image(index)).expect("it runs");
        assert_eq!(trace.logits, logits[index]);
        for layer in &trace.layers {
            assert_eq!(layer.values.len(), layer.shape.iter().product::<usize>(), "{}", layer.name);
            if let Some(accumulators) = &layer.accumulators {
                assert_eq!(accumulators.len(), layer.values.len(), "{}", layer.name);
                // Requantization keeps order and sign.
                for (value, accumulator) in layer.values.iter().zip(accumulators) {
                    assert!(*value == 0 || (*value > 0) == (*accumulator > 0), "{}", layer.name);
                }
            }
        }
    }
}

#[test]
fn what_is_no_picture_or_blank_is_refused() {
    let folder = scratch("predict-refusals");
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_string();
    fs::write(file("text.png"), "this is no picture").expect("written");
    fs::write(file("empty.jpg"), "").expect("written");
    fs::write(file("animation.gif"), b"GIF89a\x01\x00\x01\x00\x00\x00\x00").expect("written");
    GrayImage::from_pixel(200, 300, Luma([240])).save(file("blank.png")).expect("written");
    let mut rng = fastrand::Rng::with_seed(1);
    GrayImage::from_fn(300, 200, |_, _| Luma([180 + rng.u8(0..20)]))
        .save(file("paper.png"))
        .expect("written");
    for (name, part) in [
        ("text.png", "no picture"),
        ("empty.jpg", "0 bytes"),
        ("animation.gif", "is damaged"),
        ("blank.png", "blank"),
        ("paper.png", "blank"),
        ("missing.png", "cannot be read"),
    ] {
        let output = run(&["predict", &file(name)]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(part) && said.contains(name), "{name}: {said}");
        assert!(output.stdout.is_empty(), "{name}: {}", text(&output.stdout));
    }
}

#[test]
fn explain_shows_every_layer() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let folder = scratch("predict-explain");
    let picture = folder.join("two.png");
    on_paper(images.image(1), &Paper::WHITE, 1).save(&picture).expect("written");
    let page = folder.join("two.html");
    let output = run(&[
        "explain",
        picture.to_str().expect("UTF-8"),
        "--html",
        page.to_str().expect("UTF-8"),
    ]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for part in ["answer: 2", "conv2d_1", "max_pool2d", "fully_connected", "bits", "logits:"] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
    let page = fs::read_to_string(page).expect("it is written");
    assert!(
        page.contains("feature maps")
            && page.contains("filters")
            && page.contains("where it looks")
    );
    assert!(!page.contains("<script") && !page.contains("http"));
}

/// What others quantized is asked like any other model; what is not known of it is asked for.
#[test]
fn imported_models_are_asked_too() {
    let folder = tests::scratch("predict-imported");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(tests::program(program))
            .current_dir(tests::root())
            .args(arguments)
            .output()
            .expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let out = folder.join("convnet");
    let out = out.to_str().expect("UTF-8");
    let convert = ["tests/models/convnet.tflite", "--out", out];
    let picture = ["predict", "docs/seven.png", "--model", out];

    // Its input is neither 0 to 1 nor any other range that tells how pixels were scaled.
    let (code, _, note) = run("converter", &convert);
    assert!(code == Some(0) && note.contains("--pixel-divisor, --mean and --deviation"), "{note}");
    let (code, _, error) = run("trainer", &picture);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("model.tflite: does not say how pixels become its input"), "{error}");

    let scaled = [&convert[..], &["--mean", "0.1307", "--deviation", "0.3081"]].concat();
    let (code, _, note) = run("converter", &scaled);
    assert_eq!((code, note.as_str()), (Some(0), ""));
    let (code, said, error) = run("trainer", &picture);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("20×20") && said.contains("logits"), "{said}");
    let (code, said, error) = run("trainer", &["explain", "docs/seven.png", "--model", out]);
    assert!(code == Some(0) && said.contains("mean_pool2d_1"), "{said}{error}");

    // A picture becomes the bytes of the input that the reference computes with.
    let model = Model::open(std::path::Path::new(out)).expect("it is there");
    let mut rng = fastrand::Rng::with_seed(8);
    let pixels: Vec<u8> = (0..400).map(|_| rng.u8(..)).collect();
    let bytes: Vec<u8> = pixels
        .iter()
        .map(|&pixel| {
            let real = (f64::from(pixel) / 255.0 - 0.1307) / 0.3081;
            ((real / f64::from(0.042_506_646_f32)).round() - 8.0).clamp(-128.0, 127.0) as i8 as u8
        })
        .collect();
    let tflite =
        std::fs::read(tests::root().join("tests/models/convnet.tflite")).expect("committed");
    let network = converter::tflite::import(&tflite).expect("imports").network;
    let images = Dataset::new([20, 20, 1], pixels, vec![0], model.names.clone());
    let logits = model.int8_logits(&images).expect("of its size");
    assert_eq!(logits[0], converter::reference::logits(&network, &bytes));
    assert_eq!(model.float_probabilities(&images).expect("of its size"), None);
    let _ = std::fs::remove_dir_all(folder);
}
