//! What is known of the values of a file while it is read.

use std::rc::Rc;

use super::combine::Combination;
use super::linear::Linear;
use super::pool::Pooling;
use super::table::Table;
use crate::graph::{Shape, ValueId};
use crate::interpreter::Tensor;
use crate::quantized::ValueType;
use crate::read::ReadError;
use crate::read::operators::Cursor;
use crate::read::view::View;

/// A scale and a zero point: the integer `q` stands for `(q − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    pub scale: f32,
    pub zero: i32,
}

/// Integers of the network, as the file sees them.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub view: View,
    pub affine: Affine,
    pub element: ValueType,
}

/// Floats that are a function of one integer value.
#[derive(Clone, Debug)]
pub(super) struct Real {
    pub value: Value,
    pub table: Table,
    /// They are what DequantizeLinear gives.
    pub direct: bool,
}

/// A constant; behind a DequantizeLinear with the integers that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub tensor: Rc<Tensor>,
    pub quantized: Option<Rc<QuantizedConstant>>,
}

/// Integers with a scale for all, or one for each index of an axis.
#[derive(Debug)]
pub(super) struct QuantizedConstant {
    pub integers: Rc<Tensor>,
    pub scales: Vec<f32>,
    /// As many as scales.
    pub zeros: Vec<i64>,
    pub axis: usize,
}

/// A result in floats that is never computed: the layer that it becomes takes the QuantizeLinear
/// behind it in.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub operation: Operation,
    /// The name and the operator of its node.
    pub node: String,
    pub op: String,
    pub inputs: Vec<ValueId>,
    /// Of the inputs, which ONNX Runtime's kernels give the result.
    pub element: ValueType,
    pub shape: Shape,
    /// The value of this view is not there yet.
    pub view: View,
    /// Bounds of Relu and Clip behind it.
    pub bounds: [f32; 2],
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Linear(Linear),
    Combination(Combination),
    Pooling(Pooling),
    Concat(Vec<Value>),
}

#[derive(Clone, Debug)]
pub(super) enum Known {
    /// The input's floats.
    Input(View),
    Constant(Constant),
    Integer(Value),
    Real(Real),
    Pending(Rc<Pending>),
    /// Behind the integers that the device returns.
    End(Value, Vec<String>),
}

impl Pending {
    /// Why a node cannot read this.
    pub(super) fn in_floats(&self, node: &Cursor) -> ReadError {
        node.wrong(format!(
            "reads the floats of '{}' ({}), which ONNX Runtime computes in floats then; quantize what \
             it gives",
            self.node, self.op
        ))
    }
}
