//! What does not depend on the image is computed while reading: shapes, casts of constants,
//! weights behind a DequantizeLinear.

use std::rc::Rc;

use crate::pb;

use super::constant::Constant;
use super::{Known, ReadError, Reader, node_name};
use crate::interpreter::{self, Tensor};
use crate::limits::ALL_ELEMENTS;

/// Computes a node if its inputs are constants, or if it asks for no more than the dimensions of
/// a value: whether it did.
pub fn fold(reader: &mut Reader, node: &pb::NodeProto) -> Result<bool, ReadError> {
    if !interpreter::computes(&node.op_type) {
        return Ok(false);
    }
    let wrong = |what: String| ReadError::Node {
        node: node_name(node).into(),
        op: node.op_type.clone(),
        what,
    };
    let dims_only = matches!(node.op_type.as_str(), "Shape" | "Size");
    let mut inputs: Vec<Option<Rc<Tensor>>> = Vec::new();
    for name in &node.input {
        inputs.push(match reader.known.get(name) {
            _ if name.is_empty() => None,
            Some(Known::Constant(constant)) => Some(constant.tensor.clone()),
            // Only its dimensions are looked at.
            Some(Known::Value(view)) if dims_only => {
                let dims = view.dims();
                let values = vec![0.0; view.size()];
                Some(Rc::new(Tensor::floats(dims, values)))
            }
            Some(Known::Value(_)) => return Ok(false),
            None => return Err(wrong(format!("input '{name}' is computed by no earlier node"))),
        });
    }
    let inputs = inputs.iter().map(Option::as_deref).collect();
    let results = interpreter::evaluate(node, reader.opset, inputs).map_err(wrong)?;
    for (name, tensor) in node.output.iter().zip(results) {
        reader.folded += tensor.len();
        if reader.folded > ALL_ELEMENTS {
            return Err(wrong(format!("its constants have more than {ALL_ELEMENTS} elements")));
        }
        reader.known.insert(name.clone(), Known::Constant(Constant::new(name, tensor)));
    }
    Ok(true)
}
