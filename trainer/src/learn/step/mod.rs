//! The graphs that one training step runs.
//!
//! - The gradient graph takes the parameters and a part of a batch and gives the loss and the
//!   gradient. Every worker thread runs one on its own part, and the parts are added up.
//! - The update graph takes parameters, state, gradient and learning rate, and gives new parameters
//!   and new state.
//! - The inference graph takes parameters and images and gives logits: the evaluation's.
//!
//! All parameters travel as one flat vector, and so do the gradient and each vector of the state.

mod loss;
mod update;

use crate::learn::backend::Kind;
use crate::learn::graph::{Graph, Value};
use crate::learn::network::{Backward, Context, Gradients, ImageWeights, Network, Placed, Shape};
use crate::learn::quantization::Plan;

pub use loss::Soft;
pub use update::{AVERAGE, UpdateRule, update_graph};

/// The gradient graph for parts of `batch` images, as `backend` is fastest at it.
///
/// Inputs: `parameters [P]`, `images [C·H·W, batch]` (pixel / 255), `targets [classes, batch]`, if the
/// network has dropout `noise [N, batch]`, uniform in [0, 1), where `N` is [`Network::noise`], and with
/// teachers (`soft`) their probabilities at its temperature, `soft [classes, batch]`. Outputs: `loss
/// [1]`, `gradient [P]`.
///
/// A column of `targets` is the wanted probability of each class times the weight of the image in
/// the loss. One column per image adding up to 1 / (images in the whole batch) makes the loss the
/// mean of the cross-entropy when the parts are summed; a column of zeros leaves an image out, of
/// the loss and of batch norm's mean and variance.
///
/// A running statistic ([`crate::learn::network::Role::Statistic`]) has no gradient: in its place stands how far it is from
/// the part's own, times the part's share of the batch.
///
/// With a `plan` it computes with integers; see [`crate::learn::quantization`].
pub fn gradient_graph(
    backend: Kind,
    network: &Network,
    plan: Option<&Plan>,
    soft: Option<Soft>,
    batch: usize,
) -> Vec<u8> {
    let mut graph = Graph::new("gradient", batch, backend);
    let inputs = inputs(&mut graph, network);
    let targets = graph.input("targets", &[network.classes(), batch]);
    let noise = match network.noise() {
        0 => None,
        rows => Some(graph.input("noise", &[rows, batch])),
    };
    let weights = network.has_statistics().then(|| image_weights(&mut graph, &targets));
    let training = Training { weights, noise };
    let (logits, tape) = forward(&mut graph, network, plan, inputs, Some(&training));
    let (loss, dy) = match soft {
        None => loss::cross_entropy(&mut graph, &logits, &targets),
        Some(soft) => {
            let taught = graph.input("soft", &[network.classes(), batch]);
            soft.loss(&mut graph, &logits, &targets, &taught)
        }
    };

    // For each value whether a trained parameter decides it, and its gradient so far.
    let mut trained = vec![false; network.layers.len() + 1];
    for step in &tape {
        let Step { placed, inputs, output, .. } = &step.step;
        trained[*output] = placed.is_trained() || inputs.iter().any(|&value| trained[value]);
    }
    let mut of_values: Vec<Option<Value>> = vec![None; network.layers.len() + 1];
    of_values[network.layers.len()] = Some(dy);
    let mut gradients: Vec<(usize, Vec<Value>)> = Vec::new();
    for TapeStep { step, backward } in tape.into_iter().rev() {
        if !trained[step.output] {
            continue;
        }
        let dy = of_values[step.output].take().expect("every layer is read");
        let wanted: Vec<bool> = step.inputs.iter().map(|&value| trained[value]).collect();
        let layer = backward(&mut graph, &dy, &wanted);
        if !layer.parameters.is_empty() {
            gradients.push((step.placed.offset, layer.parameters));
        }
        for (&value, gradient) in step.inputs.iter().zip(layer.inputs) {
            let Some(gradient) = gradient else { continue };
            of_values[value] = Some(match of_values[value].take() {
                Some(sum) => graph.add(&sum, &gradient),
                None => gradient,
            });
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

/// The inference graph for `batch` images, as `backend` is fastest at it.
///
/// Inputs: `parameters [P]`, `images [C·H·W, batch]` (pixel / 255). Output: `logits [classes,
/// batch]`. With a `plan` these are the device's logits, as the numbers that its integers stand for.
pub fn inference_graph(
    backend: Kind,
    network: &Network,
    plan: Option<&Plan>,
    batch: usize,
) -> Vec<u8> {
    let mut graph = Graph::new("inference", batch, backend);
    let inputs = inputs(&mut graph, network);
    let (logits, _) = forward(&mut graph, network, plan, inputs, None);
    graph.output("logits", &logits);
    graph.finish()
}

/// What training gives to layers beside their inputs.
struct Training {
    weights: Option<ImageWeights>,
    /// Of all layers, one after the other.
    noise: Option<Value>,
}

/// How much each image counts, from the weights that `targets` gives it in the loss.
fn image_weights(graph: &mut Graph, targets: &Value) -> ImageWeights {
    let weights = graph.reduce_sum(targets, 0);
    let part = graph.reduce_sum(&weights, 1);
    // Where no image has weight all get the same: there would be nothing to divide by.
    let any = graph.is_positive(&part);
    let one = graph.constant(&[1, 1], &[1f32]);
    let least = graph.sub(&one, &any);
    let images = graph.add(&weights, &least);
    let sum = graph.reduce_sum(&images, 1);
    ImageWeights { images: graph.div(&images, &sum), part }
}

struct TapeStep<'a> {
    step: Step<'a>,
    backward: Backward<'a>,
}

/// The inputs that all graphs of a network have: parameters and images.
fn inputs(graph: &mut Graph, network: &Network) -> [Value; 2] {
    let parameters = graph.input("parameters", &[network.parameter_count()]);
    let pixels = network.input.iter().product();
    [parameters, graph.input("images", &[pixels, graph.batch()])]
}

fn forward<'a>(
    graph: &mut Graph,
    network: &'a Network,
    plan: Option<&'a Plan>,
    [parameters, images]: [Value; 2],
    training: Option<&Training>,
) -> (Value, Vec<TapeStep<'a>>) {
    let mut values: Vec<Option<Value>> = vec![None; network.layers.len() + 1];
    values[0] = Some(match plan.and_then(|plan| plan.activation(0)) {
        Some(grid) => grid.forward(graph, &images).0,
        None => images,
    });
    let mut tape = Vec::new();
    for step in in_training_order(network) {
        let placed = step.placed;
        let mut offset = placed.offset;
        let mut tensors = Vec::new();
        for parameter in &placed.parameters {
            let flat = graph.slice(&parameters, offset..offset + parameter.elements());
            tensors.push(graph.reshape(&flat, &parameter.shape));
            offset += parameter.elements();
        }
        // Max pooling changes places with layers that have no weights, so the value's number tells
        // the layer.
        let weights = plan.and_then(|plan| plan.weights(step.output - 1));
        if let (Some(grid), [weight, bias]) = (weights, &tensors[..]) {
            tensors = grid.forward(graph, weight, bias).to_vec();
        }
        let noise = training.and_then(|training| training.noise.as_ref());
        let noise = noise.filter(|_| placed.noise() > 0).map(|noise| {
            graph.slice(noise, placed.noise_offset..placed.noise_offset + placed.noise())
        });
        let read = |&value: &usize| values[value].clone().expect("comes before its readers");
        let inputs: Vec<Value> = step.inputs.iter().map(read).collect();
        let context = Context {
            inputs: &inputs,
            shapes: &step.shapes,
            parameters: &tensors,
            image_weights: training.and_then(|training| training.weights.as_ref()),
            noise,
            training: training.is_some(),
        };
        let (mut y, mut backward) = placed.layer.forward(graph, &context);
        if let Some(grid) = weights {
            backward = Box::new(move |graph, dy, wanted| {
                let Gradients { inputs, parameters } = backward(graph, dy, wanted);
                Gradients { inputs, parameters: grid.backward(graph, parameters) }
            });
        }
        if let Some(grid) = plan.and_then(|plan| plan.activation(step.output)) {
            let (on_grid, rounded) = grid.forward(graph, &y);
            y = match plan.and_then(|plan| plan.table(step.output)) {
                Some(table) => table.forward(graph, &inputs[0]),
                None => on_grid,
            };
            backward = Box::new(move |graph, dy, wanted| {
                let dy = grid.backward(graph, &rounded, dy);
                backward(graph, &dy, wanted)
            });
        }
        values[step.output] = Some(y);
        tape.push(TapeStep { step, backward });
    }
    let logits = values.pop().flatten().expect("a network has layers");
    (logits, tape)
}

/// A layer in its turn: the values that it reads and their shapes, and the value that it gives.
struct Step<'a> {
    placed: &'a Placed,
    inputs: Vec<usize>,
    shapes: Vec<Shape>,
    output: usize,
}

/// The layers in the order in which training runs them, max pooling moved before an element-wise
/// monotonic layer that nothing else reads: the same bits, and the other layer has less to do.
fn in_training_order(network: &Network) -> Vec<Step<'_>> {
    let mut order: Vec<Step> = Vec::new();
    for (index, placed) in network.layers.iter().enumerate() {
        let (inputs, shapes) = (placed.inputs.clone(), placed.shapes.clone());
        order.push(Step { placed, inputs, shapes, output: index + 1 });
    }
    for after in 0..order.len() {
        // Value `i + 1` is that of the step in place `i`, whichever layer that is.
        let Some(before) = order[after].inputs[0].checked_sub(1) else { continue };
        let exchanged = order[before].placed.layer.is_monotonic_elementwise()
            && order[after].placed.layer.takes_maxima()
            && network.readers(before + 1) == 1;
        if exchanged {
            let (pool, other) = (order[after].placed, order[before].placed);
            (order[before].placed, order[after].placed) = (pool, other);
            order[after].shapes = vec![pool.output];
        }
    }
    order
}
