//! Float `.tflite` files, written as the ONNX file that means the same: what reads, checks and
//! quantizes float ONNX then does the rest.
//!
//! TensorFlow Lite stores images as `[batch][height][width][channel]`; here every value of four
//! dimensions is `[batch, channel, height, width]`, as ONNX's operators want it, and is turned where
//! an operator asks for the order in memory. The reader of ONNX takes such turns for views, so they
//! cost nothing.

mod operators;
mod weights;

use super::TfliteError;
use super::builtin::Builtin;
use super::file::{Activation, Element, File, Operator, Tensor};
use crate::onnx::{Attribute, Dim, ElementType, ModelBuilder};

/// What is translated.
const SUPPORTED: &str = "ADD, AVERAGE_POOL_2D, CONCATENATION, CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE \
    (of weights), ELU, EXPAND_DIMS, FULLY_CONNECTED, HARD_SWISH, LEAKY_RELU, LOGISTIC, LOG_SOFTMAX, \
    MAX_POOL_2D, MEAN, MUL, PAD, PRELU, RELU, RELU6, RESHAPE, RESIZE_NEAREST_NEIGHBOR, SOFTMAX, SQUEEZE, SUB, \
    TANH, TRANSPOSE";

/// From the order of dimensions in memory to that of ONNX's images, and back.
const TO_IMAGE: [i64; 4] = [0, 3, 1, 2];
const TO_MEMORY: [i64; 4] = [0, 2, 3, 1];

/// Whether the network of a `.tflite` file computes in floats: its input is float and is not quantized
/// at once.
///
/// # Errors
///
/// What is damaged.
pub fn is_float(bytes: &[u8]) -> Result<bool, TfliteError> {
    let file = File::read(bytes)?;
    let Some(&input) = file.inputs.first() else { return Ok(false) };
    let quantized = |operator: &Operator| {
        operator.builtin == Builtin::QUANTIZE
            && operator.inputs.i32s().any(|index| usize::try_from(index) == Ok(input))
    };
    Ok(file.tensors[input].element == Element::F32 && !file.operators.iter().any(quantized))
}

/// Writes a float `.tflite` file as ONNX.
///
/// # Errors
///
/// What is damaged or has no counterpart here, with the tensor or the operator.
pub fn to_onnx(bytes: &[u8]) -> Result<Vec<u8>, TfliteError> {
    let file = File::read(bytes)?;
    let input = file.only_input()?;
    let mut translation = Translation {
        file: &file,
        model: ModelBuilder::new("tflite"),
        known: vec![None; file.tensors.len()],
        unpacked: vec![None; file.tensors.len()],
    };
    let tensor = &file.tensors[input];
    let name = translation.model.input(INPUT, ElementType::F32, &batched(&tensor.shape));
    let name = translation.as_image(tensor, name);
    translation.known[input] = Some(name);
    for operator in &file.operators {
        translation.operator(operator)?;
    }
    for &output in &file.outputs {
        let tensor = &file.tensors[output];
        let value = translation.known[output]
            .clone()
            .ok_or_else(|| tensor.error("the output is computed by no operator"))?;
        let mut value = translation.in_memory(tensor, value);
        // Several are told apart by the names that the file has for them.
        if file.outputs.len() > 1 {
            value = translation.model.node("Identity", tensor.name, &[&value], &[]);
        }
        translation.model.output(&value, ElementType::F32, &batched(&tensor.shape));
    }
    Ok(translation.model.finish())
}

/// The name of the input.
const INPUT: &str = "input";

/// Dimensions with any batch.
fn batched(shape: &[usize]) -> Vec<Dim> {
    let rest = shape.iter().skip(1).map(|&size| Dim::Fixed(size));
    std::iter::once(Dim::Symbol("N")).chain(rest).collect()
}

/// An ONNX file in the making.
struct Translation<'a> {
    file: &'a File<'a>,
    model: ModelBuilder,
    /// The names of the values that are computed, by tensor.
    known: Vec<Option<String>>,
    /// Weights that stood behind a DEQUANTIZE, by its result.
    unpacked: Vec<Option<Vec<f32>>>,
}

impl<'a> Translation<'a> {
    /// The tensor that an operator reads; `None` where it may be left out and is.
    fn tensor(
        &self,
        operator: &Operator,
        number: usize,
    ) -> Result<Option<(usize, &'a Tensor<'a>)>, TfliteError> {
        let index = self.file.input_of(operator, number)?;
        Ok(index.map(|index| (index, &self.file.tensors[index])))
    }

    fn expected(
        &self,
        operator: &Operator,
        number: usize,
    ) -> Result<(usize, &'a Tensor<'a>), TfliteError> {
        self.tensor(operator, number)?
            .ok_or_else(|| operator.error(format!("input {number} is missing")))
    }

    /// The name and the shape in memory of a value that an operator reads.
    fn value(
        &self,
        operator: &Operator,
        number: usize,
    ) -> Result<(String, &'a Tensor<'a>), TfliteError> {
        let (index, tensor) = self.expected(operator, number)?;
        match &self.known[index] {
            Some(name) => Ok((name.clone(), tensor)),
            None if tensor.data.is_some() => {
                Err(operator.error(format!("input {number} is a constant")))
            }
            None => Err(operator.error(format!("reads '{}' before it is computed", tensor.name))),
        }
    }

    /// The only result of an operator.
    fn output(&self, operator: &Operator) -> Result<(usize, &'a Tensor<'a>), TfliteError> {
        let index = self.file.output_of(operator)?;
        Ok((index, &self.file.tensors[index]))
    }

    /// A name for a node of an operator.
    fn name(&self, operator: &Operator, part: &str) -> String {
        format!("{}_{}{part}", operator.builtin.name().to_lowercase(), operator.index)
    }

    /// A node of an operator; `part` tells it from the others of the same operator.
    fn node(
        &mut self,
        operator: &Operator,
        part: &str,
        op_type: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let name = self.name(operator, part);
        self.model.node(op_type, &name, inputs, attributes)
    }

    /// A value in the order of its memory.
    fn in_memory(&mut self, tensor: &Tensor, name: String) -> String {
        self.turned(tensor, name, TO_MEMORY)
    }

    /// A value that lies in the order of its memory, as the other operators expect it.
    fn as_image(&mut self, tensor: &Tensor, name: String) -> String {
        self.turned(tensor, name, TO_IMAGE)
    }

    fn turned(&mut self, tensor: &Tensor, name: String, order: [i64; 4]) -> String {
        if tensor.shape.len() != 4 {
            return name;
        }
        let node = self.model.fresh("turned");
        self.model.node("Transpose", &node, &[&name], &[("perm", Attribute::Ints(order.into()))])
    }

    /// Makes `name` the result of an operator, behind its fused activation.
    fn finish(
        &mut self,
        operator: &Operator,
        name: String,
        activation: Activation,
    ) -> Result<(), TfliteError> {
        let (index, tensor) = self.output(operator)?;
        if self.known[index].is_some() {
            return Err(tensor.error("it is computed twice"));
        }
        let name = match activation {
            Activation::None => name,
            Activation::Relu => self.node(operator, "_relu", "Relu", &[&name], &[]),
            Activation::Relu6 => self.clip(operator, &name, 0.0, 6.0),
            Activation::ReluN1To1 => self.clip(operator, &name, -1.0, 1.0),
        };
        self.known[index] = Some(name);
        Ok(())
    }

    fn clip(&mut self, operator: &Operator, name: &str, low: f32, high: f32) -> String {
        let bound = |part: &str| self.name(operator, part);
        let (low_name, high_name) = (bound("_low"), bound("_high"));
        self.model.initializer(&low_name, &[], &[low]);
        self.model.initializer(&high_name, &[], &[high]);
        self.node(operator, "_clip", "Clip", &[name, &low_name, &high_name], &[])
    }
}
