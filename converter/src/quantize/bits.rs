//! How many bits the weights of each layer have.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::QuantizeError;
use crate::lower::Network;
use crate::operators::FloatOp;

/// The bits of weights that are asked for nowhere.
pub const USUAL_BITS: u8 = 8;

/// Bits of weights by the names of layers; those of a layer that is not named are [`USUAL_BITS`].
pub type LayerBits = BTreeMap<String, u8>;

/// The largest magnitude of a weight of so many bits: weights are symmetric, so that 8 bits are
/// -127 to 127 and 4 bits -7 to 7.
pub fn largest_weight(bits: u8) -> i8 {
    match bits {
        4 => 7,
        _ => 127,
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bits {
    /// The same for all layers with weights but the first and the last one, which lose most.
    Inner(u8),
    /// For each layer that is named; the others have eight.
    Layers(LayerBits),
}

/// Why a number of bits is not possible.
pub(crate) fn check(bits: u8) -> Result<u8, String> {
    match bits {
        4 | 8 => Ok(bits),
        _ => Err(format!("weights have 4 or 8 bits, not {bits}")),
    }
}

impl FromStr for Bits {
    type Err = String;

    /// `4`, or `conv2=4,conv3=4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let bits =
                text.parse().map_err(|_| format!("{text:?} is no number of bits, 4 or 8"))?;
            check(bits)
        };
        if !text.contains('=') {
            return number(text).map(Self::Inner);
        }
        let mut layers = LayerBits::new();
        for part in text.split(',') {
            let (layer, bits) = part
                .rsplit_once('=')
                .filter(|(layer, _)| !layer.is_empty())
                .ok_or_else(|| format!("{part:?} is no LAYER=BITS, such as conv2=4"))?;
            if layers.insert(layer.to_string(), number(bits)?).is_some() {
                return Err(format!("layer '{layer}' is named twice"));
            }
        }
        Ok(Self::Layers(layers))
    }
}

impl Bits {
    /// The layers of `network` whose weights do not have [`USUAL_BITS`], with those that they have.
    ///
    /// # Errors
    ///
    /// A layer that is not there or has no weights; a number of bits that there is not.
    pub fn of(&self, network: &Network) -> Result<LayerBits, QuantizeError> {
        let weighted: Vec<&str> = network
            .layers
            .iter()
            .filter(|layer| matches!(layer.op, FloatOp::Conv2d(_) | FloatOp::FullyConnected(_)))
            .map(|layer| &layer.name[..])
            .collect();
        let chosen: LayerBits = match self {
            Self::Inner(bits) => {
                let inner = weighted.get(1..weighted.len().saturating_sub(1)).unwrap_or_default();
                inner.iter().map(|name| (name.to_string(), *bits)).collect()
            }
            Self::Layers(layers) => layers.clone(),
        };
        for (layer, &bits) in &chosen {
            let wrong = |what| QuantizeError::Layer { layer: layer.clone(), what };
            check(bits).map_err(wrong)?;
            if !weighted.contains(&&layer[..]) {
                let what = format!(
                    "bits are asked for, but no layer with weights has that name; there are {}",
                    weighted.join(", ")
                );
                return Err(wrong(what));
            }
        }
        Ok(chosen.into_iter().filter(|&(_, bits)| bits != USUAL_BITS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!("4".parse(), Ok(Bits::Inner(4)));
        let layers = [("a=b".to_string(), 4), ("c".to_string(), 8)].into();
        assert_eq!("a=b=4,c=8".parse(), Ok(Bits::Layers(layers)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "5", "-4", "x", "conv=5", "=4", "conv=", "conv=4,", "conv=4,conv=8"] {
            assert!(text.parse::<Bits>().is_err(), "{text:?}");
        }
    }
}
