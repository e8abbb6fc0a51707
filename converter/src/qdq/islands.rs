//! Float islands of one value: what is computed element by element between a DequantizeLinear and a
//! QuantizeLinear becomes a table.

use super::import::Import;
use super::known::{Affine, Known, Real, Value};
use super::table::{self, Table};
use crate::operators::lookup::QuantizedLookup;
use crate::quantized::ValueType;
use crate::read::ReadError;
use crate::read::operators::Cursor;

impl Import<'_> {
    /// What a node reads, if it is a function that keeps the order of the integers.
    pub fn monotonic(&self, node: &Cursor) -> Result<Real, ReadError> {
        match self.known(node, 0)? {
            Known::Real(real) if real.table.is_monotonic(real.value.element) => Ok(real.clone()),
            Known::Real(_) => Err(node.wrong(
                "reads floats of a function that changes their order; quantize them before",
            )),
            _ => {
                self.value(node, 0)?;
                Err(node.wrong("is not supported here"))
            }
        }
    }

    pub fn bind_real(&mut self, node: &Cursor, real: Real) {
        self.bind(node, Known::Real(real));
    }

    /// A layer that is a table.
    pub fn lookup(
        &mut self,
        node: &Cursor,
        real: Real,
        affine: Affine,
        element: ValueType,
    ) -> Result<Value, ReadError> {
        let entries = real.table.quantized(affine, element).map_err(|what| node.wrong(what))?;
        let id = real.value.view.value;
        let shape = self.stored(id);
        let of = (affine, element, real.value.view);
        self.push(node, QuantizedLookup { entries }, vec![id], shape, of)
    }

    /// What is computed element by element of one value.
    pub(super) fn function(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let mut first: Option<Real> = None;
        let mut inputs = Vec::new();
        for index in 0..node.proto.input.len() {
            if node.input_name(index).is_none() {
                inputs.push(None);
                continue;
            }
            inputs.push(Some(match self.known(node, index)?.clone() {
                Known::Constant(constant) if constant.tensor.len() == 1 => {
                    table::Input::Constant(constant.tensor)
                }
                Known::Constant(_) => {
                    return Err(node.wrong(format!(
                        "input {index} is a constant of several elements, with which ONNX Runtime \
                         computes in an order of its own; fuse it into the layer before \
                         (quant_pre_process) or leave the operator unquantized"
                    )));
                }
                Known::Real(real) => {
                    let table = real.table.clone();
                    match &first {
                        Some(first) if first.value.view != real.value.view => {
                            return Err(node.wrong(
                                "joins two values that are not both quantized right before it, so \
                                 ONNX Runtime computes it in floats; quantize its inputs",
                            ));
                        }
                        _ => first = Some(real),
                    }
                    table::Input::Table(table)
                }
                _ => {
                    // Why it is no integer value.
                    self.value(node, index)?;
                    return Err(node.wrong(format!("input {index} is not supported")));
                }
            }));
        }
        let Some(real) = first else { return Err(node.wrong("depends on no value")) };
        let applied = Table::applied(node.proto, self.opset, &inputs);
        let applied = applied.map_err(|what| node.wrong(what))?;
        let same = applied.floats == real.table.floats;
        let direct = real.direct && same;
        self.bind(node, Known::Real(Real { table: applied, direct, ..real }));
        Ok(())
    }

    pub(super) fn is_combination(&self, node: &Cursor) -> bool {
        node.proto.input.len() == 2 && (0..2).all(|index| !self.is_constant(node, index)) && {
            // Two functions of one value are one function, unless both are integers of their own.
            let ids: Vec<_> = (0..2)
                .filter_map(|index| match self.known(node, index) {
                    Ok(Known::Real(real)) => Some((real.value.view.value, real.direct)),
                    _ => None,
                })
                .collect();
            !matches!(ids[..], [(a, x), (b, y)] if a == b && !(x && y))
        }
    }
}
