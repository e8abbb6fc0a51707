//! Drops what changes nothing at inference: identity, dropout, and what a classifier ends in.

use crate::graph::{Graph, Head, Operator, Output};

pub fn run(graph: &mut Graph) {
    let mut index = 0;
    while index < graph.nodes.len() {
        match graph.nodes[index].operator {
            Operator::Identity => graph.bypass(index),
            _ => index += 1,
        }
    }
    // The logits decide the class; probabilities come from them where they are wanted.
    for output in 0..graph.outputs.len() {
        while let Output { value, head: end, .. } = graph.outputs[output]
            && let Some(last) = value.checked_sub(1)
            && let Some(head) = graph.nodes[last].operator.head()
            && graph.consumers(value).next().is_none()
            && stands(head, end)
        {
            let logits = graph.nodes[last].inputs[0];
            let output = &mut graph.outputs[output];
            output.value = logits;
            if output.head == Head::Logits {
                output.head = head;
            }
        }
    }
    graph.drop_unused();
}

/// Whether `inner` changes nothing under what the network ends in: the largest logit is also the
/// one of the largest probability.
fn stands(inner: Head, end: Head) -> bool {
    end == Head::Logits || (end == Head::ArgMax && inner != Head::ArgMax)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fully_connected, graph, names};
    use super::*;
    use crate::graph::Shape;
    use crate::operators::functions::Sigmoid;

    fn ending(ends: &[Operator]) -> Graph {
        let ten = Shape::flat(10);
        let mut nodes = vec![(fully_connected(4, 10), vec![0], ten)];
        for end in ends {
            nodes.push((end.clone(), vec![nodes.len()], ten));
        }
        let nodes: Vec<_> =
            nodes.iter().map(|(op, inputs, shape)| (op.clone(), &inputs[..], *shape)).collect();
        let mut graph = graph(Shape::flat(4), &nodes);
        run(&mut graph);
        graph
    }

    #[test]
    fn what_a_classifier_ends_in_is_taken_off() {
        for (end, head) in [
            (Operator::Softmax(Head::Softmax), Head::Softmax),
            (Operator::Function(Sigmoid.into()), Head::Sigmoid),
            (Operator::Identity, Head::Logits),
        ] {
            let graph = ending(&[Operator::Identity, end, Operator::Identity]);
            assert_eq!((names(&graph), graph.outputs[0].head), (vec!["fully_connected"], head));
            assert_eq!(graph.outputs[0].value, 1);
        }
    }

    #[test]
    fn the_class_needs_no_probabilities() {
        let argmax = Operator::Softmax(Head::ArgMax);
        let graph = ending(&[Operator::Softmax(Head::Softmax), argmax]);
        assert_eq!((names(&graph), graph.outputs[0].head), (vec!["fully_connected"], Head::ArgMax));
        // Probabilities of probabilities are not those of the logits.
        let softmax = Operator::Softmax(Head::Softmax);
        let graph = ending(&[softmax.clone(), softmax]);
        assert_eq!(names(&graph), ["fully_connected", "softmax"]);
    }
}
