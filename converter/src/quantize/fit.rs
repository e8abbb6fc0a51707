//! Do exponents that a file brings along still fit its weights?

use super::{Exponents, QuantizeError, quantize};
use crate::lower::Network;
use crate::quantized::ValueType;
use inkling_data::Dataset;

/// By how many bits a given exponent may be finer or coarser than the one that calibration images
/// ask for. Training for given exponents moves ranges by less.
const TOLERANCE: i32 = 2;

/// Why `given` exponents are not those of this network, if they are not: its weights have been
/// changed since they were chosen.
///
/// # Errors
///
/// As [`quantize`], without given exponents.
pub fn misfit(
    network: &Network,
    images: &Dataset,
    given: &Exponents,
) -> Result<Option<String>, QuantizeError> {
    if given.is_empty() {
        return Ok(None);
    }
    let chosen = quantize(network, images, &Exponents::new())?;
    for (name, given) in given {
        let layer = chosen.computed().find(|(_, layer)| layer.source_name == *name);
        let Some((_, layer)) = layer else {
            return Ok(Some(format!("there is no layer '{name}'")));
        };
        let best = layer.format.exponent();
        // Logits are accumulators; their exponent follows from the last layer's weights.
        if layer.format.element != ValueType::I32 && (best - given).abs() > TOLERANCE {
            return Ok(Some(format!(
                "the results of '{name}' need an exponent near {best}, not {given}"
            )));
        }
    }
    Ok(None)
}
