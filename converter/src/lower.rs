//! From graph to layers: what the kernels of `firmware-core` run, still in f32.
//!
//! A layer takes the ReLU that follows it, and a convolution also the max pooling: ReLU, max
//! pooling and requantization are monotonic, so their order does not change a bit, and one
//! requantization of the largest accumulator is enough. A ReLU that no layer can take becomes a
//! depthwise convolution that passes every value on.

use std::collections::BTreeMap;

use firmware_core::Window;

use crate::graph::{Graph, Head, Operator, Shape, ValueId};
use crate::passes::PassError;

/// What a layer computes.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerOp {
    /// Weights `[out][kh][kw][in / groups]`. `convolved` is the shape before the pooling.
    Conv2d {
        weights: Vec<f32>,
        bias: Vec<f32>,
        window: Window,
        groups: usize,
        convolved: Shape,
        pool: Option<Window>,
    },
    /// Weights `[out][in]`, with `in` in height × width × channel order.
    FullyConnected {
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    MaxPool2d {
        window: Window,
    },
    /// `2^-bits` times the sum of each window.
    AveragePool2d {
        window: Window,
        bits: u32,
    },
    /// The sum of its two inputs.
    Add,
    /// The channels of all inputs, one after the other.
    Concat,
    LeakyRelu {
        slope: f32,
    },
}

/// One layer; layer `i` computes value `i + 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name in the file.
    pub name: String,
    pub op: LayerOp,
    /// The result is never negative.
    pub relu: bool,
    /// The result is never above this, as behind a ReLU6.
    pub ceiling: Option<f32>,
    pub inputs: Vec<ValueId>,
    pub output: Shape,
}

/// The float network as layers; the last one computes the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub input: Shape,
    pub layers: Vec<Layer>,
    /// What the source does with the logits; the integers leave it out.
    pub head: Head,
    /// Exponents that the file gives for the results of layers, by the layers' names.
    pub exponents: BTreeMap<String, i32>,
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
    move_pools(&mut graph);
    let mut lowering = Lowering { layers: Vec::new() };
    // For each value of the graph the value of the network that holds it.
    let mut lowered: Vec<Option<ValueId>> = vec![None; graph.nodes.len() + 1];
    lowered[0] = Some(0);
    for node in 0..graph.nodes.len() {
        if lowered[node + 1].is_some() {
            continue;
        }
        let inputs: Option<Vec<ValueId>> =
            graph.nodes[node].inputs.iter().map(|&value| lowered[value]).collect();
        let inputs = inputs
            .ok_or_else(|| PassError::at(&graph, node, "reads a value inside a fused layer"))?;
        let (value, end) = lowering.lower(&graph, node, inputs)?;
        lowered[end + 1] = Some(value);
        // What lies between is inside the layer and has no value of its own.
        let mut inside = node;
        while inside != end {
            inside = graph.only_consumer(inside + 1).unwrap_or(end);
            lowered[inside + 1] = Some(value);
        }
    }
    let node = graph.nodes.len().saturating_sub(1);
    let refused = |what: String| Err(PassError::at(&graph, node, what));
    if lowering.layers.is_empty() || lowered[graph.output] != Some(lowering.layers.len()) {
        return refused(NO_CLASSIFIER.into());
    }
    let output = lowering.shape(&graph, lowering.layers.len());
    if !lowering.ends_in_accumulators() {
        if output.height * output.width != 1 || output.channels > MOST_CLASSES {
            return refused(NO_CLASSIFIER.into());
        }
        lowering.end_in_accumulators(&graph.nodes[node].name, output.channels);
    }
    if output.height * output.width != 1 {
        return refused(format!("the output has the shape {output}; expected one logit per class"));
    }
    Ok(Network {
        input: graph.input,
        layers: lowering.layers,
        head: graph.head,
        exponents: graph.exponents,
    })
}

const NO_CLASSIFIER: &str = "the network must end in a fully connected layer or a convolution without ReLU: its \
                             accumulators are the logits";

/// A network that ends in a mean gets a fully connected layer for its logits, of this many at most.
pub const MOST_CLASSES: usize = 1024;

/// The layers so far.
struct Lowering {
    layers: Vec<Layer>,
}

impl Lowering {
    /// Lowers one node with what is fused into it; returns its value and the last node of it.
    fn lower(
        &mut self,
        graph: &Graph,
        node: usize,
        mut inputs: Vec<ValueId>,
    ) -> Result<(ValueId, usize), PassError> {
        let source = &graph.nodes[node];
        let input = inputs.first().copied().unwrap_or(0);
        let mut end = node;
        let mut relu = false;
        let mut ceiling = None;
        let op = match &source.operator {
            Operator::Conv2d { weights, bias, window, groups } => {
                (relu, ceiling) = take_activation(graph, &mut end);
                let pool = if *groups == 1 { take_pool(graph, &mut end) } else { None };
                // A channel that is only scaled up keeps its sign.
                let keeps_sign = weights.iter().chain(bias).all(|&w| w >= 0.0);
                relu |= *groups > 1 && keeps_sign && self.never_negative(input);
                LayerOp::Conv2d {
                    weights: weights.clone(),
                    bias: bias.clone(),
                    window: *window,
                    groups: *groups,
                    convolved: source.output,
                    pool,
                }
            }
            Operator::FullyConnected { weights, bias } => {
                (relu, ceiling) = take_activation(graph, &mut end);
                LayerOp::FullyConnected { weights: weights.clone(), bias: bias.clone() }
            }
            Operator::MaxPool2d { window } => {
                relu = self.never_negative(input);
                LayerOp::MaxPool2d { window: *window }
            }
            Operator::AveragePool2d { window, bits } => {
                (relu, ceiling) = take_activation(graph, &mut end);
                relu |= self.never_negative(input);
                LayerOp::AveragePool2d { window: *window, bits: *bits }
            }
            Operator::Add => {
                (relu, ceiling) = take_activation(graph, &mut end);
                relu |= inputs.iter().all(|&value| self.never_negative(value));
                LayerOp::Add
            }
            Operator::Concat => {
                relu = inputs.iter().all(|&value| self.never_negative(value));
                // All inputs share one exponent, and the image's is not to be chosen.
                for input in &mut inputs {
                    if self.is_image(*input) {
                        let shape = self.shape(graph, *input);
                        let copy = pass_on(&source.name, *input, shape, true, None);
                        *input = self.push(copy);
                    }
                }
                LayerOp::Concat
            }
            Operator::Relu | Operator::LeakyRelu { .. } if self.never_negative(input) => {
                return Ok((input, node));
            }
            Operator::LeakyRelu { slope } => LayerOp::LeakyRelu { slope: *slope },
            Operator::Relu | Operator::Clip { .. } => {
                let ceiling = match source.operator {
                    Operator::Clip { ceiling } => Some(ceiling),
                    _ => None,
                };
                let layer = pass_on(&source.name, input, source.output, true, ceiling);
                return Ok((self.push(layer), node));
            }
            other => {
                let what = format!("no kernel computes {} here", other.name());
                return Err(PassError::at(graph, node, what));
            }
        };
        let (name, output) = (source.name.clone(), graph.nodes[end].output);
        Ok((self.push(Layer { name, op, relu, ceiling, inputs, output }), end))
    }

    fn push(&mut self, layer: Layer) -> ValueId {
        self.layers.push(layer);
        self.layers.len()
    }

    fn shape(&self, graph: &Graph, value: ValueId) -> Shape {
        match value {
            0 => graph.input,
            value => self.layers[value - 1].output,
        }
    }

    /// Pixels are never negative, nor is what has been through a ReLU.
    fn never_negative(&self, value: ValueId) -> bool {
        value == 0 || self.layers[value - 1].relu
    }

    /// The image, whose exponent is given, or what only selects from it.
    fn is_image(&self, value: ValueId) -> bool {
        match value {
            0 => true,
            value => {
                let layer = &self.layers[value - 1];
                matches!(layer.op, LayerOp::MaxPool2d { .. }) && self.is_image(layer.inputs[0])
            }
        }
    }

    /// The last layer's accumulators can be the logits.
    fn ends_in_accumulators(&self) -> bool {
        self.layers.last().is_some_and(|layer| {
            let weighted = matches!(
                layer.op,
                LayerOp::FullyConnected { .. } | LayerOp::Conv2d { pool: None, groups: 1, .. }
            );
            weighted && !layer.relu
        })
    }

    /// Appends a fully connected layer that passes every value on, for networks that end in a
    /// mean over each channel.
    fn end_in_accumulators(&mut self, name: &str, classes: usize) {
        let mut weights = vec![0.0; classes * classes];
        weights.iter_mut().step_by(classes + 1).for_each(|weight| *weight = 1.0);
        self.push(Layer {
            name: format!("{name} (logits)"),
            op: LayerOp::FullyConnected { weights, bias: vec![0.0; classes] },
            relu: false,
            ceiling: None,
            inputs: vec![self.layers.len()],
            output: Shape::flat(classes),
        });
    }
}

/// A layer that computes every value of its input anew, with a ReLU and a ceiling if asked for.
fn pass_on(name: &str, input: ValueId, shape: Shape, relu: bool, ceiling: Option<f32>) -> Layer {
    let channels = shape.channels;
    Layer {
        name: name.to_string(),
        op: LayerOp::Conv2d {
            weights: vec![1.0; channels],
            bias: vec![0.0; channels],
            window: Window::new([1, 1]),
            groups: channels,
            convolved: shape,
            pool: None,
        },
        relu,
        ceiling,
        inputs: vec![input],
        output: shape,
    }
}

/// Brings every ReLU in front of a max pooling that feeds it, where a convolution can take it,
/// and every leaky ReLU behind one that it feeds, where it has less to do.
fn move_pools(graph: &mut Graph) {
    for node in 0..graph.nodes.len() {
        let Some(consumer) = graph.only_consumer(node + 1) else { continue };
        let exchanged = matches!(
            (&graph.nodes[node].operator, &graph.nodes[consumer].operator),
            (Operator::MaxPool2d { .. }, Operator::Relu | Operator::Clip { .. })
                | (Operator::LeakyRelu { .. }, Operator::MaxPool2d { .. })
        );
        if exchanged {
            crate::passes::exchange(graph, node, consumer);
        }
    }
}

/// Moves `end` over a ReLU or clipping that alone reads it: whether there is one, and its ceiling.
fn take_activation(graph: &Graph, end: &mut usize) -> (bool, Option<f32>) {
    let (mut relu, mut ceiling) = (false, None::<f32>);
    while let Some(next) = graph.only_consumer(*end + 1) {
        match graph.nodes[next].operator {
            Operator::Relu => {}
            Operator::Clip { ceiling: c } => {
                ceiling = Some(ceiling.map_or(c, |other| other.min(c)))
            }
            _ => break,
        }
        relu = true;
        *end = next;
    }
    (relu, ceiling)
}

/// Moves `end` over a max pooling without padding that alone reads it.
fn take_pool(graph: &Graph, end: &mut usize) -> Option<Window> {
    let next = graph.only_consumer(*end + 1)?;
    let Operator::MaxPool2d { window } = graph.nodes[next].operator else { return None };
    if window.is_padded() {
        return None;
    }
    *end = next;
    Some(window)
}
