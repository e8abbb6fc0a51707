//! From operators to layers, one kernel call each.

use super::TfliteError;
use super::builtin::Builtin;
use super::file::{Affine, Element, File, Operator, Tensor};
use crate::graph::{Head, Output, Shape, ValueId};
use crate::imported::outputs;
use crate::operators::IntegerOp;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, Scale, ValueFormat, ValueType};

/// What is imported, beside operators that only matter at the borders.
const SUPPORTED: &str = "ADD, AVERAGE_POOL_2D, CONCATENATION, CONV_2D, DEPTHWISE_CONV_2D, \
    DEQUANTIZE, EXPAND_DIMS, FULLY_CONNECTED, HARD_SWISH, LEAKY_RELU, LOGISTIC, MAX_POOL_2D, MEAN, \
    MUL, PAD, QUANTIZE, RELU, RELU6, RESHAPE, RESIZE_NEAREST_NEIGHBOR, SOFTMAX, SQUEEZE, TANH";

/// An imported network, and what stood at its end without a layer of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub network: QuantizedNetwork,
    /// The network's only output ended in SOFTMAX; it is the logits before it.
    pub softmax: bool,
    /// The number of the tensor in the file that holds each of the network's outputs.
    pub tensors: Vec<usize>,
}

/// Imports the bytes of a `.tflite` file.
///
/// # Errors
///
/// What is damaged or not supported, with the tensor or the operator.
pub fn import(bytes: &[u8]) -> Result<Imported, TfliteError> {
    let file = File::read(bytes)?;
    let mut import = Import::new(&file)?;
    for operator in &file.operators {
        import.operator(operator)?;
    }
    import.finish()
}

/// A value as an operator sees it: RESHAPE gives the same value another shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub id: ValueId,
    /// The tensor that holds it.
    pub tensor: usize,
    pub shape: Shape,
    pub affine: Affine,
    pub element: ValueType,
    /// A border of zero points that only the window that reads it puts around it.
    pub border: [usize; 4],
}

#[derive(Clone, Copy, Debug)]
enum Known {
    Value(Value),
    /// A shape, computed where the batch is not fixed: RESHAPE's result says it as well.
    Dimensions,
    /// Behind a SOFTMAX or DEQUANTIZE: only the end of the network may be.
    End {
        value: Value,
        softmax: bool,
    },
}

pub(super) struct Import<'a> {
    pub file: &'a File<'a>,
    known: Vec<Option<Known>>,
    pub layers: Vec<QuantizedLayer>,
    input: (Shape, ValueFormat),
}

/// The shape of one sample: without the batch, vectors as one pixel and series as one row.
fn sample_shape(tensor: &Tensor) -> Result<Shape, TfliteError> {
    match tensor.shape[..] {
        [] => Ok(Shape::flat(1)),
        [size] => Ok(Shape::flat(size)),
        [1, channels] => Ok(Shape::flat(channels)),
        [1, width, channels] => Ok(Shape::new(1, width, channels)),
        [1, height, width, channels] => Ok(Shape::new(height, width, channels)),
        [batch, ..] if batch != 1 => {
            Err(tensor.error(format!("a batch of {batch}; convert the model with a batch of 1")))
        }
        _ => Err(tensor.error(format!("shape {:?} is not supported", tensor.shape))),
    }
}

impl<'a> Import<'a> {
    fn new(file: &'a File<'a>) -> Result<Self, TfliteError> {
        let input = file.only_input()?;
        let mut known = vec![None; file.tensors.len()];
        let mut tensor = &file.tensors[input];
        let mut at = input;
        // A float input that is quantized at once: the integers are the input.
        if let [operator] = consumers(file, input)[..]
            && operator.builtin == Builtin::QUANTIZE
            && tensor.element == Element::F32
        {
            at = file.output_of(operator)?;
            tensor = &file.tensors[at];
        }
        let format = value_format(tensor)?;
        let mut shape = sample_shape(tensor)?;
        // A shape that is only given to it: the device may as well take that.
        if let [operator] = consumers(file, at)[..]
            && operator.builtin == Builtin::RESHAPE
            && let Ok(reshaped) = sample_shape(&file.tensors[file.output_of(operator)?])
            && reshaped.size() == shape.size()
        {
            shape = reshaped;
        }
        let (affine, element) = (tensor.affine()?, format.element);
        let value = Value { id: 0, tensor: at, shape, affine, element, border: [0; 4] };
        known[at] = Some(Known::Value(value));
        Ok(Self { file, known, layers: Vec::new(), input: (shape, format) })
    }

    pub fn input(&self, operator: &Operator, number: usize) -> Result<&'a Tensor<'a>, TfliteError> {
        self.optional_input(operator, number)?
            .ok_or_else(|| operator.error(format!("input {number} is missing")))
    }

    /// A tensor that an operator reads; `None` where it is left out.
    pub fn optional_input(
        &self,
        operator: &Operator,
        number: usize,
    ) -> Result<Option<&'a Tensor<'a>>, TfliteError> {
        let index = self.file.input_of(operator, number)?;
        Ok(index.map(|index| &self.file.tensors[index]))
    }

    /// A value that an operator reads.
    pub fn value(&self, operator: &Operator, number: usize) -> Result<Value, TfliteError> {
        self.known_value(operator, number)?
            .ok_or_else(|| operator.error(format!("input {number} is a constant")))
    }

    /// A value that an operator reads; `None` for a constant.
    pub fn known_value(
        &self,
        operator: &Operator,
        number: usize,
    ) -> Result<Option<Value>, TfliteError> {
        let tensor = self.input(operator, number)?;
        match self.known_input(operator, number) {
            Some(Known::Value(value))
                if value.element == ValueType::U8 && operator.builtin != Builtin::QUANTIZE =>
            {
                Err(operator.error(format!(
                    "reads '{}', which is uint8; quantize the model to int8",
                    tensor.name
                )))
            }
            Some(Known::Value(value)) => Ok(Some(value)),
            Some(Known::Dimensions) => {
                Err(operator.error(format!("computes with the shape '{}'", tensor.name)))
            }
            Some(Known::End { .. }) => Err(operator.error(format!(
                "follows '{}', behind which only the end of the network can stand",
                tensor.name
            ))),
            None if tensor.data.is_some() => Ok(None),
            None => Err(operator.error(format!("reads '{}' before it is computed", tensor.name))),
        }
    }

    fn known_input(&self, operator: &Operator, number: usize) -> Option<Known> {
        let index = usize::try_from(operator.inputs.i32s().nth(number)?).ok()?;
        self.known.get(index).copied().flatten()
    }

    pub fn output(&self, operator: &Operator) -> Result<&'a Tensor<'a>, TfliteError> {
        Ok(&self.file.tensors[self.file.output_of(operator)?])
    }

    fn set(&mut self, operator: &Operator, known: Known) -> Result<(), TfliteError> {
        let output = self.file.output_of(operator)?;
        if self.known[output].is_some() || output == self.file.inputs[0] {
            return Err(self.file.tensors[output].error("it is computed twice"));
        }
        self.known[output] = Some(known);
        Ok(())
    }

    /// The only operator that reads an operator's result, if it is no output of the network.
    pub fn only_consumer(
        &self,
        operator: &Operator,
    ) -> Result<Option<&'a Operator<'a>>, TfliteError> {
        let output = self.file.output_of(operator)?;
        match consumers(self.file, output)[..] {
            [consumer] if !self.file.outputs.contains(&output) => Ok(Some(consumer)),
            _ => Ok(None),
        }
    }

    /// The last layer, if nothing but input 0 of `operator` needs its result: the two may become one.
    pub fn only_for(&mut self, operator: &Operator, value: Value) -> Option<&mut QuantizedLayer> {
        let direct = operator.inputs.i32s().next().map(usize::try_from) == Some(Ok(value.tensor));
        let last = value.id == self.layers.len();
        let alone = consumers(self.file, value.tensor).len() == 1
            && !self.file.outputs.contains(&value.tensor);
        if direct && last && alone { self.layers.last_mut() } else { None }
    }

    /// Makes the last layer compute an operator's result as well.
    pub fn extend(
        &mut self,
        operator: &Operator,
        op: impl Into<IntegerOp>,
        shape: Shape,
    ) -> Result<(), TfliteError> {
        let Some(QuantizedLayer { inputs, .. }) = self.layers.pop() else {
            return Err(operator.error("there is no layer before it"));
        };
        self.push(operator, op, inputs, shape)
    }

    /// Adds a layer that computes an operator's result.
    pub fn push(
        &mut self,
        operator: &Operator,
        op: impl Into<IntegerOp>,
        inputs: Vec<ValueId>,
        shape: Shape,
    ) -> Result<(), TfliteError> {
        let tensor = self.output(operator)?;
        let expected = sample_shape(tensor)?;
        if expected.size() != shape.size() {
            return Err(operator.error(format!(
                "its result should be {shape}, but the file says {:?}",
                tensor.shape
            )));
        }
        let format = value_format(tensor)?;
        if format.element == ValueType::U8 && operator.builtin != Builtin::QUANTIZE {
            return Err(tensor.error("it is uint8, which only QUANTIZE may give"));
        }
        self.layers.push(QuantizedLayer {
            source_name: tensor.name.to_string(),
            name: String::new(),
            op: op.into(),
            inputs,
            output: shape,
            format,
            clip: None,
        });
        let (affine, element) = (tensor.affine()?, format.element);
        let value = Value {
            id: self.layers.len(),
            tensor: self.file.output_of(operator)?,
            shape: expected,
            affine,
            element,
            border: [0; 4],
        };
        self.set(operator, Known::Value(value))
    }

    /// Makes an operator's result another name of a value.
    pub fn alias(&mut self, operator: &Operator, value: Value) -> Result<(), TfliteError> {
        self.set(operator, Known::Value(value))
    }

    fn operator(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        match operator.builtin {
            Builtin::CONV_2D | Builtin::DEPTHWISE_CONV_2D => self.convolution(operator),
            Builtin::FULLY_CONNECTED => self.fully_connected(operator),
            Builtin::MAX_POOL_2D | Builtin::AVERAGE_POOL_2D => self.pool(operator),
            Builtin::MEAN => self.mean(operator),
            Builtin::PAD | Builtin::PADV2 => self.pad(operator),
            Builtin::ADD | Builtin::MUL => self.sum_or_product(operator),
            Builtin::CONCATENATION => self.concatenation(operator),
            Builtin::RELU
            | Builtin::RELU6
            | Builtin::LEAKY_RELU
            | Builtin::LOGISTIC
            | Builtin::TANH
            | Builtin::HARD_SWISH => self.activation(operator),
            Builtin::RESHAPE | Builtin::SQUEEZE | Builtin::EXPAND_DIMS => self.reshape(operator),
            Builtin::RESIZE_NEAREST_NEIGHBOR => self.resize(operator),
            Builtin::SHAPE | Builtin::STRIDED_SLICE | Builtin::PACK
                if self.output(operator)?.element == Element::I32 =>
            {
                self.set(operator, Known::Dimensions)
            }
            Builtin::QUANTIZE => {
                let at_the_input = |value: &Option<Known>| {
                    matches!(value, Some(Known::Value(Value { id: 0, .. })))
                };
                if self.input(operator, 0)?.element == Element::F32
                    && at_the_input(&self.known[self.file.output_of(operator)?])
                {
                    return Ok(());
                }
                // Behind the end it changes how the same output is written.
                match self.known_input(operator, 0) {
                    Some(end @ Known::End { .. }) => self.set(operator, end),
                    _ => self.activation(operator),
                }
            }
            Builtin::DEQUANTIZE => {
                if let Some(end @ Known::End { .. }) = self.known_input(operator, 0) {
                    return self.set(operator, end);
                }
                let value = self.value(operator, 0)?;
                self.set(operator, Known::End { value, softmax: false })
            }
            Builtin::SOFTMAX => {
                let value = self.value(operator, 0)?;
                let last_axis = value.shape.height == 1 && value.shape.width == 1;
                if !last_axis {
                    return Err(operator.error("only one softmax over all outputs is supported"));
                }
                self.set(operator, Known::End { value, softmax: true })
            }
            Builtin::CUSTOM => {
                Err(operator
                    .error(format!("custom operator '{}' is not supported", operator.custom)))
            }
            _ => Err(operator.error(format!("it is not supported; supported: {SUPPORTED}"))),
        }
    }

    fn reshape(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let tensor = self.output(operator)?;
        let shape = sample_shape(tensor)?;
        if shape.size() != value.shape.size() {
            return Err(operator.error(format!(
                "reshapes {} values into {:?}; convert the model with a batch of 1",
                value.shape.size(),
                tensor.shape
            )));
        }
        self.alias(operator, Value { shape, ..value })
    }

    /// A value's id, for a layer that needs its shape as it is.
    pub fn spatial(&self, operator: &Operator, value: Value) -> Result<ValueId, TfliteError> {
        let stored = match value.id {
            0 => self.input.0,
            id => self.layers[id - 1].output,
        };
        if stored != value.shape {
            return Err(operator.error(format!(
                "reads {stored} values reshaped to {}; only FULLY_CONNECTED can",
                value.shape
            )));
        }
        Ok(value.id)
    }

    fn finish(self) -> Result<Imported, TfliteError> {
        let (mut outputs, mut tensors, mut softmax) = (Vec::new(), Vec::new(), false);
        for &output in &self.file.outputs {
            let tensor = &self.file.tensors[output];
            let (value, ends) = match self.known[output] {
                Some(Known::Value(value)) => (value, false),
                Some(Known::End { value, softmax }) => (value, softmax),
                _ => return Err(tensor.error("the output is computed by no operator")),
            };
            softmax = ends;
            let head = if ends { Head::Softmax } else { Head::Logits };
            let plain = Output::plain(tensor.name, value.id, value.shape.size());
            outputs.push(Output { head, ..plain });
            tensors.push(value.tensor);
        }
        let softmax = softmax && outputs.len() == 1;
        let network = outputs::network(self.input, self.layers, outputs);
        Ok(Imported { network: network.map_err(TfliteError::Graph)?, softmax, tensors })
    }
}

/// The operators that read a tensor.
fn consumers<'a>(file: &'a File<'a>, tensor: usize) -> Vec<&'a Operator<'a>> {
    let reads = |operator: &&Operator| {
        operator.inputs.i32s().any(|index| usize::try_from(index) == Ok(tensor))
    };
    file.operators.iter().filter(reads).collect()
}

fn value_format(tensor: &Tensor) -> Result<ValueFormat, TfliteError> {
    let element = match tensor.element {
        Element::U8 => ValueType::U8,
        _ => ValueType::I8,
    };
    let Affine { scale, zero } = tensor.affine()?;
    Ok(ValueFormat { element, scale: Scale::Affine { scale, zero } })
}
