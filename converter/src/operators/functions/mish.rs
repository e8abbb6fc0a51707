//! `x · tanh(ln(1 + e^x))`, from Misra, "Mish".

use super::{Function, Softplus, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mish;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Mish.into())
}

impl Unary for Mish {
    fn name(&self) -> &'static str {
        "mish"
    }

    fn apply(&self, x: f64) -> f64 {
        x * libm::tanh(Softplus.apply(x))
    }
}
