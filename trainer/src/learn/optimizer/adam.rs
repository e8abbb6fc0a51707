//! Adam (Kingma and Ba, 2015), weight decay as part of the gradient.

use serde::{Deserialize, Serialize};

use super::{Inputs, Optimizer, Update};
use crate::learn::graph::{Graph, Value};

/// With `g` the gradient + `weight_decay · p`: `m ← β₁·m + (1−β₁)·g`, `v ← β₂·v + (1−β₂)·g²`, then
/// `p ← p − rate · m̂ / (√v̂ + ε)` with `m̂ = m / (1−β₁ᵗ)` and `v̂ = v / (1−β₂ᵗ)` in step `t`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    pub weight_decay: f32,
}

impl Default for Adam {
    /// The values of the paper.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Optimizer for Adam {
    fn state(&self) -> &'static [&'static str] {
        &["first_moment", "second_moment"]
    }

    fn factors(&self, step: usize) -> Vec<f32> {
        corrections(self.beta1, self.beta2, step)
    }

    fn emit(&self, graph: &mut Graph, inputs: &Inputs) -> Update {
        let gradient = match inputs.pull(graph, self.weight_decay) {
            Some(pull) => graph.add(inputs.gradient, &pull),
            None => inputs.gradient.clone(),
        };
        let betas = [self.beta1, self.beta2];
        let (direction, state) = direction(graph, inputs, &gradient, betas, self.epsilon);
        let change = graph.mul(&direction, inputs.rate);
        Update { parameters: graph.sub(inputs.parameters, &change), state }
    }
}

/// What undoes the zeros that the moments start from: `1/(1−β₁ᵗ)` and `1/(1−β₂ᵗ)`.
pub(super) fn corrections(beta1: f32, beta2: f32, step: usize) -> Vec<f32> {
    let correction = |beta: f32| 1.0 / (1.0 - f64::from(beta).powf(step as f64));
    [beta1, beta2].map(|beta| correction(beta) as f32).to_vec()
}

/// `m̂ / (√v̂ + ε)` and the new moments.
pub(super) fn direction(
    graph: &mut Graph,
    inputs: &Inputs,
    gradient: &Value,
    [beta1, beta2]: [f32; 2],
    epsilon: f32,
) -> (Value, Vec<Value>) {
    let first = blend(graph, &inputs.state[0], gradient, beta1);
    let square = graph.mul(gradient, gradient);
    let second = blend(graph, &inputs.state[1], &square, beta2);
    let corrected_first = graph.mul(&first, &inputs.factors[0]);
    let corrected_second = graph.mul(&second, &inputs.factors[1]);
    let root = graph.unary("Sqrt", &corrected_second);
    let epsilon = graph.constant(&[1], &[epsilon]);
    let bottom = graph.add(&root, &epsilon);
    (graph.div(&corrected_first, &bottom), vec![first, second])
}

/// `β · old + (1−β) · new`.
fn blend(graph: &mut Graph, old: &Value, new: &Value, beta: f32) -> Value {
    let keep = graph.constant(&[1], &[beta]);
    let take = graph.constant(&[1], &[1.0 - beta]);
    let (old, new) = (graph.mul(old, &keep), graph.mul(new, &take));
    graph.add(&old, &new)
}
