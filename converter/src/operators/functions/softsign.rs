//! `x / (1 + |x|)`.

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softsign;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Softsign.into())
}

impl Unary for Softsign {
    fn name(&self) -> &'static str {
        "softsign"
    }

    fn apply(&self, x: f64) -> f64 {
        x / (1.0 + x.abs())
    }
}
