//! Functions of one value, element by element: layers look their results up in a table of 256
//! entries.

mod bent;
mod clip;
mod composed;
mod elu;
mod erf;
mod gelu;
mod hard_sigmoid;
mod hard_swish;
mod mish;
mod power;
mod sigmoid;
mod silu;
mod softplus;
mod softsign;
mod tanh;

pub use bent::Bent;
pub use clip::Clip;
pub use composed::{Composed, Formula};
pub use elu::Elu;
pub use erf::Erf;
pub use gelu::Gelu;
pub use hard_sigmoid::HardSigmoid;
pub use hard_swish::HardSwish;
pub use mish::Mish;
pub use power::Power;
pub use sigmoid::Sigmoid;
pub use silu::Silu;
pub use softplus::Softplus;
pub use softsign::Softsign;
pub use tanh::Tanh;

use crate::graph::Head;
use crate::read::ReadError;
use crate::read::operators::Cursor;

/// Reads the attributes of a node that computes a function.
type Read = fn(&Cursor) -> Result<Function, ReadError>;

/// The functions by the names of their ONNX operators.
pub(crate) const READ: &[(&str, Read)] = &[
    ("Elu", elu::read),
    ("Erf", erf::read),
    ("Gelu", gelu::read),
    ("HardSigmoid", hard_sigmoid::read),
    ("HardSwish", hard_swish::read),
    ("Mish", mish::read),
    ("Selu", elu::read_selu),
    ("Sigmoid", sigmoid::read),
    ("Softplus", softplus::read),
    ("Softsign", softsign::read),
    ("Swish", silu::read),
    ("Tanh", tanh::read),
];

operators! {
    /// A function of one value.
    Function: Unary {
        Bent(Bent),
        Clip(Clip),
        Composed(Composed),
        Elu(Elu),
        Erf(Erf),
        Gelu(Gelu),
        HardSigmoid(HardSigmoid),
        HardSwish(HardSwish),
        Mish(Mish),
        Power(Power),
        Sigmoid(Sigmoid),
        Silu(Silu),
        Softplus(Softplus),
        Softsign(Softsign),
        Tanh(Tanh),
    }
}

/// What a function of one value is.
pub trait Unary {
    /// The name used in messages and reports.
    fn name(&self) -> &'static str;

    /// The result, the same bits on every machine: the four basic operations, and what `libm` has.
    fn apply(&self, x: f64) -> f64;

    /// What a network that ends in the function gives of its logits.
    fn head(&self) -> Option<Head> {
        None
    }

    /// No result is negative.
    fn never_negative(&self) -> bool {
        false
    }
}
