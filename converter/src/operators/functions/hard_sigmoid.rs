//! `min(max(alpha · x + beta, 0), 1)`.

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardSigmoid {
    pub alpha: f32,
    pub beta: f32,
}

pub(crate) fn read(node: &Cursor) -> Result<Function, ReadError> {
    Ok(HardSigmoid { alpha: node.float("alpha", 0.2), beta: node.float("beta", 0.5) }.into())
}

impl Unary for HardSigmoid {
    fn name(&self) -> &'static str {
        "hard_sigmoid"
    }

    fn apply(&self, x: f64) -> f64 {
        (f64::from(self.alpha) * x + f64::from(self.beta)).clamp(0.0, 1.0)
    }

    fn never_negative(&self) -> bool {
        true
    }
}
