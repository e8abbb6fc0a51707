//! Folds batch norm, separate biases, pixel scaling and what is left of a mean's divisor into the
//! weights beside them; what cannot be folded becomes a layer of its own.
//!
//! An affine node goes into the layer in front of it or into those behind it, past whatever it
//! commutes with. Where both ways are barred, as with batch norm between a concatenation and a
//! ReLU, it becomes a depthwise convolution of one pixel.

use firmware_core::Window;

use super::exchange;
use crate::graph::{Graph, Node, Operator, Shape, ValueId};
use crate::lower::MOST_CLASSES;

pub fn run(graph: &mut Graph) {
    while let Some(index) =
        graph.nodes.iter().position(|node| matches!(node.operator, Operator::Affine { .. }))
    {
        fold(graph, index);
    }
}

/// `y = x * scale + shift`, per channel; one element serves all channels.
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    fn scale(&self, channel: usize) -> f32 {
        self.scale[if self.scale.len() == 1 { 0 } else { channel }]
    }

    fn shift(&self, channel: usize) -> f32 {
        self.shift[if self.shift.len() == 1 { 0 } else { channel }]
    }

    fn shifts(&self) -> bool {
        self.shift.iter().any(|&shift| shift != 0.0)
    }

    /// Scale and shift of this one with another behind it.
    fn then(&self, next: &Affine) -> (Vec<f32>, Vec<f32>) {
        let lengths = [&self.scale, &self.shift, &next.scale, &next.shift].map(Vec::len);
        let channels = 0..lengths.into_iter().max().unwrap_or(1);
        let scale = channels.clone().map(|c| self.scale(c) * next.scale(c)).collect();
        let shift = channels.map(|c| self.shift(c) * next.scale(c) + next.shift(c)).collect();
        (scale, shift)
    }

    /// A larger x gives a larger y.
    fn increases(&self) -> bool {
        self.scale.iter().all(|&scale| scale > 0.0)
    }
}

/// Brings the affine node at `index` one step nearer to its end.
fn fold(graph: &mut Graph, index: usize) {
    let Operator::Affine { scale, shift } = graph.nodes[index].operator.clone() else {
        return;
    };
    let affine = Affine { scale, shift };
    if affine.scale.iter().all(|&s| s == 1.0) && !affine.shifts() {
        graph.bypass(index);
        return;
    }
    if fold_into_producer(graph, index, &affine) {
        graph.bypass(index);
        return;
    }
    if let Some(consumer) = graph.only_consumer(index + 1)
        && (move_past(graph, index, consumer, &affine)
            || move_past_concat(graph, index, consumer, &affine))
    {
        return;
    }
    if fold_into_consumers(graph, index, &affine) || fold_backward(graph, index, &affine) {
        graph.bypass(index);
        return;
    }
    become_layer(graph, index, &affine);
}

/// Folds into the layer (or affine node) that the node at `index` reads, if nothing else does.
fn fold_into_producer(graph: &mut Graph, index: usize, affine: &Affine) -> bool {
    let value = graph.nodes[index].inputs[0];
    if value == 0 || graph.only_consumer(value) != Some(index) {
        return false;
    }
    match &mut graph.nodes[value - 1].operator {
        Operator::Conv2d { weights, bias, .. } | Operator::FullyConnected { weights, bias } => {
            scale_outputs(weights, bias, affine);
            true
        }
        Operator::Affine { scale, shift } => {
            let first = Affine { scale: scale.clone(), shift: shift.clone() };
            (*scale, *shift) = first.then(affine);
            true
        }
        _ => false,
    }
}

/// Exchanges the node with the one that reads it, where that changes nothing.
fn move_past(graph: &mut Graph, index: usize, consumer: usize, affine: &Affine) -> bool {
    let shape = graph.nodes[index].output;
    match &mut graph.nodes[consumer].operator {
        // Two of them are one.
        Operator::Affine { scale, shift } => {
            let second = Affine { scale: scale.clone(), shift: shift.clone() };
            (*scale, *shift) = affine.then(&second);
            graph.bypass(index);
            return true;
        }
        Operator::Flatten => {
            let expand = |values: &[f32]| expand(values, shape);
            graph.nodes[index].operator =
                Operator::Affine { scale: expand(&affine.scale), shift: expand(&affine.shift) };
        }
        Operator::MaxPool2d { .. } if affine.increases() => {}
        Operator::Relu | Operator::LeakyRelu { .. } if affine.increases() && !affine.shifts() => {}
        // The sum of a window has its shift once for each pixel.
        Operator::AveragePool2d { window, bits } if !window.is_padded() || !affine.shifts() => {
            let factor = (window.kernel[0] * window.kernel[1]) as f32 / 2_f32.powi(*bits as i32);
            graph.nodes[index].operator = Operator::Affine {
                scale: affine.scale.clone(),
                shift: affine.shift.iter().map(|shift| shift * factor).collect(),
            };
        }
        _ => return false,
    }
    exchange(graph, index, consumer);
    true
}

/// Puts the node behind a concatenation of which it changes a part, if all that read the whole can take
/// it.
fn move_past_concat(graph: &mut Graph, index: usize, consumer: usize, affine: &Affine) -> bool {
    let joined = &graph.nodes[consumer];
    let own = |value: &&ValueId| **value == index + 1;
    if !matches!(joined.operator, Operator::Concat)
        || joined.inputs.iter().filter(own).count() != 1
        || !consumers_take(graph, consumer + 1, affine)
    {
        return false;
    }
    let (mut scale, mut shift) = (Vec::new(), Vec::new());
    for &value in &joined.inputs {
        let channels = 0..graph.shape(value).channels;
        let part = |of: &dyn Fn(usize) -> f32, other| {
            let of = |channel| if value == index + 1 { of(channel) } else { other };
            channels.clone().map(of).collect::<Vec<f32>>()
        };
        scale.extend(part(&|channel| affine.scale(channel), 1.0));
        shift.extend(part(&|channel| affine.shift(channel), 0.0));
    }
    let behind = Node {
        name: graph.nodes[index].name.clone(),
        operator: Operator::Affine { scale, shift },
        inputs: vec![consumer + 1],
        output: joined.output,
    };
    graph.insert(consumer + 1, behind);
    graph.bypass(index);
    true
}

/// Every node that reads a value is a layer that can take what the node does to it.
fn consumers_take(graph: &Graph, value: ValueId, affine: &Affine) -> bool {
    let takes = |consumer: usize| match &graph.nodes[consumer].operator {
        Operator::Conv2d { window, .. } => !affine.shifts() || !window.is_padded(),
        Operator::FullyConnected { .. } => true,
        _ => false,
    };
    !graph.is_output(value) && graph.consumers(value).all(takes)
}

/// Folds into all layers that read the node, if every reader is one that can take it.
fn fold_into_consumers(graph: &mut Graph, index: usize, affine: &Affine) -> bool {
    let shape = graph.nodes[index].output;
    if !consumers_take(graph, index + 1, affine) {
        return false;
    }
    let consumers: Vec<usize> = graph.consumers(index + 1).collect();
    for consumer in consumers {
        match &mut graph.nodes[consumer].operator {
            Operator::Conv2d { weights, bias, groups, .. } => {
                scale_inputs(weights, bias, *groups, shape.channels, affine);
            }
            Operator::FullyConnected { weights, bias } => {
                // An image is read pixel by pixel, each with its channels.
                scale_inputs(weights, bias, 1, shape.channels, affine);
            }
            _ => {}
        }
    }
    true
}

/// Folds a positive scale into the layer in front, past ReLUs and poolings that nothing else
/// reads.
fn fold_backward(graph: &mut Graph, index: usize, affine: &Affine) -> bool {
    if affine.shifts() || !affine.increases() {
        return false;
    }
    let (mut reader, mut value) = (index, graph.nodes[index].inputs[0]);
    while value != 0 && graph.only_consumer(value) == Some(reader) {
        match &mut graph.nodes[value - 1].operator {
            Operator::Conv2d { weights, bias, .. } | Operator::FullyConnected { weights, bias } => {
                scale_outputs(weights, bias, affine);
                return true;
            }
            Operator::Relu
            | Operator::LeakyRelu { .. }
            | Operator::MaxPool2d { .. }
            | Operator::AveragePool2d { .. } => {
                reader = value - 1;
                value = graph.nodes[reader].inputs[0];
            }
            _ => return false,
        }
    }
    false
}

/// Turns the node into a depthwise convolution of one pixel; at the end of a network, into the
/// fully connected layer that it has to end in.
fn become_layer(graph: &mut Graph, index: usize, affine: &Affine) {
    let shape = graph.nodes[index].output;
    let channels = shape.channels;
    let bias: Vec<f32> = (0..channels).map(|channel| affine.shift(channel)).collect();
    let logits = shape.height * shape.width == 1 && channels <= MOST_CLASSES;
    graph.nodes[index].operator = if graph.is_output(index + 1) && logits {
        let diagonal = |at: usize| (at / channels, at % channels);
        let weights = (0..channels * channels)
            .map(diagonal)
            .map(|(row, column)| if row == column { affine.scale(row) } else { 0.0 })
            .collect();
        Operator::FullyConnected { weights, bias }
    } else {
        let weights = (0..channels).map(|channel| affine.scale(channel)).collect();
        let window = Window::new([1, 1]);
        Operator::Conv2d { weights, bias, window, groups: channels }
    };
}

/// What a layer computes, scaled and shifted: weights `[out][…]`.
fn scale_outputs(weights: &mut [f32], bias: &mut [f32], affine: &Affine) {
    let taps = weights.len() / bias.len().max(1);
    for (channel, (taps, bias)) in weights.chunks_mut(taps.max(1)).zip(bias).enumerate() {
        taps.iter_mut().for_each(|weight| *weight *= affine.scale(channel));
        *bias = *bias * affine.scale(channel) + affine.shift(channel);
    }
}

/// What a layer reads, scaled and shifted: weights `[out][…][in / groups]` over `inputs` channels.
fn scale_inputs(
    weights: &mut [f32],
    bias: &mut [f32],
    groups: usize,
    inputs: usize,
    affine: &Affine,
) {
    let taps = weights.len() / bias.len().max(1);
    let (group_in, group_out) = (inputs / groups, bias.len() / groups);
    for (out, (taps, bias)) in weights.chunks_mut(taps.max(1)).zip(bias).enumerate() {
        let first = out / group_out.max(1) * group_in;
        for (tap, weight) in taps.iter_mut().enumerate() {
            let channel = first + tap % group_in.max(1);
            *bias += *weight * affine.shift(channel);
            *weight *= affine.scale(channel);
        }
    }
}

/// Per-channel values as one value per element of the flattened tensor.
fn expand(values: &[f32], shape: Shape) -> Vec<f32> {
    match values.len() {
        1 => values.to_vec(),
        _ => values.repeat(shape.height * shape.width),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{conv, fully_connected, graph, names};
    use super::*;
    use crate::evaluate;
    use crate::lower::lower;

    const IMAGE: Shape = Shape { height: 4, width: 4, channels: 2 };

    fn affine(scale: &[f32], shift: &[f32]) -> Operator {
        Operator::Affine { scale: scale.to_vec(), shift: shift.to_vec() }
    }

    /// The names of what is left, which computes what the nodes did.
    fn folded(nodes: &[(Operator, &[usize], Shape)]) -> Vec<&'static str> {
        let before = graph(IMAGE, nodes);
        let mut after = before.clone();
        run(&mut after);
        let image: Vec<u8> = (0..32).map(|i| (i * 41 % 256) as u8).collect();
        let expected = plain(&before, &image);
        let network = lower(after.clone()).expect("every node has a kernel");
        for (a, b) in evaluate::logits(&network, &image).iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} for {b}");
        }
        names(&after)
    }

    /// The graph with every affine node as a layer of its own.
    fn plain(before: &Graph, image: &[u8]) -> Vec<f32> {
        let mut graph = before.clone();
        for index in 0..graph.nodes.len() {
            let Operator::Affine { scale, shift } = graph.nodes[index].operator.clone() else {
                continue;
            };
            let affine = Affine { scale, shift };
            let channels = graph.nodes[index].output.channels;
            graph.nodes[index].operator = Operator::Conv2d {
                weights: (0..channels).map(|c| affine.scale(c)).collect(),
                bias: (0..channels).map(|c| affine.shift(c)).collect(),
                window: Window::new([1, 1]),
                groups: channels,
            };
        }
        let network = lower(graph).expect("every node has a kernel");
        evaluate::logits(&network, image)
    }

    #[test]
    fn into_the_layer_in_front() {
        let norm = affine(&[2.0, -0.5, 1.5], &[1.0, 0.0, -3.0]);
        let pixels = Shape::new(2, 2, 3);
        let nodes = [
            (conv(Window::new([3, 3]), 2, 3), &[0][..], pixels),
            (norm, &[1], pixels),
            (Operator::Relu, &[2], pixels),
            (fully_connected(12, 2), &[3], Shape::flat(2)),
        ];
        assert_eq!(folded(&nodes), ["conv2d", "relu", "fully_connected"]);
    }

    #[test]
    fn into_the_layer_behind() {
        let nodes = [
            (affine(&[2.0, 0.5], &[1.0, -0.25]), &[0][..], IMAGE),
            (conv(Window::new([3, 3]), 2, 3), &[1], Shape::new(2, 2, 3)),
            (fully_connected(12, 2), &[2], Shape::flat(2)),
        ];
        assert_eq!(folded(&nodes), ["conv2d", "fully_connected"]);
    }

    #[test]
    fn into_the_layer_behind_a_concatenation() {
        let nodes = [
            (affine(&[2.0, 0.5], &[1.0, -0.25]), &[0][..], IMAGE),
            (conv(Window::new([1, 1]), 2, 3), &[0], Shape::new(4, 4, 3)),
            (Operator::Relu, &[2], Shape::new(4, 4, 3)),
            (Operator::Concat, &[3, 1], Shape::new(4, 4, 5)),
            (conv(Window::new([4, 4]), 5, 2), &[4], Shape::flat(2)),
        ];
        assert_eq!(folded(&nodes), ["conv2d", "relu", "concat", "conv2d"]);
    }

    #[test]
    fn a_shift_in_front_of_a_rim_and_a_scale_in_front_of_two_readers_stay_layers() {
        let three = Shape::new(2, 2, 3);
        let nodes = [
            (conv(Window::new([3, 3]), 2, 3), &[0][..], three),
            (Operator::Relu, &[1], three),
            (affine(&[2.0, 1.5, 1.0], &[1.0, 0.0, 2.0]), &[2], three),
            (Operator::Relu, &[3], three),
            (Operator::Add, &[3, 4], three),
            (fully_connected(12, 2), &[5], Shape::flat(2)),
        ];
        let left = folded(&nodes);
        assert_eq!(left, ["conv2d", "relu", "conv2d", "relu", "add", "fully_connected"]);
    }
}
