//! `x / (1 + e^-x)`, from Elfwing and others, "Sigmoid-weighted linear units".

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silu;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Silu.into())
}

impl Unary for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn apply(&self, x: f64) -> f64 {
        x / (1.0 + libm::exp(-x))
    }
}
