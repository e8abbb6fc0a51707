//! What looks at the same elements under other dimensions, and what moves elements and changes none.

use super::import::Import;
use super::known::{Constant, Known, Real, Value};
use super::table::Table;
use crate::interpreter;
use crate::read::ReadError;
use crate::read::operators::{Cursor, movement, reshape};

impl Import<'_> {
    /// Flatten, Reshape, Transpose, Squeeze and Unsqueeze: other views of the same elements.
    pub(super) fn view(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let known = self.known(node, 0)?.clone();
        let view = match &known {
            Known::Input(view)
            | Known::Real(Real { value: Value { view, .. }, .. })
            | Known::End(Value { view, .. }, _) => view,
            Known::Pending(pending) => return Err(pending.in_floats(node)),
            _ => return Err(node.wrong("reads integers that are not dequantized; not supported")),
        };
        let ints = |constant: Option<Constant>| match constant {
            None => Ok(None),
            Some(constant) => match constant.tensor.as_ints() {
                Ok(ints) => Ok(Some(ints.to_vec())),
                Err(what) => Err(node.wrong(what)),
            },
        };
        let given = ints(self.optional(node, 1)?)?;
        let axes = |rank: usize| -> Result<Option<Vec<usize>>, ReadError> {
            let axes = node.ints("axes").map(<[i64]>::to_vec).or_else(|| given.clone());
            let axes = axes.map(|axes| axes.iter().map(|&a| interpreter::axis(a, rank)).collect());
            axes.transpose().map_err(|what: String| node.wrong(what))
        };
        let rank = view.rank();
        let next = match node.proto.op_type.as_str() {
            "Transpose" => {
                let backwards: Vec<i64> = (0..rank as i64).rev().collect();
                view.transposed(node.ints("perm").unwrap_or(&backwards))
            }
            "Squeeze" => {
                let single = |&i: &usize| view.dims()[i] == 1 && view.batch() != Some(i);
                let gone = axes(rank)?.unwrap_or_else(|| (0..rank).filter(single).collect());
                view.squeezed(&gone)
            }
            "Unsqueeze" => {
                let count = node.ints("axes").map(<[i64]>::len).or(given.as_ref().map(Vec::len));
                let count = count.ok_or_else(|| node.wrong("axes are missing"))?;
                view.unsqueezed(&axes(rank + count)?.unwrap_or_default())
            }
            "Flatten" => Ok(reshape::reshaped(node, view, None)?),
            _ => {
                let target = given.ok_or_else(|| node.wrong("its shape is missing"))?;
                Ok(reshape::reshaped(node, view, Some(&target))?)
            }
        };
        let view = next.map_err(|what| node.wrong(what))?;
        let seen = match known {
            Known::Real(real) => Known::Real(Real { value: Value { view, ..real.value }, ..real }),
            Known::End(value, functions) => Known::End(Value { view, ..value }, functions),
            _ => Known::Input(view),
        };
        self.bind(node, seen);
        Ok(())
    }

    /// Slice, Split, Gather and nearest Resize: ONNX Runtime moves the integers, or the floats that they
    /// stand for.
    pub(super) fn movement(&mut self, node: &Cursor) -> Result<(), ReadError> {
        // In QOperator form it moves the integers themselves.
        let integers = match self.known(node, 0)? {
            Known::Integer(value) => Some(value.clone()),
            _ => None,
        };
        let native = integers.is_some();
        let value = integers.map_or_else(|| self.value(node, 0), Ok)?;
        let mut constants = Vec::new();
        for index in 1..node.proto.input.len() {
            constants.push(self.optional(node, index)?);
        }
        let constants =
            constants.iter().map(|constant| constant.as_ref().map(|c| c.tensor.as_ref()));
        let moved = movement::moved(node, self.opset, &value.view, constants.collect())?;
        let mut results = Vec::new();
        for (dims, places) in moved {
            let id = value.view.value;
            let stored = self.stored(id);
            let (gather, view) = movement::gathered(node, &value.view, stored, &dims, &places)?;
            let shape = gather.output();
            let of = (value.affine, value.element, view);
            results.push(self.push(node, gather, vec![id], shape, of)?);
        }
        for (name, value) in node.proto.output.iter().zip(results) {
            let known = match native {
                true => {
                    self.names[value.view.value].clone_from(name);
                    Known::Integer(value)
                }
                false => {
                    let table = Table::dequantized(value.affine, value.element);
                    Known::Real(Real { value, table, direct: true })
                }
            };
            self.known.insert(name.clone(), known);
        }
        Ok(())
    }
}
