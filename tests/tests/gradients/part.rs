//! A part of a batch, and what the gradient graph says of it.

use trainer::learn::backend::Backend;
use trainer::learn::network::Network;
use trainer::learn::step::gradient_graph;

/// A part of a batch with every kind of target: one class, several, and none at all.
pub struct Part {
    pub batch: usize,
    /// `[pixels, batch]`
    pub images: Vec<f32>,
    /// `[classes, batch]`
    pub targets: Vec<f32>,
    /// `[random numbers per image, batch]`
    pub noise: Vec<f32>,
}

/// The column of a part that has no weight.
pub const WEIGHTLESS: usize = 4;

pub fn part(network: &Network, rng: &mut fastrand::Rng) -> Part {
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

pub fn run(
    backend: &Backend,
    network: &Network,
    parameters: &[f32],
    part: &Part,
) -> (f32, Vec<f32>) {
    let pixels = network.input.iter().product();
    let mut session = backend
        .session(&gradient_graph(backend.kind(), network, None, None, part.batch))
        .expect("loads");
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
pub fn statistics(network: &Network) -> Vec<bool> {
    let of = |name: &str| name == "mean" || name == "variance";
    let runs = network.parameters().map(|(_, p)| std::iter::repeat_n(of(p.name), p.elements()));
    runs.flatten().collect()
}

impl Part {
    /// The weight of every image in the loss.
    pub fn weights(&self, network: &Network) -> Vec<f64> {
        let weight = |column: usize| {
            let rows = 0..network.classes();
            rows.map(|class| f64::from(self.targets[class * self.batch + column])).sum()
        };
        (0..self.batch).map(weight).collect()
    }
}
