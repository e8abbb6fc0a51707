//! The update graph against the formulas, written down here in f64: several steps of every
//! optimizer, with clipping, averaging and frozen parameters. On both backends, each in a process
//! of its own.

use tests::{in_own_process, onnxruntime};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::network::{Network, simple};
use trainer::learn::optimizer::{Adam, AdamW, Optimizer, Sgd};
use trainer::learn::step::{UpdateRule, update_graph};

#[test]
fn on_tract() {
    in_own_process("on_tract", || {
        check_all(&Backend::start(Choice::Tract, None).expect("tract is built in"));
    });
}

#[test]
fn on_onnxruntime() {
    in_own_process("on_onnxruntime", || {
        if let Some(backend) = onnxruntime::start("optimizers on ONNX Runtime") {
            check_all(&backend);
        }
    });
}

/// One parameter's state, as the formulas have it.
#[derive(Clone, Copy, Default)]
struct Naive {
    velocity: f64,
    first: f64,
    second: f64,
}

/// The change of one parameter `p` with gradient `g` in step `t`, to be multiplied by the rate.
type Formula = fn(&mut Naive, p: f64, g: f64, decay: f64, t: i32) -> f64;

fn adam_direction(state: &mut Naive, g: f64, t: i32) -> f64 {
    state.first = 0.8 * state.first + 0.2 * g;
    state.second = 0.95 * state.second + 0.05 * g * g;
    let (first, second) =
        (state.first / (1.0 - 0.8f64.powi(t)), state.second / (1.0 - 0.95f64.powi(t)));
    first / (second.sqrt() + 1e-6)
}

fn check_all(backend: &Backend) {
    let sgd = |momentum, nesterov, weight_decay| {
        Box::new(Sgd { momentum, nesterov, weight_decay }) as Box<dyn Optimizer>
    };
    let cases: [(&str, Box<dyn Optimizer>, Formula); 5] = [
        ("plain", sgd(0.0, false, 0.0), |_, _, g, _, _| g),
        ("momentum", sgd(0.9, false, 0.1), |state, p, g, decay, _| {
            state.velocity = 0.9 * state.velocity + g + 0.1 * decay * p;
            state.velocity
        }),
        ("nesterov", sgd(0.9, true, 0.1), |state, p, g, decay, _| {
            let g = g + 0.1 * decay * p;
            state.velocity = 0.9 * state.velocity + g;
            g + 0.9 * state.velocity
        }),
        (
            "adam",
            Box::new(Adam { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.1 }),
            |state, p, g, decay, t| adam_direction(state, g + 0.1 * decay * p, t),
        ),
        (
            "adamw",
            Box::new(AdamW { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.1 }),
            |state, p, g, decay, t| adam_direction(state, g, t) + 0.1 * decay * p,
        ),
    ];
    let network = simple([1, 16, 16], 3).expect("16×16 is large enough");
    for (name, optimizer, formula) in cases {
        let rule = UpdateRule { optimizer, clip_norm: 0.0, average: 0.0, factors: None };
        check(backend, &network, name, rule, formula);
    }
    let count = network.parameter_count();
    let rule = UpdateRule {
        optimizer: sgd(0.9, false, 0.1),
        clip_norm: 1.0,
        average: 0.75,
        factors: Some((0..count).map(|index| [0.0, 0.5, 1.0][index % 3]).collect()),
    };
    check(backend, &network, "clipped, averaged, partly frozen", rule, |state, p, g, decay, _| {
        state.velocity = 0.9 * state.velocity + g + 0.1 * decay * p;
        state.velocity
    });
}

fn check(backend: &Backend, network: &Network, name: &str, rule: UpdateRule, formula: Formula) {
    const STEPS: usize = 5;
    let mut session =
        backend.session(&update_graph(backend.kind(), network, &rule)).expect("the graph loads");
    let mut rng = fastrand::Rng::with_seed(8);
    let decays: Vec<f64> = network
        .parameters()
        .flat_map(|(_, p)| vec![if p.name == "weight" { 1.0 } else { 0.0 }; p.elements()])
        .collect();
    let first = network.initial_parameters(4);
    let mut exact: Vec<f64> = first.iter().map(|&p| f64::from(p)).collect();
    let mut average = exact.clone();
    let mut naive = vec![Naive::default(); exact.len()];
    let (mut parameters, mut state) = (first.clone(), rule.initial_state(&first));
    let mut clipped = 0;
    for step in 1..=STEPS {
        let size = [0.004, 0.1][step % 2];
        let gradient: Vec<f32> = first.iter().map(|_| size * (rng.f32() - 0.5)).collect();
        let rate = 0.1 / step as f32;

        let shape = [parameters.len()];
        let (names, factors) = (rule.state(), rule.optimizer.factors(step));
        let factor_names: Vec<String> = (0..factors.len()).map(|i| format!("factor{i}")).collect();
        let rates = [rate];
        let mut inputs: Vec<(&str, &[usize], &[f32])> = vec![
            ("parameters", &shape, &parameters),
            ("gradient", &shape, &gradient),
            ("rate", &[1], &rates),
        ];
        let factors = factor_names.iter().zip(factors.chunks(1));
        inputs.extend(factors.map(|(name, factor)| (name.as_str(), &[1usize][..], factor)));
        inputs.extend(names.iter().zip(&state).map(|(name, s)| (*name, &shape[..], &s[..])));
        let mut outputs = session.run(&inputs).expect("the graph runs").into_iter();

        let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let limit = f64::from(rule.clip_norm);
        let shorten = if limit > 0.0 && norm > limit { limit / norm } else { 1.0 };
        clipped += usize::from(shorten < 1.0);
        for index in 0..exact.len() {
            let p = exact[index];
            let g = f64::from(gradient[index]) * shorten;
            let change = formula(&mut naive[index], p, g, decays[index], step as i32);
            let factor = rule.factors.as_ref().map_or(1.0, |factors| f64::from(factors[index]));
            exact[index] = p - factor * f64::from(rate) * change;
            average[index] = 0.75 * average[index] + 0.25 * exact[index];
        }
        parameters = outputs.next().expect("new parameters");
        state = outputs.collect();
    }
    let worst = |ours: &[f32], exact: &[f64]| {
        ours.iter().zip(exact).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
    };
    let difference = worst(&parameters, &exact);
    assert!(difference < 2e-6, "{name}: a parameter is off by {difference:e}");
    assert!(worst(&parameters, &first.iter().map(|&p| f64::from(p)).collect::<Vec<_>>()) > 1e-3);
    if rule.average > 0.0 {
        let difference = worst(state.last().expect("an average"), &average);
        assert!(difference < 2e-6, "{name}: an average is off by {difference:e}");
        assert!((1..STEPS).contains(&clipped), "clipping was not tried both ways");
        assert!(first.iter().zip(&parameters).step_by(3).all(|(a, b)| a == b), "not frozen");
    }
}
