//! The gradient graph against finite differences of an independent forward pass: naive loops in
//! f64, written down here from the definitions. On both backends, each in a process of its own.

use std::process::Command;

use tests::onnxruntime;
use trainer::backend::{Backend, Choice};
use trainer::network::{
    Conv2d, Flatten, FullyConnected, Layer, MaxPool2d, Network, Relu, Window, simple,
};
use trainer::step::{gradient_graph, inference_graph};

/// Says which backend a test's own process is for.
const PROCESS: &str = "INKLING_TEST_PROCESS";

/// Runs `work` in a process of its own: a backend is for the whole process.
fn in_own_process(test: &str, work: impl FnOnce()) {
    if std::env::var_os(PROCESS).is_some() {
        return work();
    }
    let program = std::env::current_exe().expect("a test knows its own path");
    let status = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(PROCESS, test)
        .status()
        .expect("a test can start itself");
    assert!(status.success(), "{test} failed in its own process; see above");
}

#[test]
fn on_tract() {
    in_own_process("on_tract", || {
        let backend = Backend::start(Choice::Tract, None).expect("tract is built in");
        check_all(&backend);
    });
}

#[test]
fn on_onnxruntime() {
    in_own_process("on_onnxruntime", || {
        if let Some(backend) = onnxruntime::start("gradient check on ONNX Runtime") {
            check_all(&backend);
        }
    });
}

/// A layer as this file understands it. Windows are [height, width] of kernel, stride, padding.
#[derive(Clone, Copy)]
enum Spec {
    Conv(usize, [usize; 2], [usize; 2], [usize; 2]),
    Relu,
    Pool([usize; 2], [usize; 2]),
    Flatten,
    Full(usize),
}

impl Spec {
    fn build(self) -> Box<dyn Layer> {
        match self {
            Spec::Conv(out_channels, kernel, stride, padding) => {
                Box::new(Conv2d::dense(out_channels, Window { kernel, stride, padding }))
            }
            Spec::Relu => Box::new(Relu),
            Spec::Pool(kernel, stride) => {
                Box::new(MaxPool2d { window: Window { kernel, stride, padding: [0, 0] } })
            }
            Spec::Flatten => Box::new(Flatten),
            Spec::Full(outputs) => Box::new(FullyConnected { outputs }),
        }
    }
}

fn network(input: [usize; 3], specs: &[Spec]) -> Network {
    let layers = specs.iter().enumerate().map(|(i, spec)| (format!("layer{i}"), spec.build()));
    Network::chain("checked", input, layers.collect()).expect("the test's network is valid")
}

const SIMPLE: [Spec; 10] = [
    Spec::Conv(10, [5, 5], [1, 1], [0, 0]),
    Spec::Relu,
    Spec::Pool([2, 2], [2, 2]),
    Spec::Conv(20, [5, 5], [1, 1], [0, 0]),
    Spec::Relu,
    Spec::Pool([2, 2], [2, 2]),
    Spec::Flatten,
    Spec::Full(50),
    Spec::Relu,
    Spec::Full(10),
];

fn check_all(backend: &Backend) {
    let conv = |out, kernel, stride, padding| Spec::Conv(out, kernel, stride, padding);
    let cases: [(&str, [usize; 3], &[Spec]); 8] = [
        ("fully connected", [1, 4, 5], &[Spec::Flatten, Spec::Full(3)]),
        ("relu", [2, 3, 3], &[Spec::Flatten, Spec::Full(9), Spec::Relu, Spec::Full(4)]),
        (
            "convolutions without padding",
            [1, 9, 8],
            &[
                conv(3, [3, 2], [1, 1], [0, 0]),
                conv(2, [2, 4], [1, 1], [0, 0]),
                Spec::Flatten,
                Spec::Full(3),
            ],
        ),
        (
            "convolutions with stride and padding",
            [2, 7, 6],
            &[
                conv(3, [3, 2], [2, 1], [1, 1]),
                conv(4, [3, 5], [1, 2], [2, 3]),
                conv(2, [2, 2], [3, 2], [0, 1]),
                Spec::Flatten,
                Spec::Full(3),
            ],
        ),
        (
            "pooling that covers the image",
            [1, 9, 9],
            &[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Relu,
                Spec::Pool([2, 2], [2, 2]),
                Spec::Flatten,
                Spec::Full(2),
            ],
        ),
        (
            "pooling that overlaps",
            [1, 9, 8],
            &[
                conv(2, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([3, 2], [2, 1]),
                conv(3, [2, 2], [1, 1], [1, 1]),
                Spec::Relu,
                Spec::Pool([3, 3], [1, 2]),
                Spec::Flatten,
                Spec::Full(3),
            ],
        ),
        (
            "pooling that leaves gaps and a rest",
            [2, 11, 10],
            &[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([1, 2], [3, 4]),
                Spec::Flatten,
                Spec::Relu,
                Spec::Full(3),
            ],
        ),
        ("simple", [1, 28, 28], &SIMPLE),
    ];
    for (name, input, specs) in cases {
        let worst = check(backend, &network(input, specs), specs);
        println!("{name}: largest deviation {worst:.1e} of the largest derivative");
    }
    check_preset();
    check_ties(backend);
    check_large_logits(backend);
}

/// `simple`, as this file writes it down, is the preset.
fn check_preset() {
    let preset = simple([1, 28, 28], 10).expect("28×28 is large enough");
    let ours = network([1, 28, 28], &SIMPLE);
    assert!(ours.to_string().ends_with(preset.to_string().strip_prefix("simple").unwrap()));
    assert_eq!(preset.parameter_count(), 21_840);
}

/// A part of a batch with every kind of target: one class, several, and none at all.
struct Part {
    batch: usize,
    /// `[pixels, batch]`
    images: Vec<f32>,
    /// `[classes, batch]`
    targets: Vec<f32>,
}

fn part(network: &Network, rng: &mut fastrand::Rng) -> Part {
    let batch = 5;
    let pixels: usize = network.input.iter().product();
    let mut targets = vec![0.0; network.classes() * batch];
    for column in 0..batch - 1 {
        targets[rng.usize(..network.classes()) * batch + column] += 0.25;
    }
    targets[1] += 0.125;
    Part { batch, images: (0..pixels * batch).map(|_| rng.f32()).collect(), targets }
}

fn run(backend: &Backend, network: &Network, parameters: &[f32], part: &Part) -> (f32, Vec<f32>) {
    let pixels = network.input.iter().product();
    let mut session = backend.session(&gradient_graph(network, part.batch)).expect("loads");
    let outputs = session
        .run(&[
            ("parameters", &[parameters.len()], parameters),
            ("images", &[pixels, part.batch], &part.images),
            ("targets", &[network.classes(), part.batch], &part.targets),
        ])
        .expect("runs");
    (outputs[0][0], outputs[1].clone())
}

/// Returns the largest difference between the graph's gradient and central differences, relative
/// to the largest derivative.
fn check(backend: &Backend, network: &Network, specs: &[Spec]) -> f64 {
    let mut rng = fastrand::Rng::with_seed(11);
    let part = part(network, &mut rng);
    let parameters = network.initial_parameters(5);
    let (loss, gradient) = run(backend, network, &parameters, &part);
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let loss_of = |parameters: &[f64]| naive_loss(specs, network, parameters, &part);
    let expected = loss_of(&exact);
    assert!(
        (f64::from(loss) - expected).abs() <= 2e-6 * expected.abs(),
        "{loss} is not {expected}"
    );

    // All parameters of a small network, some of a large one.
    let indices: Vec<usize> = match parameters.len() {
        count @ ..2000 => (0..count).collect(),
        count => (0..120).map(|_| rng.usize(..count)).collect(),
    };
    // Small enough not to cross a kink of ReLU or max pooling, large enough for f64.
    const STEP: f64 = 1e-6;
    let largest = gradient.iter().fold(0f64, |peak, g| peak.max(f64::from(g.abs())));
    assert!(largest > 1e-3, "the gradient says nothing");
    let mut worst = 0f64;
    for index in indices {
        let shifted = |step: f64| {
            let mut shifted = exact.clone();
            shifted[index] += step;
            loss_of(&shifted)
        };
        let difference = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
        worst = worst.max((f64::from(gradient[index]) - difference).abs() / largest);
    }
    assert!(worst < 1e-5, "{network}: a derivative is off by {worst:e} of the largest");
    worst
}

/// With weights of zero all values under a pooling window are equal. The first must get all of the
/// gradient, so the weights' gradient is that of a convolution with the pooling's stride.
fn check_ties(backend: &Backend) {
    let tail = [Spec::Flatten, Spec::Full(3)];
    let pooled = [&[Spec::Conv(2, [2, 2], [1, 1], [0, 0]), Spec::Pool([2, 2], [2, 2])], &tail[..]];
    let strided = [&[Spec::Conv(2, [2, 2], [2, 2], [0, 0])], &tail[..]];
    let [pooled, strided] = [pooled.concat(), strided.concat()].map(|s| network([1, 7, 7], &s));
    let mut rng = fastrand::Rng::with_seed(3);
    let part = part(&pooled, &mut rng);
    let mut parameters = pooled.initial_parameters(1);
    parameters[..8].fill(0.0);
    let [(loss, gradient), (expected_loss, expected)] =
        [&pooled, &strided].map(|network| run(backend, network, &parameters, &part));
    assert!((loss - expected_loss).abs() < 1e-6);
    for (got, expected) in gradient.iter().zip(&expected) {
        assert!(
            (got - expected).abs() < 1e-6,
            "{got} is not {expected}: a tie was not the first's"
        );
    }
}

/// Logits in the thousands must not overflow the loss.
fn check_large_logits(backend: &Backend) {
    let network = network([1, 2, 2], &[Spec::Flatten, Spec::Full(2)]);
    // Two classes whose logits are the sum of the pixels times 10⁴ and −10⁴.
    let parameters =
        [[1e4; 4], [-1e4; 4]].concat().into_iter().chain([0.0; 2]).collect::<Vec<f32>>();
    let part = Part { batch: 1, images: vec![1.0; 4], targets: vec![0.0, 1.0] };
    let (loss, gradient) = run(backend, &network, &parameters, &part);
    assert_eq!(loss, 80_000.0);
    assert_eq!(gradient, [vec![1.0; 4], vec![-1.0; 4], vec![1.0, -1.0]].concat());

    let mut session = backend.session(&inference_graph(&network, 1)).expect("loads");
    let inputs: [(&str, &[usize], &[f32]); 2] =
        [("parameters", &[10], &parameters), ("images", &[4, 1], &part.images)];
    assert_eq!(session.run(&inputs).expect("runs"), [[40_000.0, -40_000.0]]);
}

/// The loss of a part by definition, one image after the other.
fn naive_loss(specs: &[Spec], network: &Network, parameters: &[f64], part: &Part) -> f64 {
    let pixels: usize = network.input.iter().product();
    let mut loss = 0.0;
    for column in 0..part.batch {
        let image: Vec<f64> =
            (0..pixels).map(|row| f64::from(part.images[row * part.batch + column])).collect();
        let logits = naive_logits(specs, network.input, parameters, image);
        let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        for (class, logit) in logits.iter().enumerate() {
            loss -= f64::from(part.targets[class * part.batch + column]) * (logit - log_sum);
        }
    }
    loss
}

fn naive_logits(
    specs: &[Spec],
    mut shape: [usize; 3],
    mut parameters: &[f64],
    mut x: Vec<f64>,
) -> Vec<f64> {
    for spec in specs {
        let [channels, height, width] = shape;
        let at =
            |x: &[f64], c: usize, row: usize, column: usize| x[(c * height + row) * width + column];
        match *spec {
            Spec::Relu => x.iter_mut().for_each(|x| *x = x.max(0.0)),
            Spec::Flatten => shape = [x.len(), 1, 1],
            Spec::Full(outputs) => {
                let (weights, rest) = parameters.split_at(outputs * x.len());
                let (biases, rest) = rest.split_at(outputs);
                parameters = rest;
                let dot = |row: &[f64]| row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
                x = weights
                    .chunks(x.len())
                    .zip(biases)
                    .map(|(row, bias)| dot(row) + bias)
                    .collect();
                shape = [outputs, 1, 1];
            }
            Spec::Conv(out, kernel, stride, padding) => {
                let taps = channels * kernel[0] * kernel[1];
                let (weights, rest) = parameters.split_at(out * taps);
                let (biases, rest) = rest.split_at(out);
                parameters = rest;
                let rows = (height + 2 * padding[0] - kernel[0]) / stride[0] + 1;
                let columns = (width + 2 * padding[1] - kernel[1]) / stride[1] + 1;
                let mut y = Vec::new();
                for o in 0..out {
                    for row in 0..rows {
                        for column in 0..columns {
                            let mut sum = biases[o];
                            for tap in 0..taps {
                                let c = tap / (kernel[0] * kernel[1]);
                                let top = row * stride[0] + tap / kernel[1] % kernel[0];
                                let left = column * stride[1] + tap % kernel[1];
                                let inside = (padding[0]..height + padding[0]).contains(&top)
                                    && (padding[1]..width + padding[1]).contains(&left);
                                if inside {
                                    let pixel = at(&x, c, top - padding[0], left - padding[1]);
                                    sum += weights[o * taps + tap] * pixel;
                                }
                            }
                            y.push(sum);
                        }
                    }
                }
                (x, shape) = (y, [out, rows, columns]);
            }
            Spec::Pool(kernel, stride) => {
                let rows = (height - kernel[0]) / stride[0] + 1;
                let columns = (width - kernel[1]) / stride[1] + 1;
                let mut y = Vec::new();
                for c in 0..channels {
                    for row in 0..rows {
                        for column in 0..columns {
                            let window = (0..kernel[0] * kernel[1]).map(|tap| {
                                let (down, right) = (tap / kernel[1], tap % kernel[1]);
                                at(&x, c, row * stride[0] + down, column * stride[1] + right)
                            });
                            y.push(window.fold(f64::MIN, f64::max));
                        }
                    }
                }
                (x, shape) = (y, [channels, rows, columns]);
            }
        }
    }
    x
}
