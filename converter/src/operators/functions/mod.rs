//! Functions of one value, element by element: layers look their results up in a table of 256
//! entries.

mod hard_swish;
mod sigmoid;

pub use hard_swish::HardSwish;
pub use sigmoid::Sigmoid;

use crate::graph::Head;
use crate::read::ReadError;
use crate::read::operators::Cursor;

/// Reads the attributes of a node that computes a function.
type Read = fn(&Cursor) -> Result<Function, ReadError>;

/// The functions by the names of their ONNX operators.
pub(crate) const READ: &[(&str, Read)] =
    &[("HardSwish", hard_swish::read), ("Sigmoid", sigmoid::read)];

operators! {
    /// A function of one value.
    Function: Unary {
        HardSwish(HardSwish),
        Sigmoid(Sigmoid),
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
