//! Bounds that are not those of a ReLU.

use super::Unary;

/// `min(max(x, low), high)`; either may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    pub low: f32,
    pub high: f32,
}

impl Unary for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn apply(&self, x: f64) -> f64 {
        x.max(self.low.into()).min(self.high.into())
    }

    fn never_negative(&self) -> bool {
        self.low >= 0.0 && self.high >= 0.0
    }
}
