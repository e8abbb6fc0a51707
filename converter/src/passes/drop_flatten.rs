//! Drops flattens: everything is stored as height × width × channels, in which a flatten moves
//! nothing, and a fully connected layer reads an image as the vector that it is.

use super::{PassError, exchange};
use crate::graph::{Graph, Operator};

pub fn run(graph: &mut Graph) -> Result<(), PassError> {
    while let Some(index) =
        graph.nodes.iter().position(|node| matches!(node.operator, Operator::Flatten))
    {
        // Among several outputs one may be an image: it lies in memory as its flattened form does.
        if graph.outputs.len() > 1 {
            let image = graph.nodes[index].inputs[0];
            let flat = graph.outputs.iter_mut().filter(|output| output.value == index + 1);
            flat.for_each(|output| output.value = image);
        }
        let consumers: Vec<usize> = graph.consumers(index + 1).collect();
        let other = consumers.iter().find(|&&consumer| {
            !matches!(graph.nodes[consumer].operator, Operator::FullyConnected { .. })
        });
        match other.map(|&consumer| (consumer, &graph.nodes[consumer].operator)) {
            None if !graph.is_output(index + 1) => graph.bypass(index),
            Some((consumer, operator)) if consumers.len() == 1 && operator.is_elementwise() => {
                exchange(graph, index, consumer);
            }
            other => {
                let what = match other {
                    Some((_, other)) => {
                        format!("is followed by {}; expected fully_connected", other.name())
                    }
                    None => "must be followed by a fully connected layer".into(),
                };
                return Err(PassError::at(graph, index, what));
            }
        }
    }
    Ok(())
}
