//! Drops what changes nothing at inference: identity, dropout, and what a classifier ends in.

use crate::graph::{Graph, Head, Operator};

pub fn run(graph: &mut Graph) {
    let mut index = 0;
    while index < graph.nodes.len() {
        let last = graph.output == index + 1;
        match graph.nodes[index].operator {
            Operator::Identity => graph.bypass(index),
            // The logits decide the class; probabilities come from them where they are wanted.
            Operator::Softmax(head) if last && stands(head, graph.head) => {
                graph.bypass(index);
                if graph.head == Head::Logits {
                    graph.head = head;
                }
                // What fed the softmax may be such an end, too.
                index = 0;
            }
            _ => index += 1,
        }
    }
}

/// Whether `inner` changes nothing under what the network ends in: the largest logit is also the
/// one of the largest probability.
fn stands(inner: Head, end: Head) -> bool {
    end == Head::Logits || (end == Head::ArgMax && inner != Head::ArgMax)
}
