//! Constants of a file: weights, and the integers of shape computations.

use std::rc::Rc;

use super::ReadError;
use crate::interpreter::Tensor;

/// A tensor under the name that the file gives it.
#[derive(Clone, Debug)]
pub struct Constant {
    pub name: Rc<str>,
    pub tensor: Rc<Tensor>,
}

impl Constant {
    pub fn new(name: &str, tensor: Tensor) -> Self {
        Self { name: name.into(), tensor: Rc::new(tensor) }
    }

    pub fn dims(&self) -> &[usize] {
        &self.tensor.dims
    }

    /// The elements as floats, each of them a number.
    pub fn floats(&self) -> Result<&[f32], ReadError> {
        let values = self.tensor.as_floats().map_err(|what| self.wrong(what))?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(self.wrong("holds an infinity or a NaN".into())),
        }
    }

    pub fn as_ints(&self) -> Result<&[i64], ReadError> {
        self.tensor.as_ints().map_err(|what| self.wrong(what))
    }

    fn wrong(&self, what: String) -> ReadError {
        ReadError::Tensor { name: self.name.to_string(), what }
    }
}
