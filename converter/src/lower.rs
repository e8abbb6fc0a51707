//! From graph to layers: what the kernels of `firmware-core` run, still in f32.
//!
//! A convolution or fully connected layer takes the ReLU that follows it, and a convolution also
//! the max pooling: ReLU, max pooling and requantization are monotonic, so their order does not
//! change a bit, and one requantization of the largest accumulator is enough.

use firmware_core::Window;

use crate::graph::{Graph, Head, Operator, Shape, ValueId};
use crate::passes::PassError;

/// What a layer computes.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerOp {
    /// Weights `[out][kh][kw][in]`. `convolved` is the shape before the pooling.
    Conv2d { weights: Vec<f32>, bias: Vec<f32>, window: Window, convolved: Shape, pool: Option<Window> },
    /// Weights `[out][in]`, with `in` in height × width × channel order.
    FullyConnected { weights: Vec<f32>, bias: Vec<f32> },
    MaxPool2d { window: Window },
}

/// One layer; layer `i` computes value `i + 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name in the file.
    pub name: String,
    pub op: LayerOp,
    /// The result is never negative.
    pub relu: bool,
    pub input: ValueId,
    pub output: Shape,
}

/// The float network as layers; the last one computes the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub input: Shape,
    pub layers: Vec<Layer>,
    /// What the source does with the logits; the integers leave it out.
    pub head: Head,
}

impl Network {
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            value => self.layers[value - 1].output,
        }
    }

    /// The number of logits.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output.size())
    }
}

/// Fuses nodes into layers.
///
/// # Errors
///
/// A node that no kernel computes where it stands.
pub fn lower(mut graph: Graph) -> Result<Network, PassError> {
    move_relu_before_pool(&mut graph);
    let mut layers: Vec<Layer> = Vec::new();
    // For each value of the graph the value of the network that holds it.
    let mut lowered: Vec<Option<ValueId>> = vec![None; graph.nodes.len() + 1];
    lowered[0] = Some(0);
    let mut index = 0;
    for node in 0..graph.nodes.len() {
        if lowered[node + 1].is_some() {
            continue;
        }
        let source = &graph.nodes[node];
        let input = lowered[source.inputs[0]]
            .ok_or_else(|| PassError::at(&graph, node, "reads a value inside a fused layer"))?;
        let mut end = node;
        let (op, relu) = match &source.operator {
            Operator::Conv2d { weights, bias, window } => {
                let relu = take_relu(&graph, &mut end);
                let pool = take_pool(&graph, &mut end);
                let (weights, bias) = (weights.clone(), bias.clone());
                let (window, convolved) = (*window, source.output);
                (LayerOp::Conv2d { weights, bias, window, convolved, pool }, relu)
            }
            Operator::FullyConnected { weights, bias } => {
                let relu = take_relu(&graph, &mut end);
                (LayerOp::FullyConnected { weights: weights.clone(), bias: bias.clone() }, relu)
            }
            Operator::MaxPool2d { window } => {
                let relu = input == 0 || layers[input - 1].relu;
                (LayerOp::MaxPool2d { window: *window }, relu)
            }
            // Pixels are never negative, nor is what has been through a ReLU.
            Operator::Relu if input == 0 || layers[input - 1].relu => {
                lowered[node + 1] = Some(input);
                continue;
            }
            other => {
                let what = format!("no kernel computes {} here; ReLU must follow a convolution or a fully connected layer", other.name());
                return Err(PassError::at(&graph, node, what));
            }
        };
        layers.push(Layer {
            name: source.name.clone(),
            op,
            relu,
            input,
            output: graph.nodes[end].output,
        });
        index += 1;
        lowered[end + 1] = Some(index);
        // What lies between is inside the layer and has no value of its own.
        let mut inside = node;
        while inside != end {
            inside = graph.only_consumer(inside + 1).unwrap_or(end);
            lowered[inside + 1] = Some(index);
        }
    }
    let classifier = matches!(
        layers.last(),
        Some(Layer { op: LayerOp::FullyConnected { .. } | LayerOp::Conv2d { pool: None, .. }, relu: false, .. })
    );
    if !classifier || lowered[graph.output] != Some(layers.len()) {
        let node = graph.nodes.len().saturating_sub(1);
        return Err(PassError::at(
            &graph,
            node,
            "the network must end in a fully connected layer or a convolution without ReLU: its \
             accumulators are the logits",
        ));
    }
    let logits = layers.last().map_or(graph.input, |layer| layer.output);
    if logits.height * logits.width != 1 {
        let node = graph.nodes.len().saturating_sub(1);
        let what = format!("the output has the shape {logits}; expected one logit per class");
        return Err(PassError::at(&graph, node, what));
    }
    Ok(Network { input: graph.input, layers, head: graph.head })
}

/// Brings every ReLU in front of a max pooling that feeds it, where a convolution can take it.
fn move_relu_before_pool(graph: &mut Graph) {
    for node in 0..graph.nodes.len() {
        let pooled = matches!(graph.nodes[node].operator, Operator::MaxPool2d { .. });
        let consumer = graph.only_consumer(node + 1);
        if let (true, Some(consumer)) = (pooled, consumer)
            && graph.nodes[consumer].operator == Operator::Relu
        {
            crate::passes::exchange(graph, node, consumer);
        }
    }
}

/// Moves `end` over a ReLU that alone reads it.
fn take_relu(graph: &Graph, end: &mut usize) -> bool {
    match graph.only_consumer(*end + 1) {
        Some(next) if graph.nodes[next].operator == Operator::Relu => {
            *end = next;
            true
        }
        _ => false,
    }
}

/// Moves `end` over a max pooling without padding that alone reads it.
fn take_pool(graph: &Graph, end: &mut usize) -> Option<Window> {
    let next = graph.only_consumer(*end + 1)?;
    let Operator::MaxPool2d { window } = graph.nodes[next].operator else { return None };
    let (input, output) = (graph.shape(*end + 1), graph.nodes[next].output);
    let inside = |axis: usize, size: usize, outputs: usize| {
        window.padding[axis] == 0
            && (outputs - 1) * window.stride[axis] + window.kernel[axis] <= size
    };
    if !inside(0, input.height, output.height) || !inside(1, input.width, output.width) {
        return None;
    }
    *end = next;
    Some(window)
}
