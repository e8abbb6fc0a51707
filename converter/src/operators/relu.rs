//! ReLU, with an upper bound or without, where no layer in front can take it: a depthwise
//! convolution that passes every value on.

use crate::graph::Operator;
use crate::lower::{Fused, Lowering, Node};
use crate::passes::PassError;

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let ceiling = match *node.operator() {
        Operator::Relu if lowering.never_negative(node.input()) => {
            return Ok(Some(node.nothing_to_do()));
        }
        Operator::Relu => None,
        Operator::Clip { ceiling } => Some(ceiling),
        _ => return Ok(None),
    };
    let pass_on = super::conv2d::pass_on(node.output());
    Ok(Some(lowering.push(node, node.index, pass_on, (true, ceiling))))
}
