//! The loss and its gradient with respect to the logits.

use crate::learn::graph::{Graph, Value};

/// Logarithms and probabilities of each class, `[classes, batch]`.
struct Softmax {
    logarithms: Value,
    probabilities: Value,
}

impl Softmax {
    /// The largest logit of each image is subtracted first, so no exponential overflows.
    fn new(graph: &mut Graph, logits: &Value) -> Self {
        let largest = graph.reduce_max(logits, 0);
        let shifted = graph.sub(logits, &largest);
        let exponentials = graph.unary("Exp", &shifted);
        let sum = graph.reduce_sum(&exponentials, 0);
        let log_sum = graph.unary("Log", &sum);
        let logarithms = graph.sub(&shifted, &log_sum);
        Self { logarithms, probabilities: graph.div(&exponentials, &sum) }
    }
}

/// The sum of all elements of `[rows, batch]`, times `factor`, as `[1]`.
fn total(graph: &mut Graph, x: &Value, factor: f32) -> Value {
    let per_image = graph.reduce_sum(x, 0);
    let total = graph.reduce_sum(&per_image, 1);
    let total = graph.reshape(&total, &[1]);
    scaled(graph, &total, factor)
}

fn scaled(graph: &mut Graph, x: &Value, factor: f32) -> Value {
    if factor == -1.0 {
        return graph.unary("Neg", x);
    }
    let factor = graph.constant(&[1], &[factor]);
    graph.mul(x, &factor)
}

/// The cross-entropy of `logits` against `targets`, both `[classes, batch]`: the loss `[1]` and its
/// gradient with respect to the logits.
pub(super) fn cross_entropy(graph: &mut Graph, logits: &Value, targets: &Value) -> (Value, Value) {
    let Softmax { logarithms, probabilities } = Softmax::new(graph, logits);
    let weighted = graph.mul(targets, &logarithms);
    let loss = total(graph, &weighted, -1.0);
    let weights = graph.reduce_sum(targets, 0);
    let weighted = graph.mul(&probabilities, &weights);
    (loss, graph.sub(&weighted, targets))
}

/// What is learned from the probabilities that teachers give (Hinton, Vinyals and Dean, "Distilling the
/// Knowledge in a Neural Network", 2015): with `q` for those and `p` for the network's own, both at the
/// temperature `T`, the loss of an image is
///
/// `(1 − weight) · cross-entropy + weight · T² · KL(q ‖ p)`.
///
/// `T²` keeps the second part's gradient as long as the first's, whatever the temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Soft {
    /// What logits are divided by before their softmax; above 0.
    pub temperature: f32,
    /// The teachers' part of the loss, 0 to 1.
    pub weight: f32,
}

impl Soft {
    /// The loss `[1]` and its gradient with respect to `logits`, for `targets` and the teachers'
    /// probabilities `taught`, all three `[classes, batch]`. An image counts as its targets do.
    pub(super) fn loss(
        self,
        graph: &mut Graph,
        logits: &Value,
        targets: &Value,
        taught: &Value,
    ) -> (Value, Value) {
        let Self { temperature, weight } = self;
        let (hard, of_hard) = cross_entropy(graph, logits, targets);
        let cooled = scaled(graph, logits, 1.0 / temperature);
        let Softmax { logarithms, probabilities } = Softmax::new(graph, &cooled);
        let images = graph.reduce_sum(targets, 0);
        // 0 · log 0 is 0.
        let least = graph.constant(&[1], &[f32::MIN_POSITIVE]);
        let above = graph.max(taught, &least);
        let wanted = graph.unary("Log", &above);
        let apart = graph.sub(&wanted, &logarithms);
        let apart = graph.mul(taught, &apart);
        let divergence = graph.mul(&apart, &images);
        let soft = total(graph, &divergence, weight * temperature * temperature);
        let difference = graph.sub(&probabilities, taught);
        let difference = graph.mul(&difference, &images);
        let of_soft = scaled(graph, &difference, weight * temperature);

        let hard = scaled(graph, &hard, 1.0 - weight);
        let of_hard = scaled(graph, &of_hard, 1.0 - weight);
        (graph.add(&hard, &soft), graph.add(&of_hard, &of_soft))
    }
}
