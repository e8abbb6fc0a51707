//! Lays everything out as height × width × channels, in which a flatten moves nothing.

use super::{PassError, exchange};
use crate::graph::{FlattenOrder, Graph, Operator};

pub fn run(graph: &mut Graph) -> Result<(), PassError> {
    while let Some(index) =
        graph.nodes.iter().position(|node| matches!(node.operator, Operator::Flatten { .. }))
    {
        let Operator::Flatten { order } = graph.nodes[index].operator else { break };
        let shape = graph.shape(graph.nodes[index].inputs[0]);
        let one_pixel = shape.height * shape.width == 1;
        if order == FlattenOrder::Chw && !one_pixel && shape.channels > 1 {
            let Some(consumer) = graph.only_consumer(index + 1) else {
                return Err(PassError::at(graph, index, "must be followed by exactly one layer"));
            };
            match &mut graph.nodes[consumer].operator {
                Operator::FullyConnected { weights, .. } => {
                    let (pixels, size) = (shape.height * shape.width, shape.size());
                    for row in weights.chunks_mut(size) {
                        let chw = row.to_vec();
                        for (element, weight) in row.iter_mut().enumerate() {
                            let (pixel, channel) =
                                (element / shape.channels, element % shape.channels);
                            *weight = chw[channel * pixels + pixel];
                        }
                    }
                }
                operator if operator.is_elementwise() => {
                    exchange(graph, index, consumer);
                    continue;
                }
                other => {
                    let what = format!("is followed by {}; expected fully_connected", other.name());
                    return Err(PassError::at(graph, index, what));
                }
            }
        }
        graph.bypass(index);
    }
    Ok(())
}
