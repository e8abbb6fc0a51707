//! Drops what changes nothing at inference: identity, dropout, and a softmax at the end.

use crate::graph::{Graph, Head, Operator};

pub fn run(graph: &mut Graph) {
    let mut index = 0;
    while index < graph.nodes.len() {
        let last = graph.output == index + 1;
        match graph.nodes[index].operator {
            Operator::Identity => graph.bypass(index),
            // The logits decide the class; probabilities come from them where they are wanted.
            Operator::Softmax(head) if last && graph.head == Head::Logits => {
                graph.bypass(index);
                graph.head = head;
                // What fed the softmax may have been an identity that ended the graph's use.
                index = 0;
            }
            _ => index += 1,
        }
    }
}
