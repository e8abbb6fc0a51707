//! Stochastic gradient descent with momentum and weight decay.

use serde::{Deserialize, Serialize};

use super::{Inputs, Optimizer, Update};
use crate::learn::graph::Graph;

/// With `g` the gradient + `weight_decay · p`: `v ← momentum · v + g`, then `p ← p − rate · v`, or
/// with Nesterov's look ahead `p ← p − rate · (g + momentum · v)`, as PyTorch defines them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// 0 is plain gradient descent, which keeps no state.
    pub momentum: f32,
    pub nesterov: bool,
    pub weight_decay: f32,
}

impl Optimizer for Sgd {
    fn state(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
    }

    fn emit(&self, graph: &mut Graph, inputs: &Inputs) -> Update {
        let mut direction = inputs.gradient.clone();
        if let Some(pull) = inputs.pull(graph, self.weight_decay) {
            direction = graph.add(&direction, &pull);
        }
        let mut state = Vec::new();
        if let [velocity] = inputs.state {
            let momentum = graph.constant(&[1], &[self.momentum]);
            let kept = graph.mul(velocity, &momentum);
            let velocity = graph.add(&kept, &direction);
            direction = if self.nesterov {
                let ahead = graph.mul(&velocity, &momentum);
                graph.add(&direction, &ahead)
            } else {
                velocity.clone()
            };
            state.push(velocity);
        }
        let change = graph.mul(&direction, inputs.rate);
        Update { parameters: graph.sub(inputs.parameters, &change), state }
    }
}
