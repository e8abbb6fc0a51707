//! Constants: tensors of the file, and what nodes make of nothing but those.

use std::rc::Rc;

use super::import::Import;
use super::known::{Constant, Known, QuantizedConstant, Real, Value};
use crate::interpreter::{self, Tensor};
use crate::limits::ALL_ELEMENTS;
use crate::read::ReadError;
use crate::read::operators::Cursor;

impl Import<'_> {
    pub(super) fn constant(
        &mut self,
        name: &str,
        tensor: Tensor,
        quantized: Option<QuantizedConstant>,
    ) {
        let constant = Constant { tensor: Rc::new(tensor), quantized: quantized.map(Rc::new) };
        self.known.insert(name.into(), Known::Constant(constant));
    }

    /// Computes a node whose inputs are constants: whether it did.
    pub(super) fn fold(&mut self, node: &Cursor) -> Result<bool, ReadError> {
        let proto = node.proto;
        if !interpreter::computes(&proto.op_type) {
            return Ok(false);
        }
        let dims_only = matches!(proto.op_type.as_str(), "Shape" | "Size");
        let mut inputs: Vec<Option<Rc<Tensor>>> = Vec::new();
        for (index, name) in proto.input.iter().enumerate() {
            inputs.push(match name.is_empty() {
                true => None,
                false => match self.known(node, index)? {
                    Known::Constant(constant) => Some(constant.tensor.clone()),
                    Known::Input(view)
                    | Known::Real(Real { value: Value { view, .. }, .. })
                    | Known::Integer(Value { view, .. })
                        if dims_only =>
                    {
                        Some(Rc::new(Tensor::floats(view.dims(), vec![0.0; view.size()])))
                    }
                    _ => return Ok(false),
                },
            });
        }
        let tensors = inputs.iter().map(Option::as_deref).collect();
        let results =
            interpreter::evaluate(proto, self.opset, tensors).map_err(|what| node.wrong(what))?;
        let quantized = match (proto.op_type.as_str(), &inputs[..]) {
            ("DequantizeLinear", [Some(integers), Some(scale), zero @ ..]) => {
                let scales = scale.as_floats().map_err(|what| node.wrong(what))?.to_vec();
                let zeros = match zero {
                    [Some(zero)] => zero.as_ints().map_err(|what| node.wrong(what))?.to_vec(),
                    _ => vec![0; scales.len()],
                };
                let rank = integers.dims.len();
                let axis = interpreter::axis(node.int("axis", 1), rank).unwrap_or(0);
                Some(QuantizedConstant { integers: integers.clone(), scales, zeros, axis })
            }
            _ => None,
        };
        for (name, tensor) in proto.output.iter().zip(results) {
            self.elements += tensor.len();
            if self.elements > ALL_ELEMENTS {
                return Err(
                    node.wrong(format!("its constants have more than {ALL_ELEMENTS} elements"))
                );
            }
            self.constant(name, tensor, None);
        }
        if let (Some(quantized), Some(name)) = (quantized, proto.output.first())
            && let Some(Known::Constant(constant)) = self.known.get_mut(name)
        {
            constant.quantized = Some(Rc::new(quantized));
        }
        Ok(true)
    }
}
