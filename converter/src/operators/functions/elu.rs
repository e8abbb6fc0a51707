//! `gamma · x` where x is positive, `gamma · alpha · (e^x − 1)` elsewhere: ELU with a gamma of 1, and
//! SELU.

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elu {
    pub alpha: f32,
    pub gamma: f32,
}

pub(crate) fn read(node: &Cursor) -> Result<Function, ReadError> {
    Ok(Elu { alpha: node.float("alpha", 1.0), gamma: 1.0 }.into())
}

pub(crate) fn read_selu(node: &Cursor) -> Result<Function, ReadError> {
    let (alpha, gamma) = (node.float("alpha", 1.673_263_2), node.float("gamma", 1.050_701));
    Ok(Elu { alpha, gamma }.into())
}

impl Unary for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn apply(&self, x: f64) -> f64 {
        let bent = if x < 0.0 { f64::from(self.alpha) * libm::expm1(x) } else { x };
        f64::from(self.gamma) * bent
    }
}
