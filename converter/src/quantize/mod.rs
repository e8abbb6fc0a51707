//! From float layers to integers: exponents by error on real images, then the proof that no
//! accumulator leaves the range in which every runtime is exact.

mod activations;
mod bits;
mod bound;
mod fit;
mod weights;

use std::collections::BTreeMap;

use crate::graph::SampleInput;
use crate::lower::{Layer, Network};
use crate::quantized::{Parameters, QuantizedLayer, QuantizedNetwork, ValueFormat, ValueType};
use inkling_data::{Dataset, NamedInput};

pub use bits::{Bits, LayerBits, USUAL_BITS, check as check_bits, largest_weight};
pub use bound::{ACCUMULATOR_BOUND, largest_accumulator, largest_sum};
pub use fit::misfit;

/// Exponents of the results of layers, by the layers' names: a network that was trained for certain
/// integers is converted to just these.
pub type Exponents = BTreeMap<String, i32>;

/// Why a network has no exact integer form.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum QuantizeError {
    #[error(
        "the samples are {found}, the model takes {expected} (height×width×channels): give samples of that \
         shape, or a folder of pictures, which are scaled to it"
    )]
    ImageSize { expected: String, found: String },
    #[error(
        "the samples are of the inputs {found}, the model takes {expected}, or in other shapes"
    )]
    Inputs { expected: String, found: String },
    #[error("no calibration image; give at least one")]
    NoImages,
    #[error(
        "layer '{layer}', output channel {channel}: weights and bias are so large that the accumulator could reach {bound}, beyond 2^24 where every runtime is exact, at any 8-bit exponent; train with weight decay, or with batch norm \
         before the activation"
    )]
    Accumulator { layer: String, channel: usize, bound: String },
    #[error("layer '{layer}': {what}")]
    Layer { layer: String, what: String },
}

/// Quantizes a network, choosing exponents on `calibration`; those in `given`, by the names of
/// layers, are taken instead.
///
/// # Errors
///
/// Images of another size than the model's input; a channel that breaks the bound on
/// accumulators at every exponent.
pub fn quantize(
    network: &Network,
    calibration: &Dataset,
    given: &Exponents,
) -> Result<QuantizedNetwork, QuantizeError> {
    check_images(network, calibration)?;
    let formats = activations::choose(network, calibration, given)?;
    let mut layers = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let quantizing = Quantizing {
            layer,
            inputs: layer.inputs.iter().map(|&value| formats[value]).collect(),
            output: formats[index + 1],
            logits: network.is_logits(index + 1),
        };
        let op = layer.op.as_dyn().quantize(&quantizing)?;
        let format = match op.as_dyn().parameters() {
            Some(parameters) if quantizing.logits => {
                let exponent = quantizing.inputs[0].exponent() + parameters.weight_exponents[0];
                ValueFormat::power_of_two(ValueType::I32, exponent)
            }
            _ => quantizing.output,
        };
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
    let outputs = network.outputs.clone();
    let mut quantized =
        QuantizedNetwork { input: network.input, input_format: formats[0], layers, outputs };
    quantized.name_layers();
    Ok(quantized)
}

/// A layer whose turn it is: what its operator needs to become integers.
pub struct Quantizing<'a> {
    pub layer: &'a Layer,
    /// The formats of the layer's inputs.
    pub inputs: Vec<ValueFormat>,
    /// The format of its result, but for logits, which are accumulators.
    pub output: ValueFormat,
    /// The layer computes the logits.
    pub logits: bool,
}

impl Quantizing<'_> {
    /// Weights `[out][…]` and biases as integers that provably keep the accumulators in bounds.
    ///
    /// # Errors
    ///
    /// A channel that breaks the bound at every exponent; weights that are no numbers.
    pub fn weights(&self, weights: &[f32], bias: &[f32]) -> Result<Parameters, QuantizeError> {
        if weights.iter().chain(bias).any(|weight| !weight.is_finite()) {
            return Err(self.wrong("a weight or bias is infinite or not a number, as folded"));
        }
        let (name, input) = (&self.layer.name, self.inputs[0]);
        let target = if self.logits { None } else { Some(self.output) };
        let parameters = weights::quantize(name, (weights, bias), self.layer.bits, input, target)?;
        bound::prove(name, &parameters, input.element)?;
        Ok(parameters)
    }

    /// Bits by which sums of exponent `exponent` are shifted right to the result's.
    ///
    /// # Errors
    ///
    /// A result that is finer than the sum, or coarser than a shift can make it.
    pub fn shift_from(&self, exponent: i32) -> Result<u8, QuantizeError> {
        let target = self.output.exponent();
        u8::try_from(exponent - target).ok().filter(|&bits| bits <= 31).ok_or_else(|| {
            self.wrong(format!("its exponent {target} cannot be reached from {exponent}"))
        })
    }

    fn wrong(&self, what: impl Into<String>) -> QuantizeError {
        QuantizeError::Layer { layer: self.layer.name.clone(), what: what.into() }
    }
}

/// The bounds that a layer's activation sets, where saturation does not.
fn clip(layer: &Layer, format: ValueFormat) -> Option<[i32; 2]> {
    if format.element == ValueType::I32 || !layer.op.as_dyn().requantizes() {
        return None;
    }
    let (least, greatest) = format.element.range();
    let low = if layer.relu { 0 } else { least };
    let high = layer.ceiling.map_or(greatest, |ceiling| {
        let ceiling = f64::from(ceiling) * 2_f64.powi(format.exponent());
        ceiling.round_ties_even().min(f64::from(greatest)) as i32
    });
    (low > least || high < greatest).then_some([low, high])
}

fn check_images(network: &Network, images: &Dataset) -> Result<(), QuantizeError> {
    if images.is_empty() {
        return Err(QuantizeError::NoImages);
    }
    let own = network.inputs();
    let named = |(own, given): (&SampleInput, &NamedInput)| {
        own.name == given.name && own.shape.hwc() == given.shape
    };
    let given = &images.inputs;
    if !given.is_empty() && (own.len() != given.len() || !own.iter().zip(given.iter()).all(named)) {
        let names = |names: Vec<&str>| names.join(", ");
        return Err(QuantizeError::Inputs {
            expected: names(own.iter().map(|input| &input.name[..]).collect()),
            found: names(given.iter().map(|input| &input.name[..]).collect()),
        });
    }
    let input = network.input;
    if [input.height, input.width, input.channels] != images.shape {
        let [height, width, channels] = images.shape;
        let found = format!("{height}×{width}×{channels}");
        let expected = format!("{}×{}×{}", input.height, input.width, input.channels);
        return Err(QuantizeError::ImageSize { expected, found });
    }
    Ok(())
}
