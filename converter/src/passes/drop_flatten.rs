//! Drops flattens: everything is stored as height × width × channels, in which a flatten moves
//! nothing, and a fully connected layer, or a concatenation to a vector, reads an image as the vector that
//! it is. What computes element by element is first brought in front of the flatten.

use super::PassError;
use crate::graph::{Graph, Node, Operator, Shape, ValueId};

pub fn run(graph: &mut Graph) -> Result<(), PassError> {
    while let Some(index) =
        graph.nodes.iter().position(|node| matches!(node.operator, Operator::Flatten))
    {
        // An output may be an image: it lies in memory as its flattened form does.
        let image = graph.nodes[index].inputs[0];
        let flat = graph.outputs.iter_mut().filter(|output| output.value == index + 1);
        flat.for_each(|output| output.value = image);
        loop {
            let other = |&consumer: &usize| !reads_vectors(graph, consumer);
            let Some(consumer) = graph.consumers(index + 1).find(other) else { break };
            let operator = &graph.nodes[consumer].operator;
            let name = operator.name();
            let elementwise = operator.is_elementwise()
                || matches!(operator, Operator::Add | Operator::Mul | Operator::Identity);
            match images(graph, consumer) {
                Some((images, shape))
                    if elementwise || repeats(graph, consumer, shape.channels) =>
                {
                    bring_forward(graph, consumer, images, shape);
                }
                _ => {
                    let what = format!("is followed by {name}; expected fully_connected or concat");
                    return Err(PassError::at(graph, index, what));
                }
            }
        }
        graph.bypass(index);
    }
    Ok(())
}

/// The node takes an image for the vector of its elements.
fn reads_vectors(graph: &Graph, node: usize) -> bool {
    let Node { operator, output, .. } = &graph.nodes[node];
    match operator {
        Operator::FullyConnected { .. } => true,
        Operator::Concat => output.height * output.width == 1,
        _ => false,
    }
}

/// What a node's inputs are flattened from, if all are flattened from images of one shape.
fn images(graph: &Graph, node: usize) -> Option<(Vec<ValueId>, Shape)> {
    let image = |&value: &ValueId| {
        let source = &graph.nodes[value.checked_sub(1)?];
        matches!(source.operator, Operator::Flatten).then(|| source.inputs[0])
    };
    let images: Vec<ValueId> = graph.nodes[node].inputs.iter().map(image).collect::<Option<_>>()?;
    let shape = graph.shape(*images.first()?);
    images.iter().all(|&image| graph.shape(image) == shape).then_some((images, shape))
}

/// Lets a node that scales and shifts every element do so for each of so many channels, if it does the same
/// to every pixel: whether it does.
fn repeats(graph: &mut Graph, node: usize, channels: usize) -> bool {
    let Operator::Conv2d { weights, bias, groups, .. } = &mut graph.nodes[node].operator else {
        return false;
    };
    let same = |values: &[f32]| values.chunks(channels).all(|pixel| pixel == &values[..channels]);
    let each = weights.len() == *groups && bias.len() == *groups && channels <= *groups;
    if !each || !same(weights) || !same(bias) {
        return false;
    }
    weights.truncate(channels);
    bias.truncate(channels);
    *groups = channels;
    true
}

/// Lets a node compute with images, and flattens its result.
fn bring_forward(graph: &mut Graph, node: usize, images: Vec<ValueId>, shape: Shape) {
    let Node { name, output, .. } = graph.nodes[node].clone();
    let flatten = Node { name, operator: Operator::Flatten, inputs: vec![node + 1], output };
    graph.nodes[node].inputs = images;
    graph.nodes[node].output = shape;
    graph.insert(node + 1, flatten);
}
