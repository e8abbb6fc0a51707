//! The error function, of which exporters make GELU.

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erf;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Erf.into())
}

impl Unary for Erf {
    fn name(&self) -> &'static str {
        "erf"
    }

    fn apply(&self, x: f64) -> f64 {
        libm::erf(x)
    }
}
