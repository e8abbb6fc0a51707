//! `ln(1 + e^x)`: a smooth ReLU.

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softplus;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Softplus.into())
}

impl Unary for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    /// Without an overflow of the exponential.
    fn apply(&self, x: f64) -> f64 {
        x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
    }

    fn never_negative(&self) -> bool {
        true
    }
}
