//! From float layers to integers: exponents by error on real images, then the proof that no
//! accumulator leaves the range in which every runtime is exact.

mod activations;
mod bound;
mod weights;

use crate::dataset::Dataset;
use crate::lower::{LayerOp, Network};
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp, ValueFormat, ValueType};

pub use bound::{ACCUMULATOR_BOUND, largest_accumulator};

/// Why a network has no exact integer form.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum QuantizeError {
    #[error("calibration images are {found}, the model takes {expected} (height×width×channels); give images of that size")]
    ImageSize { expected: String, found: String },
    #[error("no calibration image; give at least one")]
    NoImages,
    #[error("layer '{layer}', output channel {channel}: weights and bias are so large that the accumulator could reach {bound}, beyond 2^24 where every runtime is exact, at any 8-bit exponent")]
    Accumulator { layer: String, channel: usize, bound: String },
    #[error("layer '{layer}': {what}")]
    Layer { layer: String, what: String },
}

/// Quantizes a network, choosing exponents on `calibration`.
///
/// # Errors
///
/// Images of another size than the model's input; a channel that breaks the bound on
/// accumulators at every exponent.
pub fn quantize(network: &Network, calibration: &Dataset) -> Result<QuantizedNetwork, QuantizeError> {
    check_images(network, calibration)?;
    let formats = activations::choose(network, calibration)?;
    let mut layers = Vec::new();
    let mut numbers = std::collections::BTreeMap::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let input = formats[layer.input];
        let mut format = formats[index + 1];
        let last = index + 1 == network.layers.len();
        let quantized = |weights: &[f32], bias: &[f32]| {
            let target = if last { None } else { Some(format) };
            weights::quantize(&layer.name, weights, bias, input, target)
        };
        let op = match &layer.op {
            LayerOp::Conv2d { weights, bias, window, convolved, pool } => QuantizedOp::Conv2d {
                parameters: quantized(weights, bias)?,
                window: *window,
                convolved: *convolved,
                pool: *pool,
            },
            LayerOp::FullyConnected { weights, bias } => {
                QuantizedOp::FullyConnected { parameters: quantized(weights, bias)? }
            }
            LayerOp::MaxPool2d { window } => QuantizedOp::MaxPool2d { window: *window },
        };
        if let QuantizedOp::Conv2d { parameters, .. } | QuantizedOp::FullyConnected { parameters } = &op {
            bound::prove(&layer.name, parameters, input.element)?;
            if last {
                let exponent = input.exponent + parameters.weight_exponents[0];
                format = ValueFormat { element: ValueType::I32, exponent };
            }
        }
        let kernel = match &op {
            QuantizedOp::Conv2d { .. } => "conv2d",
            QuantizedOp::FullyConnected { .. } => "fully_connected",
            QuantizedOp::MaxPool2d { .. } => "max_pool2d",
        };
        let number = numbers.entry(kernel).and_modify(|n| *n += 1).or_insert(1);
        layers.push(QuantizedLayer {
            source_name: layer.name.clone(),
            name: format!("{kernel}_{number}"),
            op,
            input: layer.input,
            output: layer.output,
            format,
        });
    }
    Ok(QuantizedNetwork { input: network.input, layers })
}

fn check_images(network: &Network, images: &Dataset) -> Result<(), QuantizeError> {
    if images.is_empty() {
        return Err(QuantizeError::NoImages);
    }
    let input = network.input;
    if (input.height, input.width, input.channels) != (images.height, images.width, 1) {
        let found = format!("{}×{}×1", images.height, images.width);
        let expected = format!("{}×{}×{}", input.height, input.width, input.channels);
        return Err(QuantizeError::ImageSize { expected, found });
    }
    Ok(())
}
