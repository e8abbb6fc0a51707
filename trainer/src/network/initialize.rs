//! The values a network starts from.

use super::Network;
use crate::random::{Purpose, Random};

impl Network {
    /// The flat vector of initial parameters: uniform within ± 1/√fan_in for weights and biases,
    /// which is what PyTorch gives its convolutional and linear layers (Kaiming's uniform
    /// initialisation with a = √5).
    pub fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, Purpose::Weights, 0);
        self.parameters()
            .flat_map(|(_, parameter)| {
                let bound = 1.0 / (parameter.fan_in as f32).sqrt();
                std::iter::repeat_n(bound, parameter.elements())
            })
            .map(|bound| random.between(-bound, bound))
            .collect()
    }
}
