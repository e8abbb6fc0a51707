//! A single logit tells two classes apart, in every program that answers; a single value does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use inkling_data::read::idx;
use inkling_data::{Dataset, Split};
use serde_json::Value;
use tests::{mnist, program, scratch};

const PIXELS: usize = 28 * 28;

/// Zeros and ones.
fn two_digits(split: Split) -> Dataset {
    let all = Dataset::load(&mnist(), split).expect("MNIST is committed");
    let places: Vec<usize> = (0..all.len()).filter(|&n| all.labels[n] < 2).take(600).collect();
    let two = all.subset(&places);
    let samples: Vec<u8> = (0..two.len()).flat_map(|n| two.image(n).to_vec()).collect();
    Dataset::new(two.shape, samples, two.labels.clone(), vec!["0".into(), "1".into()])
}

/// One logit from the difference of the mean images, 0 in the middle between the means.
fn network(data: &Dataset, sigmoid: bool) -> Vec<u8> {
    let mut means = [vec![0.0_f32; PIXELS], vec![0.0_f32; PIXELS]];
    for n in 0..data.len() {
        let class = usize::from(data.labels[n]);
        let count = data.labels.iter().filter(|&&label| usize::from(label) == class).count();
        for (mean, &pixel) in means[class].iter_mut().zip(data.image(n)) {
            *mean += f32::from(pixel) / 255.0 / count as f32;
        }
    }
    let weights: Vec<f32> = means[1].iter().zip(&means[0]).map(|(one, zero)| one - zero).collect();
    let middle = |mean: &[f32]| mean.iter().zip(&weights).map(|(a, b)| a * b).sum::<f32>() / 2.0;
    let bias = -middle(&means[0]) - middle(&means[1]);

    let mut model = ModelBuilder::new("two");
    let dims = [Dim::Symbol("N"), 1.into(), 28.into(), 28.into()];
    let x = model.input("input", ElementType::F32, &dims);
    let x = model.node("Flatten", "flatten", &[&x], &[]);
    let w = model.initializer("w", &[PIXELS, 1], &weights);
    let b = model.initializer("b", &[1], &[bias]);
    let mut x = model.node("Gemm", "gemm", &[&x, &w, &b], &[("alpha", Attribute::Float(1.0))]);
    if sigmoid {
        x = model.node("Sigmoid", "sigmoid", &[&x], &[]);
    }
    model.output(&x, ElementType::F32, &[Dim::Symbol("N"), 1.into()]);
    model.finish()
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).output().expect("it starts")
}

fn succeed(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn one_logit_tells_two_classes_apart() {
    let folder = scratch("one-logit");
    let [train, test] = [Split::Train, Split::Test].map(|split| {
        let data = two_digits(split);
        idx::write_pair(&folder, split, &data).expect("the scratch folder takes it");
        data
    });
    for sigmoid in [true, false] {
        let (file, out) = (folder.join("two.onnx"), folder.join(format!("out-{sigmoid}")));
        fs::write(&file, network(&train, sigmoid)).expect("the scratch folder takes it");
        let arguments =
            [path(&file), "--calibration", path(&folder), "--out", path(&out), "--json"];
        let said: Value =
            serde_json::from_str(&succeed("converter", &arguments)).expect("it is JSON");
        let (float, int8) = (&said["accuracy"]["float_percent"], &said["accuracy"]["int8_percent"]);
        assert!(float.as_f64() > Some(95.0) && int8.as_f64() > Some(95.0), "{said}");

        // The same figure of the same integers, asked by the trainer.
        let json = folder.join("scores.json");
        let arguments =
            ["evaluate", "--model", path(&out), "--data", path(&folder), "--json", path(&json)];
        succeed("trainer", &arguments);
        let scores: Value =
            serde_json::from_str(&fs::read_to_string(json).expect("it is there")).expect("JSON");
        let accuracy = scores["int8"]["accuracy"].as_f64().expect("a number");
        assert!((100.0 * accuracy - int8.as_f64().expect("a number")).abs() < 1e-6, "{scores}");

        // Every digit by itself: class and probability.
        for class in 0..2 {
            let first = test.labels.iter().position(|&label| label == class).expect("there is one");
            let picture = folder.join(format!("{class}.png"));
            let image = image::GrayImage::from_raw(28, 28, test.image(first).to_vec());
            image.expect("28 by 28").save(&picture).expect("the scratch folder takes it");
            let said =
                succeed("trainer", &["predict", "--model", path(&out), "--brief", path(&picture)]);
            let (_, answer) = said.rsplit_once("png: ").expect("an answer");
            assert!(answer.starts_with(&format!("{class} (")), "{said}");
        }
    }
    let _ = fs::remove_dir_all(folder);
}

/// Without a sigmoid and without labels it may be anything.
#[test]
fn one_value_is_no_class() {
    let folder = scratch("one-value");
    let train = two_digits(Split::Train);
    let pictures = folder.join("pictures");
    fs::create_dir(&pictures).expect("the scratch folder takes it");
    for n in 0..40 {
        let image = image::GrayImage::from_raw(28, 28, train.image(n).to_vec());
        let picture = pictures.join(format!("{n}.png"));
        image.expect("28 by 28").save(picture).expect("the scratch folder takes it");
    }
    let (file, out) = (folder.join("value.onnx"), folder.join("out"));
    fs::write(&file, network(&train, false)).expect("the scratch folder takes it");
    succeed("converter", &[path(&file), "--calibration", path(&pictures), "--out", path(&out)]);
    let picture = pictures.join("0.png");
    for command in [["predict", path(&picture)], ["evaluate", "--limit=10"]] {
        let output = run("trainer", &[&command[..], &["--model", path(&out)]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("returns one value and tells no classes apart"), "{error}");
    }
    let _ = fs::remove_dir_all(folder);
}
