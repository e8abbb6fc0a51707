//! From graph to layers: what the kernels of `firmware-core` run, still in f32.
//!
//! A layer takes the ReLU that follows it, and a convolution also the max pooling: ReLU, max
//! pooling and requantization are monotonic, so their order does not change a bit, and one
//! requantization of the largest accumulator is enough. A ReLU that no layer can take becomes a
//! depthwise convolution that passes every value on.

mod outputs;

use std::collections::HashSet;

use firmware_core::Window;

use crate::graph::{self, Graph, Head, Operator, Output, SampleInput, Shape, ValueId};
use crate::operators::fully_connected::FullyConnected;
use crate::operators::input::Input;
use crate::operators::{self, FloatOp};
use crate::passes::PassError;
use crate::quantize::USUAL_BITS;

/// One layer; layer `i` computes value `i + 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name in the file.
    pub name: String,
    pub op: FloatOp,
    /// The result is never negative.
    pub relu: bool,
    /// The result is never above this, as behind a ReLU6.
    pub ceiling: Option<f32>,
    /// Of each weight in integers, if the layer has weights.
    pub bits: u8,
    pub inputs: Vec<ValueId>,
    pub output: Shape,
}

/// The float network as layers; the last one computes the logits, of the classifier where there are
/// several outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub input: Shape,
    pub layers: Vec<Layer>,
    /// In the order of the file; at least one holds the logits of the last layer. What
    /// [`Output::head`] says the source does with them, the integers leave out.
    pub outputs: Vec<Output>,
}

impl Network {
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            value => self.layers[value - 1].output,
        }
    }

    /// The inputs with their places in a sample, in the order of the file.
    pub fn inputs(&self) -> Vec<SampleInput> {
        let several = self.layers.iter().enumerate().map_while(|(index, layer)| match layer.op {
            FloatOp::Input(Input { first }) => Some(SampleInput {
                name: layer.name.clone(),
                value: index + 1,
                first,
                shape: layer.output,
            }),
            _ => None,
        });
        SampleInput::or_image(several.collect(), self.input)
    }

    /// What the source does with the logits.
    pub fn head(&self) -> Head {
        let logits = self.outputs.iter().find(|output| output.value == self.layers.len());
        logits.map_or(Head::Logits, |output| output.head)
    }

    /// The value is an output, and its integers are the accumulators of its layer: it is a vector that
    /// a layer without ReLU sums, and nothing else reads it.
    pub fn is_logits(&self, value: ValueId) -> bool {
        outputs::can_be_logits(&self.layers, &self.outputs, value)
    }

    /// The last layer gives a vector, of logits or of other values; else an image, which tells no classes
    /// apart.
    pub fn gives_vector(&self) -> bool {
        let Shape { height, width, .. } = self.shape(self.layers.len());
        height * width == 1
    }

    /// Among several outputs, lets one with so many classes be the logits, if there is one.
    pub fn classify(&mut self, classes: usize) {
        if self.outputs.len() > 1 && self.answers() != classes {
            outputs::classify(self, classes);
        }
    }

    /// The number of logits.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output.size())
    }

    /// The number of classes that the logits tell apart: two by a single one.
    pub fn answers(&self) -> usize {
        match self.classes() {
            1 => 2,
            several => several,
        }
    }
}

/// Fuses nodes into layers.
///
/// # Errors
///
/// A node that no kernel computes where it stands.
pub fn lower(mut graph: Graph) -> Result<Network, PassError> {
    move_pools(&mut graph);
    let mut network = fuse(&graph)?;
    tell_apart(&mut network.layers);
    Ok(network)
}

/// Gives each layer a name of its own, since exponents and bits are recorded by names. Of the layers that
/// one node of the file became, the last, which gives the node's value, keeps its name; inputs are asked for by
/// theirs.
fn tell_apart(layers: &mut [Layer]) {
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    for (index, name) in names.iter().enumerate() {
        let input = matches!(layers[index].op, FloatOp::Input(_));
        if !input && names[index + 1..].contains(name) {
            let free = (1..).map(|number| format!("{name} ({number})"));
            let free = free.into_iter().find(|free| taken.insert(free.clone()));
            layers[index].name = free.unwrap_or_default();
        }
    }
}

fn fuse(graph: &Graph) -> Result<Network, PassError> {
    let mut lowering = Lowering { input: graph.input, layers: Vec::new() };
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
            .ok_or_else(|| PassError::at(graph, node, "reads a value inside a fused layer"))?;
        let Fused { value, end } = lowering.lower(&Node { graph, index: node, inputs })?;
        lowered[end + 1] = Some(value);
        // What lies between is inside the layer and has no value of its own.
        let mut inside = node;
        while inside != end {
            inside = graph.only_consumer(inside + 1).unwrap_or(end);
            lowered[inside + 1] = Some(value);
        }
    }
    let node = graph.nodes.len().saturating_sub(1);
    let refused = |what: String| Err(PassError::at(graph, node, what));
    if graph.outputs.len() > 1 {
        return outputs::several(graph, &lowered, lowering);
    }
    if lowering.layers.is_empty() || lowered[graph.outputs[0].value] != Some(lowering.layers.len())
    {
        return refused("the network computes nothing; its output is its input".into());
    }
    let output = lowering.shape(lowering.layers.len());
    // An image, or a long vector, is returned as the 8-bit values that it is.
    let vector = output.height * output.width == 1 && output.channels <= MOST_CLASSES;
    if vector && !lowering.ends_in_accumulators() {
        lowering.end_in_accumulators(&graph.nodes[node].name, output.channels);
    }
    let outputs = vec![Output { value: lowering.layers.len(), ..graph.outputs[0].clone() }];
    Ok(Network { input: graph.input, layers: lowering.layers, outputs })
}

/// A network that ends in a mean gets a fully connected layer for its logits, of this many at most.
pub const MOST_CLASSES: usize = 1024;

/// Makes a layer of a node and of what is fused into it; `None` for a node of another operator.
pub(crate) type Lower = fn(&mut Lowering, &Node) -> Result<Option<Fused>, PassError>;

/// What has become of a node: the value that holds its result, and the last node inside its layer.
pub(crate) struct Fused {
    value: ValueId,
    end: usize,
}

/// A node of the graph whose turn it is.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    graph: &'a Graph,
    /// Its place in the graph.
    pub index: usize,
    /// The values of the network that it reads.
    pub inputs: Vec<ValueId>,
}

impl<'a> Node<'a> {
    fn source(&self) -> &'a graph::Node {
        &self.graph.nodes[self.index]
    }

    pub fn operator(&self) -> &'a Operator {
        &self.source().operator
    }

    pub fn name(&self) -> &'a str {
        &self.source().name
    }

    /// The shape of the node's result.
    pub fn output(&self) -> Shape {
        self.source().output
    }

    /// The only input, or the first of several.
    pub fn input(&self) -> ValueId {
        self.inputs.first().copied().unwrap_or(0)
    }

    /// The node changes nothing about its input.
    pub fn nothing_to_do(&self) -> Fused {
        Fused { value: self.input(), end: self.index }
    }

    /// Moves `end` over ReLUs and clippings that alone read it: whether there is one, and the
    /// ceiling.
    pub fn take_activation(&self, end: &mut usize) -> (bool, Option<f32>) {
        let (mut relu, mut ceiling) = (false, None::<f32>);
        while let Some(next) = self.graph.only_consumer(*end + 1) {
            match self.graph.nodes[next].operator {
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
    pub fn take_pool(&self, end: &mut usize) -> Option<Window> {
        let next = self.graph.only_consumer(*end + 1)?;
        let Operator::MaxPool2d { window } = self.graph.nodes[next].operator else { return None };
        if window.is_padded() {
            return None;
        }
        *end = next;
        Some(window)
    }
}

/// The layers so far.
pub(crate) struct Lowering {
    input: Shape,
    layers: Vec<Layer>,
}

impl Lowering {
    /// Lowers one node with what is fused into it.
    fn lower(&mut self, node: &Node) -> Result<Fused, PassError> {
        for lower in operators::LOWER {
            if let Some(fused) = lower(self, node)? {
                return Ok(fused);
            }
        }
        let operator = node.operator();
        let what = match operator {
            Operator::Softmax { .. } => format!(
                "no kernel computes {}: only where the network ends it is left to whoever reads the \
                 outputs; export the network without what follows it",
                operator.name()
            ),
            _ => format!("no kernel computes {} here", operator.name()),
        };
        Err(PassError::at(node.graph, node.index, what))
    }

    /// Adds a layer that computes what the nodes from `node` to number `end` do, with a ReLU and a
    /// ceiling if there is one.
    pub fn push(
        &mut self,
        node: &Node,
        end: usize,
        op: impl Into<FloatOp>,
        (relu, ceiling): (bool, Option<f32>),
    ) -> Fused {
        self.layers.push(Layer {
            name: node.name().to_string(),
            op: op.into(),
            relu,
            ceiling,
            bits: USUAL_BITS,
            inputs: node.inputs.clone(),
            output: node.graph.nodes[end].output,
        });
        Fused { value: self.layers.len(), end }
    }

    /// Adds a layer that computes every element of a value that is never negative anew.
    pub fn push_copy(&mut self, name: &str, input: ValueId) -> ValueId {
        let shape = self.shape(input);
        self.layers.push(Layer {
            name: name.to_string(),
            op: operators::conv2d::pass_on(shape).into(),
            relu: true,
            ceiling: None,
            bits: USUAL_BITS,
            inputs: vec![input],
            output: shape,
        });
        self.layers.len()
    }

    fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            value => self.layers[value - 1].output,
        }
    }

    /// Pixels are never negative, nor is what has been through a ReLU.
    pub fn never_negative(&self, value: ValueId) -> bool {
        value == 0 || self.layers[value - 1].relu
    }

    /// The image, whose exponent is given, or what only selects from it.
    pub fn is_image(&self, value: ValueId) -> bool {
        match value {
            0 => true,
            value => {
                let layer = &self.layers[value - 1];
                layer.op.as_dyn().selects() && self.is_image(layer.inputs[0])
            }
        }
    }

    /// The last layer's accumulators can be the logits.
    fn ends_in_accumulators(&self) -> bool {
        self.layers.last().is_some_and(|layer| layer.op.as_dyn().gives_logits() && !layer.relu)
    }

    /// Appends a fully connected layer that passes every value on, for networks that end in a
    /// mean over each channel.
    fn end_in_accumulators(&mut self, name: &str, classes: usize) {
        self.pass_on_as_logits(name, self.layers.len(), classes);
    }

    /// Appends a fully connected layer that passes every one of the `classes` elements of a value on.
    fn pass_on_as_logits(&mut self, name: &str, input: ValueId, classes: usize) {
        self.layers.push(Layer {
            name: format!("{name} (logits)"),
            op: FullyConnected::identity(classes).into(),
            relu: false,
            ceiling: None,
            bits: USUAL_BITS,
            inputs: vec![input],
            output: Shape::flat(classes),
        });
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
