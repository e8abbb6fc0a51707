//! `x · Φ(x)` with the normal distribution's Φ, from Hendrycks and Gimpel, "Gaussian error linear
//! units", or its approximation by a hyperbolic tangent.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::{Function, Unary};
use crate::read::ReadError;
use crate::read::operators::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gelu {
    pub approximate: bool,
}

pub(crate) fn read(node: &Cursor) -> Result<Function, ReadError> {
    match node.attributes().string("approximate", "none").as_str() {
        "none" => Ok(Gelu { approximate: false }.into()),
        "tanh" => Ok(Gelu { approximate: true }.into()),
        other => Err(node.wrong(format!("approximate {other:?}; expected none or tanh"))),
    }
}

impl Unary for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn apply(&self, x: f64) -> f64 {
        if self.approximate {
            let inner = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (x + 0.044715 * x * x * x);
            return 0.5 * x * (1.0 + libm::tanh(inner));
        }
        0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2))
    }
}
