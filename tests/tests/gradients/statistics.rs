//! Batch norm's running statistics.

use trainer::learn::backend::Backend;
use trainer::learn::network::{Parameter, STATISTIC_RATE};
use trainer::learn::optimizer::Sgd;
use trainer::learn::step::{UpdateRule, inference_graph, update_graph};

use crate::naive::{moments, naive_inference, naive_values};
use crate::networks::{Spec, chain, network, same};
use crate::part::{part, run, statistics};

/// Running statistics move by a tenth of their distance from the batch's, whatever the learning
/// rate and the optimizer's settings; and inference uses them.
pub fn check_statistics(backend: &Backend) {
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
        let mut session =
            backend.session(&update_graph(backend.kind(), &network, &rule)).expect("loads");
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

    let mut session = backend
        .session(&inference_graph(backend.kind(), &network, None, part.batch))
        .expect("loads");
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
