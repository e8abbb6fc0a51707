//! Other Rust libraries for neural networks on microcontrollers, on the layers of `simple`.
//!
//! Their weights are arbitrary: time does not depend on them, and neither library has our
//! arithmetic, so results are not compared.

mod embedded_nn_simple;
mod microflow_simple;

pub use embedded_nn_simple::EmbeddedNn;
pub use microflow_simple::Microflow;

/// Weights that are neither zero nor all alike.
fn weight(index: usize) -> i8 {
    ((index * 37 + 11) % 255) as u8 as i8
}
