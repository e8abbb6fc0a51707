//! Whole powers, of which exporters make the approximation of GELU.

use super::Unary;

/// `x^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// 2 to 8.
    pub exponent: u8,
}

impl Unary for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    /// One multiplication after the other, which rounds the same everywhere.
    fn apply(&self, x: f64) -> f64 {
        (1..self.exponent).fold(x, |power, _| power * x)
    }

    fn never_negative(&self) -> bool {
        self.exponent.is_multiple_of(2)
    }
}
