//! AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay acts on the parameters directly.

use serde::{Deserialize, Serialize};

use super::adam::{corrections, direction};
use super::{Inputs, Optimizer, Update};
use crate::learn::graph::Graph;

/// `p ← p − rate · (m̂ / (√v̂ + ε) + weight_decay · p)`, with the moments of [`super::Adam`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    pub weight_decay: f32,
}

impl Default for AdamW {
    /// The values that PyTorch starts from.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

impl Optimizer for AdamW {
    fn state(&self) -> &'static [&'static str] {
        &["first_moment", "second_moment"]
    }

    fn factors(&self, step: usize) -> Vec<f32> {
        corrections(self.beta1, self.beta2, step)
    }

    fn emit(&self, graph: &mut Graph, inputs: &Inputs) -> Update {
        let betas = [self.beta1, self.beta2];
        let (mut direction, state) = direction(graph, inputs, inputs.gradient, betas, self.epsilon);
        if let Some(pull) = inputs.pull(graph, self.weight_decay) {
            direction = graph.add(&direction, &pull);
        }
        let change = graph.mul(&direction, inputs.rate);
        Update { parameters: graph.sub(inputs.parameters, &change), state }
    }
}
