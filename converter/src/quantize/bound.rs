//! The proof of exactness: `Σ|w|·max(x) + |b| < 2²⁴` for every output channel.
//!
//! Below 2²⁴ every integer is an f32, so a runtime that computes the integer model in f32, in
//! whatever order, computes the same integers; and i32 is never near its end.

use super::QuantizeError;
use crate::quantized::{Parameters, QuantizedLayer, QuantizedNetwork, ValueType};

/// What no accumulator may reach.
pub const ACCUMULATOR_BOUND: i64 = 1 << 24;

/// The largest `Σ|w|·max(x) + |b|` of a layer's channels, and the channel that has it.
pub fn largest_accumulator(parameters: &Parameters, input: ValueType) -> (i64, usize) {
    (0..parameters.channels())
        .map(|channel| {
            let sum: i64 = parameters.taps(channel).iter().map(|&w| i64::from(w).abs()).sum();
            (sum * input.largest() + i64::from(parameters.bias[channel]).abs(), channel)
        })
        .max_by_key(|&(reach, channel)| (reach, std::cmp::Reverse(channel)))
        .unwrap_or((0, 0))
}

/// Refuses a layer whose accumulator could reach the bound.
pub fn prove(layer: &str, parameters: &Parameters, input: ValueType) -> Result<(), QuantizeError> {
    let (reach, channel) = largest_accumulator(parameters, input);
    if reach < ACCUMULATOR_BOUND {
        return Ok(());
    }
    Err(QuantizeError::Accumulator { layer: layer.into(), channel, bound: reach.to_string() })
}

/// The largest magnitude that any sum of a layer can have; `None` for one that sums nothing.
pub fn largest_sum(network: &QuantizedNetwork, layer: &QuantizedLayer) -> Option<i64> {
    let inputs: Vec<ValueType> =
        layer.inputs.iter().map(|&value| network.format(value).element).collect();
    layer.op.as_dyn().largest_sum(&inputs)
}
