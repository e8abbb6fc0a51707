//! Learning from teachers: loss and gradient against the formula in f64, the teachers' probabilities
//! against their own, whatever form their files have, and what is refused. On both backends, each in a
//! process of its own. What training makes of it is in `teachers.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::record::{self, Element, InputRecord, ModelRecord};
use inkling_data::read::labels;
use inkling_data::{Dataset, planar_order};
use tests::{in_own_process, onnxruntime, random_images, root, scratch};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::distillation::{Distillation, Teacher, Teachers};
use trainer::learn::network::{Flatten, FullyConnected, Layer, Network, Node, Relu};
use trainer::learn::step::{Soft, gradient_graph};

#[test]
fn on_tract() {
    in_own_process("on_tract", || {
        check_all(&Backend::start(Choice::Tract, None).expect("tract is built in"), "tract");
    });
}

#[test]
fn on_onnxruntime() {
    in_own_process("on_onnxruntime", || {
        if let Some(backend) = onnxruntime::start("learning from teachers on ONNX Runtime") {
            check_all(&backend, "onnxruntime");
        }
    });
}

fn check_all(backend: &Backend, name: &str) {
    for (temperature, weight) in [(1.0, 0.5), (4.0, 0.7), (0.5, 1.0), (20.0, 0.25)] {
        check_gradient(backend, Soft { temperature, weight });
    }
    check_nothing_taught(backend);
    let folder = scratch(&format!("distillation-{name}"));
    check_probabilities(backend, &folder);
    fs::remove_dir_all(folder).expect("removed");
}

const CLASSES: usize = 3;
const PIXELS: usize = 6;
const HIDDEN: usize = 5;
const BATCH: usize = 5;

fn pupil() -> Network {
    let layers: [Box<dyn Layer>; 4] = [
        Box::new(Flatten),
        Box::new(FullyConnected { outputs: HIDDEN }),
        Box::new(Relu),
        Box::new(FullyConnected { outputs: CLASSES }),
    ];
    let node = |(index, layer)| Node { name: format!("layer{index}"), layer, inputs: vec![index] };
    let nodes = layers.into_iter().enumerate().map(node).collect();
    Network::new("pupil", [1, 2, 3], nodes).expect("a valid network")
}

/// A part of a batch in the layout of the graphs, the last image without weight.
struct Part {
    images: Vec<f32>,
    targets: Vec<f32>,
    soft: Vec<f32>,
}

fn part(rng: &mut fastrand::Rng) -> Part {
    let images = (0..PIXELS * BATCH).map(|_| rng.f32()).collect();
    let (mut targets, mut soft) = (vec![0.0; CLASSES * BATCH], vec![0.0; CLASSES * BATCH]);
    for column in 0..BATCH {
        if column + 1 < BATCH {
            // Labels of a mixture, and images that count differently.
            targets[rng.usize(..CLASSES) * BATCH + column] += 0.125 * (column + 1) as f32;
            targets[rng.usize(..CLASSES) * BATCH + column] += 0.0625;
        }
        let raw: Vec<f32> = (0..CLASSES).map(|_| rng.f32()).collect();
        for class in 0..CLASSES {
            soft[class * BATCH + column] = raw[class] / raw.iter().sum::<f32>();
        }
    }
    // A teacher that is sure: 0 · log 0.
    for (class, value) in [1.0, 0.0, 0.0].into_iter().enumerate() {
        soft[class * BATCH] = value;
    }
    Part { images, targets, soft }
}

fn run(backend: &Backend, parameters: &[f32], part: &Part, soft: Option<Soft>) -> (f32, Vec<f32>) {
    let graph = gradient_graph(backend.kind(), &pupil(), None, soft, BATCH);
    let mut session = backend.session(&graph).expect("loads");
    let (images, classes, count) = ([PIXELS, BATCH], [CLASSES, BATCH], [parameters.len()]);
    let mut inputs: Vec<(&str, &[usize], &[f32])> = vec![
        ("parameters", &count, parameters),
        ("images", &images, &part.images),
        ("targets", &classes, &part.targets),
    ];
    if soft.is_some() {
        inputs.push(("soft", &classes, &part.soft));
    }
    let outputs = session.run(&inputs).expect("runs");
    (outputs[0][0], outputs[1].clone())
}

/// The probabilities of logits at a temperature.
fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = logits.iter().map(|logit| (logit / temperature).exp()).collect();
    powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
}

/// The loss of a part by its definition.
fn naive_loss(parameters: &[f64], part: &Part, soft: Soft) -> f64 {
    let (temperature, weight) = (f64::from(soft.temperature), f64::from(soft.weight));
    let (first, rest) = parameters.split_at(HIDDEN * PIXELS);
    let (first_bias, rest) = rest.split_at(HIDDEN);
    let (second, second_bias) = rest.split_at(CLASSES * HIDDEN);
    let full = |weights: &[f64], bias: &[f64], x: &[f64]| -> Vec<f64> {
        let dot = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        weights.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
    };
    let mut loss = 0.0;
    for column in 0..BATCH {
        let of = |values: &[f32]| -> Vec<f64> {
            values.iter().skip(column).step_by(BATCH).map(|&value| f64::from(value)).collect()
        };
        let (image, targets, taught) = (of(&part.images), of(&part.targets), of(&part.soft));
        let mut hidden = full(first, first_bias, &image);
        hidden.iter_mut().for_each(|x| *x = x.max(0.0));
        let logits = full(second, second_bias, &hidden);
        let (plain, cooled) = (softmax(&logits, 1.0), softmax(&logits, temperature));
        let counts: f64 = targets.iter().sum();
        for class in 0..CLASSES {
            loss -= (1.0 - weight) * targets[class] * plain[class].ln();
            if taught[class] > 0.0 {
                let divergence = taught[class] * (taught[class] / cooled[class]).ln();
                loss += weight * temperature * temperature * counts * divergence;
            }
        }
    }
    loss
}

fn check_gradient(backend: &Backend, soft: Soft) {
    let mut rng = fastrand::Rng::with_seed(5);
    let part = part(&mut rng);
    let parameters: Vec<f32> =
        (0..pupil().parameter_count()).map(|_| rng.f32() * 2.0 - 1.0).collect();
    let (loss, gradient) = run(backend, &parameters, &part, Some(soft));
    let exact: Vec<f64> = parameters.iter().map(|&value| f64::from(value)).collect();
    let expected = naive_loss(&exact, &part, soft);
    assert!((f64::from(loss) - expected).abs() < 5e-6 * expected, "{soft:?}: {loss}, {expected}");
    const STEP: f64 = 1e-6;
    let largest = gradient.iter().fold(0f32, |peak, value| peak.max(value.abs()));
    assert!(largest > 1e-2, "{soft:?}: the gradient says nothing");
    for (index, &got) in gradient.iter().enumerate() {
        let shifted = |step: f64| {
            let mut shifted = exact.clone();
            shifted[index] += step;
            naive_loss(&shifted, &part, soft)
        };
        let expected = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
        let off = (f64::from(got) - expected).abs() / f64::from(largest);
        assert!(off < 1e-5, "{soft:?}: derivative {index} is {got}, not {expected}");
    }
}

/// With a weight of 0 nothing is taught, to the last bit.
fn check_nothing_taught(backend: &Backend) {
    let mut rng = fastrand::Rng::with_seed(6);
    let part = part(&mut rng);
    let parameters: Vec<f32> =
        (0..pupil().parameter_count()).map(|_| rng.f32() * 2.0 - 1.0).collect();
    let none = Soft { temperature: 3.0, weight: 0.0 };
    let [plain, taught] = [None, Some(none)].map(|soft| run(backend, &parameters, &part, soft));
    assert_eq!(plain, taught);
}

/// The images of the teachers: 2×3 pixels of 2 channels.
const SHAPE: [usize; 3] = [2, 3, 2];
const INPUTS: usize = 12;

fn images(classes: usize) -> Dataset {
    // Data sets for tests have one channel; these have their columns in pairs.
    let grey = random_images(3, 24, 2, 6, classes);
    let pixels = grey.images().flatten().copied().collect();
    Dataset::new(SHAPE, pixels, grey.labels.clone(), labels::numbers(classes))
}

/// How a teacher's file is written.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// Whether the input is `[N, C, H, W]`, and not `[N, H, W, C]`.
    channels_first: bool,
    /// Images that it takes at once.
    batch: Option<usize>,
    softmax: bool,
    /// What its input is: scale · byte + offset, per channel.
    input: Option<([f32; 2], [f32; 2])>,
    /// For each output the place of its class among those of the data.
    labels: Option<[usize; CLASSES]>,
}

const PLAIN: Form =
    Form { channels_first: true, batch: None, softmax: false, input: None, labels: None };

/// A linear teacher, and its weights: `[class of the data][place in height × width × channels]` over
/// pixel / 255, and a bias for each class.
fn teacher(form: Form, rng: &mut fastrand::Rng) -> (Vec<u8>, Vec<Vec<f64>>, Vec<f64>) {
    let weights: Vec<Vec<f32>> =
        (0..CLASSES).map(|_| (0..INPUTS).map(|_| rng.f32() * 4.0 - 2.0).collect()).collect();
    let bias: Vec<f32> = (0..CLASSES).map(|_| rng.f32() - 0.5).collect();
    let mut model = ModelBuilder::new("teacher");
    let [height, width, channels] = SHAPE;
    let mut dims = vec![form.batch.map_or(Dim::Symbol("N"), Into::into)];
    let sizes = match form.channels_first {
        true => [channels, height, width],
        false => [height, width, channels],
    };
    dims.extend(sizes.map(Into::into));
    let image = model.input("pictures", ElementType::F32, &dims);
    let mut x = image;
    if !form.channels_first {
        // As exporters of networks with channels last do.
        let perm = Attribute::Ints(vec![0, 3, 1, 2]);
        x = model.node("Transpose", "first", &[&x], &[("perm", perm)]);
    }
    x = model.node("Flatten", "flat", &[&x], &[("axis", Attribute::Int(1))]);
    let places: Vec<usize> = planar_order(SHAPE).collect();
    let outputs = form.labels.unwrap_or([0, 1, 2]);
    let rows = outputs.iter().flat_map(|&class| places.iter().map(move |&at| (class, at)));
    let matrix: Vec<f32> = rows.map(|(class, at)| weights[class][at]).collect();
    let matrix = model.initializer("weight", &[CLASSES, INPUTS], &matrix);
    let biases: Vec<f32> = outputs.iter().map(|&class| bias[class]).collect();
    let biases = model.initializer("bias", &[CLASSES], &biases);
    let gemm = [("transB", Attribute::Int(1))];
    let mut y = model.node("Gemm", "logits", &[&x, &matrix, &biases], &gemm);
    if form.softmax {
        y = model.node("Softmax", "probabilities", &[&y], &[("axis", Attribute::Int(1))]);
    }
    model.output(&y, ElementType::F32, &[dims[0].clone(), CLASSES.into()]);
    let mut record = ModelRecord::new("teacher");
    if let Some((scale, offset)) = form.input {
        record.inputs.push(InputRecord {
            name: "pictures".into(),
            shape: SHAPE,
            element: Element::U8,
            scale: scale.to_vec(),
            offset: offset.to_vec(),
            preparation: Default::default(),
            other: Default::default(),
        });
    }
    if form.labels.is_some() {
        record.labels = outputs.iter().map(|class| class.to_string()).collect();
    }
    model.metadata(record::ENTRY, &record.to_line());

    // What the file's numbers are, folded into weights over pixel / 255.
    let (scale, offset) = form.input.unwrap_or(([1.0 / 255.0; 2], [0.0; 2]));
    let of_class = |class: usize| -> (Vec<f64>, f64) {
        let mut sum = f64::from(bias[class]);
        let folded = (0..INPUTS).map(|at| {
            let weight = f64::from(weights[class][at]);
            sum += weight * f64::from(offset[at % 2]);
            weight * f64::from(scale[at % 2]) * 255.0
        });
        let folded = folded.collect();
        (folded, sum)
    };
    let (weights, bias) = (0..CLASSES).map(of_class).unzip();
    (model.finish(), weights, bias)
}

fn wish(models: &[PathBuf], temperature: f32) -> Distillation {
    Distillation { models: models.to_vec(), temperature, weight: 0.5 }
}

fn check_probabilities(backend: &Backend, folder: &Path) {
    let images = images(CLASSES);
    let mut rng = fastrand::Rng::with_seed(9);
    let forms = [
        PLAIN,
        Form { channels_first: false, ..PLAIN },
        Form { batch: Some(1), ..PLAIN },
        Form { batch: Some(2), softmax: true, ..PLAIN },
        Form { input: Some(([0.01, 0.02], [-0.5, 0.25])), ..PLAIN },
        Form { labels: Some([2, 0, 1]), softmax: true, ..PLAIN },
    ];
    let columns: Vec<f32> = (0..INPUTS * BATCH).map(|_| rng.f32()).collect();
    let mut models = Vec::new();
    let mut sums = vec![0.0; CLASSES * BATCH];
    const TEMPERATURE: f32 = 2.5;
    let ask = |models: &[PathBuf]| {
        let teachers = Teachers::open(&wish(models, TEMPERATURE), &images).expect("it can teach");
        let mut lessons = teachers.start(backend, BATCH).expect("it starts");
        let found = lessons.probabilities(&columns).expect("it answers");
        assert_eq!(lessons.probabilities(&columns).expect("it answers"), found, "not the same");
        found
    };
    let places: Vec<usize> = planar_order(SHAPE).collect();
    for (index, form) in forms.into_iter().enumerate() {
        let (onnx, weights, bias) = teacher(form, &mut rng);
        let path = folder.join(format!("{index}.onnx"));
        fs::write(&path, onnx).expect("a test can write");
        let found = ask(std::slice::from_ref(&path));
        for column in 0..BATCH {
            let logit = |class: usize| {
                let pixel = |(row, &at): (usize, &usize)| {
                    weights[class][at] * f64::from(columns[row * BATCH + column])
                };
                bias[class] + places.iter().enumerate().map(pixel).sum::<f64>()
            };
            let logits: Vec<f64> = (0..CLASSES).map(logit).collect();
            for (class, expected) in softmax(&logits, TEMPERATURE.into()).into_iter().enumerate() {
                let got = f64::from(found[class * BATCH + column]);
                assert!((got - expected).abs() < 1e-5, "{form:?}: {got} is not {expected}");
                sums[class * BATCH + column] += expected;
            }
        }
        models.push(path);
    }
    // Several are one with the mean of their probabilities.
    let found = ask(&models);
    for (got, sum) in found.into_iter().zip(sums) {
        let expected = sum / models.len() as f64;
        assert!((f64::from(got) - expected).abs() < 1e-5, "{got} is not {expected}");
    }
}

/// One line that names the teacher and says what is wrong.
#[test]
fn what_cannot_teach_is_refused() {
    let folder = scratch("distillation-refused");
    let mut rng = fastrand::Rng::with_seed(1);
    let (good, ..) = teacher(PLAIN, &mut rng);
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("a test can write");
        path
    };
    let refused = |path: &Path, images: &Dataset, parts: &[&str]| {
        let error = match Teacher::open(path, images) {
            Ok(_) => panic!("{} is taken, but {parts:?}", path.display()),
            Err(error) => error.to_string(),
        };
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with(&format!("teacher {}", path.display())), "{error}");
        parts.iter().for_each(|part| assert!(error.contains(part), "{part:?}: {error}"));
    };
    let images = images(CLASSES);
    let good = file("good.onnx", &good);
    assert_eq!(Teacher::open(&good, &images).expect("a teacher").name(), "good.onnx");
    let size = random_images(1, 9, 4, 3, CLASSES);
    refused(&good, &size, &["takes images of 2×3×2, but the data has 4×3"]);
    refused(&good, &self::images(4), &["knows 3 classes, but the data has 4"]);
    let (labelled, ..) = teacher(Form { labels: Some([0, 1, 2]), ..PLAIN }, &mut rng);
    let labelled = file("labelled.onnx", &labelled);
    let mut named = images.clone();
    named.names[1] = "one".into();
    refused(&labelled, &named, &["knows the classes 0, 1, 2, but the data has \"one\""]);
    refused(&folder, &images, &["float.onnx: cannot be read"]);
    refused(&folder.join("none.onnx"), &images, &["none.onnx: cannot be read"]);
    refused(&file("text.onnx", b"no model"), &images, &[""]);
    let digits = random_images(1, 20, 28, 28, 10);
    let int8 = root().join("models/simple/int8.onnx");
    refused(&int8, &digits, &["UINT8", "name the float.onnx"]);
    let folder_of_model = root().join("models/simple");
    let simple = Teacher::open(&folder_of_model, &digits).expect("a teacher");
    assert_eq!(simple.name(), "simple");
    let file_of_model = Teacher::open(&folder_of_model.join("float.onnx"), &digits);
    assert_eq!(file_of_model.expect("a teacher").name(), "simple");
    fs::remove_dir_all(folder).expect("removed");
}
