//! Networks: an input shape and a list of layers, each layer kind in a file of its own.
//!
//! A layer kind says what shape it makes, which parameters it has, how to emit its forward pass
//! together with its backward pass, and what it becomes in an exported ONNX file. Adding a kind
//! means adding a file and one line here.

mod conv2d;
mod flatten;
mod fully_connected;
mod initialize;
mod max_pool2d;
mod presets;
mod relu;
mod window;

use std::fmt;

pub use conv2d::Conv2d;
pub use flatten::Flatten;
pub use fully_connected::FullyConnected;
pub use max_pool2d::MaxPool2d;
pub use presets::simple;
pub use relu::Relu;
pub use window::Window;

use crate::export::Export;
use crate::graph::{Graph, Value};

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
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Image([channels, height, width]) => write!(f, "{channels}×{height}×{width}"),
            Shape::Flat(size) => write!(f, "{size}"),
        }
    }
}

/// A trained tensor of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name within its layer: `weight` or `bias`.
    pub name: &'static str,
    pub shape: Vec<usize>,
    /// How many inputs one output adds up: sets the range of the initial values.
    pub fan_in: usize,
    /// Whether weight decay applies.
    pub decays: bool,
}

impl Parameter {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What a backward pass gives back.
pub struct Gradients {
    /// With respect to the layer's input, `[features, batch]`, if it was asked for.
    pub input: Option<Value>,
    /// With respect to each parameter, in the order of [`Layer::parameters`], shaped like it.
    pub parameters: Vec<Value>,
}

/// Emits a layer's backward pass. It is given the gradient of the layer's output and whether the
/// gradient of the input is wanted: the first layer's never is.
pub type Backward<'a> = Box<dyn FnOnce(&mut Graph, &Value, bool) -> Gradients + 'a>;

/// One layer kind.
pub trait Layer: fmt::Debug + fmt::Display + Send + Sync {
    /// The shape of the output, or what is wrong with the input.
    fn output_shape(&self, input: Shape) -> Result<Shape, String>;

    /// The trained tensors for an input of this shape.
    fn parameters(&self, _input: Shape) -> Vec<Parameter> {
        Vec::new()
    }

    /// Emits the forward pass of `x: [features, batch]` and returns the output with the function
    /// that emits the backward pass. Shapes have been checked by [`Layer::output_shape`].
    fn forward<'a>(
        &'a self,
        graph: &mut Graph,
        x: &Value,
        input: Shape,
        parameters: &[Value],
    ) -> (Value, Backward<'a>);

    /// Adds the layer to an exported model, in ONNX's own NCHW layout, and returns its output's
    /// name. `x` names its input.
    fn export(&self, export: &mut Export, x: &str, parameters: &[&[f32]], input: Shape) -> String;

    /// A kind that keeps every element's value or raises it to a constant: the maximum of such
    /// values is the value of the maximum, so max pooling may come first.
    fn is_monotonic_elementwise(&self) -> bool {
        false
    }

    /// Whether the layer takes maxima of windows.
    fn takes_maxima(&self) -> bool {
        false
    }
}

/// A layer in its network.
#[derive(Debug)]
pub struct Placed {
    pub layer: Box<dyn Layer>,
    /// Unique within the network: the kind and a number, such as `conv1`.
    pub name: String,
    pub input: Shape,
    pub output: Shape,
    pub parameters: Vec<Parameter>,
    /// Where the parameters start in the flat vector of all parameters.
    pub offset: usize,
}

/// A checked network.
#[derive(Debug)]
pub struct Network {
    pub name: String,
    pub input: [usize; 3],
    pub layers: Vec<Placed>,
}

impl Network {
    /// Checks that every layer fits the one before and that the last gives one value per class.
    pub fn new(
        name: &str,
        input: [usize; 3],
        layers: Vec<(String, Box<dyn Layer>)>,
    ) -> Result<Self, NetworkError> {
        let mut shape = Shape::Image(input);
        let mut offset = 0;
        let mut placed = Vec::new();
        for (layer_name, layer) in layers {
            let output = layer.output_shape(shape).map_err(|what| NetworkError::Layer {
                layer: layer_name.clone(),
                kind: layer.to_string(),
                what,
            })?;
            let parameters = layer.parameters(shape);
            let count: usize = parameters.iter().map(Parameter::elements).sum();
            placed.push(Placed {
                layer,
                name: layer_name,
                input: shape,
                output,
                parameters,
                offset,
            });
            (shape, offset) = (output, offset + count);
        }
        match shape {
            Shape::Flat(2..) => Ok(Self { name: name.to_string(), input, layers: placed }),
            _ => Err(NetworkError::Output { shape }),
        }
    }

    /// Number of classes: the size of the last layer's output.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |placed| placed.output.elements())
    }

    /// Every trained tensor with its layer, in the order of the flat vector.
    pub fn parameters(&self) -> impl Iterator<Item = (&Placed, &Parameter)> {
        self.layers.iter().flat_map(|placed| placed.parameters.iter().map(move |p| (placed, p)))
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.parameters().map(|(_, parameter)| parameter.elements()).sum()
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
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, Shape::Image(self.input))?;
        self.layers.iter().try_for_each(|placed| write!(f, " · {}", placed.layer))
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
}
