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
pub use pixel_scale::{INPUT_EXPONENT, PixelScale, choose as choose_pixel_scale};

/// Why a graph has no integer form; names the node.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PassError {
    #[error("node '{node}' ({op}): {what}")]
    Node { node: String, op: &'static str, what: String },
    #[error("the file's input {what}")]
    Input { what: String },
}

impl PassError {
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
pub fn run(graph: &mut Graph, pixels: &PixelScale) -> Result<(), PassError> {
    drop_identity::run(graph);
    compose_functions::run(graph);
    fold_pad::run(graph)?;
    pixel_scale::run(graph, pixels);
    fold_affine::run(graph)?;
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
