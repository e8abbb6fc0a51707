//! Quantization-aware training: the integers of `firmware-core` inside the step graph.
//!
//! The converter chooses the exponents of a trained network as it always does. From then on
//! training computes with integers: weights, biases and activations are rounded to the grids of
//! these exponents, half to even, and saturated, so the graph's logits are the device's, bit for
//! bit. Gradients pass the rounding as if it were not there (the straight-through estimator of
//! Bengio, Léonard and Courville, 2013), and stop where an activation saturates.
//!
//! Values in the graph are those of the lowered network, `integer · 2^-exponent`: all of them and
//! all sums of products are then exact in f32, because the converter keeps accumulators below 2²⁴.

mod grid;
mod plan;
mod table;

pub use grid::{Grid, WeightGrid};
pub use plan::Plan;
pub use table::Table;
