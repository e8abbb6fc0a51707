//! Fine-tuning: what it keeps of a model, what it replaces, and what it says of bad input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use converter::lower::Network;
use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::operators::FloatOp;
use converter::{Converter, evaluate};
use inkling_data::read::{idx, labels};
use inkling_data::{Dataset, Split};
use tests::structures::{SIDE, Structure, network};
use tests::{mnist, program, random_images, root, scratch};
use trainer::learn::export::float_onnx;
use trainer::learn::network::read as trainable;

fn finetune(model: &Path, data: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(program("trainer"))
        .arg("finetune")
        .arg(model)
        .arg("--data")
        .arg(data)
        .arg("--out")
        .arg(out)
        .args(["--epochs", "1", "--threads", "2", "--backend", "tract"])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("the trainer starts")
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Digits of MNIST with three classes: small, odd, even.
fn regrouped(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).expect("a test can make folders");
    for (split, count) in [(Split::Train, 600), (Split::Test, 200)] {
        let all = Dataset::load(&mnist(), split).expect("MNIST is committed");
        let mut some = all.subset(&(0..count).collect::<Vec<_>>());
        for label in &mut some.labels {
            *label = if *label < 3 { 0 } else { 1 + *label % 2 };
        }
        some.names = labels::numbers(3);
        idx::write_pair(&data, split, &some).expect("it is written");
    }
    data
}

fn lowered(path: &Path) -> Network {
    let onnx = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Converter::new("model", &onnx).lower().expect("it is readable")
}

/// Weights and biases of every layer that has some.
fn weights(path: &Path) -> Vec<(Vec<f32>, Vec<f32>)> {
    let weights = |op| match op {
        FloatOp::Conv2d(layer) => Some((layer.weights, layer.bias)),
        FloatOp::FullyConnected(layer) => Some((layer.weights, layer.bias)),
        _ => None,
    };
    lowered(path).layers.into_iter().filter_map(|layer| weights(layer.op)).collect()
}

#[test]
fn frozen_layers_keep_their_weights_and_other_classes_get_a_new_head() {
    let folder = scratch("finetune-frozen");
    let (data, out) = (regrouped(&folder), folder.join("out"));
    let model = root().join("models/simple");
    let text = succeed(&finetune(&model, &data, &out, &["--freeze", "2"]));
    assert!(text.contains("fully_connected 3"), "{text}");
    let card = fs::read_to_string(out.join("MODEL_CARD.md")).expect("a card is there");
    assert!(card.contains("--freeze 2 --name finetuned --seed 0`"), "{card}");
    let (before, after) = (weights(&model.join("float.onnx")), weights(&out.join("float.onnx")));
    assert_eq!(before.len(), after.len());
    let close = |a: &[f32], b: &[f32]| {
        // The pixels' scale is folded into the first layer and out of it again.
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs())
    };
    for layer in 0..2 {
        let ((w, b), (w_after, b_after)) = (&before[layer], &after[layer]);
        assert!(close(w, w_after) && b == b_after, "layer {layer} is frozen, but has changed");
    }
    let ((w, _), (w_after, _)) = (&before[2], &after[2]);
    assert_eq!(w.len(), w_after.len());
    assert!(!close(w, w_after), "layer 2 has learned nothing");
    assert!(w.iter().zip(w_after).all(|(a, b)| (a - b).abs() < 0.5), "layer 2 began anew");
    assert_eq!(after[3].1.len(), 3, "the head has an output per class");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_decay_slows_the_layers_in_front_down() {
    let folder = scratch("finetune-decay");
    let data = regrouped(&folder);
    let model = root().join("models/simple");
    let before = weights(&model.join("float.onnx"));
    let moved = |name: &str, decay: &str| -> Vec<f64> {
        let out = folder.join(name);
        succeed(&finetune(&model, &data, &out, &["--layer-decay", decay]));
        let after = weights(&out.join("float.onnx"));
        let distance = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        before.iter().zip(&after).map(|(a, b)| distance(&a.0, &b.0)).take(3).collect()
    };
    let (even, slowed) = (moved("even", "1"), moved("slowed", "0.1"));
    // The head learns at full rate in both; the first layer at a thousandth.
    assert!(slowed[0] < 0.02 * even[0], "{slowed:?} {even:?}");
    assert!(slowed[1] < 0.2 * even[1] && slowed[2] < 0.6 * even[2], "{slowed:?} {even:?}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn models_of_others_go_through_the_whole_line() {
    let folder = scratch("finetune-foreign");
    let data = folder.join("data");
    fs::create_dir(&data).expect("a test can make folders");
    idx::write_pair(&data, Split::Train, &random_images(1, 400, SIDE, SIDE, 3))
        .expect("it is written");
    idx::write_pair(&data, Split::Test, &random_images(2, 60, SIDE, SIDE, 3))
        .expect("it is written");
    for structure in
        [Structure::PreActivation, Structure::Dense, Structure::Leaky, Structure::Keras]
    {
        let model = folder.join(format!("{structure:?}.onnx"));
        fs::write(&model, network(structure, 1, 17)).expect("a test can write files");
        let out = folder.join(format!("{structure:?}"));
        let text = succeed(&finetune(&model, &data, &out, &["--recipe", "article"]));
        assert!(text.contains("all 180 int8 logits equal tract's"), "{text}");
        assert_eq!(lowered(&out.join("float.onnx")).classes(), 3);
    }
    let _ = fs::remove_dir_all(folder);
}

/// Elements of flattened images that were joined are trained as those that they are: the network that can be
/// trained, exported again, computes what was read.
#[test]
fn joined_vectors_keep_their_weights() {
    let mut model = ModelBuilder::new("joined").with_opset(17);
    let mut rng = fastrand::Rng::with_seed(7);
    let side = Dim::Fixed(SIDE);
    let dims = [Dim::Symbol("N"), 1.into(), side.clone(), side];
    let image = model.input("image", ElementType::F32, &dims);
    let mut weights = |model: &mut ModelBuilder, name: &str, dims: &[usize]| {
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.f32() * 0.6 - 0.3).collect();
        model.initializer(name, dims, &values)
    };
    let mut branch = |model: &mut ModelBuilder, name: &str, dims: &[usize], stride: i64| {
        let w = weights(model, &format!("{name}.w"), dims);
        let strides = [("strides", Attribute::Ints(vec![stride; 2]))];
        let y = model.node("Conv", &format!("{name}.conv"), &[&image, &w], &strides);
        let y = model.node("Relu", &format!("{name}.relu"), &[&y], &[]);
        model.node("Flatten", &format!("{name}.flat"), &[&y], &[])
    };
    let a = branch(&mut model, "a", &[3, 1, 4, 4], 2);
    let b = branch(&mut model, "b", &[4, 1, 3, 3], 3);
    let joined = model.node("Concat", "joined", &[&a, &b], &[("axis", Attribute::Int(1))]);
    let w = weights(&mut model, "w", &[75 + 64, 3]);
    let logits = model.node("MatMul", "logits", &[&joined, &w], &[]);
    model.output(&logits, ElementType::F32, &[Dim::Symbol("N"), 3.into()]);
    let onnx = model.finish();
    let read = Converter::new("joined", &onnx).lower().expect("it is read");
    let trained = trainable("joined", &read).expect("it can be trained");
    let again = float_onnx(&trained.network, &trained.parameters, None);
    let again = Converter::new("joined", &again).lower().expect("it is read again");
    let images = random_images(3, 5, SIDE, SIDE, 3);
    for image in images.images() {
        let pairs = evaluate::logits(&read, image).into_iter().zip(evaluate::logits(&again, image));
        for (a, b) in pairs {
            assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{a} for {b}");
        }
    }
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let folder = scratch("finetune-refused");
    let (data, out) = (regrouped(&folder), folder.join("out"));
    let model = root().join("models/simple/float.onnx");
    let small = folder.join("small.onnx");
    fs::write(&small, network(Structure::Dense, 1, 17)).expect("a test can write files");
    let refused = |model: &Path, data: &Path, more: &[&str], part: &str| {
        let output = finetune(model, data, &out, more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{part}: {error}");
        assert!(error.lines().count() == 1 && error.contains(part), "{part}: {error}");
        assert!(!out.exists(), "{part}: something was written");
    };
    refused(&folder.join("none.onnx"), &data, &[], "none.onnx: cannot be read");
    refused(&root().join("README.md"), &data, &[], "README.md: not an ONNX model");
    refused(&small, &data, &[], "takes images of 12×12");
    refused(&model, &data, &["--freeze", "4"], "has 4 layers with weights");
    refused(&model, &data, &["--layer-decay", "2"], "must be above 0 and at most 1");
    refused(&model, &data, &["--mean", "inf"], "--mean finite");
    let _ = fs::remove_dir_all(folder);
}
