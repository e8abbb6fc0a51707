//! One reading function per ONNX operator.

use tract_onnx::pb;

use super::constant::{Constant, Values};
use super::view::{Layout, View};
use super::{Known, ReadError, Reader, node_name};
use crate::graph::{Head, Operator, Shape};
use firmware_core::Window;

/// The operators that [`read_node`] knows, for the error that names what is supported.
pub const SUPPORTED: &[&str] = &[
    "Add", "BatchNormalization", "Cast", "Concat (of shapes)", "Constant", "Conv", "Div", "Dropout",
    "Flatten", "Gather (of shapes)", "Gemm", "Identity", "LogSoftmax", "MatMul", "MaxPool", "Mul",
    "Relu", "Reshape", "Shape", "Slice (of shapes)", "Softmax", "Squeeze", "Sub", "Transpose",
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
        let name = self.input_name(index).ok_or_else(|| {
            self.wrong(format!("input {index} is missing"))
        })?;
        reader.known.get(name).ok_or_else(|| {
            self.wrong(format!("input '{name}' is computed by no earlier node"))
        })
    }

    fn input_name(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn view(&self, reader: &Reader, index: usize) -> Result<View, ReadError> {
        match self.known(reader, index)? {
            Known::Value(view) => Ok(view.clone()),
            Known::Constant(_) => Err(self.wrong(format!("input {index} is a constant; expected a value computed from the image"))),
        }
    }

    fn constant(&self, reader: &Reader, index: usize) -> Result<Constant, ReadError> {
        match self.known(reader, index)? {
            Known::Constant(constant) => Ok(constant.clone()),
            Known::Value(_) => Err(self.wrong(format!("input {index} depends on the image; expected a constant"))),
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
}

/// Reads one node of the file.
pub fn read_node(reader: &mut Reader, proto: &pb::NodeProto) -> Result<(), ReadError> {
    let node = Cursor { proto };
    match proto.op_type.as_str() {
        "Constant" => constant(reader, &node),
        "Conv" => conv(reader, &node),
        "Gemm" => gemm(reader, &node),
        "MatMul" => matmul(reader, &node),
        "Add" | "Sub" | "Mul" | "Div" => arithmetic(reader, &node),
        "BatchNormalization" => batch_normalization(reader, &node),
        "MaxPool" => max_pool(reader, &node),
        "Relu" => unary(reader, &node, Operator::Relu),
        "Identity" | "Dropout" | "Cast" => identity(reader, &node),
        "Softmax" => unary(reader, &node, Operator::Softmax(Head::Softmax)),
        "LogSoftmax" => unary(reader, &node, Operator::Softmax(Head::LogSoftmax)),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => reshape(reader, &node),
        "Transpose" => transpose(reader, &node),
        "Shape" | "Gather" | "Concat" | "Slice" => shape_computation(reader, &node),
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
            Some(&[a, b]) if (1..=64).contains(&a) && (1..=64).contains(&b) => Ok([a as usize, b as usize]),
            Some(other) => Err(node.wrong(format!("{name} {other:?}; expected two sizes from 1 to 64"))),
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
                let total = ((outputs - 1) * stride[axis] + kernel[axis]).saturating_sub(size[axis]);
                let less = total / 2;
                let begin = if same == "SAME_UPPER" { less } else { total - less };
                pads[axis] = begin;
                pads[axis + 2] = total - begin;
            }
            pads
        }
        Some(other) => return Err(node.wrong(format!("auto_pad {other} is not supported"))),
    };
    let mut output = [0; 2];
    for axis in 0..2 {
        if pads[axis] >= kernel[axis] || pads[axis + 2] >= kernel[axis] {
            return Err(node.wrong(format!("padding {pads:?} reaches the kernel's size {kernel:?}")));
        }
        let padded = size[axis] + pads[axis] + pads[axis + 2];
        if padded < kernel[axis] {
            return Err(node.wrong(format!("the kernel {kernel:?} is larger than its input {input}")));
        }
        output[axis] = (padded - kernel[axis]) / stride[axis] + 1;
    }
    Ok((Window { kernel, stride, padding: [pads[0], pads[1]] }, output))
}

/// A value that must be an image with channels first.
fn image(node: &Cursor, reader: &Reader) -> Result<(View, Shape), ReadError> {
    let view = node.view(reader, 0)?;
    if view.layout != Layout::Nchw {
        return Err(node.wrong(format!("its input has the shape {:?}; expected [N, C, H, W]", view.dims)));
    }
    let shape = view.shape()?;
    Ok((view, shape))
}

fn conv(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (view, input) = image(node, reader)?;
    let weights = node.constant(reader, 1)?;
    let &[out, channels, kh, kw] = &weights.dims[..] else {
        return Err(node.wrong(format!("weights have the shape {:?}; expected [O, I, KH, KW]", weights.dims)));
    };
    if node.int("group", 1) != 1 {
        return Err(node.wrong("grouped and depthwise convolutions are not supported yet"));
    }
    if channels != input.channels {
        return Err(node.wrong(format!("weights expect {channels} channels, the input has {}", input.channels)));
    }
    let (window, [height, width]) = window(node, [kh, kw], input)?;
    let oihw = weights.floats()?;
    let mut ohwi = Vec::with_capacity(oihw.len());
    for o in 0..out {
        for position in 0..kh * kw {
            ohwi.extend((0..channels).map(|c| oihw[(o * channels + c) * kh * kw + position]));
        }
    }
    let bias = bias(node, reader, 2, out)?;
    let operator = Operator::Conv2d { weights: ohwi, bias, window };
    let shape = Shape::new(height, width, out);
    reader.push(node.proto, operator, &[view.value], |value| View::nchw(value, shape))
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

fn gemm(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    if node.int("transA", 0) != 0 {
        return Err(node.wrong("transA is not supported"));
    }
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let transposed = node.int("transB", 0) != 0;
    let mut operator = fully_connected(reader, node, transposed)?;
    if let Operator::FullyConnected { weights, bias: zeros } = &mut operator {
        weights.iter_mut().for_each(|weight| *weight *= alpha);
        *zeros = bias(node, reader, 2, zeros.len())?;
        zeros.iter_mut().for_each(|bias| *bias *= beta);
    }
    push_fully_connected(reader, node, operator)
}

fn matmul(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let operator = fully_connected(reader, node, false)?;
    push_fully_connected(reader, node, operator)
}

/// The weights of a matrix product, `[OUT][IN]`, with a bias of zeros.
fn fully_connected(
    reader: &Reader,
    node: &Cursor,
    transposed: bool,
) -> Result<Operator, ReadError> {
    let view = node.view(reader, 0)?;
    let weights = node.constant(reader, 1)?;
    let (&[rows, columns], Layout::Flat) = (&weights.dims[..], view.layout) else {
        return Err(node.wrong(format!(
            "multiplies shapes {:?} and {:?}; expected [N, IN] and a matrix (is a Flatten missing?)",
            view.dims, weights.dims
        )));
    };
    let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
    if view.dims[1] != inputs {
        return Err(node.wrong(format!("weights expect {inputs} inputs, the value has {}", view.dims[1])));
    }
    let values = weights.floats()?;
    let weights = match transposed {
        true => values.to_vec(),
        false => (0..outputs)
            .flat_map(|o| (0..inputs).map(move |i| values[i * outputs + o]))
            .collect(),
    };
    Ok(Operator::FullyConnected { weights, bias: vec![0.0; outputs] })
}

fn push_fully_connected(reader: &mut Reader, node: &Cursor, operator: Operator) -> Result<(), ReadError> {
    let Operator::FullyConnected { bias, .. } = &operator else { return Ok(()) };
    let (value, outputs) = (node.view(reader, 0)?.value, bias.len());
    reader.push(node.proto, operator, &[value], |value| View::flat(value, outputs))
}

/// Add, Sub, Mul or Div of a value and a constant per channel, or of two shape constants.
fn arithmetic(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let op = node.proto.op_type.as_str();
    let (left, right) = (node.known(reader, 0)?.clone(), node.known(reader, 1)?.clone());
    let (view, constant, swapped) = match (left, right) {
        (Known::Value(view), Known::Constant(constant)) => (view, constant, false),
        (Known::Constant(constant), Known::Value(view)) => (view, constant, true),
        (Known::Value(_), Known::Value(_)) => {
            return Err(node.wrong("both inputs depend on the image; only a constant is supported here yet"));
        }
        (Known::Constant(left), Known::Constant(right)) => {
            let folded = fold_ints(op, &left, &right)
                .ok_or_else(|| node.wrong("of these two constants is not supported"))?;
            reader.bind(node.proto, Known::Constant(folded));
            return Ok(());
        }
    };
    let channels = view.shape()?.channels;
    let values = per_channel(node, &view, &constant, channels)?;
    let ones = vec![1.0; values.len()];
    let zeros = vec![0.0; values.len()];
    let negated = || values.iter().map(|value| -value).collect::<Vec<_>>();
    let (scale, shift) = match (op, swapped) {
        ("Add", _) => (ones, values),
        ("Sub", false) => (ones, negated()),
        ("Sub", true) => (ones.iter().map(|one| -one).collect(), values),
        ("Mul", _) => (values, zeros),
        ("Div", false) if values.iter().all(|&value| value != 0.0) => {
            (values.iter().map(|value| 1.0 / value).collect(), zeros)
        }
        _ => return Err(node.wrong("divides by zero or by a value")),
    };
    let next = view.clone();
    reader.push(node.proto, Operator::Affine { scale, shift }, &[view.value], |v| next.at(v))
}

/// A constant that broadcasts along the channels, as one element or one per channel.
fn per_channel(
    node: &Cursor,
    view: &View,
    constant: &Constant,
    channels: usize,
) -> Result<Vec<f32>, ReadError> {
    let values = constant.floats()?;
    if values.len() == 1 {
        return Ok(values.to_vec());
    }
    // Aligned to the right, as ONNX broadcasts.
    let from_end = match view.layout {
        Layout::Nchw => 3,
        Layout::Nhwc | Layout::Flat => 1,
    };
    let at = constant.dims.len().checked_sub(from_end);
    let lies_on_channels = at.is_some_and(|at| {
        constant.dims.iter().enumerate().all(|(i, &dim)| dim == if i == at { channels } else { 1 })
    });
    match lies_on_channels {
        true => Ok(values.to_vec()),
        false => Err(node.wrong(format!(
            "a constant of shape {:?} against a value of shape {:?}; one element or one per \
             channel is supported",
            constant.dims, view.dims
        ))),
    }
}

fn fold_ints(op: &str, left: &Constant, right: &Constant) -> Option<Constant> {
    let (left_ints, right_ints) = (left.as_ints().ok()?, right.as_ints().ok()?);
    let count = left_ints.len().max(right_ints.len());
    if ![1, count].contains(&left_ints.len()) || ![1, count].contains(&right_ints.len()) {
        return None;
    }
    let at = |ints: &[i64], i: usize| ints[if ints.len() == 1 { 0 } else { i }];
    let values = (0..count).map(|i| {
        let (a, b) = (at(left_ints, i), at(right_ints, i));
        match op {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            "Div" => a.checked_div(b),
            _ => None,
        }
    });
    let dims = if left_ints.len() == count { left.dims.clone() } else { right.dims.clone() };
    Some(Constant::ints(&left.name, dims, values.collect::<Option<_>>()?))
}

/// `y = scale * (x - mean) / sqrt(variance + epsilon) + bias`, per channel, as at inference.
fn batch_normalization(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    if view.layout == Layout::Nhwc {
        return Err(node.wrong("expects the channels in dimension 1"));
    }
    if node.int("training_mode", 0) != 0 {
        return Err(node.wrong("is in training mode; export the model for inference"));
    }
    let channels = view.shape()?.channels;
    let epsilon = node.float("epsilon", 1e-5);
    let mut parameters = Vec::new();
    for index in 1..=4 {
        let parameter = node.constant(reader, index)?.floats()?.to_vec();
        if parameter.len() != channels {
            return Err(node.wrong(format!("{} parameters for {channels} channels", parameter.len())));
        }
        parameters.push(parameter);
    }
    let [gamma, beta, mean, variance] = &parameters[..] else { return Ok(()) };
    let scale: Vec<f32> =
        gamma.iter().zip(variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let shift = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let next = view.clone();
    reader.push(node.proto, Operator::Affine { scale, shift }, &[view.value], |v| next.at(v))
}

fn max_pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (view, input) = image(node, reader)?;
    let kernel = match node.ints("kernel_shape") {
        Some(&[h, w]) if (1..=64).contains(&h) && (1..=64).contains(&w) => [h as usize, w as usize],
        other => return Err(node.wrong(format!("kernel_shape {other:?}; expected two sizes from 1 to 64"))),
    };
    let (window, [height, width]) = window(node, kernel, input)?;
    let shape = Shape::new(height, width, input.channels);
    reader.push(node.proto, Operator::MaxPool2d { window }, &[view.value], |v| View::nchw(v, shape))
}

fn unary(reader: &mut Reader, node: &Cursor, operator: Operator) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let next = view.clone();
    reader.push(node.proto, operator, &[view.value], |value| next.at(value))
}

fn identity(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    match node.known(reader, 0)? {
        Known::Constant(constant) => {
            let constant = constant.clone();
            reader.bind(node.proto, Known::Constant(constant));
            Ok(())
        }
        Known::Value(_) => unary(reader, node, Operator::Identity),
    }
}

fn transpose(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    if let Known::Constant(constant) = node.known(reader, 0)? {
        let (perm, dims) = (node.ints("perm"), &constant.dims);
        let (&[rows, columns], None | Some(&[1, 0])) = (&dims[..], perm) else {
            return Err(node.wrong("of a constant: only a matrix is supported"));
        };
        let values = constant.floats()?;
        let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
        let turned = Constant {
            name: constant.name.clone(),
            dims: vec![columns, rows],
            values: Values::Float(turned.collect()),
        };
        reader.bind(node.proto, Known::Constant(turned));
        return Ok(());
    }
    let view = node.view(reader, 0)?;
    let perm = node.ints("perm").unwrap_or(&[]);
    let next = view.transposed(perm).ok_or_else(|| {
        node.wrong(format!("perm {perm:?} of the shape {:?}; only [N,C,H,W] ↔ [N,H,W,C] is supported", view.dims))
    })?;
    reader.bind(node.proto, Known::Value(next));
    Ok(())
}

/// Flatten, Reshape, Squeeze and Unsqueeze.
fn reshape(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let known = node.known(reader, 0)?.clone();
    let old = match &known {
        Known::Constant(constant) => constant.dims.clone(),
        Known::Value(view) => view.dims.clone(),
    };
    let dims = new_dims(reader, node, &old)?;
    let view = match known {
        Known::Constant(constant) => {
            reader.bind(node.proto, Known::Constant(Constant { dims, ..constant }));
            return Ok(());
        }
        Known::Value(view) => view,
    };
    if let Some(next) = view.relabelled(&dims) {
        reader.bind(node.proto, Known::Value(next));
        return Ok(());
    }
    match dims[..] {
        [1, size] => {
            let order = view.flatten_order();
            reader.push(node.proto, Operator::Flatten { order }, &[view.value], |v| View::flat(v, size))
        }
        // Pixels that came as a vector become the image that they are.
        [1, 1, height, width] if view.layout == Layout::Flat && view.value == 0 => {
            reader.input = Shape::new(height, width, 1);
            reader.bind(node.proto, Known::Value(View { value: 0, dims, layout: Layout::Nchw }));
            Ok(())
        }
        [1, height, width, 1] if view.layout == Layout::Flat && view.value == 0 => {
            reader.input = Shape::new(height, width, 1);
            reader.bind(node.proto, Known::Value(View { value: 0, dims, layout: Layout::Nhwc }));
            Ok(())
        }
        _ => Err(node.wrong(format!("from {:?} to {dims:?}; only flattening to [N, K] is supported", view.dims))),
    }
}

/// The dimensions after a reshape of `old`.
fn new_dims(reader: &Reader, node: &Cursor, old: &[usize]) -> Result<Vec<usize>, ReadError> {
    let rank = old.len() as i64;
    let axis = |axis: i64, rank: i64| -> Result<usize, ReadError> {
        let positive = if axis < 0 { axis + rank } else { axis };
        match (0..=rank).contains(&positive) {
            true => Ok(positive as usize),
            false => Err(node.wrong(format!("axis {axis} of a value with {rank} dimensions"))),
        }
    };
    let size: usize = old.iter().product();
    match node.proto.op_type.as_str() {
        "Flatten" => {
            let split = axis(node.int("axis", 1), rank)?;
            let first: usize = old[..split].iter().product();
            Ok(vec![first, size / first.max(1)])
        }
        "Squeeze" => match node.axes(reader)? {
            None => Ok(old.iter().copied().filter(|&dim| dim != 1).collect()),
            Some(axes) => {
                let axes = axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
                Ok(old.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect())
            }
        },
        "Unsqueeze" => {
            let axes = node.axes(reader)?.unwrap_or_default();
            let new_rank = rank + axes.len() as i64;
            let mut axes = axes.iter().map(|&a| axis(a, new_rank)).collect::<Result<Vec<_>, _>>()?;
            axes.sort_unstable();
            let mut dims = old.to_vec();
            for axis in axes {
                if axis > dims.len() {
                    return Err(node.wrong("axes out of range"));
                }
                dims.insert(axis, 1);
            }
            Ok(dims)
        }
        _ => {
            let target = node.constant(reader, 1)?;
            let target = target.as_ints()?;
            let mut dims = Vec::new();
            for (i, &dim) in target.iter().enumerate() {
                dims.push(match dim {
                    0 if node.int("allowzero", 0) == 0 => *old.get(i).ok_or_else(|| node.wrong("a 0 beyond the input's dimensions"))?,
                    -1 => 0,
                    dim if dim > 0 => dim as usize,
                    dim => return Err(node.wrong(format!("dimension {dim}"))),
                });
            }
            let rest: usize = dims.iter().filter(|&&dim| dim != 0).product();
            dims.iter_mut().filter(|dim| **dim == 0).for_each(|dim| *dim = size / rest.max(1));
            // A batch fixed at export is one image here.
            if dims.iter().product::<usize>() != size && dims.len() > 1 && dims[0] > 1 {
                dims[0] = 1;
            }
            match dims.iter().product::<usize>() == size {
                true => Ok(dims),
                false => Err(node.wrong(format!("{target:?} does not hold the {size} elements of {old:?}"))),
            }
        }
    }
}

/// Shape, and the Gather, Concat and Slice that exporters make of it.
fn shape_computation(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let ints = |index: usize| -> Result<Vec<i64>, ReadError> { Ok(node.constant(reader, index)?.as_ints()?.to_vec()) };
    let result = match node.proto.op_type.as_str() {
        "Shape" => match node.known(reader, 0)? {
            Known::Constant(constant) => constant.dims.iter().map(|&d| d as i64).collect(),
            Known::Value(view) => view.dims.iter().map(|&d| d as i64).collect::<Vec<_>>(),
        },
        "Gather" => {
            let data = ints(0)?;
            let indices = node.constant(reader, 1)?;
            let mut gathered = Vec::new();
            for &index in indices.as_ints()? {
                let at = if index < 0 { index + data.len() as i64 } else { index };
                let value = usize::try_from(at).ok().and_then(|at| data.get(at));
                gathered.push(*value.ok_or_else(|| node.wrong(format!("index {index} of {} elements", data.len())))?);
            }
            let dims = indices.dims.clone();
            let name = node.proto.output.first().cloned().unwrap_or_default();
            reader.bind(node.proto, Known::Constant(Constant::ints(&name, dims, gathered)));
            return Ok(());
        }
        "Concat" => {
            let mut all = Vec::new();
            for index in 0..node.proto.input.len() {
                all.extend(ints(index).map_err(|_| node.wrong("is supported for shapes only, not yet for values"))?);
            }
            all
        }
        _ => {
            let (data, starts, ends) = (ints(0)?, ints(1)?, ints(2)?);
            let (&[start], &[end]) = (&starts[..], &ends[..]) else {
                return Err(node.wrong("is supported for one axis of a shape only"));
            };
            let len = data.len() as i64;
            let clamp = |at: i64| (if at < 0 { at + len } else { at }).clamp(0, len) as usize;
            data.get(clamp(start)..clamp(end)).unwrap_or_default().to_vec()
        }
    };
    let name = node.proto.output.first().cloned().unwrap_or_default();
    let constant = Constant::ints(&name, vec![result.len()], result);
    reader.bind(node.proto, Known::Constant(constant));
    Ok(())
}

