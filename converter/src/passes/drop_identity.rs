//! Drops what changes nothing at inference: identity, dropout, and what a classifier ends in.

use crate::graph::{Graph, Head, Operator};
use crate::operators::functions::Function;

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
        && let Some(head) = head_of(&graph.nodes[last].operator)
        && graph.consumers(last + 1).next().is_none()
        && stands(head, graph.head)
    {
        graph.bypass(last);
        if graph.head == Head::Logits {
            graph.head = head;
        }
    }
}

/// What an operator makes of logits, if a classifier may end in it.
fn head_of(operator: &Operator) -> Option<Head> {
    match operator {
        Operator::Softmax(head) => Some(*head),
        Operator::Function(Function::Sigmoid(_)) => Some(Head::Sigmoid),
        _ => None,
    }
}

/// Whether `inner` changes nothing under what the network ends in: the largest logit is also the
/// one of the largest probability.
fn stands(inner: Head, end: Head) -> bool {
    end == Head::Logits || (end == Head::ArgMax && inner != Head::ArgMax)
}
