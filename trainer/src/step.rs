//! The graphs that one training step runs.
//!
//! - The gradient graph takes the parameters and a part of a batch and gives the loss and the
//!   gradient. Every worker thread runs one on its own part, and the parts are added up.
//! - The update graph takes parameters, state, gradient and learning rate, and gives new parameters
//!   and new state.
//! - The inference graph takes parameters and images and gives logits: the evaluation's.
//!
//! All parameters travel as one flat vector, and so do the gradient and each vector of the state.

use crate::graph::{Graph, Value};
use crate::network::{Backward, Network, Placed};
use crate::optimizer::{Inputs, Optimizer};

/// The gradient graph for parts of `batch` images.
///
/// Inputs: `parameters [P]`, `images [C·H·W, batch]` (pixel / 255), `targets [classes, batch]`.
/// Outputs: `loss [1]`, `gradient [P]`.
///
/// A column of `targets` is the wanted probability of each class times the weight of the image in
/// the loss. One column per image adding up to 1 / (images in the whole batch) makes the loss the
/// mean of the cross-entropy when the parts are summed; a column of zeros leaves an image out.
pub fn gradient_graph(network: &Network, batch: usize) -> Vec<u8> {
    let mut graph = Graph::new("gradient", batch);
    let (logits, tape) = forward(&mut graph, network);
    let targets = graph.input("targets", &[network.classes(), batch]);
    let (loss, mut dy) = cross_entropy(&mut graph, &logits, &targets);

    let mut gradients: Vec<(usize, Vec<Value>)> = Vec::new();
    let first_trained = tape.iter().position(|step| !step.placed.parameters.is_empty());
    for (index, step) in tape.into_iter().enumerate().rev() {
        if Some(index) < first_trained || first_trained.is_none() {
            break;
        }
        let wants_input = Some(index) != first_trained;
        let layer = (step.backward)(&mut graph, &dy, wants_input);
        if !layer.parameters.is_empty() {
            gradients.push((step.placed.offset, layer.parameters));
        }
        match layer.input {
            Some(input) => dy = input,
            None => break,
        }
    }
    gradients.sort_by_key(|(offset, _)| *offset);
    let flat: Vec<Value> = gradients
        .iter()
        .flat_map(|(_, values)| values)
        .map(|value| graph.reshape(value, &[value.elements()]))
        .collect();
    let gradient = graph.concat(&flat);
    graph.output("loss", &loss);
    graph.output("gradient", &gradient);
    graph.finish()
}

/// The inference graph for `batch` images.
///
/// Inputs: `parameters [P]`, `images [C·H·W, batch]` (pixel / 255). Output: `logits [classes,
/// batch]`.
pub fn inference_graph(network: &Network, batch: usize) -> Vec<u8> {
    let mut graph = Graph::new("inference", batch);
    let (logits, _) = forward(&mut graph, network);
    graph.output("logits", &logits);
    graph.finish()
}

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
pub fn update_graph(network: &Network, rule: &UpdateRule) -> Vec<u8> {
    let mut graph = Graph::new("update", 0);
    let count = network.parameter_count();
    let parameters = graph.input("parameters", &[count]);
    let mut gradient = graph.input("gradient", &[count]);
    let rate = graph.input("rate", &[1]);
    let factors: Vec<Value> = (0..rule.optimizer.factors(1).len())
        .map(|index| graph.input(&format!("factor{index}"), &[1]))
        .collect();
    let names = rule.state();
    let state: Vec<Value> = names.iter().map(|name| graph.input(name, &[count])).collect();
    let decays: Vec<f32> = network
        .parameters()
        .flat_map(|(_, p)| std::iter::repeat_n(f32::from(u8::from(p.decays)), p.elements()))
        .collect();
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

struct TapeStep<'a> {
    placed: &'a Placed,
    backward: Backward<'a>,
}

fn forward<'a>(graph: &mut Graph, network: &'a Network) -> (Value, Vec<TapeStep<'a>>) {
    let pixels = network.input.iter().product();
    let parameters = graph.input("parameters", &[network.parameter_count()]);
    let mut x = graph.input("images", &[pixels, graph.batch()]);
    let mut tape = Vec::new();
    for placed in in_training_order(network) {
        let mut offset = placed.0.offset;
        let mut values = Vec::new();
        for parameter in &placed.0.parameters {
            let flat = graph.slice(&parameters, offset..offset + parameter.elements());
            values.push(graph.reshape(&flat, &parameter.shape));
            offset += parameter.elements();
        }
        let (y, backward) = placed.0.layer.forward(graph, &x, placed.1, &values);
        tape.push(TapeStep { placed: placed.0, backward });
        x = y;
    }
    (x, tape)
}

/// The layers with the input shape of each, max pooling moved before an element-wise monotonic
/// layer: the same bits, and the other layer has less to do.
fn in_training_order(network: &Network) -> Vec<(&Placed, crate::network::Shape)> {
    let mut order: Vec<_> = network.layers.iter().map(|placed| (placed, placed.input)).collect();
    for index in 1..order.len() {
        let (before, after) = (order[index - 1].0, order[index].0);
        if before.layer.is_monotonic_elementwise() && after.layer.takes_maxima() {
            order[index - 1] = (after, before.input);
            order[index] = (before, after.output);
        }
    }
    order
}

/// The cross-entropy of `logits` against `targets`, both `[classes, batch]`: the loss `[1]` and its
/// gradient with respect to the logits.
///
/// The largest logit of each image is subtracted first, so no exponential overflows.
fn cross_entropy(graph: &mut Graph, logits: &Value, targets: &Value) -> (Value, Value) {
    let largest = graph.reduce_max(logits, 0);
    let shifted = graph.sub(logits, &largest);
    let exponentials = graph.unary("Exp", &shifted);
    let sum = graph.reduce_sum(&exponentials, 0);
    let log_sum = graph.unary("Log", &sum);
    let log_probabilities = graph.sub(&shifted, &log_sum);
    let weighted = graph.mul(targets, &log_probabilities);
    let per_image = graph.reduce_sum(&weighted, 0);
    let total = graph.reduce_sum(&per_image, 1);
    let total = graph.reshape(&total, &[1]);
    let loss = graph.unary("Neg", &total);

    let probabilities = graph.div(&exponentials, &sum);
    let weights = graph.reduce_sum(targets, 0);
    let weighted = graph.mul(&probabilities, &weights);
    let gradient = graph.sub(&weighted, targets);
    (loss, gradient)
}
