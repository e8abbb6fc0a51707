//! Stochastic gradient descent with momentum and weight decay.

use serde::{Deserialize, Serialize};

use super::{Optimizer, Update};
use crate::graph::{Graph, Value};

/// `v ← momentum · v + gradient + weight_decay · p`, then `p ← p − rate · v`, as PyTorch defines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// 0 is plain gradient descent, which keeps no state.
    pub momentum: f32,
    pub weight_decay: f32,
}

impl Optimizer for Sgd {
    fn state(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
    }

    fn emit(
        &self,
        graph: &mut Graph,
        parameters: &Value,
        gradient: &Value,
        rate: &Value,
        state: &[Value],
        decays: &[f32],
    ) -> Update {
        let mut direction = gradient.clone();
        if self.weight_decay != 0.0 {
            let decays: Vec<f32> = decays.iter().map(|decay| decay * self.weight_decay).collect();
            let decays = graph.constant(&[decays.len()], &decays);
            let pull = graph.mul(parameters, &decays);
            direction = graph.add(&direction, &pull);
        }
        if let [velocity] = state {
            let momentum = graph.constant(&[1], &[self.momentum]);
            let kept = graph.mul(velocity, &momentum);
            direction = graph.add(&kept, &direction);
        }
        let change = graph.mul(&direction, rate);
        let parameters = graph.sub(parameters, &change);
        let state = state.iter().map(|_| direction.clone()).collect();
        Update { parameters, state }
    }
}
