//! One reading function per ONNX operator; operators of one kind share a file.

mod activation;
mod arithmetic;
mod batch_normalization;
mod concat;
mod conv;
mod gemm;
mod pad;
mod pool;
mod reshape;
mod shape;

use tract_onnx::pb;

use super::constant::{Constant, Values};
use super::view::{Layout, View};
use super::{Known, ReadError, Reader, node_name};
use crate::graph::{Head, Operator, Shape};
use firmware_core::{Window, WindowError};

/// The operators that [`read_node`] knows, for the error that names what is supported.
pub const SUPPORTED: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Flatten",
    "Gather (of shapes)",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LeakyRelu",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "Min",
    "Mul",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Shape",
    "Slice (of shapes)",
    "Softmax",
    "Squeeze",
    "Sub",
    "Sum",
    "Transpose",
    "Unsqueeze",
];

/// A node with its context for errors and its attributes.
struct Cursor<'a> {
    proto: &'a pb::NodeProto,
}

impl<'a> Cursor<'a> {
    fn wrong(&self, what: impl Into<String>) -> ReadError {
        ReadError::Node {
            node: node_name(self.proto).to_string(),
            op: self.proto.op_type.clone(),
            what: what.into(),
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a pb::AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    fn known<'r>(&self, reader: &'r Reader, index: usize) -> Result<&'r Known, ReadError> {
        let name = self
            .input_name(index)
            .ok_or_else(|| self.wrong(format!("input {index} is missing")))?;
        reader
            .known
            .get(name)
            .ok_or_else(|| self.wrong(format!("input '{name}' is computed by no earlier node")))
    }

    fn input_name(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn view(&self, reader: &Reader, index: usize) -> Result<View, ReadError> {
        match self.known(reader, index)? {
            Known::Value(view) => Ok(view.clone()),
            Known::Constant(_) => Err(self.wrong(format!(
                "input {index} is a constant; expected a value computed from the image"
            ))),
        }
    }

    fn constant(&self, reader: &Reader, index: usize) -> Result<Constant, ReadError> {
        match self.known(reader, index)? {
            Known::Constant(constant) => Ok(constant.clone()),
            Known::Value(_) => {
                Err(self.wrong(format!("input {index} depends on the image; expected a constant")))
            }
        }
    }

    /// An input that may be left out.
    fn optional(&self, reader: &Reader, index: usize) -> Result<Option<Constant>, ReadError> {
        self.input_name(index).map(|_| self.constant(reader, index)).transpose()
    }

    /// The axes of Squeeze, Unsqueeze and the like: an attribute before opset 13, then an input.
    fn axes(&self, reader: &Reader) -> Result<Option<Vec<i64>>, ReadError> {
        if let Some(axes) = self.ints("axes") {
            return Ok(Some(axes.to_vec()));
        }
        self.optional(reader, 1)?.map(|axes| Ok(axes.as_ints()?.to_vec())).transpose()
    }

    /// What the node's first output was bound to.
    fn result(&self, reader: &Reader) -> Result<Known, ReadError> {
        let known = self.proto.output.first().and_then(|output| reader.known.get(output));
        known.cloned().ok_or_else(|| self.wrong("has no output"))
    }
}

/// Reads one node of the file.
pub fn read_node(reader: &mut Reader, proto: &pb::NodeProto) -> Result<(), ReadError> {
    let node = Cursor { proto };
    let node = &node;
    match proto.op_type.as_str() {
        "Constant" => constant(reader, node),
        "Conv" => conv::conv(reader, node),
        "Gemm" => gemm::gemm(reader, node),
        "MatMul" => gemm::matmul(reader, node),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => arithmetic::arithmetic(reader, node),
        "BatchNormalization" => batch_normalization::batch_normalization(reader, node),
        "MaxPool" | "AveragePool" => pool::pool(reader, node),
        "GlobalMaxPool" | "GlobalAveragePool" => pool::global_pool(reader, node),
        "ReduceMax" | "ReduceMean" => pool::reduce(reader, node),
        "Pad" => pad::pad(reader, node),
        "Relu" => activation::unary(reader, node, Operator::Relu),
        "Clip" => activation::clip(reader, node),
        "Min" => activation::min(reader, node),
        "LeakyRelu" => activation::leaky_relu(reader, node),
        "Identity" | "Dropout" | "Cast" => activation::identity(reader, node),
        "Softmax" => activation::unary(reader, node, Operator::Softmax(Head::Softmax)),
        "LogSoftmax" => activation::unary(reader, node, Operator::Softmax(Head::LogSoftmax)),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => reshape::reshape(reader, node),
        "Transpose" => reshape::transpose(reader, node),
        "Concat" => match node.known(reader, 0)? {
            Known::Constant(_) => shape::shape_computation(reader, node),
            Known::Value(_) => concat::concat(reader, node),
        },
        "Shape" | "Gather" | "Slice" => shape::shape_computation(reader, node),
        op => Err(ReadError::Operator { node: node_name(proto).into(), op: op.into() }),
    }
}

fn constant(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let constant = if let Some(tensor) = node.attribute("value").and_then(|a| a.t.as_ref()) {
        Constant::from_proto(tensor)?
    } else if let Some(value) = node.attribute("value_float") {
        Constant { name: String::new(), dims: vec![], values: Values::Float(vec![value.f]) }
    } else if let Some(value) = node.attribute("value_int") {
        Constant::ints("", vec![], vec![value.i])
    } else if let Some(values) = node.ints("value_ints") {
        Constant::ints("", vec![values.len()], values.to_vec())
    } else {
        return Err(node.wrong("has none of value, value_float, value_int, value_ints"));
    };
    let name = node.proto.output.first().cloned().unwrap_or_default();
    reader.bind(node.proto, Known::Constant(Constant { name, ..constant }));
    Ok(())
}

/// Kernel, stride and padding of a window, and the size of its output.
fn window(
    node: &Cursor,
    kernel: [usize; 2],
    input: Shape,
) -> Result<(Window, [usize; 2]), ReadError> {
    let pair = |name: &str| -> Result<[usize; 2], ReadError> {
        match node.ints(name) {
            None => Ok([1, 1]),
            Some(&[a, b]) if (1..=64).contains(&a) && (1..=64).contains(&b) => {
                Ok([a as usize, b as usize])
            }
            Some(other) => {
                Err(node.wrong(format!("{name} {other:?}; expected two sizes from 1 to 64")))
            }
        }
    };
    let stride = pair("strides")?;
    if pair("dilations")? != [1, 1] {
        return Err(node.wrong("dilations other than 1 are not supported"));
    }
    if node.int("ceil_mode", 0) != 0 {
        return Err(node.wrong("ceil_mode is not supported; use floor"));
    }
    let size = [input.height, input.width];
    let auto_pad = node.attribute("auto_pad").map(|a| String::from_utf8_lossy(&a.s).into_owned());
    let pads: [usize; 4] = match auto_pad.as_deref() {
        None | Some("" | "NOTSET") => match node.ints("pads") {
            None => [0; 4],
            Some(&[t, l, b, r]) if [t, l, b, r].iter().all(|p| (0..=64).contains(p)) => {
                [t as usize, l as usize, b as usize, r as usize]
            }
            Some(other) => {
                return Err(node.wrong(format!("pads {other:?}; expected four sizes from 0 to 64")));
            }
        },
        Some("VALID") => [0; 4],
        Some(same @ ("SAME_UPPER" | "SAME_LOWER")) => {
            let mut pads = [0; 4];
            for axis in 0..2 {
                let outputs = size[axis].div_ceil(stride[axis]);
                let total =
                    ((outputs - 1) * stride[axis] + kernel[axis]).saturating_sub(size[axis]);
                let less = total / 2;
                let begin = if same == "SAME_UPPER" { less } else { total - less };
                pads[axis] = begin;
                pads[axis + 2] = total - begin;
            }
            pads
        }
        Some(other) => return Err(node.wrong(format!("auto_pad {other} is not supported"))),
    };
    let window = Window { kernel, stride, dilation: [1, 1], padding: pads };
    let output = window.checked_output_size(size).map_err(|error| {
        node.wrong(match error {
            WindowError::Padding => {
                format!("padding {pads:?} reaches the kernel's size {kernel:?}")
            }
            WindowError::TooLarge => {
                format!("the kernel {kernel:?} is larger than its input {input}")
            }
            WindowError::Empty => error.to_string(),
        })
    })?;
    // What no window reaches is no padding, wherever it is asked later.
    Ok((window.trimmed(size, output), output))
}

/// A value that must be an image with channels first.
fn image(node: &Cursor, reader: &Reader) -> Result<(View, Shape), ReadError> {
    let view = node.view(reader, 0)?;
    if view.layout != Layout::Nchw {
        return Err(
            node.wrong(format!("its input has the shape {:?}; expected [N, C, H, W]", view.dims))
        );
    }
    let shape = view.shape()?;
    Ok((view, shape))
}

/// A bias of `out` elements, or zeros where there is none; one element serves all.
fn bias(node: &Cursor, reader: &Reader, index: usize, out: usize) -> Result<Vec<f32>, ReadError> {
    let Some(bias) = node.optional(reader, index)? else { return Ok(vec![0.0; out]) };
    match bias.floats()? {
        [one] => Ok(vec![*one; out]),
        many if many.len() == out => Ok(many.to_vec()),
        many => Err(node.wrong(format!("{} biases for {out} outputs", many.len()))),
    }
}
