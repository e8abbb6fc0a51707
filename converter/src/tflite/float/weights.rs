//! Constants of float networks.

use super::super::TfliteError;
use super::super::file::{Element, Operator, Tensor};
use super::Translation;

impl Translation<'_> {
    /// The floats of a constant that an operator reads, in the order of its memory.
    pub(super) fn floats(
        &self,
        operator: &Operator,
        number: usize,
    ) -> Result<Vec<f32>, TfliteError> {
        let (index, tensor) = self.expected(operator, number)?;
        match &self.unpacked[index] {
            Some(values) => Ok(values.clone()),
            None if tensor.element == Element::I8 => Err(tensor.error(
                "weights of 8 bits in a float network, which TensorFlow Lite quantizes anew at run time; \
                 convert it without optimizations, or quantize all of it to int8",
            )),
            None => tensor.floats(),
        }
    }

    /// An initializer with the floats of a bias, if there is one.
    pub(super) fn bias(
        &mut self,
        operator: &Operator,
        number: usize,
    ) -> Result<Option<String>, TfliteError> {
        let Some((_, tensor)) = self.tensor(operator, number)? else { return Ok(None) };
        let values = self.floats(operator, number)?;
        let name = self.name(operator, "_bias");
        Ok(Some(self.model.initializer(&name, &tensor.shape, &values)))
    }

    /// What an operator reads beside a value of `rank` dimensions: another value, or a constant that
    /// is spread over it along its last dimension.
    pub(super) fn operand(
        &mut self,
        operator: &Operator,
        number: usize,
        rank: usize,
    ) -> Result<String, TfliteError> {
        let (index, tensor) = self.expected(operator, number)?;
        if let Some(name) = &self.known[index] {
            if tensor.shape.len() != rank {
                return Err(operator.error("values of different numbers of dimensions"));
            }
            return Ok(name.clone());
        }
        let values = self.floats(operator, number)?;
        let shape = channels_first(operator, tensor, rank)?;
        let name = self.name(operator, &format!("_{number}"));
        Ok(self.model.initializer(&name, &shape, &values))
    }
}

/// The shape of a constant with one value, or one for each channel, beside a value of `rank`
/// dimensions.
pub(super) fn channels_first(
    operator: &Operator,
    tensor: &Tensor,
    rank: usize,
) -> Result<Vec<usize>, TfliteError> {
    let size = tensor.size();
    match tensor.shape.last() {
        _ if size == 1 => Ok(Vec::new()),
        Some(&last) if last == size && rank == 4 => Ok(vec![size, 1, 1]),
        Some(&last) if last == size => Ok(vec![size]),
        _ => Err(operator.error(format!(
            "a constant of shape {:?}; one value or one for each channel is supported",
            tensor.shape
        ))),
    }
}
