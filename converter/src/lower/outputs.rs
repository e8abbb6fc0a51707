//! Networks with several outputs: which of them are accumulators, and which layer comes last.
//!
//! An output whose layer sums products and that nothing else reads is returned as its accumulators, as
//! the logits of a network with one output are. Any other output is an 8-bit value that is returned as
//! the layers behind it read it. The classifier's layer is moved to the end, where whatever asks for
//! the logits looks for them: nothing reads it.

use super::{Layer, Lowering, MOST_CLASSES, Network};
use crate::graph::{Graph, Head, Output, ValueId, behind_all};
use crate::operators::FloatOp;
use crate::passes::PassError;

/// The value is an output of one pixel, computed by a layer that sums products, without ReLU, and read by no
/// other.
pub(super) fn can_be_logits(layers: &[Layer], outputs: &[Output], value: ValueId) -> bool {
    let Some(layer) = value.checked_sub(1).map(|index| &layers[index]) else { return false };
    outputs.iter().any(|output| output.value == value)
        && layer.op.as_dyn().gives_logits()
        && !layer.relu
        && layer.output.height * layer.output.width == 1
        && !layers.iter().any(|layer| layer.inputs.contains(&value))
}

/// The network of a graph that was lowered, with all its outputs.
pub(super) fn several(
    graph: &Graph,
    lowered: &[Option<ValueId>],
    mut lowering: Lowering,
) -> Result<Network, PassError> {
    let mut outputs = Vec::new();
    for output in &graph.outputs {
        let refused = |what: &str| Err(PassError::output(&output.name, what));
        match lowered[output.value] {
            Some(0) => return refused("is the input itself; export a model without it"),
            Some(value) if matches!(lowering.layers[value - 1].op, FloatOp::Input(_)) => {
                return refused("is an input itself; export a model without it");
            }
            Some(value) => outputs.push(Output { value, ..output.clone() }),
            None => return refused("lies inside a fused layer"),
        }
    }
    let mut classifier = classifier(&lowering.layers, &outputs);
    // As a network of one output may end in a mean.
    let flat = |output: &&mut Output| {
        let shape = lowering.layers[output.value - 1].output;
        shape.height * shape.width == 1 && shape.channels <= MOST_CLASSES
    };
    if classifier.is_none()
        && let Some(output) = outputs.iter_mut().find(flat)
    {
        let size = lowering.layers[output.value - 1].output.channels;
        lowering.pass_on_as_logits(&output.name, output.value, size);
        output.value = lowering.layers.len();
        classifier = Some(output.value);
    }
    let mut network = Network { input: graph.input, layers: lowering.layers, outputs };
    // Where all are images, none of them is the classifier's.
    if let Some(classifier) = classifier {
        move_to_end(&mut network, classifier);
    }
    Ok(network)
}

/// The output that classifies, by its value: the first of which the file takes a softmax or the like, or
/// else the first with more than one logit, or with one.
fn classifier(layers: &[Layer], outputs: &[Output]) -> Option<ValueId> {
    let logits: Vec<&Output> =
        outputs.iter().filter(|output| can_be_logits(layers, outputs, output.value)).collect();
    let classifies =
        |output: &&&Output| matches!(output.head, Head::Softmax | Head::LogSoftmax | Head::ArgMax);
    let several = |output: &&&Output| layers[output.value - 1].output.channels > 1;
    let found = logits.iter().find(classifies).or_else(|| logits.iter().find(several));
    found.or(logits.first()).map(|output| output.value)
}

/// Lets the first output with so many logits be those of the classifier, if there is one.
pub(super) fn classify(network: &mut Network, classes: usize) {
    let fits = |output: &&Output| {
        network.shape(output.value).size() == classes
            && can_be_logits(&network.layers, &network.outputs, output.value)
    };
    if let Some(value) = network.outputs.iter().find(fits).map(|output| output.value) {
        move_to_end(network, value);
    }
}

/// Puts the layer that computes `value`, which nothing reads, behind all others.
fn move_to_end(network: &mut Network, value: ValueId) {
    let renumber = behind_all(value, network.layers.len());
    let layer = network.layers.remove(value - 1);
    network.layers.push(layer);
    network.layers.iter_mut().flat_map(|layer| &mut layer.inputs).for_each(&renumber);
    network.outputs.iter_mut().for_each(|output| renumber(&mut output.value));
}
