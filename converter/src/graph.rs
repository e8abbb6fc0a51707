//! The float network as a typed graph: what a model file says, before any integer.
//!
//! Values are numbered: value 0 is the input image, and node *i* computes value *i* + 1 from
//! values with smaller numbers. Every value is one image's worth; the batch is not part of it.
//!
//! Of several inputs value 0 is all of them, one after another as one vector, and the first nodes are
//! [`Operator::Input`]s, one for each, in the order of the file.

use firmware_core::Window;

use crate::limits::elements;
use crate::operators::functions::Function;
use crate::operators::gather::Gather;
use crate::quantize::Exponents;

/// Number of a value: 0 is the input, `i + 1` the result of node `i`.
pub type ValueId = usize;

/// Shape of one image's worth of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Shape {
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// A vector: one pixel with many channels.
    pub fn flat(size: usize) -> Self {
        Self::new(1, 1, size)
    }

    pub fn size(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// `[H, W, C]`, as the kernels take it.
    pub fn hwc(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.height, self.width) {
            (1, 1) => write!(f, "{}", self.channels),
            (height, width) => write!(f, "{height}×{width}×{}", self.channels),
        }
    }
}

/// One of a network's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleInput {
    /// As the file has it; `image` where there is only one.
    pub name: String,
    /// The value that holds it.
    pub value: ValueId,
    /// The number of its first element in a sample, which has the inputs one after another.
    pub first: usize,
    pub shape: Shape,
}

impl SampleInput {
    /// Several inputs, or where there are none the only one, of this shape.
    pub fn or_image(several: Vec<Self>, shape: Shape) -> Vec<Self> {
        match several.is_empty() {
            true => vec![Self { name: "image".into(), value: 0, first: 0, shape }],
            false => several,
        }
    }

    /// The input's part of a sample.
    pub fn of<'a, T>(&self, sample: &'a [T]) -> &'a [T] {
        &sample[self.first..][..self.shape.size()]
    }
}

/// What a node computes. Weights are f32, as the file has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// One of several inputs: the elements of value 0 from number `first` on.
    Input {
        first: usize,
    },
    /// Weights `[out][kh][kw][in / groups]`; each of the `groups` equal runs of output channels
    /// reads the run of input channels with the same number. The bottom and right padding follow
    /// from the output's shape.
    Conv2d {
        weights: Vec<f32>,
        bias: Vec<f32>,
        window: Window,
        groups: usize,
    },
    /// Weights `[out][in]`.
    FullyConnected {
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    /// `y = x * scale + shift`, per channel; one element serves all channels.
    /// Batch norm, a bias added by a node of its own and pixel scaling all become this.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Relu,
    /// ReLU with an upper bound, such as ReLU6.
    Clip {
        ceiling: f32,
    },
    /// What is negative times `slope`, which is between 0 and 1.
    LeakyRelu {
        slope: f32,
    },
    /// What is negative times the slope of its channel.
    PRelu {
        slopes: Vec<f32>,
    },
    /// A function of every single element.
    Function(Function),
    MaxPool2d {
        window: Window,
    },
    /// The sum of each window times `2^-bits`, with zeros on the padding: the mean, but for an
    /// affine node that follows where the window's area is no power of two.
    AveragePool2d {
        window: Window,
        bits: u32,
    },
    /// The mean of each window without what lies on the padding.
    AveragePool2dInside {
        window: Window,
    },
    /// Zeros around an image: rows above, columns left of it; the rest follows from the output's
    /// shape.
    Pad {
        before: [usize; 2],
    },
    /// The sum of two values of one shape.
    Add,
    /// The product of two values of one shape, or of one and of a second with one pixel.
    Mul,
    /// Picked rows, columns and channels.
    Gather(Gather),
    /// The channels of all inputs, one after the other.
    Concat,
    /// An image as a vector: the same elements in the same order.
    Flatten,
    /// Identity, and dropout, which is the identity once training is over.
    Identity,
    /// What a network may end in: probabilities of logits and the like, of all elements together or of the
    /// channels of each pixel.
    Softmax {
        head: Head,
        per_pixel: bool,
    },
}

/// What a model's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Logits,
    Softmax,
    LogSoftmax,
    /// One probability for each class, independent of the others'; of a single logit that of the
    /// second of two classes.
    Sigmoid,
    /// The index of the largest.
    ArgMax,
}

impl Head {
    /// Applies the head to logits.
    pub fn apply(self, logits: &[f32]) -> Vec<f32> {
        let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|x| (x - peak).exp()).sum();
        let log = logits.iter().map(|x| x - peak - sum.ln());
        match self {
            Head::Logits => logits.to_vec(),
            Head::Softmax => log.map(f32::exp).collect(),
            Head::LogSoftmax => log.collect(),
            Head::Sigmoid => logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            Head::ArgMax => {
                let first = logits.iter().position(|&x| x == peak);
                vec![first.unwrap_or(0) as f32]
            }
        }
    }
}

impl Operator {
    /// It computes every element from the one in its place alone, the same way for all.
    pub fn is_elementwise(&self) -> bool {
        matches!(
            self,
            Operator::Relu
                | Operator::Clip { .. }
                | Operator::LeakyRelu { .. }
                | Operator::Function(_)
        )
    }

    /// What a network that ends in this gives of its logits.
    pub fn head(&self) -> Option<Head> {
        match self {
            Operator::Softmax { head, .. } => Some(*head),
            Operator::Function(function) => function.as_dyn().head(),
            _ => None,
        }
    }

    /// No result is negative, whatever the input.
    pub fn never_negative(&self) -> bool {
        match self {
            Operator::Relu | Operator::Clip { .. } => true,
            Operator::Function(function) => function.as_dyn().never_negative(),
            _ => false,
        }
    }

    /// The name used in messages and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Input { .. } => "input",
            Operator::Conv2d { .. } => "conv2d",
            Operator::FullyConnected { .. } => "fully_connected",
            Operator::Affine { .. } => "affine",
            Operator::Relu => "relu",
            Operator::Clip { .. } => "clip",
            Operator::LeakyRelu { .. } => "leaky_relu",
            Operator::PRelu { .. } => "prelu",
            Operator::Function(function) => function.as_dyn().name(),
            Operator::MaxPool2d { .. } => "max_pool2d",
            Operator::AveragePool2d { .. } => "average_pool2d",
            Operator::AveragePool2dInside { .. } => "average_pool2d_inside",
            Operator::Pad { .. } => "pad",
            Operator::Add => "add",
            Operator::Mul => "mul",
            Operator::Gather(_) => "gather",
            Operator::Concat => "concat",
            Operator::Flatten => "flatten",
            Operator::Identity => "identity",
            Operator::Softmax { .. } => "softmax",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node's name in the file, for messages.
    pub name: String,
    pub operator: Operator,
    pub inputs: Vec<ValueId>,
    /// Shape of the value that the node computes.
    pub output: Shape,
}

impl Node {
    /// It is one of several inputs.
    pub fn is_input(&self) -> bool {
        matches!(self.operator, Operator::Input { .. })
    }
}

/// One output of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// As the file calls it.
    pub name: String,
    /// The value that holds it: the logits, once [`Output::head`] has been taken off.
    pub value: ValueId,
    /// What the file does with the logits at its end, once that is no node any more.
    pub head: Head,
    /// It does so with the channels of each pixel, not with all elements together.
    pub per_pixel: bool,
    /// For each element of the file's output, in its order, where it lies among those of the value behind
    /// the head, height × width × channels.
    pub order: Vec<usize>,
}

impl Output {
    /// The whole of `value`, of `size` elements in the order of the storage.
    pub fn plain(name: &str, value: ValueId, size: usize) -> Self {
        let order = (0..size).collect();
        Self { name: name.into(), value, head: Head::Logits, per_pixel: false, order }
    }

    /// What the file gives of the elements of the value, which has this shape.
    pub fn finished(&self, values: &[f32], shape: Shape) -> Vec<f32> {
        match self.per_pixel {
            true => {
                let pixels = values.chunks(shape.channels.max(1));
                pixels.flat_map(|pixel| self.head.apply(pixel)).collect()
            }
            false => self.head.apply(values),
        }
    }
}

/// What a value is called once the layer that computes `moved`, which no layer reads, is the last of
/// `layers`.
pub(crate) fn behind_all(moved: ValueId, layers: usize) -> impl Fn(&mut ValueId) {
    move |value| {
        if *value == moved {
            *value = layers;
        } else if *value > moved {
            *value -= 1;
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub input: Shape,
    /// For each input whether the file takes integers from 0 to 255, so that they are given to it as
    /// they are.
    pub raw_pixels: Vec<bool>,
    /// In topological order.
    pub nodes: Vec<Node>,
    /// In the file's order; at least one.
    pub outputs: Vec<Output>,
    /// What the file says of exponents, by the name of a layer's first node.
    pub exponents: Exponents,
}

impl Graph {
    /// Shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            value => self.nodes[value - 1].output,
        }
    }

    /// The values that hold inputs: value 0, or one node's for each of several.
    pub fn inputs(&self) -> std::ops::Range<ValueId> {
        let several = self.nodes.iter().take_while(|node| node.is_input()).count();
        if several == 0 { 0..1 } else { 1..several + 1 }
    }

    /// Lets an input that is a vector be the image `shape` of the same size, where only what reads
    /// it as a vector or element by element reads it.
    pub fn see_input_as(&mut self, shape: Shape) {
        // A record may claim any size.
        if elements(&shape.hwc()).ok().map(Shape::flat) != Some(self.input) {
            return;
        }
        // Values that have the input's shape because they are computed element by element.
        let mut follows = vec![false; self.nodes.len() + 1];
        follows[0] = true;
        for (index, node) in self.nodes.iter().enumerate() {
            if !node.inputs.iter().any(|&value| follows[value]) {
                continue;
            }
            match &node.operator {
                Operator::FullyConnected { .. } | Operator::Flatten => {}
                Operator::Affine { scale, shift } if scale.len() == 1 && shift.len() == 1 => {
                    follows[index + 1] = true;
                }
                Operator::Identity | Operator::Relu | Operator::Clip { .. } => {
                    follows[index + 1] = true;
                }
                _ => return,
            }
        }
        self.input = shape;
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if follows[index + 1] {
                node.output = shape;
            }
        }
    }

    /// The nodes that read `value`, by index.
    pub fn consumers(&self, value: ValueId) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(move |&i| self.nodes[i].inputs.contains(&value))
    }

    /// An output holds `value`.
    pub fn is_output(&self, value: ValueId) -> bool {
        self.outputs.iter().any(|output| output.value == value)
    }

    /// The index of the only node that reads `value`, if there is just one and `value` is no
    /// output of the graph.
    pub fn only_consumer(&self, value: ValueId) -> Option<usize> {
        let mut consumers = self.consumers(value);
        match (consumers.next(), consumers.next()) {
            (Some(node), None) if !self.is_output(value) => Some(node),
            _ => None,
        }
    }

    /// Takes node `index` out: whoever read its value reads its first input instead.
    pub fn bypass(&mut self, index: usize) {
        let (gone, instead) = (index + 1, self.nodes[index].inputs[0]);
        self.nodes.remove(index);
        let renumber = |value: &mut ValueId| {
            if *value == gone {
                *value = instead;
            } else if *value > gone {
                *value -= 1;
            }
        };
        self.nodes.iter_mut().flat_map(|node| &mut node.inputs).for_each(renumber);
        self.outputs.iter_mut().for_each(|output| renumber(&mut output.value));
    }

    /// Puts a node in at place `index`: whoever behind it read its input reads its result instead.
    pub fn insert(&mut self, index: usize, node: Node) {
        let (replaced, own) = (node.inputs[0], index + 1);
        let renumber = |value: &mut ValueId| {
            if *value == replaced {
                *value = own;
            } else if *value >= own {
                *value += 1;
            }
        };
        let behind = self.nodes.iter_mut().skip(index);
        behind.flat_map(|node| &mut node.inputs).for_each(renumber);
        self.outputs.iter_mut().for_each(|output| renumber(&mut output.value));
        self.nodes.insert(index, node);
    }

    /// Drops nodes that no output depends on.
    pub fn drop_unused(&mut self) {
        let mut used = vec![false; self.nodes.len() + 1];
        self.outputs.iter().for_each(|output| used[output.value] = true);
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if used[index + 1] {
                node.inputs.iter().for_each(|&value| used[value] = true);
            }
        }
        // The input keeps its number; whatever is used counts those in front of it.
        used[0] = true;
        let mut count = 0;
        let numbers: Vec<ValueId> = used
            .iter()
            .map(|&used| {
                count += usize::from(used);
                count.saturating_sub(1)
            })
            .collect();
        let mut value = 0;
        self.nodes.retain(|_| {
            value += 1;
            used[value]
        });
        let renumber = |value: &mut ValueId| *value = numbers[*value];
        self.nodes.iter_mut().flat_map(|node| &mut node.inputs).for_each(renumber);
        self.outputs.iter_mut().for_each(|output| renumber(&mut output.value));
    }
}
