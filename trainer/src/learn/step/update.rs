//! The update graph: from parameters, state and gradient to new parameters and new state.

use crate::learn::backend::Kind;
use crate::learn::graph::{Graph, Value};
use crate::learn::network::{Network, Role, STATISTIC_RATE};
use crate::learn::optimizer::{Inputs, Optimizer};

/// How gradients change the parameters.
#[derive(Debug)]
pub struct UpdateRule {
    pub optimizer: Box<dyn Optimizer>,
    /// The longest gradient (Euclidean norm); 0 for no limit.
    pub clip_norm: f32,
    /// What stays of the moving average of the parameters in each step; 0 for none.
    pub average: f32,
    /// A factor for the change of each parameter, `[P]`: 0 freezes it.
    pub factors: Option<Vec<f32>>,
}

/// The state vector that holds the moving average of the parameters.
pub const AVERAGE: &str = "average";

impl UpdateRule {
    /// Names of the state vectors, each `[P]`.
    pub fn state(&self) -> Vec<&'static str> {
        let average = (self.average > 0.0).then_some(AVERAGE);
        self.optimizer.state().iter().copied().chain(average).collect()
    }

    /// The state vectors to begin with: the average is that of the first parameters alone.
    pub fn initial_state(&self, parameters: &[f32]) -> Vec<Vec<f32>> {
        let first = |name: &str| {
            if name == AVERAGE { parameters.to_vec() } else { vec![0.0; parameters.len()] }
        };
        self.state().into_iter().map(first).collect()
    }
}

/// The update graph.
///
/// Inputs: `parameters [P]`, `gradient [P]`, `rate [1]`, `factor0 [1]` and so on for the numbers of
/// [`Optimizer::factors`], then each state vector `[P]` under its name. Outputs: `new_parameters
/// [P]`, then each new state vector under `new_` and its name.
pub fn update_graph(backend: Kind, network: &Network, rule: &UpdateRule) -> Vec<u8> {
    let mut graph = Graph::new("update", 0, backend);
    let count = network.parameter_count();
    let parameters = graph.input("parameters", &[count]);
    let gradient = graph.input("gradient", &[count]);
    let rate = graph.input("rate", &[1]);
    let factors: Vec<Value> = (0..rule.optimizer.factors(1).len())
        .map(|index| graph.input(&format!("factor{index}"), &[1]))
        .collect();
    let names = rule.state();
    let state: Vec<Value> = names.iter().map(|name| graph.input(name, &[count])).collect();
    let decays: Vec<f32> = network
        .parameters()
        .flat_map(|(_, p)| std::iter::repeat_n(f32::from(u8::from(p.decays())), p.elements()))
        .collect();
    let (mut gradient, change) = split_statistics(&mut graph, network, gradient);
    if rule.clip_norm > 0.0 {
        gradient = clip(&mut graph, &gradient, rule.clip_norm);
    }
    let inputs = Inputs {
        parameters: &parameters,
        gradient: &gradient,
        rate: &rate,
        state: &state[..rule.optimizer.state().len()],
        factors: &factors,
        decays: &decays,
    };
    let mut update = rule.optimizer.emit(&mut graph, &inputs);
    if let Some(factors) = &rule.factors {
        let factors = graph.constant(&[count], factors);
        let change = graph.sub(&update.parameters, &parameters);
        let change = graph.mul(&change, &factors);
        update.parameters = graph.add(&parameters, &change);
    }
    if let Some(change) = change {
        update.parameters = graph.sub(&update.parameters, &change);
    }
    if rule.average > 0.0 {
        let average = &state[state.len() - 1];
        let lead = graph.sub(&update.parameters, average);
        let take = graph.constant(&[1], &[1.0 - rule.average]);
        let step = graph.mul(&lead, &take);
        update.state.push(graph.add(average, &step));
    }
    graph.output("new_parameters", &update.parameters);
    for (name, value) in names.iter().zip(&update.state) {
        graph.output(&format!("new_{name}"), value);
    }
    graph.finish()
}

/// The gradient, shortened to `longest` if its Euclidean norm is above.
fn clip(graph: &mut Graph, gradient: &Value, longest: f32) -> Value {
    let row = graph.reshape(gradient, &[1, gradient.elements()]);
    let square = graph.gemm((&row, false), (&row, true), None);
    let square = graph.reshape(&square, &[1]);
    let norm = graph.unary("Sqrt", &square);
    let longest = graph.constant(&[1], &[longest]);
    let norm = graph.max(&norm, &longest);
    let factor = graph.div(&longest, &norm);
    graph.mul(gradient, &factor)
}

/// The gradient `[P]` with zeros in the places of running statistics, and what they change by,
/// `[P]`, zero elsewhere; `None` if there are none.
fn split_statistics(
    graph: &mut Graph,
    network: &Network,
    gradient: Value,
) -> (Value, Option<Value>) {
    if !network.has_statistics() {
        return (gradient, None);
    }
    let factors = |of: &dyn Fn(Role) -> f32| -> Vec<f32> {
        let runs = network.parameters().map(|(_, p)| std::iter::repeat_n(of(p.role), p.elements()));
        runs.flatten().collect()
    };
    let trained = factors(&|role| if role == Role::Statistic { 0.0 } else { 1.0 });
    let moved = factors(&|role| if role == Role::Statistic { STATISTIC_RATE } else { 0.0 });
    let [trained, moved] = [trained, moved].map(|f| graph.constant(&[f.len()], &f));
    let change = graph.mul(&gradient, &moved);
    (graph.mul(&gradient, &trained), Some(change))
}
