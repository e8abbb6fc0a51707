//! `1 / (1 + e^-x)`.

use super::{Function, Unary};
use crate::graph::Head;
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sigmoid;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(Sigmoid.into())
}

impl Unary for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn apply(&self, x: f64) -> f64 {
        1.0 / (1.0 + libm::exp(-x))
    }

    fn head(&self) -> Option<Head> {
        Some(Head::Sigmoid)
    }

    fn never_negative(&self) -> bool {
        true
    }
}
