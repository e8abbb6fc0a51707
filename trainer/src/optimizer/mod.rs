//! Optimizers: one file each, which emits its part of the update graph.

mod sgd;

use std::fmt;

use crate::graph::{Graph, Value};

pub use sgd::Sgd;

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

    /// Emits the update. All vectors are `[P]`, `rate` is `[1]`; `decays` is 1 for the parameters
    /// that weight decay applies to and 0 for the others.
    fn emit(
        &self,
        graph: &mut Graph,
        parameters: &Value,
        gradient: &Value,
        rate: &Value,
        state: &[Value],
        decays: &[f32],
    ) -> Update;
}
