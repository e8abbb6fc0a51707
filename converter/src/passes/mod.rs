//! Rewrites of the float graph, one per file, in the order in which [`run`] applies them.
//!
//! After the last one every node has a kernel, and all is laid out as height × width × channels.

mod compose_functions;
mod drop_flatten;
mod drop_identity;
mod equalize_channels;
mod fold_affine;
mod fold_pad;
mod pixel_scale;

use crate::graph::{Graph, Operator};
pub use pixel_scale::{INPUT_EXPONENT, PerChannel, PixelScale, choose as choose_pixel_scale};

/// Why a graph has no integer form; names the node.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PassError {
    #[error("node '{node}' ({op}): {what}")]
    Node { node: String, op: &'static str, what: String },
    #[error("output '{name}' {what}")]
    Output { name: String, what: String },
    #[error("the file's input {what}")]
    Input { what: String },
    #[error("input '{name}' {what}")]
    NamedInput { name: String, what: String },
}

impl PassError {
    pub(crate) fn output(name: &str, what: &str) -> Self {
        Self::Output { name: name.into(), what: what.into() }
    }

    pub(crate) fn at(graph: &Graph, index: usize, what: impl Into<String>) -> Self {
        let node = &graph.nodes[index];
        Self::Node { node: node.name.clone(), op: node.operator.name(), what: what.into() }
    }
}

/// All passes in order.
///
/// # Errors
///
/// The first node that cannot be rewritten.
pub fn run(graph: &mut Graph, pixels: &[PixelScale]) -> Result<(), PassError> {
    drop_identity::run(graph);
    compose_functions::run(graph);
    fold_pad::run(graph)?;
    pixel_scale::run(graph, pixels);
    fold_affine::run(graph);
    drop_flatten::run(graph)?;
    equalize_channels::run(graph);
    Ok(())
}

/// Exchanges node `index` with the only node that reads it, where both compute the same shape
/// rule whichever comes first.
pub(crate) fn exchange(graph: &mut Graph, index: usize, consumer: usize) {
    let before = graph.shape(graph.nodes[index].inputs[0]);
    let after = graph.nodes[consumer].output;
    let (low, high) = graph.nodes.split_at_mut(consumer);
    std::mem::swap(&mut low[index].operator, &mut high[0].operator);
    std::mem::swap(&mut low[index].name, &mut high[0].name);
    // The first of the two now has the shape rule that the second had.
    low[index].output = match low[index].operator {
        Operator::Flatten | Operator::MaxPool2d { .. } | Operator::AveragePool2d { .. } => after,
        _ => before,
    };
}

/// Graphs for the tests of the passes.
#[cfg(test)]
pub(crate) mod testing {
    use firmware_core::Window;

    use crate::graph::{Graph, Node, Operator, Output, Shape, ValueId};

    /// A graph over images of `input`: operators with what they read and the shape of their result.
    pub fn graph(input: Shape, nodes: &[(Operator, &[ValueId], Shape)]) -> Graph {
        let node = |(operator, inputs, output): &(Operator, &[ValueId], Shape)| Node {
            name: operator.name().into(),
            operator: operator.clone(),
            inputs: inputs.to_vec(),
            output: *output,
        };
        Graph {
            input,
            raw_pixels: vec![false],
            nodes: nodes.iter().map(node).collect(),
            outputs: vec![Output::plain(
                "y",
                nodes.len(),
                nodes.last().map_or(0, |last| last.2.size()),
            )],
            exponents: Default::default(),
        }
    }

    /// A convolution of one group with weights and biases that are all different.
    pub fn conv(window: Window, inputs: usize, outputs: usize) -> Operator {
        let weights = (0..outputs * window.area() * inputs).map(|i| i as f32 - 3.5).collect();
        let bias = (0..outputs).map(|i| i as f32 * 0.5).collect();
        Operator::Conv2d { weights, bias, window, groups: 1 }
    }

    /// A fully connected layer likewise.
    pub fn fully_connected(inputs: usize, outputs: usize) -> Operator {
        let weights = (0..outputs * inputs).map(|i| i as f32 - 3.5).collect();
        Operator::FullyConnected { weights, bias: vec![0.25; outputs] }
    }

    pub fn names(graph: &Graph) -> Vec<&'static str> {
        graph.nodes.iter().map(|node| node.operator.name()).collect()
    }
}
