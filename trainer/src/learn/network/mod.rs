//! Networks: an input shape and a list of layers, each layer kind in a file of its own.
//!
//! A layer kind says what shape it makes, which parameters it has, how to emit its forward pass
//! together with its backward pass, and what it becomes in an exported ONNX file. Adding a kind
//! means adding a file, one line here and one in `description.rs`.
//!
//! The layers form a directed acyclic graph. Values are numbered: value 0 is the image, and layer
//! `i` computes value `i + 1` from values with smaller numbers.

mod add;
mod average_pool2d;
mod batch_norm;
mod bounded_relu;
mod concat;
mod conv2d;
mod description;
mod dropout;
mod flatten;
mod fully_connected;
mod global_average_pool;
mod hard_swish;
mod initialize;
mod input;
mod leaky_relu;
mod lowered;
mod max_pool2d;
mod presets;
mod relu;
mod sigmoid;
mod window;
mod zero_pad2d;

use std::fmt;

pub use add::Add;
pub use average_pool2d::AveragePool2d;
pub use batch_norm::BatchNorm;
pub use bounded_relu::BoundedRelu;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use description::{Description, DescriptionError};
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use fully_connected::FullyConnected;
pub use global_average_pool::GlobalAveragePool;
pub use hard_swish::HardSwish;
pub use input::Input;
pub use leaky_relu::LeakyRelu;
pub use lowered::{Readout, ReadoutError, read};
pub use max_pool2d::MaxPool2d;
pub use presets::{PRESETS, simple, usual};
pub use relu::Relu;
pub use sigmoid::Sigmoid;
pub use window::Window;
pub use zero_pad2d::ZeroPad2d;

use converter::limits::{self, ALL_ELEMENTS, ELEMENTS};
use converter::quantize::LayerBits;

use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// The shape of one image's activation, without the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Channels, height, width.
    Image([usize; 3]),
    Flat(usize),
}

impl Shape {
    pub fn elements(self) -> usize {
        match self {
            Shape::Image(sizes) => sizes.iter().product(),
            Shape::Flat(size) => size,
        }
    }

    /// The same, held against what a network may have.
    fn checked_elements(self) -> Result<usize, String> {
        match self {
            Shape::Image(sizes) => limits::elements(&sizes),
            Shape::Flat(size) => limits::elements(&[size]),
        }
    }

    /// The channels, height and width of an image, or a request for one.
    pub fn image(self) -> Result<[usize; 3], String> {
        match self {
            Shape::Image(sizes) => Ok(sizes),
            Shape::Flat(size) => Err(format!(
                "needs an image, but gets {size} flat values; it must come before flatten"
            )),
        }
    }

    /// Channels, and positions of each: a flat vector has as many channels as elements.
    pub fn channels(self) -> (usize, usize) {
        match self {
            Shape::Image([channels, height, width]) => (channels, height * width),
            Shape::Flat(size) => (size, 1),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Image([channels, height, width]) => write!(f, "{channels}×{height}×{width}"),
            Shape::Flat(size) => write!(f, "{size}"),
        }
    }
}

/// The values a parameter starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Uniform within ± 1/√`fan_in`, where one output adds up `fan_in` inputs.
    Uniform {
        fan_in: usize,
    },
    Constant(f32),
}

/// What moves a parameter from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The optimizer; `decays` says whether weight decay applies.
    Trained { decays: bool },
    /// The images that pass through, as with batch norm's running mean: what stands at its place
    /// in the gradient is how far it is from the batch's, and the update moves it by
    /// [`STATISTIC_RATE`] of that, whatever the optimizer and the learning rate.
    Statistic,
}

/// The share of the batch in a new running statistic: 1 minus what is called momentum in papers,
/// and momentum itself in PyTorch.
pub const STATISTIC_RATE: f32 = 0.1;

/// A tensor of a layer that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The name within its layer, such as `weight` or `bias`.
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub initial: Initial,
    pub role: Role,
}

impl Parameter {
    /// A weight: uniform at first, with weight decay.
    pub fn weight(shape: &[usize], fan_in: usize) -> Self {
        let (initial, role) = (Initial::Uniform { fan_in }, Role::Trained { decays: true });
        Self { name: "weight", shape: shape.to_vec(), initial, role }
    }

    /// A bias: uniform at first, without weight decay.
    pub fn bias(outputs: usize, fan_in: usize) -> Self {
        let (initial, role) = (Initial::Uniform { fan_in }, Role::Trained { decays: false });
        Self { name: "bias", shape: vec![outputs], initial, role }
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether weight decay applies.
    pub fn decays(&self) -> bool {
        self.role == Role::Trained { decays: true }
    }
}

/// How much each image of a part counts, for layers that compute statistics over the images.
#[derive(Clone, Debug)]
pub struct ImageWeights {
    /// `[1, batch]`, adding up to 1. Images without weight in the loss have none here either,
    /// unless all are: then all weigh the same, and the part weighs nothing.
    pub images: Value,
    /// `[1, 1]`: the weight of this worker's part in the whole batch. The parts' add up to 1.
    pub part: Value,
}

/// What a layer is given to emit its forward pass.
#[derive(Clone, Debug)]
pub struct Context<'c> {
    /// The values it reads, `[features, batch]` each.
    pub inputs: &'c [Value],
    /// Their shapes.
    pub shapes: &'c [Shape],
    /// In the order of [`Layer::parameters`], shaped like them.
    pub parameters: &'c [Value],
    /// Present while training a network with statistics; absent at inference.
    pub image_weights: Option<&'c ImageWeights>,
    /// `[Layer::noise, batch]`, uniform in [0, 1), while training; absent at inference.
    pub noise: Option<Value>,
    /// Whether a backward pass follows.
    pub training: bool,
}

/// What a backward pass gives back.
pub struct Gradients {
    /// With respect to each value that the layer reads, `[features, batch]`, where it was asked
    /// for.
    pub inputs: Vec<Option<Value>>,
    /// With respect to each parameter, in the order of [`Layer::parameters`], shaped like it.
    pub parameters: Vec<Value>,
}

impl Gradients {
    /// Those of a layer with one input and no parameters.
    pub fn of_input(input: Option<Value>) -> Self {
        Self { inputs: vec![input], parameters: Vec::new() }
    }
}

/// Emits a layer's backward pass. It is given the gradient of the layer's output and, for each
/// value the layer reads, whether its gradient is wanted: that of a value which no trained
/// parameter decides never is.
pub type Backward<'a> = Box<dyn FnOnce(&mut Graph, &Value, &[bool]) -> Gradients + 'a>;

/// One layer kind.
pub trait Layer: fmt::Debug + fmt::Display + Send + Sync {
    /// Whether the kind reads two or more values; the others read exactly one.
    fn joins(&self) -> bool {
        false
    }

    /// The shape of the output, or what is wrong with the inputs. Their number has been checked.
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String>;

    /// The tensors for inputs of these shapes.
    fn parameters(&self, _inputs: &[Shape]) -> Vec<Parameter> {
        Vec::new()
    }

    /// How many random numbers the layer needs for each image while training.
    fn noise(&self, _inputs: &[Shape]) -> usize {
        0
    }

    /// Emits the forward pass and returns the output `[features, batch]` with the function that
    /// emits the backward pass. Shapes have been checked by [`Layer::output_shape`].
    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>);

    /// Adds the layer to an exported model, in ONNX's own NCHW layout, and returns its output's
    /// name. `inputs` names what it reads.
    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        parameters: &[&[f32]],
        shapes: &[Shape],
    ) -> String;

    /// A kind that maps every element by itself and never maps a larger one to a smaller one, with
    /// gradient 0 wherever it maps different elements to the same: max pooling may come first.
    fn is_monotonic_elementwise(&self) -> bool {
        false
    }

    /// Whether the layer is one of several inputs.
    fn is_input(&self) -> bool {
        false
    }

    /// Whether the layer takes maxima of windows.
    fn takes_maxima(&self) -> bool {
        false
    }
}

/// A layer as it is listed: its name, its kind, and the numbers of the values it reads.
pub struct Node {
    pub name: String,
    pub layer: Box<dyn Layer>,
    pub inputs: Vec<usize>,
}

/// A layer in its network.
#[derive(Debug)]
pub struct Placed {
    pub layer: Box<dyn Layer>,
    /// Unique within the network: the kind and a number, such as `conv1`.
    pub name: String,
    /// Numbers of the values it reads.
    pub inputs: Vec<usize>,
    /// The shapes of what it reads.
    pub shapes: Vec<Shape>,
    pub output: Shape,
    pub parameters: Vec<Parameter>,
    /// Where the parameters start in the flat vector of all parameters.
    pub offset: usize,
    /// Where its random numbers start among those of an image.
    pub noise_offset: usize,
}

impl Placed {
    /// Random numbers per image.
    pub fn noise(&self) -> usize {
        self.layer.noise(&self.shapes)
    }

    /// Whether the optimizer changes any of its parameters.
    pub fn is_trained(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.role != Role::Statistic)
    }
}

/// A checked network.
#[derive(Debug)]
pub struct Network {
    pub name: String,
    pub input: [usize; 3],
    pub layers: Vec<Placed>,
    /// Bits of the weights that somebody chose, by the names of layers.
    pub bits: LayerBits,
}

impl Network {
    /// Checks that every layer fits what it reads, that every layer but the last is read, and that
    /// the last gives one value per class.
    pub fn new(name: &str, input: [usize; 3], nodes: Vec<Node>) -> Result<Self, NetworkError> {
        let mut shapes = vec![Shape::Image(input)];
        let (mut offset, mut noise_offset, mut values) = (0, 0, 0);
        let mut layers = Vec::new();
        for Node { name, layer, inputs } in nodes {
            let refuse = |what: String| NetworkError::Layer {
                layer: name.clone(),
                kind: layer.to_string(),
                what,
            };
            match (layer.joins(), inputs.len()) {
                (true, 2..) | (false, 1) => {}
                (true, count) => {
                    return Err(refuse(format!(
                        "reads {count} layers, but joins two or more: name them with \
                         inputs = [\"…\", \"…\"]"
                    )));
                }
                (false, count) => {
                    return Err(refuse(format!("reads {count} layers, but takes exactly one")));
                }
            }
            let read: Option<Vec<Shape>> =
                inputs.iter().map(|&value| shapes.get(value).copied()).collect();
            let Some(read) = read else {
                return Err(refuse("reads a layer that is not before it".to_string()));
            };
            let output = layer.output_shape(&read).map_err(refuse)?;
            values += output.checked_elements().map_err(refuse)?;
            let parameters = layer.parameters(&read);
            let count: usize = parameters.iter().map(Parameter::elements).sum();
            if values > ALL_ELEMENTS || offset + count > ELEMENTS {
                return Err(refuse(format!(
                    "brings the network to {} parameters and {values} values for an image; {ELEMENTS} \
                     and {ALL_ELEMENTS} are the most",
                    offset + count
                )));
            }
            let noise = layer.noise(&read);
            layers.push(Placed {
                layer,
                name,
                inputs,
                shapes: read,
                output,
                parameters,
                offset,
                noise_offset,
            });
            shapes.push(output);
            (offset, noise_offset) = (offset + count, noise_offset + noise);
        }
        let network = Self { name: name.to_string(), input, layers, bits: LayerBits::new() };
        for (index, placed) in network.layers.iter().enumerate().rev().skip(1) {
            if network.readers(index + 1) == 0 {
                return Err(NetworkError::Layer {
                    layer: placed.name.clone(),
                    kind: placed.layer.to_string(),
                    what: "is read by no layer; remove it or name it among a layer's inputs"
                        .to_string(),
                });
            }
        }
        match shapes.last() {
            Some(Shape::Flat(2..)) if network.trained_count() == 0 => Err(NetworkError::Untrained),
            Some(Shape::Flat(2..)) => Ok(network),
            Some(&shape) if !network.layers.is_empty() => Err(NetworkError::Output { shape }),
            _ => Err(NetworkError::Empty),
        }
    }

    /// A network in which every layer reads the one before.
    pub fn chain(
        name: &str,
        input: [usize; 3],
        layers: Vec<(String, Box<dyn Layer>)>,
    ) -> Result<Self, NetworkError> {
        let node = |(index, (name, layer))| Node { name, layer, inputs: vec![index] };
        Self::new(name, input, layers.into_iter().enumerate().map(node).collect())
    }

    /// How many inputs there are: the first layers are the parts of a sample of several.
    pub fn inputs(&self) -> usize {
        self.layers.iter().take_while(|placed| placed.layer.is_input()).count().max(1)
    }

    /// How many times value `value` is read.
    pub fn readers(&self, value: usize) -> usize {
        let inputs = self.layers.iter().flat_map(|placed| &placed.inputs);
        inputs.filter(|&&input| input == value).count()
    }

    /// Number of classes: the size of the last layer's output.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |placed| placed.output.elements())
    }

    /// Every tensor that training changes with its layer, in the order of the flat vector.
    pub fn parameters(&self) -> impl Iterator<Item = (&Placed, &Parameter)> {
        self.layers.iter().flat_map(|placed| placed.parameters.iter().map(move |p| (placed, p)))
    }

    /// Length of the flat vector of all parameters, running statistics among them.
    pub fn parameter_count(&self) -> usize {
        self.parameters().map(|(_, parameter)| parameter.elements()).sum()
    }

    /// Number of values that the optimizer changes.
    pub fn trained_count(&self) -> usize {
        let trained = self.parameters().filter(|(_, p)| p.role != Role::Statistic);
        trained.map(|(_, parameter)| parameter.elements()).sum()
    }

    /// Whether some parameters are running statistics.
    pub fn has_statistics(&self) -> bool {
        self.parameters().any(|(_, parameter)| parameter.role == Role::Statistic)
    }

    /// Random numbers per image that training needs.
    pub fn noise(&self) -> usize {
        self.layers.iter().map(Placed::noise).sum()
    }

    /// The parameters of one layer, cut from the flat vector of all parameters.
    pub fn cut<'p>(&self, placed: &Placed, all: &'p [f32]) -> Vec<&'p [f32]> {
        let mut offset = placed.offset;
        let cut = |parameter: &Parameter| {
            let start = offset;
            offset += parameter.elements();
            &all[start..offset]
        };
        placed.parameters.iter().map(cut).collect()
    }

    /// What the file of a network calls a value.
    fn value_name(&self, value: usize) -> &str {
        value.checked_sub(1).map_or(IMAGE, |layer| &self.layers[layer].name)
    }
}

/// What layers call the network's input.
pub const IMAGE: &str = "image";

impl fmt::Display for Network {
    /// Everything that decides what the network computes, so that equal texts mean equal networks.
    /// Layers that are read by name have it in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let follows = |index: usize, placed: &Placed| placed.inputs == [index];
        let layers = || self.layers.iter().enumerate();
        let by_name = |value: usize| {
            layers().any(|(i, placed)| !follows(i, placed) && placed.inputs.contains(&value))
        };
        write!(f, "{}: {}", self.name, Shape::Image(self.input))?;
        for (index, placed) in layers() {
            write!(f, " · ")?;
            if by_name(index + 1) {
                write!(f, "{} = ", placed.name)?;
            }
            write!(f, "{}", placed.layer)?;
            if !follows(index, placed) {
                let names: Vec<_> = placed.inputs.iter().map(|&v| self.value_name(v)).collect();
                write!(f, " of {}", names.join(", "))?;
            }
            if let Some(bits) = self.bits.get(&placed.name) {
                write!(f, " with weights of {bits} bits")?;
            }
        }
        Ok(())
    }
}

/// Why a list of layers is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("layer {layer} ({kind}): {what}")]
    Layer { layer: String, kind: String, what: String },
    #[error(
        "the last layer gives {shape}; a classifier ends with one value per class (at least 2): \
         end it with fully_connected"
    )]
    Output { shape: Shape },
    #[error("no layer has anything to train; end it with fully_connected")]
    Untrained,
    #[error("there is no layer; end it with fully_connected")]
    Empty,
}
