//! The outputs of a network that others quantized: which of them is the classifier's, and what a file may
//! not give.

use crate::graph::{Head, Output, Shape, ValueId, behind_all};
use crate::quantized::{QuantizedLayer, QuantizedNetwork, ValueFormat};

/// The network of layers in the order of the file, which gives `outputs`. A single output is what the last
/// layer computes; of several the classifier's layer is moved to the end, where whatever asks for the
/// logits looks for them.
///
/// # Errors
///
/// An output that is the input itself; layers that no output depends on.
pub(crate) fn network(
    (input, input_format): (Shape, ValueFormat),
    layers: Vec<QuantizedLayer>,
    outputs: Vec<Output>,
) -> Result<QuantizedNetwork, String> {
    if let Some(output) = outputs.iter().find(|output| output.value == 0) {
        return Err(format!("output '{}' is the input itself", output.name));
    }
    let mut network = QuantizedNetwork { input, input_format, layers, outputs };
    let unused = (1..=network.layers.len())
        .find(|&value| !network.is_output(value) && !is_read(&network, value));
    if let Some(value) = unused {
        return Err(format!(
            "nothing reads what '{}' computes, and it is no output; a network without unused nodes is \
             imported",
            network.layers[value - 1].source_name
        ));
    }
    match network.several_outputs() {
        None => network.outputs = QuantizedNetwork::one_output(&network.layers),
        Some(_) => {
            if let Some(value) = classifier(&network) {
                move_to_end(&mut network, value);
            }
        }
    }
    network.name_layers();
    Ok(network)
}

fn is_read(network: &QuantizedNetwork, value: ValueId) -> bool {
    network.layers.iter().any(|layer| layer.inputs.contains(&value))
}

/// The output that classifies, by its value: among the vectors that no layer reads the first of which the
/// file takes a softmax or the like, or else the first of several values, or of one.
fn classifier(network: &QuantizedNetwork) -> Option<ValueId> {
    let vector = |output: &&Output| {
        let Shape { height, width, .. } = network.shape(output.value);
        height * width == 1 && !is_read(network, output.value)
    };
    let vectors: Vec<&Output> = network.outputs.iter().filter(vector).collect();
    let classifies =
        |output: &&&Output| matches!(output.head, Head::Softmax | Head::LogSoftmax | Head::ArgMax);
    let several = |output: &&&Output| network.shape(output.value).channels > 1;
    let found = vectors.iter().find(classifies).or_else(|| vectors.iter().find(several));
    found.or(vectors.first()).map(|output| output.value)
}

/// Puts the layer that computes `value`, which nothing reads, behind all others.
fn move_to_end(network: &mut QuantizedNetwork, value: ValueId) {
    let renumber = behind_all(value, network.layers.len());
    let layer = network.layers.remove(value - 1);
    network.layers.push(layer);
    network.layers.iter_mut().flat_map(|layer| &mut layer.inputs).for_each(&renumber);
    network.outputs.iter_mut().for_each(|output| renumber(&mut output.value));
}
