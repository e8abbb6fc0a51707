//! What stands at the end of a network without a layer of its own.

use super::import::Import;
use super::known::{Affine, Known, Operation, Pending, Value};
use crate::interpreter;
use crate::pb;
use crate::quantized::{QuantizedNetwork, ValueType};
use crate::read::ReadError;
use crate::read::operators::Cursor;

/// What the file does with the integers that the device returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The names of the integers in the file.
    pub tensor: String,
    /// For each of them, in the file's order, its place among those that the device returns.
    pub order: Vec<usize>,
    /// The functions that follow, which change no order: Softmax, Sigmoid.
    pub functions: Vec<String>,
    /// The integers are accumulators.
    pub accumulators: bool,
}

impl Import<'_> {
    pub(super) fn softmax(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let real = self.monotonic(node)?;
        let view = &real.value.view;
        let default = if self.opset < 13 { 1 } else { -1 };
        let axis = interpreter::axis(node.int("axis", default), view.rank());
        let axis = axis.map_err(|what| node.wrong(what))?;
        let whole = view.dims()[axis] == view.size() || self.opset < 13 && axis == 1;
        if !whole || view.batch() == Some(axis) {
            return Err(node.wrong("only one softmax over all outputs is supported"));
        }
        let functions = vec![node.proto.op_type.clone()];
        self.bind(node, Known::End(real.value, functions));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(QuantizedNetwork, Ending), ReadError> {
        let outputs: Vec<&str> = self.graph.output.iter().map(|o| o.name.as_str()).collect();
        let [output] = outputs[..] else {
            return Err(ReadError::Graph(format!(
                "{} outputs ({}); a quantized network with one is imported",
                outputs.len(),
                outputs.join(", ")
            )));
        };
        let mut accumulators = false;
        let (value, functions) = match self.known.get(output).cloned() {
            Some(Known::Integer(value)) => (value, Vec::new()),
            Some(Known::Real(real)) if real.direct => (real.value, Vec::new()),
            Some(Known::Real(real)) if real.table.is_monotonic(real.value.element) => {
                let last =
                    self.graph.node.iter().rev().find(|n| n.output.iter().any(|o| o == output));
                (real.value, last.map(|node| node.op_type.clone()).into_iter().collect())
            }
            Some(Known::End(value, functions)) => (value, functions),
            Some(Known::Pending(pending)) => {
                accumulators = true;
                (self.accumulated(&pending)?, Vec::new())
            }
            Some(Known::Real(_)) => {
                return Err(ReadError::Graph(format!(
                    "output '{output}' is a float function of integers that changes their order; \
                     quantize it"
                )));
            }
            Some(Known::Constant(_) | Known::Input(_)) => {
                return Err(ReadError::Graph(format!(
                    "output '{output}' does not depend on what is computed from the input"
                )));
            }
            None => {
                return Err(ReadError::Graph(format!("output '{output}' is computed by no node")));
            }
        };
        let id = value.view.value;
        if self.layers.is_empty() || id != self.layers.len() {
            return Err(ReadError::Graph(format!(
                "output '{output}' is not what the last layer computes; a network without unused \
                 nodes is imported"
            )));
        }
        // Whoever counts the elements of a vector counts them as the file does.
        let stored = self.stored(id);
        let ordered = value.view.order().into_iter().eq(0..stored.size());
        if stored.height * stored.width == 1 && !ordered {
            return Err(ReadError::Graph(format!(
                "output '{output}' has its elements in another order than the last layer; let the \
                 network end in a vector"
            )));
        }
        let Some(input_format) = self.format else {
            return Err(ReadError::Graph("the input is not quantized".into()));
        };
        let mut network = QuantizedNetwork {
            input: self.shape,
            input_format,
            outputs: QuantizedNetwork::one_output(&self.layers),
            layers: self.layers,
        };
        network.name_layers();
        let tensor = if accumulators { output.to_string() } else { self.names.remove(id) };
        let order = match self.known.get(&tensor) {
            Some(Known::Integer(integers)) => integers.view.order(),
            _ => value.view.order(),
        };
        Ok((network, Ending { tensor, order, functions, accumulators }))
    }

    /// The last layer of a network that ends in floats: its accumulators are what the device returns.
    pub(super) fn accumulated(&mut self, pending: &Pending) -> Result<Value, ReadError> {
        let wrong = |what: &str| ReadError::Node {
            node: pending.node.clone(),
            op: pending.op.clone(),
            what: what.into(),
        };
        let Operation::Linear(linear) = &pending.operation else {
            return Err(wrong("gives the network's output without a QuantizeLinear behind it"));
        };
        if pending.bounds != [f32::NEG_INFINITY, f32::INFINITY] {
            return Err(wrong("has a bounded output that is not quantized; quantize it"));
        }
        let (op, scale) = linear.accumulated().map_err(|what| wrong(&what))?;
        let proto = pb::NodeProto { name: pending.node.clone(), ..Default::default() };
        let node = Cursor { proto: &proto };
        let of = (Affine { scale, zero: 0 }, ValueType::I32, pending.view.clone());
        self.push(&node, op, pending.inputs.clone(), pending.shape, of)
    }
}
