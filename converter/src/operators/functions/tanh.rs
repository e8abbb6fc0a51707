//! The hyperbolic tangent.

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tanh;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Tanh.into())
}

impl Unary for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }

    fn apply(&self, x: f64) -> f64 {
        libm::tanh(x)
    }
}
