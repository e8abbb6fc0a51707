//! Functions that a file composes of several nodes, as exporters do: `x · sigmoid(x)` and the like.

use super::{Function, Gelu, HardSwish, Mish, Silu, Unary};

/// The most parts that one function is made of.
const MOST_PARTS: usize = 64;

/// A function of one value, by its formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    formula: Formula,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    /// The value itself.
    Input,
    Apply(Box<Function>, Box<Formula>),
    Affine {
        scale: f32,
        shift: f32,
        of: Box<Formula>,
    },
    Sum(Box<Formula>, Box<Formula>),
    Product(Box<Formula>, Box<Formula>),
}

impl Formula {
    fn evaluate(&self, x: f64) -> f64 {
        match self {
            Formula::Input => x,
            Formula::Apply(function, of) => function.as_dyn().apply(of.evaluate(x)),
            Formula::Affine { scale, shift, of } => {
                of.evaluate(x) * f64::from(*scale) + f64::from(*shift)
            }
            Formula::Sum(left, right) => left.evaluate(x) + right.evaluate(x),
            Formula::Product(left, right) => left.evaluate(x) * right.evaluate(x),
        }
    }

    fn parts(&self) -> usize {
        1 + match self {
            Formula::Input => 0,
            Formula::Apply(function, of) => {
                let inner = match function.as_ref() {
                    Function::Composed(composed) => composed.formula.parts(),
                    _ => 0,
                };
                inner + of.parts()
            }
            Formula::Affine { of, .. } => of.parts(),
            Formula::Sum(left, right) | Formula::Product(left, right) => {
                left.parts() + right.parts()
            }
        }
    }

    /// The function that this is, by its own name if it has one; `None` if it has too many parts.
    pub fn function(self) -> Option<Function> {
        if self.parts() > MOST_PARTS {
            return None;
        }
        let named: [Function; 5] = [
            HardSwish.into(),
            Silu.into(),
            Gelu { approximate: false }.into(),
            Gelu { approximate: true }.into(),
            Mish.into(),
        ];
        let same = |named: &Function| {
            (-160..=160).map(|step| f64::from(step) / 8.0).all(|x| {
                let expected = named.as_dyn().apply(x);
                // The constants in a file are of single precision.
                (self.evaluate(x) - expected).abs() <= 1e-6 * expected.abs().max(1.0)
            })
        };
        let found = named.into_iter().find(same);
        Some(found.unwrap_or_else(|| Composed { formula: self }.into()))
    }
}

impl Unary for Composed {
    fn name(&self) -> &'static str {
        "function"
    }

    fn apply(&self, x: f64) -> f64 {
        self.formula.evaluate(x)
    }

    fn never_negative(&self) -> bool {
        match &self.formula {
            Formula::Apply(function, _) => function.as_dyn().never_negative(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Clip, Erf, Sigmoid};
    use super::*;

    fn apply(function: impl Into<Function>, of: Formula) -> Formula {
        Formula::Apply(Box::new(function.into()), Box::new(of))
    }

    fn affine(scale: f32, shift: f32, of: Formula) -> Formula {
        Formula::Affine { scale, shift, of: Box::new(of) }
    }

    fn times_input(of: Formula) -> Formula {
        Formula::Product(Box::new(Formula::Input), Box::new(of))
    }

    #[test]
    fn what_has_a_name_is_known_again() {
        let silu = times_input(apply(Sigmoid, Formula::Input));
        assert_eq!(silu.function(), Some(Silu.into()));
        let ramp = apply(Clip { low: 0.0, high: 6.0 }, affine(1.0, 3.0, Formula::Input));
        let swish = affine(1.0 / 6.0, 0.0, times_input(ramp));
        assert_eq!(swish.function(), Some(HardSwish.into()));
        let gate = apply(Erf, affine(std::f32::consts::FRAC_1_SQRT_2, 0.0, Formula::Input));
        let gelu = affine(0.5, 0.0, times_input(affine(1.0, 1.0, gate)));
        assert_eq!(gelu.function(), Some(Gelu { approximate: false }.into()));
        let other = times_input(apply(Erf, Formula::Input)).function();
        assert!(matches!(other, Some(Function::Composed(_))), "{other:?}");
    }

    #[test]
    fn formulas_without_end_are_refused() {
        let mut formula = Formula::Input;
        for _ in 0..MOST_PARTS {
            formula = times_input(formula);
        }
        assert_eq!(formula.function(), None);
    }
}
