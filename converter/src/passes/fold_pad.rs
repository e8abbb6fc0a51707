//! Folds explicit padding into the windows that read it.

use super::PassError;
use crate::graph::{Graph, Operator, ValueId};

pub fn run(graph: &mut Graph) -> Result<(), PassError> {
    while let Some(index) =
        graph.nodes.iter().position(|node| matches!(node.operator, Operator::Pad { .. }))
    {
        fold(graph, index)?;
    }
    Ok(())
}

fn fold(graph: &mut Graph, index: usize) -> Result<(), PassError> {
    let Operator::Pad { before } = graph.nodes[index].operator else { return Ok(()) };
    let padded = graph.nodes[index].inputs[0];
    let input = graph.shape(padded);
    let within = graph.nodes[index].output;
    let [top, left] = before;
    let pads = [top, left, within.height - input.height - top, within.width - input.width - left];
    let readers: Vec<usize> = graph.consumers(index + 1).collect();
    if readers.is_empty() || graph.is_output(index + 1) {
        return Err(PassError::at(graph, index, "must be followed by a convolution or a pooling"));
    }
    for reader in readers {
        // A maximum leaves padding out, which is the same as zeros if nothing is negative.
        let zeros_count = match graph.nodes[reader].operator {
            Operator::MaxPool2d { .. } => never_negative(graph, padded),
            _ => true,
        };
        let output = graph.nodes[reader].output;
        let window = match &mut graph.nodes[reader].operator {
            Operator::Conv2d { window, .. } | Operator::AveragePool2d { window, .. } => window,
            Operator::MaxPool2d { window } if zeros_count => window,
            other => {
                let what = format!(
                    "cannot be folded into the {} that reads it; a convolution, an average pooling, \
                     or a max pooling behind a ReLU can take it",
                    other.name()
                );
                return Err(PassError::at(graph, index, what));
            }
        };
        for (side, pad) in window.padding.iter_mut().zip(pads) {
            *side += pad;
        }
        *window = window.trimmed([input.height, input.width], [output.height, output.width]);
        if window.checked_output_size([input.height, input.width]).is_err() {
            let what = "pads by as much as the size of the window that reads it, or more";
            return Err(PassError::at(graph, index, what));
        }
    }
    graph.bypass(index);
    Ok(())
}

/// The value comes from a ReLU, at most through poolings.
fn never_negative(graph: &Graph, mut value: ValueId) -> bool {
    while value != 0 {
        let node = &graph.nodes[value - 1];
        match node.operator {
            _ if node.operator.never_negative() => return true,
            Operator::MaxPool2d { .. } | Operator::AveragePool2d { .. } => value = node.inputs[0],
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use firmware_core::Window;

    use super::super::testing::{conv, graph, names};
    use super::*;
    use crate::graph::Shape;

    fn padded(reader: Operator, before: Option<Operator>) -> Graph {
        let image = Shape::new(4, 4, 1);
        let mut nodes = Vec::new();
        if let Some(before) = before {
            nodes.push((before, &[0][..], image));
        }
        let input: &[ValueId] = if nodes.is_empty() { &[0] } else { &[1] };
        nodes.push((Operator::Pad { before: [1, 0] }, input, Shape::new(6, 5, 1)));
        let behind: &[ValueId] = if input == [0] { &[1] } else { &[2] };
        nodes.push((reader, behind, Shape::new(4, 3, 1)));
        graph(image, &nodes)
    }

    #[test]
    fn padding_goes_into_the_window_that_reads_it() {
        let mut graph = padded(conv(Window::new([3, 3]), 1, 1), None);
        run(&mut graph).expect("folds");
        assert_eq!(names(&graph), ["conv2d"]);
        let Operator::Conv2d { window, .. } = &graph.nodes[0].operator else { panic!() };
        assert_eq!(window.padding, [1, 0, 1, 1]);
    }

    #[test]
    fn a_maximum_takes_zeros_only_behind_a_relu() {
        let pool = Operator::MaxPool2d { window: Window::new([3, 3]) };
        run(&mut padded(pool.clone(), Some(Operator::Relu))).expect("nothing is negative");
        let signed = Operator::LeakyRelu { slope: 0.5 };
        let error = run(&mut padded(pool, Some(signed))).expect_err("zeros count").to_string();
        assert!(error.contains("behind a ReLU"), "{error}");
    }

    #[test]
    fn padding_for_nothing_is_refused() {
        let error = run(&mut padded(Operator::Relu, None)).expect_err("no window").to_string();
        assert!(error.contains("relu that reads it"), "{error}");
    }
}
