//! What stands at the end of a network without a layer of its own.

use super::import::Import;
use super::known::{Affine, Known, Operation, Pending, Value};
use crate::graph::{Head, Output};
use crate::imported::outputs;
use crate::interpreter;
use crate::pb;
use crate::quantized::{QuantizedNetwork, ValueType};
use crate::read::ReadError;
use crate::read::operators::Cursor;

/// What the file does with the integers that the device returns for one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The names of the integers in the file.
    pub tensor: String,
    /// For each of them, in the file's order, its place among those that the device returns.
    pub order: Vec<usize>,
    /// The functions that follow, which change no order, the first first: Softmax, Sigmoid.
    pub functions: Vec<String>,
    /// The integers are accumulators.
    pub accumulators: bool,
}

impl Import<'_> {
    /// Softmax, LogSoftmax and ArgMax over all elements: the device returns what stands before.
    pub(super) fn head(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let real = self.monotonic(node)?;
        // Another function may make two integers one float, and the first of equals is taken.
        if node.proto.op_type == "ArgMax" && !real.direct {
            return Err(node.wrong("reads a float function of integers; quantize it before"));
        }
        let view = &real.value.view;
        let default = match node.proto.op_type.as_str() {
            "ArgMax" => 0,
            _ if self.opset < 13 => 1,
            _ => -1,
        };
        let axis = interpreter::axis(node.int("axis", default), view.rank());
        let axis = axis.map_err(|what| node.wrong(what))?;
        let flattens = self.opset < 13 && node.proto.op_type != "ArgMax";
        let whole = view.dims()[axis] == view.size() || flattens && axis == 1;
        if !whole || view.batch() == Some(axis) {
            let name = node.proto.op_type.to_lowercase();
            return Err(node.wrong(format!("only one {name} over all outputs is supported")));
        }
        if node.int("select_last_index", 0) != 0 {
            return Err(node.wrong("takes the last of equal values; export without it"));
        }
        let input = node.input_name(0).unwrap_or_default();
        let mut functions = self.functions_before(input);
        functions.push(node.proto.op_type.clone());
        self.bind(node, Known::End(real.value, functions));
        Ok(())
    }

    /// The functions between the integers and these floats, the first first.
    fn functions_before(&self, floats: &str) -> Vec<String> {
        let (mut name, mut functions) = (floats, Vec::new());
        let direct =
            |name: &str| matches!(self.known.get(name), Some(Known::Real(real)) if real.direct);
        while !direct(name) {
            let gives = |node: &&pb::NodeProto| node.output.iter().any(|output| output == name);
            let Some(node) = self.graph.node.iter().find(gives) else { break };
            functions.push(node.op_type.clone());
            let depends = |input: &&String| matches!(self.known.get(*input), Some(Known::Real(_)));
            let Some(input) = node.input.iter().find(depends) else { break };
            name = input;
        }
        functions.reverse();
        functions
    }

    pub(super) fn finish(mut self) -> Result<(QuantizedNetwork, Vec<Ending>), ReadError> {
        let names: Vec<String> = self.graph.output.iter().map(|o| o.name.clone()).collect();
        let several = names.len() > 1;
        let mut ends = Vec::new();
        for name in &names {
            ends.push(self.end(name)?);
        }
        let mut outputs = Vec::new();
        for (name, (value, functions, _)) in names.iter().zip(&ends) {
            let stored = self.stored(value.view.value);
            // Whoever counts the elements of a vector counts them as the file does.
            let order = value.view.order();
            let ordered = order.iter().copied().eq(0..stored.size());
            if stored.height * stored.width == 1 && !ordered {
                return Err(ReadError::Graph(format!(
                    "output '{name}' has its elements in another order than the layer that computes \
                     them; let the network end in a vector"
                )));
            }
            let head = match (several, &functions[..]) {
                (false, _) => Head::Logits,
                (true, functions) => head_of(functions).ok_or_else(|| {
                    ReadError::Graph(format!(
                        "output '{name}' is {} of integers, in floats; among several outputs quantize it",
                        functions.join(" and ")
                    ))
                })?,
            };
            let value = value.view.value;
            outputs.push(Output { name: name.clone(), value, head, per_pixel: false, order });
        }
        let Some(input_format) = self.format else {
            return Err(ReadError::Graph("the input is not quantized".into()));
        };
        let endings =
            ends.into_iter().zip(names).map(|((value, functions, accumulators), name)| {
                let tensor = match accumulators {
                    true => name,
                    false => self.names[value.view.value].clone(),
                };
                let order = match self.known.get(&tensor) {
                    Some(Known::Integer(integers)) => integers.view.order(),
                    _ => value.view.order(),
                };
                Ending { tensor, order, functions, accumulators }
            });
        let endings = endings.collect();
        let network = outputs::network((self.shape, input_format), self.layers, outputs);
        Ok((network.map_err(ReadError::Graph)?, endings))
    }

    /// The integers of an output, the functions behind them, and whether they are accumulators.
    fn end(&mut self, output: &str) -> Result<(Value, Vec<String>, bool), ReadError> {
        Ok(match self.known.get(output).cloned() {
            Some(Known::Integer(value)) => (value, Vec::new(), false),
            Some(Known::Real(real)) if real.direct => (real.value, Vec::new(), false),
            Some(Known::Real(real)) if real.table.is_monotonic(real.value.element) => {
                (real.value, self.functions_before(output), false)
            }
            Some(Known::End(value, functions)) => (value, functions, false),
            Some(Known::Pending(pending)) => (self.accumulated(&pending)?, Vec::new(), true),
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
        })
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

/// The head that these functions are; `None` where they are no head.
fn head_of(functions: &[String]) -> Option<Head> {
    match functions {
        [] => Some(Head::Logits),
        [one] => match one.as_str() {
            "Softmax" => Some(Head::Softmax),
            "LogSoftmax" => Some(Head::LogSoftmax),
            "Sigmoid" => Some(Head::Sigmoid),
            "ArgMax" => Some(Head::ArgMax),
            _ => None,
        },
        _ => None,
    }
}
