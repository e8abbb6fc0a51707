//! The gradient graph against finite differences of an independent forward pass: naive loops in
//! f64, written down here from the definitions. On both backends, each in a process of its own.

use tests::{in_own_process, onnxruntime};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::network::{
    Add, AveragePool2d, BatchNorm, BoundedRelu, Concat, Conv2d, Dropout, Flatten, FullyConnected,
    GlobalAveragePool, HardSwish, Layer, LeakyRelu, MaxPool2d, Network, Node, Parameter, Relu,
    STATISTIC_RATE, Sigmoid, Window, ZeroPad2d, simple,
};
use trainer::learn::optimizer::Sgd;
use trainer::learn::step::{UpdateRule, gradient_graph, inference_graph, update_graph};

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
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spec {
    /// Channels, groups, window, bias.
    Conv(usize, usize, [[usize; 2]; 3], bool),
    Relu,
    Relu6,
    Leaky(f32),
    HardSwish,
    Sigmoid,
    Pool([usize; 2], [usize; 2]),
    Average([usize; 2], [usize; 2]),
    GlobalAverage,
    Norm,
    Dropout(f32),
    Add,
    Concat,
    Flatten,
    Full(usize),
    /// Before, after.
    Pad([usize; 2], [usize; 2]),
}

impl Spec {
    fn build(self) -> Box<dyn Layer> {
        match self {
            Spec::Conv(out_channels, groups, [kernel, stride, padding], bias) => {
                let [top, left] = padding;
                let padding = [top, left, top, left];
                let window = Window { stride, padding, ..Window::new(kernel) };
                Box::new(Conv2d { out_channels, window, groups, bias })
            }
            Spec::Relu => Box::new(Relu),
            Spec::Relu6 => Box::new(BoundedRelu::RELU6),
            Spec::Leaky(slope) => Box::new(LeakyRelu { slope }),
            Spec::HardSwish => Box::new(HardSwish),
            Spec::Sigmoid => Box::new(Sigmoid),
            Spec::Pool(kernel, stride) => {
                Box::new(MaxPool2d { window: Window { stride, ..Window::new(kernel) } })
            }
            Spec::Average(kernel, stride) => {
                Box::new(AveragePool2d { window: Window { stride, ..Window::new(kernel) } })
            }
            Spec::GlobalAverage => Box::new(GlobalAveragePool),
            Spec::Norm => Box::new(BatchNorm),
            Spec::Dropout(rate) => Box::new(Dropout { rate }),
            Spec::Pad(before, after) => Box::new(ZeroPad2d { before, after }),
            Spec::Add => Box::new(Add),
            Spec::Concat => Box::new(Concat),
            Spec::Flatten => Box::new(Flatten),
            Spec::Full(outputs) => Box::new(FullyConnected { outputs }),
        }
    }
}

/// A layer with the numbers of the values it reads: 0 is the image, `i + 1` the result of layer `i`.
type Listed = (Spec, Vec<usize>);

/// Every layer reads the one before.
fn chain(specs: &[Spec]) -> Vec<Listed> {
    specs.iter().enumerate().map(|(index, &spec)| (spec, vec![index])).collect()
}

fn network(input: [usize; 3], listed: &[Listed]) -> Network {
    let node = |(index, (spec, inputs)): (usize, &Listed)| Node {
        name: format!("layer{index}"),
        layer: spec.build(),
        inputs: inputs.clone(),
    };
    let nodes = listed.iter().enumerate().map(node).collect();
    Network::new("checked", input, nodes).expect("the test's network is valid")
}

fn conv(out: usize, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Spec {
    Spec::Conv(out, 1, [kernel, stride, padding], true)
}

/// A square convolution that keeps the size, without a bias.
fn same(out: usize, groups: usize, kernel: usize) -> Spec {
    Spec::Conv(out, groups, [[kernel; 2], [1; 2], [kernel / 2; 2]], false)
}

fn simple_specs() -> Vec<Listed> {
    chain(&[
        conv(10, [5, 5], [1, 1], [0, 0]),
        Spec::Relu,
        Spec::Pool([2, 2], [2, 2]),
        conv(20, [5, 5], [1, 1], [0, 0]),
        Spec::Relu,
        Spec::Pool([2, 2], [2, 2]),
        Spec::Flatten,
        Spec::Full(50),
        Spec::Relu,
        Spec::Full(10),
    ])
}

fn cases() -> Vec<(&'static str, [usize; 3], Vec<Listed>)> {
    vec![
        ("fully connected", [1, 4, 5], chain(&[Spec::Flatten, Spec::Full(3)])),
        ("relu", [2, 3, 3], chain(&[Spec::Flatten, Spec::Full(9), Spec::Relu, Spec::Full(4)])),
        (
            "convolutions without padding",
            [1, 9, 8],
            chain(&[
                conv(3, [3, 2], [1, 1], [0, 0]),
                conv(2, [2, 4], [1, 1], [0, 0]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "convolutions with stride and padding",
            [2, 7, 6],
            chain(&[
                conv(3, [3, 2], [2, 1], [1, 1]),
                conv(4, [3, 5], [1, 2], [2, 3]),
                conv(2, [2, 2], [3, 2], [0, 1]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "zeros around an image",
            [1, 5, 6],
            chain(&[
                conv(2, [2, 2], [1, 1], [0, 0]),
                Spec::Pad([0, 2], [1, 0]),
                conv(3, [3, 3], [2, 2], [0, 0]),
                Spec::Pad([1, 0], [0, 1]),
                Spec::Average([2, 2], [1, 1]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "pooling that covers the image",
            [1, 9, 9],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Relu,
                Spec::Pool([2, 2], [2, 2]),
                Spec::Flatten,
                Spec::Full(2),
            ]),
        ),
        (
            "pooling that overlaps",
            [1, 9, 8],
            chain(&[
                conv(2, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([3, 2], [2, 1]),
                conv(3, [2, 2], [1, 1], [1, 1]),
                Spec::Relu,
                Spec::Pool([3, 3], [1, 2]),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "pooling that leaves gaps and a rest",
            [2, 11, 10],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Pool([1, 2], [3, 4]),
                Spec::Flatten,
                Spec::Relu,
                Spec::Full(3),
            ]),
        ),
        (
            "pointwise and depthwise",
            [2, 6, 7],
            chain(&[
                conv(4, [1, 1], [1, 1], [0, 0]),
                Spec::Conv(4, 4, [[3, 3], [2, 1], [1, 1]], true),
                Spec::Relu,
                Spec::Conv(4, 4, [[1, 1], [1, 1], [0, 0]], false),
                conv(3, [1, 1], [2, 2], [0, 0]),
                same(6, 1, 1),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "a gate",
            [1, 6, 6],
            chain(&[
                conv(4, [3, 3], [1, 1], [0, 0]),
                Spec::Sigmoid,
                Spec::Flatten,
                Spec::Full(6),
                Spec::Sigmoid,
                Spec::Full(3),
            ]),
        ),
        (
            "groups",
            [4, 6, 5],
            chain(&[
                Spec::Conv(6, 2, [[3, 2], [1, 1], [1, 0]], true),
                Spec::Leaky(0.3),
                Spec::Conv(9, 3, [[2, 3], [2, 1], [0, 1]], false),
                Spec::Conv(18, 9, [[2, 2], [1, 1], [1, 1]], true),
                Spec::Flatten,
                Spec::Full(3),
            ]),
        ),
        (
            "average pooling",
            [1, 11, 10],
            chain(&[
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::Average([3, 2], [2, 1]),
                conv(4, [2, 2], [1, 1], [1, 1]),
                Spec::Average([1, 2], [2, 3]),
                Spec::Relu,
                Spec::Average([1, 1], [1, 1]),
                conv(3, [2, 2], [1, 1], [0, 0]),
                Spec::GlobalAverage,
                Spec::Flatten,
            ]),
        ),
        (
            "leaky relu in front of pooling",
            [1, 8, 8],
            chain(&[
                conv(4, [3, 3], [1, 1], [1, 1]),
                Spec::Leaky(0.125),
                Spec::Pool([2, 2], [2, 2]),
                Spec::Flatten,
                Spec::Leaky(0.01),
                Spec::Full(3),
            ]),
        ),
        (
            "batch norm",
            [2, 5, 6],
            chain(&[
                same(4, 1, 3),
                Spec::Norm,
                Spec::Relu,
                Spec::Pool([2, 2], [2, 2]),
                Spec::Conv(6, 2, [[2, 2], [1, 1], [0, 0]], true),
                Spec::Norm,
                Spec::Leaky(0.2),
                Spec::Flatten,
                Spec::Full(5),
                Spec::Norm,
                Spec::Full(3),
            ]),
        ),
        (
            "batch norm on the image and on the logits",
            [2, 4, 4],
            chain(&[Spec::Norm, same(3, 1, 3), Spec::GlobalAverage, Spec::Flatten, Spec::Norm]),
        ),
        (
            "dropout",
            [1, 6, 6],
            chain(&[
                Spec::Dropout(0.3),
                same(3, 1, 3),
                Spec::Dropout(0.5),
                Spec::Flatten,
                Spec::Full(8),
                Spec::Relu,
                Spec::Dropout(0.25),
                Spec::Full(3),
            ]),
        ),
        (
            "residual: a value read three times, one of them through a strided shortcut",
            [1, 8, 8],
            vec![
                (same(4, 1, 3), vec![0]),
                (Spec::Norm, vec![1]),
                (Spec::Relu, vec![2]),
                (same(4, 1, 3), vec![3]),
                (Spec::Norm, vec![4]),
                (Spec::Add, vec![5, 3, 1]),
                (Spec::Relu, vec![6]),
                (Spec::Conv(3, 1, [[3, 3], [2, 2], [1, 1]], false), vec![7]),
                (Spec::Conv(3, 1, [[1, 1], [2, 2], [0, 0]], false), vec![7]),
                (Spec::Add, vec![8, 9]),
                (Spec::Flatten, vec![10]),
                (Spec::Full(3), vec![11]),
            ],
        ),
        (
            "dense: concatenations with the image among them, one value twice in one layer",
            [2, 6, 6],
            vec![
                (same(3, 1, 3), vec![0]),
                (Spec::Relu, vec![1]),
                (Spec::Concat, vec![0, 2]),
                (same(2, 1, 3), vec![3]),
                (Spec::Leaky(0.1), vec![4]),
                (Spec::Concat, vec![3, 5, 2]),
                (Spec::Norm, vec![6]),
                (Spec::Add, vec![7, 7]),
                (Spec::Average([2, 2], [2, 2]), vec![8]),
                (Spec::Flatten, vec![9]),
                (Spec::Full(3), vec![10]),
            ],
        ),
        (
            "a relu that pooling and another layer read, and a relu two places before its pooling",
            [1, 6, 6],
            vec![
                (same(3, 1, 3), vec![0]),
                (Spec::Relu, vec![1]),
                (Spec::Pool([2, 2], [2, 2]), vec![2]),
                (Spec::Conv(3, 1, [[2, 2], [2, 2], [0, 0]], true), vec![2]),
                (Spec::Relu, vec![4]),
                (conv(3, [2, 2], [2, 2], [0, 0]), vec![0]),
                (Spec::Pool([1, 1], [1, 1]), vec![5]),
                (Spec::Add, vec![3, 7, 6]),
                (Spec::Flatten, vec![8]),
                (Spec::Full(3), vec![9]),
            ],
        ),
        ("simple", [1, 28, 28], simple_specs()),
    ]
}

fn check_all(backend: &Backend) {
    for (name, input, specs) in cases() {
        let parameters = network(input, &specs).initial_parameters(5);
        let worst = check(backend, &network(input, &specs), &specs, &parameters);
        println!("{name}: largest deviation {worst:.1e} of the largest derivative");
    }
    check_functions(backend);
    check_preset();
    check_ties(backend);
    check_large_logits(backend);
    check_weightless_images(backend);
    check_statistics(backend);
}

/// With weights this large functions are in use on all of their range; what each gives `below` its
/// bend, and whether a result is `above` it.
fn check_functions(backend: &Backend) {
    check_function(backend, Spec::Relu6, 0.0, |y| y == 6.0);
    check_function(backend, Spec::HardSwish, 0.0, |y| y > 3.0);
}

fn check_function(backend: &Backend, function: Spec, below: f64, above: fn(f64) -> bool) {
    let specs = chain(&[
        conv(4, [3, 3], [1, 1], [0, 0]),
        function,
        Spec::Pool([2, 2], [2, 2]),
        Spec::Flatten,
        Spec::Full(6),
        function,
        Spec::Full(3),
    ]);
    let network = network([1, 8, 8], &specs);
    let mut parameters = network.initial_parameters(5);
    for (layer, factor) in [(0, 20.0), (4, 4.0)] {
        let start = network.layers[layer].offset;
        let count: usize = network.layers[layer].parameters.iter().map(|p| p.elements()).sum();
        parameters[start..start + count].iter_mut().for_each(|p| *p *= factor);
    }
    let part = part(&network, &mut fastrand::Rng::with_seed(11));
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    for value in [2, 6] {
        let values = &naive_values(&specs, &network, &exact, &part)[value];
        for (what, holds) in [
            ("below", values.iter().flatten().any(|&y| y == below)),
            ("above", values.iter().flatten().any(|&y| above(y))),
            ("between", values.iter().flatten().any(|&y| y != below && !above(y))),
        ] {
            assert!(holds, "{function:?}: value {value} is nowhere {what} the bounds");
        }
    }
    check(backend, &network, &specs, &parameters);
}

/// `simple`, as this file writes it down, is the preset.
fn check_preset() {
    let preset = simple([1, 28, 28], 10).expect("28×28 is large enough");
    let ours = network([1, 28, 28], &simple_specs());
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
    /// `[random numbers per image, batch]`
    noise: Vec<f32>,
}

/// The column of a part that has no weight.
const WEIGHTLESS: usize = 4;

fn part(network: &Network, rng: &mut fastrand::Rng) -> Part {
    let batch = WEIGHTLESS + 1;
    let pixels: usize = network.input.iter().product();
    let mut targets = vec![0.0; network.classes() * batch];
    for column in 0..WEIGHTLESS {
        targets[rng.usize(..network.classes()) * batch + column] += 0.25;
    }
    targets[1] += 0.125;
    let images = (0..pixels * batch).map(|_| rng.f32()).collect();
    // Multiples of 2⁻²⁴, as the trainer draws them.
    let draw = |_| (rng.u32(..) >> 8) as f32 / (1 << 24) as f32;
    let noise = (0..network.noise() * batch).map(draw).collect();
    Part { batch, images, targets, noise }
}

fn run(backend: &Backend, network: &Network, parameters: &[f32], part: &Part) -> (f32, Vec<f32>) {
    let pixels = network.input.iter().product();
    let mut session =
        backend.session(&gradient_graph(network, None, None, part.batch)).expect("loads");
    let shapes = [pixels, network.classes(), network.noise()].map(|rows| [rows, part.batch]);
    let count = [parameters.len()];
    let mut inputs: Vec<(&str, &[usize], &[f32])> = vec![
        ("parameters", &count, parameters),
        ("images", &shapes[0], &part.images),
        ("targets", &shapes[1], &part.targets),
    ];
    if !part.noise.is_empty() {
        inputs.push(("noise", &shapes[2], &part.noise));
    }
    let outputs = session.run(&inputs).expect("runs");
    (outputs[0][0], outputs[1].clone())
}

/// For each value of the flat vector whether it is a running statistic.
fn statistics(network: &Network) -> Vec<bool> {
    let of = |name: &str| name == "mean" || name == "variance";
    let runs = network.parameters().map(|(_, p)| std::iter::repeat_n(of(p.name), p.elements()));
    runs.flatten().collect()
}

/// Returns the largest difference between the graph's gradient and central differences, relative
/// to the largest derivative. Running statistics have no derivative: see [`check_statistics`].
fn check(backend: &Backend, network: &Network, specs: &[Listed], parameters: &[f32]) -> f64 {
    let mut rng = fastrand::Rng::with_seed(11);
    let part = part(network, &mut rng);
    let (loss, gradient) = run(backend, network, parameters, &part);
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
    let statistics = statistics(network);
    let trained = || gradient.iter().zip(&statistics).filter(|(_, statistic)| !**statistic);
    let largest = trained().fold(0f64, |peak, (g, _)| peak.max(f64::from(g.abs())));
    assert!(largest > 1e-3, "the gradient says nothing");
    let mut worst = 0f64;
    for index in indices.into_iter().filter(|&index| !statistics[index]) {
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
    let pooled = [&[conv(2, [2, 2], [1, 1], [0, 0]), Spec::Pool([2, 2], [2, 2])], &tail[..]];
    let strided = [&[conv(2, [2, 2], [2, 2], [0, 0])], &tail[..]];
    let [pooled, strided] =
        [pooled.concat(), strided.concat()].map(|specs| network([1, 7, 7], &chain(&specs)));
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
    let network = network([1, 2, 2], &chain(&[Spec::Flatten, Spec::Full(2)]));
    // Two classes whose logits are the sum of the pixels times 10⁴ and −10⁴.
    let parameters =
        [[1e4; 4], [-1e4; 4]].concat().into_iter().chain([0.0; 2]).collect::<Vec<f32>>();
    let (images, targets) = (vec![1.0; 4], vec![0.0, 1.0]);
    let part = Part { batch: 1, images, targets, noise: Vec::new() };
    let (loss, gradient) = run(backend, &network, &parameters, &part);
    assert_eq!(loss, 80_000.0);
    assert_eq!(gradient, [vec![1.0; 4], vec![-1.0; 4], vec![1.0, -1.0]].concat());

    let mut session = backend.session(&inference_graph(&network, None, 1)).expect("loads");
    let inputs: [(&str, &[usize], &[f32]); 2] =
        [("parameters", &[10], &parameters), ("images", &[4, 1], &part.images)];
    assert_eq!(session.run(&inputs).expect("runs"), [[40_000.0, -40_000.0]]);
}

/// What a network with batch norm makes of a part does not depend on images without weight, and a
/// part of nothing but such images gives nothing, not even something that is no number.
fn check_weightless_images(backend: &Backend) {
    let (_, input, specs) = cases().into_iter().find(|case| case.0 == "batch norm").unwrap();
    let network = network(input, &specs);
    let parameters = network.initial_parameters(2);
    let mut part = part(&network, &mut fastrand::Rng::with_seed(8));
    let expected = run(backend, &network, &parameters, &part);
    let column = |part: &Part| (WEIGHTLESS..part.images.len()).step_by(part.batch);
    for value in [0.0, 100.0] {
        column(&part).for_each(|place| part.images[place] = value);
        let found = run(backend, &network, &parameters, &part);
        assert!(found == expected, "an image of {value} changes something");
    }
    // Another image does count.
    part.images[0] += 0.5;
    assert!(run(backend, &network, &parameters, &part) != expected);

    part.targets.fill(0.0);
    part.images.fill(0.0);
    let (loss, gradient) = run(backend, &network, &parameters, &part);
    assert_eq!(loss, 0.0);
    assert!(gradient.iter().all(|&g| g == 0.0), "{gradient:?}");
}

/// Running statistics move by a tenth of their distance from the batch's, whatever the learning
/// rate and the optimizer's settings; and inference uses them.
fn check_statistics(backend: &Backend) {
    let specs = chain(&[
        same(3, 1, 3),
        Spec::Norm,
        Spec::Flatten,
        Spec::Full(2),
        Spec::Dropout(0.5),
        Spec::Norm,
    ]);
    let network = network([1, 4, 5], &specs);
    let mut rng = fastrand::Rng::with_seed(4);
    let part = part(&network, &mut rng);
    let mut parameters = network.initial_parameters(6);
    let statistics = statistics(&network);
    assert_eq!(statistics.iter().filter(|&&statistic| statistic).count(), 2 * 3 + 2 * 2);
    for (parameter, _) in parameters.iter_mut().zip(&statistics).filter(|(_, s)| **s) {
        *parameter = 0.5 + rng.f32();
    }
    let (_, gradient) = run(backend, &network, &parameters, &part);

    // By definition, in f64: what the two layers of batch norm see, and the share of the part.
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let values = naive_values(&specs, &network, &exact, &part);
    let weights = part.weights(&network);
    let share: f64 = weights.iter().sum();
    let mut of_batch = vec![0.0; parameters.len()];
    for (layer, channels) in [(1, 3), (5, 2)] {
        let start = network.layers[layer].offset + 2 * channels;
        for channel in 0..channels {
            let (mean, variance) = moments(&values[layer], &weights, channels, channel);
            of_batch[start + channel] = mean;
            of_batch[start + channels + channel] = variance;
        }
    }
    for (index, _) in statistics.iter().enumerate().filter(|(_, statistic)| **statistic) {
        let expected = share * (exact[index] - of_batch[index]);
        let got = f64::from(gradient[index]);
        assert!((got - expected).abs() < 1e-6, "statistic {index}: {got} is not {expected}");
    }

    let weight = |p: &Parameter| std::iter::repeat_n(p.name == "weight", p.elements());
    let decays: Vec<bool> = network.parameters().flat_map(|(_, p)| weight(p)).collect();
    for (momentum, rate) in [(0.0, 0.1f32), (0.9, 0.5)] {
        let rule = UpdateRule {
            optimizer: Box::new(Sgd { momentum, nesterov: false, weight_decay: 0.3 }),
            clip_norm: 0.0,
            average: 0.0,
            factors: None,
        };
        let mut session = backend.session(&update_graph(&network, &rule)).expect("loads");
        let count = [parameters.len()];
        let velocity: Vec<f32> = vec![0.0; parameters.len()];
        let rate = [rate];
        let mut inputs: Vec<(&str, &[usize], &[f32])> = vec![
            ("parameters", &count, &parameters),
            ("gradient", &count, &gradient),
            ("rate", &[1], &rate),
        ];
        if momentum != 0.0 {
            inputs.push(("velocity", &count, &velocity));
        }
        let outputs = session.run(&inputs).expect("runs");
        for (index, &statistic) in statistics.iter().enumerate() {
            let change = match statistic {
                true => STATISTIC_RATE * gradient[index],
                false => {
                    let decay = if decays[index] { 0.3 * parameters[index] } else { 0.0 };
                    rate[0] * (gradient[index] + decay)
                }
            };
            let (moved, expected) = (outputs[0][index], parameters[index] - change);
            assert!((moved - expected).abs() < 1e-6, "{index}: {moved} is not {expected}");
            if statistic && momentum != 0.0 {
                assert_eq!(outputs[1][index], 0.0, "statistic {index} has a velocity");
            }
        }
    }

    let mut session = backend.session(&inference_graph(&network, None, part.batch)).expect("loads");
    let logits = |session: &mut trainer::learn::backend::Session, parameters: &[f32]| {
        let inputs: [(&str, &[usize], &[f32]); 2] = [
            ("parameters", &[parameters.len()], parameters),
            ("images", &[20, part.batch], &part.images),
        ];
        session.run(&inputs).expect("runs").remove(0)
    };
    let expected = naive_inference(&specs, &network, &exact, &part);
    for (column, expected) in expected.iter().enumerate() {
        for (class, expected) in expected.iter().enumerate() {
            let got = f64::from(logits(&mut session, &parameters)[class * part.batch + column]);
            assert!((got - expected).abs() < 1e-5, "logit {got} is not {expected}");
        }
    }
}

impl Part {
    /// The weight of every image in the loss.
    fn weights(&self, network: &Network) -> Vec<f64> {
        let weight = |column: usize| {
            let rows = 0..network.classes();
            rows.map(|class| f64::from(self.targets[class * self.batch + column])).sum()
        };
        (0..self.batch).map(weight).collect()
    }
}

/// Mean and mean squared deviation of a channel over all positions of all images, by their weights.
fn moments(images: &[Vec<f64>], weights: &[f64], channels: usize, channel: usize) -> (f64, f64) {
    let positions = images[0].len() / channels;
    let total = weights.iter().sum::<f64>() * positions as f64;
    let mean_of = |f: &dyn Fn(f64) -> f64| {
        let mut sum = 0.0;
        for (image, weight) in images.iter().zip(weights) {
            let values = &image[channel * positions..(channel + 1) * positions];
            sum += weight * values.iter().map(|&x| f(x)).sum::<f64>();
        }
        sum / total
    };
    let mean = mean_of(&|x| x);
    (mean, mean_of(&|x| (x - mean) * (x - mean)))
}

/// The loss of a part by definition.
fn naive_loss(specs: &[Listed], network: &Network, parameters: &[f64], part: &Part) -> f64 {
    let values = naive_values(specs, network, parameters, part);
    let mut loss = 0.0;
    for (column, logits) in values.last().expect("there are layers").iter().enumerate() {
        let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        for (class, logit) in logits.iter().enumerate() {
            loss -= f64::from(part.targets[class * part.batch + column]) * (logit - log_sum);
        }
    }
    loss
}

/// All values while training, the image first: for each the activations of every image.
fn naive_values(
    specs: &[Listed],
    network: &Network,
    parameters: &[f64],
    part: &Part,
) -> Vec<Vec<Vec<f64>>> {
    naive(specs, network, parameters, part, true)
}

/// The logits of every image at inference.
fn naive_inference(
    specs: &[Listed],
    network: &Network,
    parameters: &[f64],
    part: &Part,
) -> Vec<Vec<f64>> {
    naive(specs, network, parameters, part, false).pop().expect("there are layers")
}

fn naive(
    specs: &[Listed],
    network: &Network,
    mut parameters: &[f64],
    part: &Part,
    training: bool,
) -> Vec<Vec<Vec<f64>>> {
    let pixels: usize = network.input.iter().product();
    let image = |column: usize| -> Vec<f64> {
        (0..pixels).map(|row| f64::from(part.images[row * part.batch + column])).collect()
    };
    let weights = part.weights(network);
    let mut values: Vec<Vec<Vec<f64>>> = vec![(0..part.batch).map(image).collect()];
    let mut shapes = vec![network.input];
    let mut noise_row = 0;
    for (spec, inputs) in specs {
        let shape = shapes[inputs[0]];
        let mut take = |count: usize| {
            let (taken, rest) = parameters.split_at(count);
            parameters = rest;
            taken
        };
        let channels = shape[0];
        let mut result = values[inputs[0]].clone();
        let mut output = shape;
        match *spec {
            Spec::Norm => {
                let [gamma, beta, mean, variance] = [0; 4].map(|_| take(channels));
                let positions = shape[1] * shape[2];
                for channel in 0..channels {
                    let (mean, variance) = match training {
                        true => moments(&result, &weights, channels, channel),
                        false => (mean[channel], variance[channel]),
                    };
                    let scale = gamma[channel] / (variance + 1e-5).sqrt();
                    for image in &mut result {
                        for x in &mut image[channel * positions..(channel + 1) * positions] {
                            *x = (*x - mean) * scale + beta[channel];
                        }
                    }
                }
            }
            Spec::Dropout(rate) => {
                let rows = result[0].len();
                for (column, image) in result.iter_mut().enumerate().filter(|_| training) {
                    for (row, x) in image.iter_mut().enumerate() {
                        let drawn = part.noise[(noise_row + row) * part.batch + column];
                        *x = if drawn < 1.0 - rate { *x / (1.0 - f64::from(rate)) } else { 0.0 };
                    }
                }
                noise_row += rows;
            }
            Spec::Add | Spec::Concat => {
                for &other in &inputs[1..] {
                    for (image, other) in result.iter_mut().zip(&values[other]) {
                        match spec {
                            Spec::Add => image.iter_mut().zip(other).for_each(|(x, o)| *x += o),
                            _ => image.extend(other),
                        }
                    }
                }
                if *spec == Spec::Concat {
                    output[0] = inputs.iter().map(|&input| shapes[input][0]).sum();
                }
            }
            Spec::Full(outputs) => {
                let (weights, biases) = (take(outputs * result[0].len()), take(outputs));
                for image in &mut result {
                    let dot =
                        |row: &[f64]| row.iter().zip(&*image).map(|(w, x)| w * x).sum::<f64>();
                    let rows = weights.chunks(image.len()).zip(biases);
                    *image = rows.map(|(row, bias)| dot(row) + bias).collect();
                }
                output = [outputs, 1, 1];
            }
            Spec::Conv(out, groups, [kernel, ..], bias) => {
                let weights = take(out * channels / groups * kernel[0] * kernel[1]);
                let biases = if bias { take(out).to_vec() } else { vec![0.0; out] };
                for image in &mut result {
                    (*image, output) = naive_conv(*spec, weights, &biases, shape, image);
                }
            }
            _ => {
                for image in &mut result {
                    (*image, output) = naive_one(*spec, shape, image);
                }
            }
        }
        values.push(result);
        shapes.push(output);
    }
    assert!(parameters.is_empty(), "parameters are left over");
    values
}

fn naive_conv(
    spec: Spec,
    weights: &[f64],
    biases: &[f64],
    [channels, height, width]: [usize; 3],
    x: &[f64],
) -> (Vec<f64>, [usize; 3]) {
    let Spec::Conv(out, groups, [kernel, stride, padding], _) = spec else { unreachable!() };
    let rows = (height + 2 * padding[0] - kernel[0]) / stride[0] + 1;
    let columns = (width + 2 * padding[1] - kernel[1]) / stride[1] + 1;
    let read = channels / groups;
    let mut y = Vec::new();
    for o in 0..out {
        let first = o / (out / groups) * read;
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = biases[o];
                for c in 0..read {
                    for down in 0..kernel[0] {
                        for right in 0..kernel[1] {
                            let top = row * stride[0] + down;
                            let left = column * stride[1] + right;
                            let inside = (padding[0]..height + padding[0]).contains(&top)
                                && (padding[1]..width + padding[1]).contains(&left);
                            if inside {
                                let (top, left) = (top - padding[0], left - padding[1]);
                                let pixel = x[((first + c) * height + top) * width + left];
                                let tap = (c * kernel[0] + down) * kernel[1] + right;
                                sum += weights[o * read * kernel[0] * kernel[1] + tap] * pixel;
                            }
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    (y, [out, rows, columns])
}

/// The kinds without parameters that look at one image by itself.
fn naive_one(
    spec: Spec,
    [channels, height, width]: [usize; 3],
    x: &[f64],
) -> (Vec<f64>, [usize; 3]) {
    let same = [channels, height, width];
    let map = |f: &dyn Fn(f64) -> f64| (x.iter().map(|&x| f(x)).collect(), same);
    match spec {
        Spec::Relu => map(&|x| x.max(0.0)),
        Spec::Relu6 => map(&|x| x.clamp(0.0, 6.0)),
        Spec::HardSwish => map(&|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
        Spec::Sigmoid => map(&|x| 1.0 / (1.0 + (-x).exp())),
        Spec::Leaky(slope) => map(&|x| if x > 0.0 { x } else { f64::from(slope) * x }),
        Spec::Flatten => (x.to_vec(), [x.len(), 1, 1]),
        Spec::Pad(before, after) => {
            let [rows, columns] = [height + before[0] + after[0], width + before[1] + after[1]];
            let mut y = vec![0.0; channels * rows * columns];
            for c in 0..channels {
                for row in 0..height {
                    for column in 0..width {
                        let (down, right) = (row + before[0], column + before[1]);
                        y[(c * rows + down) * columns + right] =
                            x[(c * height + row) * width + column];
                    }
                }
            }
            (y, [channels, rows, columns])
        }
        Spec::GlobalAverage => {
            let mean = |map: &[f64]| map.iter().sum::<f64>() / map.len() as f64;
            (x.chunks(height * width).map(mean).collect(), [channels, 1, 1])
        }
        Spec::Pool(kernel, stride) | Spec::Average(kernel, stride) => {
            let rows = (height - kernel[0]) / stride[0] + 1;
            let columns = (width - kernel[1]) / stride[1] + 1;
            let mut y = Vec::new();
            for c in 0..channels {
                for row in 0..rows {
                    for column in 0..columns {
                        let window = (0..kernel[0] * kernel[1]).map(|tap| {
                            let (down, right) = (tap / kernel[1], tap % kernel[1]);
                            let (row, column) =
                                (row * stride[0] + down, column * stride[1] + right);
                            x[(c * height + row) * width + column]
                        });
                        y.push(match spec {
                            Spec::Pool(..) => window.fold(f64::MIN, f64::max),
                            _ => window.sum::<f64>() / (kernel[0] * kernel[1]) as f64,
                        });
                    }
                }
            }
            (y, [channels, rows, columns])
        }
        _ => unreachable!("has parameters, several inputs or looks at several images"),
    }
}
