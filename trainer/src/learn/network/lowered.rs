//! A network as the converter reads it from an ONNX file, made trainable: batch norm is folded, and
//! what exporters write in many ways has one form.

use std::collections::HashMap;

use converter::lower::{Layer as LoweredLayer, Network as LoweredNetwork};
use converter::operators::functions::Function;
use converter::operators::leaky_relu::fixed_point;
use converter::operators::{self, FloatOp};
use converter::passes::INPUT_EXPONENT;
use converter::quantize::USUAL_BITS;

use super::{
    Add, AveragePool2d, BoundedRelu, Concat, Conv2d, Flatten, FullyConnected, HardSwish, Input,
    Layer, LeakyRelu, MaxPool2d, Network, NetworkError, Node, Relu, Shape, Sigmoid, Window,
    ZeroPad2d,
};

/// A lowered network as one that can be trained.
#[derive(Debug)]
pub struct Readout {
    pub network: Network,
    /// The flat vector of its parameters.
    pub parameters: Vec<f32>,
    /// For each value of the lowered network, the value of `network` that holds it, and
    pub values: Vec<usize>,
    /// what that one must be multiplied by to give it. The image is `pixel / 255` here and
    /// `pixel / 256` there, and the mean of a window has a power of two as its divisor there.
    pub factors: Vec<f32>,
    /// For each layer of the lowered network that has weights, the layer of `network` that has
    /// them.
    pub weighted: Vec<Option<usize>>,
}

/// Why a lowered network cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum ReadoutError {
    #[error("layer '{layer}': {what}")]
    Layer { layer: String, what: String },
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Reads the layers of `lowered` as a network called `name`.
///
/// # Errors
///
/// Names the first layer that has no trainable form.
pub fn read(name: &str, lowered: &LoweredNetwork) -> Result<Readout, ReadoutError> {
    let input = lowered.input;
    let mut reading = Reading {
        lowered,
        nodes: Vec::new(),
        shapes: vec![Shape::Image([input.channels, input.height, input.width])],
        parameters: Vec::new(),
        values: vec![0],
        // q / 256 from q / 255.
        factors: vec![255.0 / 2f32.powi(INPUT_EXPONENT)],
        weighted: Vec::new(),
        joined: HashMap::new(),
    };
    for layer in &lowered.layers {
        reading.layer(layer)?;
    }
    let last = reading.nodes.len();
    if matches!(reading.shapes[last], Shape::Image(_)) {
        let name = reading.fresh("flatten");
        reading.push(name, Box::new(Flatten), vec![last])?;
    }
    let Reading { nodes, parameters, values, factors, weighted, .. } = reading;
    let mut network = Network::new(name, [input.channels, input.height, input.width], nodes)?;
    network.bits = lowered.layers.iter().map(|layer| (layer.name.clone(), layer.bits)).collect();
    network.bits.retain(|_, bits| *bits != USUAL_BITS);
    Ok(Readout { network, parameters, values, factors, weighted })
}

struct Reading<'l> {
    lowered: &'l LoweredNetwork,
    nodes: Vec<Node>,
    /// Of the values of the network that is read.
    shapes: Vec<Shape>,
    parameters: Vec<f32>,
    values: Vec<usize>,
    factors: Vec<f32>,
    weighted: Vec<Option<usize>>,
    /// Of values of the lowered network that are vectors with flattened images in them: for each element,
    /// as it is trained, its number there.
    joined: HashMap<usize, Vec<usize>>,
}

impl Reading<'_> {
    fn push(
        &mut self,
        name: String,
        layer: Box<dyn Layer>,
        inputs: Vec<usize>,
    ) -> Result<usize, ReadoutError> {
        let shapes: Vec<Shape> = inputs.iter().map(|&value| self.shapes[value]).collect();
        match layer.output_shape(&shapes) {
            Ok(shape) => self.shapes.push(shape),
            Err(what) => return Err(ReadoutError::Layer { layer: name, what }),
        }
        self.nodes.push(Node { name, layer, inputs });
        Ok(self.nodes.len())
    }

    /// A name that no layer has.
    fn fresh(&self, stem: &str) -> String {
        let taken = |name: &str| self.nodes.iter().any(|node| node.name == name);
        let numbered = (2..).map(|number| format!("{stem}{number}"));
        let mut names = std::iter::once(stem.to_string()).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    /// For each element of a value that is flattened here, its number in the lowered network: there
    /// an image is stored row by row, here channel by channel.
    fn order(&self, value: usize) -> Vec<usize> {
        let shape = self.lowered.shape(value);
        let positions = shape.height * shape.width;
        let stored = |index: usize| index % positions * shape.channels + index / positions;
        let joined = self.joined.get(&value).cloned();
        joined.unwrap_or_else(|| (0..shape.size()).map(stored).collect())
    }

    /// A value as a vector.
    fn flattened(&mut self, name: &str, value: usize) -> Result<usize, ReadoutError> {
        match self.shapes[value] {
            Shape::Image(_) => {
                let name = self.fresh(&format!("{name}.flatten"));
                self.push(name, Box::new(Flatten), vec![value])
            }
            Shape::Flat(_) => Ok(value),
        }
    }

    fn never_negative(&self, value: usize) -> bool {
        value == 0 || self.lowered.layers[value - 1].relu
    }

    fn layer(&mut self, layer: &LoweredLayer) -> Result<(), ReadoutError> {
        let refused =
            |what: &str| ReadoutError::Layer { layer: layer.name.clone(), what: what.into() };
        let inputs: Vec<usize> = layer.inputs.iter().map(|&value| self.values[value]).collect();
        let shape = self.lowered.shape(layer.inputs[0]);
        let input_factor = self.factors[layer.inputs[0]];
        let same_factor = || {
            let same = layer.inputs.iter().all(|&value| self.factors[value] == input_factor);
            let what = "joins values of different scales, such as a mean over a window whose size \
                        is no power of two";
            if same { Ok(input_factor) } else { Err(refused(what)) }
        };
        let never_negative = layer.inputs.iter().all(|&value| self.never_negative(value));
        let mut weighted = None;
        // Whether a ReLU is part of the layer, rather than nothing negative can come out.
        let mut activation = layer.relu;
        let name = self.fresh(&layer.name);
        let (mut value, factor) = match &layer.op {
            FloatOp::Input(operators::input::Input { first }) => {
                activation = false;
                let converter::graph::Shape { height, width, channels } = layer.output;
                let input = Input { first: *first, shape: [channels, height, width] };
                (self.push(name, Box::new(input), inputs)?, input_factor)
            }
            FloatOp::Conv2d(operator) => {
                let operators::conv2d::Conv2d { weights, bias, window, groups, convolved, pool } =
                    operator;
                let conv = Conv2d {
                    out_channels: convolved.channels,
                    window: *window,
                    groups: *groups,
                    bias: true,
                };
                weighted = Some(self.nodes.len());
                let inner = shape.channels / groups;
                let taps = window.area();
                // From [out][position][in] to [out][in][position].
                for filter in weights.chunks(inner * taps) {
                    let tap = |index: usize| filter[index % taps * inner + index / taps];
                    self.parameters.extend((0..inner * taps).map(|i| tap(i) * input_factor));
                }
                self.parameters.extend(bias);
                let mut value = self.push(name.clone(), Box::new(conv), inputs)?;
                if layer.relu {
                    value = self.activation(layer, value)?;
                    activation = false;
                }
                if let Some(pool) = pool {
                    let name = self.fresh(&format!("{name}.pool"));
                    let pool = MaxPool2d { window: *pool };
                    value = self.push(name, Box::new(pool), vec![value])?;
                }
                (value, 1.0)
            }
            FloatOp::FullyConnected(operator) => {
                let operators::fully_connected::FullyConnected { weights, bias } = operator;
                let input = self.flattened(&name, inputs[0])?;
                weighted = Some(self.nodes.len());
                let order = self.order(layer.inputs[0]);
                for row in weights.chunks(shape.size()) {
                    self.parameters.extend(order.iter().map(|&at| row[at] * input_factor));
                }
                self.parameters.extend(bias);
                let layer = FullyConnected { outputs: bias.len() };
                (self.push(name, Box::new(layer), vec![input])?, 1.0)
            }
            FloatOp::MaxPool2d(operators::max_pool2d::MaxPool2d { window }) => {
                activation = false;
                let (window, inputs) = self.unpadded(&name, *window, inputs)?;
                if inputs[0] != self.values[layer.inputs[0]] && !never_negative {
                    return Err(refused(
                        "is a max pooling with padding of values that may be negative, which \
                         training does not do",
                    ));
                }
                (self.push(name, Box::new(MaxPool2d { window }), inputs)?, input_factor)
            }
            FloatOp::AveragePool2d(operator) => {
                let operators::average_pool2d::AveragePool2d { window, bits } = operator;
                activation &= !never_negative;
                let (window, inputs) = self.unpadded(&name, *window, inputs)?;
                let factor = input_factor * window.area() as f32 * 2f32.powi(-(*bits as i32));
                (self.push(name, Box::new(AveragePool2d { window }), inputs)?, factor)
            }
            FloatOp::Add(_) => {
                activation &= !never_negative;
                let factor = same_factor()?;
                if layer.inputs.iter().any(|value| self.joined.contains_key(value)) {
                    return Err(refused("adds vectors that flattened images were joined to"));
                }
                (self.push(name, Box::new(Add), inputs)?, factor)
            }
            FloatOp::Concat(_) => {
                activation = false;
                let factor = same_factor()?;
                let mut inputs = inputs;
                if layer.output.height * layer.output.width == 1 {
                    let mut order = Vec::new();
                    for (input, &value) in inputs.iter_mut().zip(&layer.inputs) {
                        *input = self.flattened(&name, *input)?;
                        let first = order.len();
                        order.extend(self.order(value).into_iter().map(|at| first + at));
                    }
                    self.joined.insert(self.values.len(), order);
                }
                (self.push(name, Box::new(Concat), inputs)?, factor)
            }
            FloatOp::LeakyRelu(operators::leaky_relu::LeakyRelu { slope }) => {
                activation = false;
                // As the integers have it.
                let (integer, bits) = fixed_point(*slope);
                let leaky = LeakyRelu { slope: f32::from(integer) * 2f32.powi(-i32::from(bits)) };
                (self.push(name, Box::new(leaky), inputs)?, input_factor)
            }
            FloatOp::Lookup(operators::lookup::Lookup { function }) => {
                activation = false;
                if input_factor != 1.0 {
                    return Err(refused(
                        "is no linear function, and reads the image or a mean over a window whose \
                         size is no power of two",
                    ));
                }
                let layer: Box<dyn Layer> = match function {
                    Function::HardSwish(_) => Box::new(HardSwish),
                    Function::Sigmoid(_) => Box::new(Sigmoid),
                    other => {
                        let what = format!(
                            "is a {}, which training has no layer for",
                            other.as_dyn().name()
                        );
                        return Err(refused(&what));
                    }
                };
                (self.push(name, layer, inputs)?, 1.0)
            }
            FloatOp::AveragePool2dInside(_) => {
                return Err(refused(
                    "leaves its padding out of its means, which training has no layer for",
                ));
            }
            FloatOp::PRelu(_) => {
                return Err(refused(
                    "has a slope for each channel, which training has no layer for",
                ));
            }
            FloatOp::Mul(_) => {
                return Err(refused("is a product, which training has no layer for"));
            }
            FloatOp::Gather(_) => {
                return Err(refused("moves elements, which training has no layer for"));
            }
        };
        if activation {
            if layer.ceiling.is_some() && factor != 1.0 {
                return Err(refused("its upper bound lies behind a mean over a window"));
            }
            value = self.activation(layer, value)?;
        }
        // What is computed element by element keeps the order.
        if let (FloatOp::LeakyRelu(_) | FloatOp::Lookup(_), Some(order)) =
            (&layer.op, self.joined.get(&layer.inputs[0]).cloned())
        {
            self.joined.insert(self.values.len(), order);
        }
        self.values.push(value);
        self.factors.push(factor);
        self.weighted.push(weighted);
        Ok(())
    }

    fn activation(&mut self, layer: &LoweredLayer, value: usize) -> Result<usize, ReadoutError> {
        let name = self.fresh(&format!("{}.relu", layer.name));
        match layer.ceiling {
            None => self.push(name, Box::new(Relu), vec![value]),
            Some(ceiling) => self.push(name, Box::new(BoundedRelu { ceiling }), vec![value]),
        }
    }

    /// A window without padding over an input with zeros around it.
    fn unpadded(
        &mut self,
        name: &str,
        window: Window,
        inputs: Vec<usize>,
    ) -> Result<(Window, Vec<usize>), ReadoutError> {
        if !window.is_padded() {
            return Ok((window, inputs));
        }
        let [top, left, bottom, right] = window.padding;
        let (before, after) = ([top, left], [bottom, right]);
        let window = Window { padding: [0; 4], ..window };
        let name = self.fresh(&format!("{name}.pad"));
        let padded = self.push(name, Box::new(ZeroPad2d { before, after }), inputs)?;
        Ok((window, vec![padded]))
    }
}
