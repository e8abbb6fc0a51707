//! `x · min(max(x + 3, 0), 6) / 6`, from Howard and others, "Searching for MobileNetV3".

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardSwish;

pub(crate) fn read(_: &Cursor) -> Result<Function, ReadError> {
    Ok(HardSwish.into())
}

impl Unary for HardSwish {
    fn name(&self) -> &'static str {
        "hard_swish"
    }

    fn apply(&self, x: f64) -> f64 {
        x * (x + 3.0).clamp(0.0, 6.0) / 6.0
    }
}
