//! The values a network starts from.

use super::{Initial, Network};
use inkling_data::random::{Purpose, Random};

impl Network {
    /// The flat vector of initial parameters. Weights and biases are uniform within ± 1/√fan_in,
    /// which is what PyTorch gives its convolutional and linear layers (Kaiming's uniform
    /// initialisation with a = √5).
    pub fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, Purpose::Weights, 0);
        let mut values = Vec::with_capacity(self.parameter_count());
        for (_, parameter) in self.parameters() {
            let bound = match parameter.initial {
                Initial::Uniform { fan_in } => 1.0 / (fan_in as f32).sqrt(),
                Initial::Constant(value) => {
                    values.extend(std::iter::repeat_n(value, parameter.elements()));
                    continue;
                }
            };
            values.extend((0..parameter.elements()).map(|_| random.between(-bound, bound)));
        }
        values
    }
}
