//! From float layers to integers: exponents by error on real images, then the proof that no
//! accumulator leaves the range in which every runtime is exact.

mod activations;
mod bound;
mod weights;

use crate::lower::{Layer, LayerOp, Network};
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp, ValueFormat, ValueType};
use inkling_data::Dataset;

pub use bound::{ACCUMULATOR_BOUND, largest_accumulator, largest_sum};

/// Why a network has no exact integer form.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum QuantizeError {
    #[error(
        "calibration images are {found}, the model takes {expected} (height×width×channels); give images of that size"
    )]
    ImageSize { expected: String, found: String },
    #[error("no calibration image; give at least one")]
    NoImages,
    #[error(
        "layer '{layer}', output channel {channel}: weights and bias are so large that the accumulator could reach {bound}, beyond 2^24 where every runtime is exact, at any 8-bit exponent"
    )]
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
pub fn quantize(
    network: &Network,
    calibration: &Dataset,
) -> Result<QuantizedNetwork, QuantizeError> {
    check_images(network, calibration)?;
    let formats = activations::choose(network, calibration)?;
    let mut layers = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let inputs: Vec<ValueFormat> = layer.inputs.iter().map(|&value| formats[value]).collect();
        let input = inputs[0];
        let mut format = formats[index + 1];
        let last = index + 1 == network.layers.len();
        let quantized = |weights: &[f32], bias: &[f32]| {
            if weights.iter().chain(bias).any(|weight| !weight.is_finite()) {
                let what = "a weight or bias is infinite or not a number, as folded".into();
                return Err(QuantizeError::Layer { layer: layer.name.clone(), what });
            }
            let target = if last { None } else { Some(format) };
            weights::quantize(&layer.name, weights, bias, input, target)
        };
        let shift = |from: i32| {
            u8::try_from(from - format.exponent()).ok().filter(|&bits| bits <= 31).ok_or_else(
                || {
                    let what =
                        format!("its exponent {} cannot be reached from {from}", format.exponent());
                    QuantizeError::Layer { layer: layer.name.clone(), what }
                },
            )
        };
        let op = match &layer.op {
            LayerOp::Conv2d { weights, bias, window, groups, convolved, pool } => {
                QuantizedOp::Conv2d {
                    parameters: quantized(weights, bias)?,
                    window: *window,
                    groups: *groups,
                    convolved: *convolved,
                    pool: *pool,
                    padding_value: 0,
                }
            }
            LayerOp::FullyConnected { weights, bias } => {
                QuantizedOp::FullyConnected { parameters: quantized(weights, bias)? }
            }
            LayerOp::MaxPool2d { window } => QuantizedOp::MaxPool2d { window: *window },
            LayerOp::AveragePool2d { window, bits } => {
                let shift = shift(input.exponent() + *bits as i32)?;
                QuantizedOp::AveragePool2d { window: *window, bits: *bits, shift }
            }
            LayerOp::Add => {
                let finest = input.exponent().max(inputs[1].exponent());
                let align = [finest - input.exponent(), finest - inputs[1].exponent()]
                    .map(|bits| bits as u8);
                QuantizedOp::Add { align, shift: shift(finest)? }
            }
            LayerOp::Concat => QuantizedOp::Concat,
            LayerOp::LeakyRelu { slope } => {
                let (slope, bits) = fixed_point(*slope);
                QuantizedOp::LeakyRelu { slope, bits }
            }
        };
        if let QuantizedOp::Conv2d { parameters, .. } | QuantizedOp::FullyConnected { parameters } =
            &op
        {
            bound::prove(&layer.name, parameters, input.element)?;
            if last {
                let exponent = input.exponent() + parameters.weight_exponents[0];
                format = ValueFormat::power_of_two(ValueType::I32, exponent);
            }
        }
        layers.push(QuantizedLayer {
            source_name: layer.name.clone(),
            name: String::new(),
            op,
            inputs: layer.inputs.clone(),
            output: layer.output,
            format,
            clip: clip(layer, format),
        });
    }
    let input_format = ValueFormat::power_of_two(ValueType::U8, crate::passes::INPUT_EXPONENT);
    let mut quantized = QuantizedNetwork { input: network.input, input_format, layers };
    quantized.name_layers();
    Ok(quantized)
}

/// The bounds that a layer's activation sets, where saturation does not.
fn clip(layer: &Layer, format: ValueFormat) -> Option<[i32; 2]> {
    let (least, greatest) = match format.element {
        ValueType::U8 => (0, 255),
        ValueType::I8 => (-128, 127),
        ValueType::I32 => return None,
    };
    // Copies have been through it already.
    if matches!(layer.op, LayerOp::MaxPool2d { .. } | LayerOp::Concat | LayerOp::LeakyRelu { .. }) {
        return None;
    }
    let low = if layer.relu { 0 } else { least };
    let high = layer.ceiling.map_or(greatest, |ceiling| {
        let ceiling = f64::from(ceiling) * 2_f64.powi(format.exponent());
        ceiling.round_ties_even().min(f64::from(greatest)) as i32
    });
    (low > least || high < greatest).then_some([low, high])
}

/// A slope from 0 to 1 as `m · 2^-bits` with at most 16 significant bits: a product with an
/// activation is then exact in f32.
pub fn fixed_point(slope: f32) -> (u16, u8) {
    let slope = f64::from(slope);
    let mut bits = 31;
    while bits > 0 && slope * 2_f64.powi(bits) > f64::from(u16::MAX) {
        bits -= 1;
    }
    let mut m = (slope * 2_f64.powi(bits)).round_ties_even() as u16;
    while bits > 0 && m.is_multiple_of(2) {
        m /= 2;
        bits -= 1;
    }
    (m, bits as u8)
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
