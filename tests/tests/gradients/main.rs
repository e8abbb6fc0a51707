//! The gradient graph against finite differences of an independent forward pass: naive loops in
//! f64, written down here from the definitions. On both backends, each in a process of its own.

mod naive;
mod networks;
mod part;
mod statistics;

use tests::{in_own_process, onnxruntime};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::network::{
    Conv2d, Flatten, FullyConnected, Layer, Network, Relu, Window, simple,
};
use trainer::learn::step::inference_graph;

use naive::{naive_loss, naive_values};
use networks::{Listed, Spec, cases, chain, conv, network, simple_specs};
use part::{Part, WEIGHTLESS, part, run};
use statistics::check_statistics;

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

fn check_all(backend: &Backend) {
    for (name, input, specs) in cases() {
        let parameters = network(input, &specs).initial_parameters(5);
        let worst = check(backend, &network(input, &specs), &specs, &parameters);
        println!("{name}: largest deviation {worst:.1e} of the largest derivative");
    }
    check_functions(backend);
    check_preset();
    check_ties(backend);
    check_gaps(backend);
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
    let statistics = part::statistics(network);
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

/// A window with gaps is a larger one with zeros in them: the same loss and, but for these zeros, the same
/// gradient, with padding of four sizes, with and without a stride, and in groups.
fn check_gaps(backend: &Backend) {
    let network = |window: Window, groups: usize| {
        let before = Conv2d::dense(4, Window::new([1, 1]));
        let gaps = Conv2d { out_channels: 4, window, groups, bias: true };
        let layers: [Box<dyn Layer>; 5] = [
            Box::new(before),
            Box::new(gaps),
            Box::new(Relu),
            Box::new(Flatten),
            Box::new(FullyConnected { outputs: 3 }),
        ];
        let names = ["before", "gaps", "relu", "flatten", "last"].map(String::from);
        Network::chain("gaps", [2, 9, 8], names.into_iter().zip(layers).collect()).expect("fits")
    };
    let window = Window { padding: [2, 1, 1, 0], ..Window::new([3, 2]) };
    for (stride, groups) in [([1, 1], 1), ([1, 1], 4), ([2, 2], 1), ([1, 3], 2)] {
        let gaps = network(Window { dilation: [2, 3], stride, ..window }, groups);
        let whole = network(Window { kernel: [5, 4], stride, ..window }, groups);
        let parameters = gaps.initial_parameters(4);
        // Where each parameter is in the other network.
        let (first, inner) = (gaps.layers[1].offset, 4 / groups);
        let (few, many) = (4 * inner * 6, 4 * inner * 20);
        let place = |index: usize| match index {
            index if index < first => index,
            index if index < first + few => {
                let (filter, row, column) =
                    ((index - first) / 6, (index - first) % 6 / 2, (index - first) % 2);
                first + filter * 20 + row * 2 * 4 + column * 3
            }
            index => index + many - few,
        };
        let mut filled = vec![0.0; whole.parameter_count()];
        parameters.iter().enumerate().for_each(|(at, value)| filled[place(at)] = *value);
        let part = part(&gaps, &mut fastrand::Rng::with_seed(6));
        let (loss, gradient) = run(backend, &gaps, &parameters, &part);
        let (expected_loss, expected) = run(backend, &whole, &filled, &part);
        assert!((loss - expected_loss).abs() < 1e-6, "{stride:?} {groups}");
        assert!(gradient.iter().any(|value| value.abs() > 1e-3));
        for (at, value) in gradient.iter().enumerate() {
            let expected = expected[place(at)];
            assert!((value - expected).abs() < 1e-6, "{stride:?} {groups}: {value}, {expected}");
        }
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

    let mut session =
        backend.session(&inference_graph(backend.kind(), &network, None, 1)).expect("loads");
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
