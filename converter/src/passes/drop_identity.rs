//! Drops what changes nothing at inference: identity, dropout, and what a classifier ends in.

use crate::graph::{Graph, Head, Node, Operator, Shape};

pub fn run(graph: &mut Graph) {
    let mut index = 0;
    while index < graph.nodes.len() {
        match graph.nodes[index].operator {
            Operator::Identity => graph.bypass(index),
            _ => index += 1,
        }
    }
    // The logits decide the class; probabilities come from them where they are wanted. What was taken off one
    // output may have been the only reader of another's.
    while let Some((output, head)) = ending(graph) {
        let Node { operator, inputs, .. } = &graph.nodes[graph.outputs[output].value - 1];
        let per_pixel = matches!(operator, Operator::Softmax { per_pixel: true, .. });
        let output = &mut graph.outputs[output];
        output.value = inputs[0];
        if output.head == Head::Logits {
            (output.head, output.per_pixel) = (head, per_pixel);
        }
        graph.drop_unused();
    }
}

/// An output that ends in what can be taken off, because nothing else reads it.
fn ending(graph: &Graph) -> Option<(usize, Head)> {
    graph.outputs.iter().enumerate().find_map(|(index, output)| {
        let last = output.value.checked_sub(1)?;
        let head = graph.nodes[last].operator.head()?;
        let Shape { height, width, .. } = graph.shape(output.value);
        // Of an image the values of a sigmoid are wanted.
        let alone = graph.consumers(output.value).next().is_none()
            && (height * width == 1
                || matches!(graph.nodes[last].operator, Operator::Softmax { .. }));
        // Both of the same elements, or the largest of all could be another.
        let per_pixel =
            matches!(graph.nodes[last].operator, Operator::Softmax { per_pixel: true, .. });
        let same = output.head == Head::Logits || output.per_pixel == per_pixel;
        (alone && same && stands(head, output.head)).then_some((index, head))
    })
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
    use crate::operators::functions::Sigmoid;

    fn whole(head: Head) -> Operator {
        Operator::Softmax { head, per_pixel: false }
    }

    fn ending_in(ends: &[Operator]) -> Graph {
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
            (whole(Head::Softmax), Head::Softmax),
            (Operator::Function(Sigmoid.into()), Head::Sigmoid),
            (Operator::Identity, Head::Logits),
        ] {
            let graph = ending_in(&[Operator::Identity, end, Operator::Identity]);
            assert_eq!((names(&graph), graph.outputs[0].head), (vec!["fully_connected"], head));
            assert_eq!(graph.outputs[0].value, 1);
        }
    }

    #[test]
    fn the_class_needs_no_probabilities() {
        let argmax = whole(Head::ArgMax);
        let graph = ending_in(&[whole(Head::Softmax), argmax]);
        assert_eq!((names(&graph), graph.outputs[0].head), (vec!["fully_connected"], Head::ArgMax));
        // Probabilities of probabilities are not those of the logits.
        let softmax = whole(Head::Softmax);
        let graph = ending_in(&[softmax.clone(), softmax]);
        assert_eq!(names(&graph), ["fully_connected", "softmax"]);
    }
}
