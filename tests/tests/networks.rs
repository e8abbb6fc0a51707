//! The networks with a name go through the whole line, and a network in a file is either understood
//! or refused with a line that says what to do.

use std::sync::Arc;

use converter::{Converter, prove};
use inkling_data::{Dataset, Split};
use tests::{mnist, scratch};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::batches::Feed;
use trainer::learn::export::float_onnx;
use trainer::learn::network::{Description, Network, PRESETS, Role};
use trainer::learn::optimizer::Sgd;
use trainer::learn::step::UpdateRule;
use trainer::learn::training::{Engine, Evaluator, Objective, State, exported_predictions};

const WORKERS: usize = 2;
const BATCH: usize = 32;

/// Trains for one pass over `images` and returns the parameters.
fn train(backend: &Backend, network: &Network, images: &Arc<Dataset>) -> Vec<f32> {
    // Not a multiple of the batch: the last one is short, and one of its parts empty.
    let count = images.len() / BATCH * BATCH - BATCH + 7;
    let feed = Feed {
        dataset: Arc::clone(images),
        indices: (0..count).collect(),
        augmentation: None,
        label_smoothing: 0.0,
        class_weights: Vec::new(),
        seed: 1,
        batch: BATCH,
        parts: WORKERS,
        noise: network.noise(),
        strangers: None,
    };
    let rule = UpdateRule {
        optimizer: Box::new(Sgd { momentum: 0.9, nesterov: false, weight_decay: 1e-4 }),
        clip_norm: 0.0,
        average: 0.0,
        factors: None,
    };
    let start = State::first(network.initial_parameters(1), &rule);
    let objective = Objective::default();
    let mut engine =
        Engine::new(backend, network, objective, rule, BATCH / WORKERS, WORKERS, start)
            .expect("the graphs load");
    for (step, batch) in feed.epoch(0).into_iter().enumerate() {
        let rate = 0.05 * (1.0 - step as f32 / feed.steps() as f32);
        let loss = engine.step(batch, rate).expect("a step runs");
        assert!(loss.is_finite(), "{network}: the loss is {loss}");
    }
    engine.result().to_vec()
}

/// Every preset learns, its exported file says what its graphs say, and its integers are those of
/// tract.
#[test]
fn presets_go_through_the_whole_line() {
    let backend = Backend::start(Choice::Tract, None).expect("tract is built in");
    let load = |split| Dataset::load(&mnist(), split).expect("MNIST is committed");
    let training = Arc::new(load(Split::Train).subset(&(0..2400).collect::<Vec<_>>()));
    let test = load(Split::Test).subset(&(0..300).collect::<Vec<_>>());
    for (name, _) in PRESETS {
        let network = Description::named(name)
            .and_then(|description| description.build([1, 28, 28], 10))
            .unwrap_or_else(|error| panic!("{error}"));
        let parameters = train(&backend, &network, &training);
        assert!(parameters.iter().all(|p| p.is_finite()), "{name}");

        let mut evaluator = Evaluator::new(&backend, &network, None).expect("the graph loads");
        let evaluation = evaluator.evaluate(&parameters, &test).expect("the graph runs");
        let onnx = float_onnx(&network, &parameters, None);
        let exported = exported_predictions(&backend, &onnx, &test).expect("tract reads the file");
        let right = |predictions: &[usize]| {
            let labels = test.labels.iter().map(|&label| usize::from(label));
            labels.zip(predictions).filter(|(label, answer)| label == *answer).count()
        };
        println!("{name}: {} of {} right", evaluation.correct, test.len());
        // A hundred small steps; guessing gives a tenth.
        assert!(evaluation.correct > test.len() / 3, "{name}: {} right", evaluation.correct);
        // The same computation with its sums in another order: a tie may be decided otherwise.
        assert!(right(&exported).abs_diff(evaluation.correct) <= 1, "{name}");

        let conversion = Converter::new(name, &onnx).convert(&training).expect("it converts");
        let agreement = prove::against_tract(&conversion.network, &conversion.int8_onnx(), &test)
            .expect("tract runs it");
        assert_eq!((agreement.logits, agreement.mismatches), (3000, 0), "{name}");
        let largest = |logits: &Vec<i32>| {
            let largest = logits.iter().max();
            logits.iter().position(|logit| Some(logit) == largest).unwrap_or(0)
        };
        let int8 = right(&agreement.ours.iter().map(largest).collect::<Vec<_>>());
        assert!(int8.abs_diff(evaluation.correct) <= 10, "{name}: {int8} right with integers");
    }
}

/// The sizes that the documentation gives, and that batch norm behind a convolution costs nothing.
#[test]
fn presets_are_what_they_are_said_to_be() {
    for (name, trained) in [
        ("simple", 21_840),
        ("tiny", 2_786),
        ("separable", 5_706),
        ("resnet-mini", 19_810),
        ("dense-mini", 7_466),
    ] {
        let network = Description::named(name).unwrap().build([1, 28, 28], 10).unwrap();
        assert_eq!(network.trained_count(), trained, "{name}");
        let statistics = network.parameters().filter(|(_, p)| p.role == Role::Statistic);
        let statistics: usize = statistics.map(|(_, p)| p.elements()).sum();
        assert_eq!(network.parameter_count(), trained + statistics, "{name}");
        let onnx = float_onnx(&network, &network.initial_parameters(0), None);
        let lowered = Converter::new(name, &onnx).lower().expect("it lowers");
        let alone = lowered.layers.iter().filter(|layer| layer.name.contains("norm")).count();
        assert_eq!(alone, 0, "{name}: batch norm was not folded");
    }
    let simple = Description::named("simple").unwrap().build([1, 28, 28], 10).unwrap();
    assert_eq!(
        simple.to_string(),
        "simple: 1×28×28 · conv2d 10 5×5 · relu · max_pool2d 2×2 · conv2d 20 5×5 · relu · \
         max_pool2d 2×2 · flatten · fully_connected 50 · relu · fully_connected 10"
    );
}

/// A file that is all right, to be spoiled.
const GOOD: &str = r#"
name = "mine"

[[layer]]
kind = "conv2d"
name = "first"
channels = 4
kernel = [3, 5]
padding = [1, 2]
bias = false

[[layer]]
kind = "batch_norm"

[[layer]]
kind = "leaky_relu"
slope = 0.25

[[layer]]
kind = "conv2d"
channels = 4
kernel = 3
stride = 1
padding = 1
groups = 4

[[layer]]
kind = "add"
inputs = ["conv2d2", "first", "leaky_relu1"]

[[layer]]
kind = "concat"
inputs = ["image", "add1"]

[[layer]]
kind = "average_pool2d"
kernel = 3
stride = 2

[[layer]]
kind = "dropout"
rate = 0.5

[[layer]]
kind = "flatten"

[[layer]]
kind = "fully_connected"
"#;

#[test]
fn a_file_says_all_of_a_network() {
    let network =
        Description::parse("mine.toml", GOOD).expect("it is good").build([1, 12, 11], 3).unwrap();
    assert_eq!(
        network.to_string(),
        "mine: 1×12×11 · first = conv2d 4 3×5 padding 1×2 without bias · batch_norm · \
         leaky_relu1 = leaky_relu 0.25 · conv2d2 = conv2d 4 3×3 padding 1×1 groups 4 · add1 = add \
         of conv2d2, first, leaky_relu1 · concat of image, add1 · average_pool2d 3×3 stride 2×2 · \
         dropout 0.5 · flatten · fully_connected 3"
    );
    assert_eq!(network.classes(), 3);
    assert_eq!(network.noise(), 5 * 5 * 5);
    assert!(network.bits.is_empty());
    let four = GOOD.replacen("channels = 4", "channels = 4\nbits = 4", 1);
    let network = Description::parse("mine.toml", &four).expect("it is good");
    let network = network.build([1, 12, 11], 3).expect("it fits");
    assert_eq!(network.bits, [("first".to_string(), 4)].into());
    assert!(network.to_string().contains("without bias with weights of 4 bits"));
}

#[test]
fn wrong_files_are_refused_in_one_line() {
    let line = |text: &str, input: [usize; 3]| {
        let built = Description::parse("mine.toml", text)
            .and_then(|description| description.build(input, 3));
        let error = built.expect_err(text).to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let refused = |from: &str, to: &str, parts: &[&str]| {
        assert!(GOOD.contains(from), "{from:?} is not in the good file");
        let error = line(&GOOD.replacen(from, to, 1), [1, 12, 11]);
        println!("{error}");
        for part in ["mine.toml"].iter().chain(parts) {
            assert!(error.contains(part), "{part:?} is missing in {error:?}");
        }
    };
    // The syntax and the top of the file.
    refused("name = \"mine\"", "name = mine", &["line 2"]);
    refused("name = \"mine\"", "", &["missing field `name`"]);
    refused("name = \"mine\"", "name = \"no spaces\"", &["no spaces", "letters"]);
    refused("name = \"mine\"", "name = \"mine\"\nepochs = 3", &["line 3", "epochs"]);
    // Kinds and names.
    refused("\"leaky_relu\"", "\"leaky\"", &["layer 3", "\"leaky\"", "leaky_relu, max_pool2d"]);
    refused("kind = \"batch_norm\"", "", &["layer 2", "no kind", "kind = "]);
    refused("kind = \"batch_norm\"", "kind = 3", &["layer 2", "kind", "quotes"]);
    refused("\"batch_norm\"", "\"batch_norm\"\nname = \"first\"", &["layer 2", "taken"]);
    refused("\"batch_norm\"", "\"batch_norm\"\nname = \"image\"", &["layer 2", "taken"]);
    refused("\"batch_norm\"", "\"batch_norm\"\nname = \"a/b\"", &["layer 2", "a/b", "letters"]);
    // Attributes.
    refused("channels = 4", "chanels = 4", &["layer first", "chanels", "expected", "channels"]);
    refused("channels = 4", "", &["layer first (conv2d)", "missing field `channels`"]);
    refused("channels = 4", "channels = 4\nbits = 5", &["layer first", "4 or 8 bits, not 5"]);
    refused("channels = 4", "channels = 4\nbits = \"4\"", &["layer first", "4 or 8 bits"]);
    refused("\"batch_norm\"", "\"batch_norm\"\nbits = 4", &["layer batch_norm1", "bits"]);
    // Sizes that no computer could hold, or count.
    for (size, range) in [("67108864", "65536"), ("9223372036854775807", "65536")] {
        refused("channels = 4", &format!("channels = {size}"), &["layer first", size, range]);
    }
    refused("[3, 5]", "9223372036854775807", &["layer first", "9223372036854775807", "4096"]);
    refused("[3, 5]", "[3, 5000]", &["layer first", "5000", "4096"]);
    refused("channels = 4", "channels = -4", &["layer first", "-4", "a whole number"]);
    refused("channels = 4", "channels = 0", &["layer first", "at least 1"]);
    refused("[3, 5]", "\"3\"", &["layer first", "whole number, or [vertical, horizontal]"]);
    refused("[3, 5]", "[3, 5, 7]", &["layer first", "[vertical, horizontal]"]);
    refused("[3, 5]", "[3]", &["layer first", "[vertical, horizontal]"]);
    refused("[3, 5]", "[30, 5]", &["layer first", "does not fit", "12×11"]);
    refused("padding = [1, 2]", "padding = 7", &["layer first", "padding must be smaller"]);
    refused("stride = 1", "stride = 0", &["layer conv2d2", "at least 1"]);
    refused("groups = 4", "groups = 3", &["layer conv2d2", "groups must divide"]);
    refused("slope = 0.25", "slope = 1.5", &["layer leaky_relu1", "slope", "below 1"]);
    refused("slope = 0.25", "", &["layer leaky_relu1", "missing field `slope`"]);
    refused("rate = 0.5", "rate = 1", &["layer dropout1", "rate"]);
    refused("\"flatten\"", "\"flatten\"\naxis = 1", &["layer flatten1", "axis", "remove"]);
    // What reads what.
    refused("\"first\", ", "\"second\", ", &["layer add1", "\"second\"", "no layer before it"]);
    refused("\"first\", ", "\"concat1\", ", &["layer add1", "\"concat1\"", "no layer before it"]);
    refused("[\"image\", \"add1\"]", "\"add1\"", &["layer concat1", "list of layer names"]);
    refused("[\"image\", \"add1\"]", "[\"image\"]", &["layer concat1", "1 layers", "two or more"]);
    refused("[\"image\", \"add1\"]", "[\"image\", \"first\"]", &["layer add1", "is read by no"]);
    refused("\"dropout\"", "\"dropout\"\ninputs = [\"add1\", \"image\"]", &["exactly one"]);
    refused("\"first\", ", "\"image\", ", &["layer add1", "one shape", "4×12×11", "1×12×11"]);
    refused("padding = 1\n", "", &["layer add1", "one shape"]);
    // The end.
    refused("kind = \"flatten\"", "kind = \"relu\"", &["fully_connected1", "put flatten before"]);
    refused("\"fully_connected\"", "\"relu\"", &["relu1", "classes", "outputs"]);
    refused(
        "\"fully_connected\"",
        "\"fully_connected\"\noutputs = 4",
        &["fully_connected1", "4 outputs", "3 classes", "leave outputs away"],
    );
    refused("\"fully_connected\"", "\"fully_connected\"\noutputs = 1", &["the last layer gives 1"]);
    for text in ["", "name = \"mine\"", "layer = 3", "\u{0}", "name = \"mine\"\nlayer = []"] {
        assert!(line(text, [1, 12, 11]).contains("mine.toml"));
    }
    let untrained = "name = \"mine\"\n[[layer]]\nkind = \"flatten\"";
    assert!(line(untrained, [1, 1, 3]).contains("no layer has anything to train"));
    assert!(line(GOOD, [1, 2, 2]).contains("on images of 1×2×2"));
}

#[test]
fn names_are_presets_or_files() {
    let error = |name: &str| {
        let error = Description::named(name).expect_err(name).to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let unknown = error("resnet");
    assert!(unknown.contains("resnet-mini") && unknown.contains(".toml"), "{unknown}");
    assert!(error("/no/such.toml").contains("/no/such.toml: cannot be read"));
    let folder = scratch("networks");
    assert!(error(&format!("{}/a.toml", folder.display())).contains("cannot be read"));
    let file = folder.join("mine.toml");
    std::fs::write(&file, GOOD).expect("a test can write");
    let description = Description::named(file.to_str().expect("a plain path")).expect("it is good");
    assert_eq!(description.name, "mine");
    let _ = std::fs::remove_dir_all(folder);
}
