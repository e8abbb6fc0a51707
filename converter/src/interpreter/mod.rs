//! A small interpreter of ONNX nodes in f32: one function per operator, over tensors of any rank,
//! written to be read rather than to be fast.
//!
//! It has two uses. What does not depend on the image (shapes, casts of constants, weights behind
//! a DequantizeLinear) is computed while a file is read. And where tract cannot run a file, or
//! computes something else than was read, it runs the *file's own nodes*: it knows nothing of the
//! graph that the converter makes of them, so it judges the reading independently.

pub mod attributes;
mod convolution;
mod elementwise;
mod matrix;
mod normalization;
mod pooling;
mod quantization;
mod reduction;
mod resize;
pub mod shape;
mod tensor;
mod window;

use std::collections::HashMap;

use crate::pb;

use crate::limits::ALL_ELEMENTS;
use attributes::Attributes;
pub(crate) use tensor::half;
pub use tensor::{Tensor, Values, axis, broadcast, broadcast_strides, places, strides};

/// One node with its inputs.
pub struct Call<'a> {
    pub attributes: Attributes<'a>,
    /// The operator set of the file.
    pub opset: i64,
    /// `None` for an input that is left out.
    pub inputs: Vec<Option<&'a Tensor>>,
}

impl<'a> Call<'a> {
    fn op(&self) -> &'a str {
        &self.attributes.0.op_type
    }

    fn input(&self, index: usize) -> Result<&'a Tensor, String> {
        self.optional(index).ok_or_else(|| format!("input {index} is missing"))
    }

    fn optional(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index).copied().flatten()
    }

    /// Integers that were an attribute in early operator sets and are an input in later ones.
    fn ints(&self, name: &str, input: usize) -> Result<Option<&'a [i64]>, String> {
        match (self.attributes.ints(name), self.optional(input)) {
            (Some(ints), _) => Ok(Some(ints)),
            (None, Some(tensor)) => Ok(Some(tensor.as_ints()?)),
            (None, None) => Ok(None),
        }
    }
}

/// The function of an operator.
type Function = fn(&Call) -> Result<Tensor, String>;

/// The function that computes an operator of one result, or `None` where there is none here.
fn function(op: &str) -> Option<Function> {
    Some(match op {
        "Constant" => shape::constant,
        "ConstantOfShape" => shape::constant_of_shape,
        "Shape" => shape::shape,
        "Size" => shape::size,
        "Range" => shape::range,
        "Reshape" => shape::reshape,
        "Flatten" => shape::flatten,
        "Squeeze" => shape::squeeze,
        "Unsqueeze" => shape::unsqueeze,
        "Transpose" => shape::transpose,
        "Expand" => shape::expand,
        "Gather" => shape::gather,
        "Slice" => shape::slice,
        "Concat" => shape::concat,
        "Pad" => shape::pad,
        "Tile" => shape::tile,
        "DepthToSpace" => shape::depth_to_space,
        "SpaceToDepth" => shape::space_to_depth,
        "Where" => elementwise::select,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" => elementwise::binary,
        "Sum" | "Mean" | "Max" | "Min" => elementwise::variadic,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" => {
            elementwise::compare
        }
        "Cast" => elementwise::cast,
        "Clip" => elementwise::clip,
        "PRelu" => elementwise::prelu,
        "Identity" => elementwise::identity,
        "Dropout" => elementwise::dropout,
        op if elementwise::unary_of(op).is_some() => elementwise::unary,
        "Gemm" => matrix::gemm,
        "MatMul" => matrix::matmul,
        "Conv" => convolution::conv,
        "BatchNormalization" => normalization::batch_normalization,
        "Softmax" | "LogSoftmax" => normalization::softmax,
        "MaxPool" | "AveragePool" => pooling::pool,
        "GlobalMaxPool" | "GlobalAveragePool" => pooling::global_pool,
        "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" => reduction::reduce,
        "ArgMax" => reduction::arg_max,
        "Resize" | "Upsample" => resize::resize,
        "QuantizeLinear" => quantization::quantize_linear,
        "DequantizeLinear" => quantization::dequantize_linear,
        _ => return None,
    })
}

/// Whether nodes of this operator can be computed here.
pub fn computes(op: &str) -> bool {
    op == "Split" || function(op).is_some()
}

/// Computes the results of one node.
///
/// # Errors
///
/// What the node asks for that cannot be done, as one line without the node's name.
pub fn evaluate(
    node: &pb::NodeProto,
    opset: i64,
    inputs: Vec<Option<&Tensor>>,
) -> Result<Vec<Tensor>, String> {
    let call = Call { attributes: Attributes(node), opset, inputs };
    if node.op_type == "Split" {
        return shape::split(&call, node.output.len());
    }
    let function =
        function(&node.op_type).ok_or_else(|| format!("{} is not computed here", node.op_type))?;
    Ok(vec![function(&call)?])
}

/// Runs the nodes of a graph until `outputs` are known, and returns these.
///
/// # Errors
///
/// The first node that cannot be computed, with its name; sizes beyond the limits.
pub fn run(
    graph: &pb::GraphProto,
    opset: i64,
    inputs: Vec<(String, Tensor)>,
    outputs: &[&str],
) -> Result<Vec<Tensor>, String> {
    let mut known: HashMap<&str, Tensor> = HashMap::new();
    let at_tensor = |name: &str, what: String| format!("tensor '{name}': {what}");
    // Where each value is read last: it is dropped behind that.
    let mut last_use: HashMap<&str, usize> = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        node.input.iter().for_each(|name| {
            last_use.insert(name, index);
        });
    }
    for proto in graph.initializer.iter().filter(|p| last_use.contains_key(p.name.as_str())) {
        let tensor = Tensor::from_proto(proto).map_err(|what| at_tensor(&proto.name, what))?;
        known.insert(&proto.name, tensor);
    }
    for (name, tensor) in inputs {
        let declared = graph.input.iter().find(|input| input.name == name);
        let declared = declared.ok_or_else(|| at_tensor(&name, "is no input".into()))?;
        known.insert(&declared.name, tensor);
    }
    let mut held: usize = known.values().map(Tensor::len).sum();
    for (index, node) in graph.node.iter().enumerate() {
        let at_node = |what: String| {
            let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
            format!("node '{}' ({}): {what}", name.map_or("", String::as_str), node.op_type)
        };
        let inputs = node.input.iter().map(|name| match name.is_empty() {
            true => Ok(None),
            false => match known.get(name.as_str()) {
                Some(tensor) => Ok(Some(tensor)),
                None => Err(at_node(format!("input '{name}' is computed by no earlier node"))),
            },
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let results = evaluate(node, opset, inputs).map_err(at_node)?;
        for name in &node.input {
            if last_use.get(name.as_str()) == Some(&index) && !outputs.contains(&name.as_str()) {
                held -= known.remove(name.as_str()).map_or(0, |tensor| tensor.len());
            }
        }
        for (name, result) in node.output.iter().zip(results) {
            held += result.len();
            known.insert(name, result);
        }
        if held > ALL_ELEMENTS {
            return Err(at_node(format!("more than {ALL_ELEMENTS} elements at once")));
        }
        if outputs.iter().all(|name| known.contains_key(name)) {
            break;
        }
    }
    outputs
        .iter()
        .map(|&name| {
            known.remove(name).ok_or_else(|| format!("output '{name}' is computed by no node"))
        })
        .collect()
}
