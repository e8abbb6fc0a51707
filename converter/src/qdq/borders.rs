//! QuantizeLinear and DequantizeLinear: where integers become floats, and floats integers.

use std::rc::Rc;

use super::import::Import;
use super::known::{Affine, Known, Operation, Pending, Real, Value};
use super::table::Table;
use crate::interpreter::Tensor;
use crate::pb::tensor_proto::DataType;
use crate::quantized::{Scale, ValueFormat, ValueType};
use crate::read::ReadError;
use crate::read::operators::Cursor;

/// Why signed integers must stay inside.
const AT_BORDERS: &str = "has int8 at the border of the network, where ONNX Runtime computes in \
    floats; let the network take and give floats, or quantize to uint8";

/// Why there are no signed integers in QOperator form.
const NATIVE: &str = "gives int8 to QLinear operators, for which ONNX Runtime has no exact kernels on \
    x86-64; quantize to uint8 (activation_type=QuantType.QUInt8)";

/// Why signed integers must not fork.
const FORKED: &str = "gives int8 that several nodes read, around which ONNX Runtime computes in floats \
    on x86-64; quantize to uint8 (activation_type=QuantType.QUInt8)";

impl Import<'_> {
    /// The scale, zero point and type of a QuantizeLinear or DequantizeLinear.
    pub(super) fn affine(&self, node: &Cursor) -> Result<(Affine, DataType), ReadError> {
        let constant = |index| -> Result<Option<Rc<Tensor>>, ReadError> {
            Ok(self.optional(node, index)?.map(|constant| constant.tensor))
        };
        let scale = constant(1)?.ok_or_else(|| node.wrong("its scale is missing"))?;
        let zero = constant(2)?;
        let scales = scale.as_floats().map_err(|what| node.wrong(what))?;
        let &[scale] = scales else {
            return Err(node.wrong(format!(
                "has {} scales; activations with one scale for all are supported (per_channel only \
                 for weights)",
                scales.len()
            )));
        };
        if !(scale.is_normal() && scale > 0.0) {
            return Err(node.wrong(format!("has the scale {scale:e}; expected a positive number")));
        }
        let declared = match node.int("output_dtype", 0) {
            0 => DataType::Uint8,
            declared => DataType::try_from(declared as i32).unwrap_or(DataType::Undefined),
        };
        let element = zero.as_ref().map_or(declared, |zero| zero.element);
        let zero = match &zero {
            None => 0,
            Some(zero) => match zero.as_ints().map_err(|what| node.wrong(what))? {
                &[zero] if (-128..=255).contains(&zero) => zero as i32,
                other => {
                    return Err(node.wrong(format!("has the zero points {other:?}; expected one")));
                }
            },
        };
        Ok((Affine { scale, zero }, element))
    }

    pub(super) fn quantize(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let (affine, element) = self.affine(node)?;
        let element = match element {
            DataType::Uint8 => ValueType::U8,
            DataType::Int8 => ValueType::I8,
            other => {
                return Err(node.wrong(format!(
                    "gives {}; int8 and uint8 are supported (activation_type)",
                    other.as_str_name()
                )));
            }
        };
        let output = node.proto.output.first().map_or("", String::as_str);
        if element == ValueType::I8 {
            if self.native {
                return Err(node.wrong(NATIVE));
            }
            if self.is_output(output) {
                return Err(node.wrong(AT_BORDERS));
            }
            let readers = self.consumers(output).into_iter().flat_map(|dequantize| {
                let floats = dequantize.output.first().map_or("", String::as_str);
                self.consumers(floats)
            });
            if readers.count() > 1 {
                return Err(node.wrong(FORKED));
            }
        }
        let value = match self.known(node, 0)?.clone() {
            Known::Input(view) => {
                self.set_input(node, affine, element)?;
                Value { view, affine, element }
            }
            Known::Real(real) if real.value.affine == affine && real.value.element == element => {
                match real.direct {
                    true => real.value,
                    false => self.lookup(node, real, affine, element)?,
                }
            }
            Known::Real(Real { direct: true, value, .. })
                if value.element == element && self.follows_dequantize(node) =>
            {
                return Err(node.wrong(format!(
                    "brings integers from the scale {} to {}, which ONNX Runtime joins with the \
                     QuantizeLinear before; quantize with one scale there",
                    value.affine.scale, affine.scale
                )));
            }
            Known::Real(real) => self.lookup(node, real, affine, element)?,
            Known::Pending(pending) => self.quantized(node, &pending, affine, element)?,
            Known::End(value, functions) => {
                self.bind(node, Known::End(value, functions));
                return Ok(());
            }
            Known::Integer(_) | Known::Constant(_) => {
                return Err(node.wrong("quantizes what is no float"));
            }
        };
        if let (Some(output), Some(name)) =
            (node.proto.output.first(), self.names.get_mut(value.view.value))
        {
            name.clone_from(output);
        }
        self.bind(node, Known::Integer(value));
        Ok(())
    }

    /// The node reads what a DequantizeLinear gives, with nothing in between.
    pub(super) fn follows_dequantize(&self, node: &Cursor) -> bool {
        let name = node.input_name(0);
        self.graph.node.iter().any(|other| {
            other.op_type == "DequantizeLinear" && other.output.first().map(String::as_str) == name
        })
    }

    /// The input is quantized so: once and for all.
    pub(super) fn set_input(
        &mut self,
        node: &Cursor,
        affine: Affine,
        element: ValueType,
    ) -> Result<(), ReadError> {
        let scale = Scale::Affine { scale: affine.scale, zero: affine.zero };
        let format = ValueFormat { element, scale };
        if *self.format.get_or_insert(format) != format {
            return Err(node.wrong("quantizes the input by a second scale"));
        }
        Ok(())
    }

    pub(super) fn dequantize(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let (affine, element) = self.affine(node)?;
        let value = match self.known(node, 0)?.clone() {
            Known::Integer(value) => value,
            // The integers themselves are the input.
            Known::Input(view) if self.element != DataType::Float => {
                let kind = match element {
                    DataType::Int8 => ValueType::I8,
                    _ => ValueType::U8,
                };
                if node.input_name(2).is_some() && element != self.element {
                    return Err(node.wrong("its zero point is of another type than the input"));
                }
                if self.lift(kind) > 0 {
                    return Err(node.wrong(AT_BORDERS));
                }
                self.set_input(node, affine, kind)?;
                Value { view, affine, element: kind }
            }
            Known::End(value, functions) => {
                self.bind(node, Known::End(value, functions));
                return Ok(());
            }
            _ => return Err(node.wrong("dequantizes what is no integer value")),
        };
        if value.affine != affine {
            return Err(node.wrong(format!(
                "takes integers of the scale {} for such of {}; not supported",
                value.affine.scale, affine.scale
            )));
        }
        let table = Table::dequantized(affine, value.element);
        self.bind(node, Known::Real(Real { value, table, direct: true }));
        Ok(())
    }

    /// The layer that a result in floats and its QuantizeLinear are.
    pub(super) fn quantized(
        &mut self,
        node: &Cursor,
        pending: &Pending,
        affine: Affine,
        element: ValueType,
    ) -> Result<Value, ReadError> {
        let wrong = |what: String| ReadError::Node {
            node: pending.node.clone(),
            op: pending.op.clone(),
            what,
        };
        if element != pending.element {
            return Err(wrong(format!(
                "takes {} and gives {}, so ONNX Runtime computes it in floats; quantize all \
                 activations to one type",
                pending.element.rust_name(),
                element.rust_name()
            )));
        }
        // Bounds that cut nothing off are no business of the integers.
        let (least, greatest) = element.range();
        let reach = [least, greatest].map(|q| (q - affine.zero) as f32 * affine.scale);
        let close = 1e-5 * affine.scale;
        let [low, high] = pending.bounds;
        if low > reach[0] + close || high < reach[1] - close {
            return Err(wrong(format!(
                "is bounded to {low}…{high} before it is quantized to {}…{}, so ONNX Runtime \
                 computes it in floats; quantize with asymmetric activations \
                 (ActivationSymmetric=False), whose range ends where the bounds are",
                reach[0], reach[1]
            )));
        }
        let (shape, inputs) = (pending.shape, pending.inputs.clone());
        let of = (affine, element, pending.view.clone());
        match &pending.operation {
            Operation::Linear(linear) => {
                let op = linear.quantized(affine).map_err(wrong)?;
                self.push(node, op, inputs, shape, of)
            }
            Operation::Combination(combination) => {
                let op = combination.quantized(affine).map_err(wrong)?;
                self.push(node, op, inputs, shape, of)
            }
            Operation::Pooling(pooling) => {
                let op = pooling.quantized(affine).map_err(wrong)?;
                self.push(node, op, inputs, shape, of)
            }
            Operation::Concat(values) => self.joined(node, values, shape, of),
        }
    }

    /// A Relu or Clip on a result that is yet to be quantized.
    pub(super) fn bound(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let Known::Pending(pending) = self.known(node, 0)?.clone() else { return Ok(()) };
        let mut bounds = [f32::NEG_INFINITY, f32::INFINITY];
        if node.proto.op_type == "Relu" {
            bounds[0] = 0.0;
        } else {
            let names = ["min", "max"];
            for at in 0..2 {
                let given = match self.optional(node, at + 1)? {
                    Some(constant) => match constant.tensor.as_floats() {
                        Ok(&[bound]) => Some(bound),
                        _ => return Err(node.wrong(format!("its {} is no number", names[at]))),
                    },
                    None => node.attributes().get(names[at]).map(|attribute| attribute.f),
                };
                bounds[at] = given.unwrap_or(bounds[at]);
            }
        }
        let mut bounded = (*pending).clone();
        bounded.bounds =
            [bounded.bounds[0].max(bounds[0]), bounded.bounds[1].max(bounds[0]).min(bounds[1])];
        self.pending(node, bounded)
    }
}
