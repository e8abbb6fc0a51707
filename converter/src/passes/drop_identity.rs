//! Drops what changes nothing at inference: identity, dropout, and what a classifier ends in.

use crate::graph::{Graph, Head, Operator};

pub fn run(graph: &mut Graph) {
    let mut index = 0;
    while index < graph.nodes.len() {
        match graph.nodes[index].operator {
            Operator::Identity => graph.bypass(index),
            _ => index += 1,
        }
    }
    // The logits decide the class; probabilities come from them where they are wanted.
    while let Some(last) = graph.output.checked_sub(1)
        && let Some(head) = graph.nodes[last].operator.head()
        && graph.consumers(last + 1).next().is_none()
        && stands(head, graph.head)
    {
        graph.bypass(last);
        if graph.head == Head::Logits {
            graph.head = head;
        }
    }
}

/// Whether `inner` changes nothing under what the network ends in: the largest logit is also the
/// one of the largest probability.
fn stands(inner: Head, end: Head) -> bool {
    end == Head::Logits || (end == Head::ArgMax && inner != Head::ArgMax)
}
