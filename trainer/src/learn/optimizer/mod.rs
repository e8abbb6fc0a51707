//! Optimizers: one file each, which emits its part of the update graph.

mod adam;
mod adamw;
mod sgd;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::learn::graph::{Graph, Value};

pub use adam::Adam;
pub use adamw::AdamW;
pub use sgd::Sgd;

/// What an optimizer works with. All vectors are `[P]`.
pub struct Inputs<'v> {
    pub parameters: &'v Value,
    pub gradient: &'v Value,
    /// The learning rate, `[1]`.
    pub rate: &'v Value,
    /// The state vectors, in the order of [`Optimizer::state`].
    pub state: &'v [Value],
    /// [`Optimizer::factors`] of this step, `[1]` each.
    pub factors: &'v [Value],
    /// 1 for the parameters that weight decay applies to and 0 for the others.
    pub decays: &'v [f32],
}

impl Inputs<'_> {
    /// `weight_decay · p` for the parameters that it applies to, `None` without decay.
    fn pull(&self, graph: &mut Graph, weight_decay: f32) -> Option<Value> {
        (weight_decay != 0.0).then(|| {
            let decays: Vec<f32> = self.decays.iter().map(|decay| decay * weight_decay).collect();
            let decays = graph.constant(&[decays.len()], &decays);
            graph.mul(self.parameters, &decays)
        })
    }
}

/// What an update graph gives.
pub struct Update {
    /// The new parameters, `[P]`.
    pub parameters: Value,
    /// The new state, in the order of [`Optimizer::state`].
    pub state: Vec<Value>,
}

/// One optimizer.
pub trait Optimizer: fmt::Debug {
    /// Names of the state vectors it keeps from step to step, each `[P]` and zero at first.
    fn state(&self) -> &'static [&'static str];

    /// Numbers that change from step to step, for step `step` counted from 1.
    fn factors(&self, _step: usize) -> Vec<f32> {
        Vec::new()
    }

    /// Emits the update.
    fn emit(&self, graph: &mut Graph, inputs: &Inputs) -> Update;
}

/// The optimizer of a recipe, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OptimizerChoice {
    Sgd(Sgd),
    Adam(Adam),
    AdamW(AdamW),
}

impl OptimizerChoice {
    pub fn build(&self) -> Box<dyn Optimizer> {
        match self.clone() {
            OptimizerChoice::Sgd(sgd) => Box::new(sgd),
            OptimizerChoice::Adam(adam) => Box::new(adam),
            OptimizerChoice::AdamW(adam) => Box::new(adam),
        }
    }

    /// Checks that every setting makes sense.
    ///
    /// # Errors
    ///
    /// Says which does not and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let fraction = |name: &str, value: f32| match value {
            0.0..1.0 => Ok(()),
            _ => Err(format!("optimizer: {name} is {value}, but must be at least 0 and below 1")),
        };
        let decay = |value: f32| match value {
            0.0..=1.0 => Ok(()),
            _ => Err(format!("optimizer: weight_decay is {value}, but must be from 0 to 1")),
        };
        let moments = |beta1, beta2, epsilon: f32| {
            fraction("beta1", beta1)?;
            fraction("beta2", beta2)?;
            match epsilon {
                1e-12..=1.0 => Ok(()),
                _ => Err(format!("optimizer: epsilon is {epsilon}, but must be from 1e-12 to 1")),
            }
        };
        match *self {
            OptimizerChoice::Sgd(Sgd { momentum, nesterov, weight_decay }) => {
                fraction("momentum", momentum)?;
                if nesterov && momentum == 0.0 {
                    return Err("optimizer: nesterov needs a momentum above 0".to_string());
                }
                decay(weight_decay)
            }
            OptimizerChoice::Adam(Adam { beta1, beta2, epsilon, weight_decay })
            | OptimizerChoice::AdamW(AdamW { beta1, beta2, epsilon, weight_decay }) => {
                moments(beta1, beta2, epsilon)?;
                decay(weight_decay)
            }
        }
    }
}

impl fmt::Display for OptimizerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptimizerChoice::Sgd(Sgd { momentum, nesterov, weight_decay }) => {
                let nesterov = if *nesterov { "Nesterov " } else { "" };
                write!(f, "SGD with {nesterov}momentum {momentum} and weight decay {weight_decay}")
            }
            OptimizerChoice::Adam(Adam { beta1, beta2, epsilon, weight_decay }) => write!(
                f,
                "Adam with betas {beta1} and {beta2}, epsilon {epsilon} and weight decay \
                 {weight_decay}"
            ),
            OptimizerChoice::AdamW(AdamW { beta1, beta2, epsilon, weight_decay }) => write!(
                f,
                "AdamW with betas {beta1} and {beta2}, epsilon {epsilon} and weight decay \
                 {weight_decay}"
            ),
        }
    }
}
