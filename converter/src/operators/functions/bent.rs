//! Two straight lines that meet at 0: a leaky ReLU of any slope.

use super::Unary;

/// `x` where it is positive, `slope · x` elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bent {
    pub slope: f32,
}

impl Unary for Bent {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn apply(&self, x: f64) -> f64 {
        if x < 0.0 { x * f64::from(self.slope) } else { x }
    }

    fn never_negative(&self) -> bool {
        self.slope <= 0.0
    }
}
