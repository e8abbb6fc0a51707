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

/// What is asked for: bits of all inner layers, and of those that are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Of all layers with weights but the first and the last one, which lose most, and but those whose
    /// weights cannot be stored so; it never counts for a layer that is named.
    inner: u8,
    layers: LayerBits,
}

/// Why a number of bits is not possible.
pub fn check(bits: u8) -> Result<u8, String> {
    match bits {
        4 | 8 => Ok(bits),
        _ => Err(format!("weights have 4 or 8 bits, not {bits}")),
    }
}

impl FromStr for Bits {
    type Err = String;

    /// `4`, `conv2=4,conv3=4`, or `4,conv2=8`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let bits =
                text.parse().map_err(|_| format!("{text:?} is no number of bits, 4 or 8"))?;
            check(bits)
        };
        let (mut inner, mut layers) = (None, LayerBits::new());
        for part in text.split(',') {
            match part.rsplit_once('=') {
                None if inner.is_some() => {
                    return Err(format!("{part:?} is no LAYER=BITS, such as conv2=4"));
                }
                None => inner = Some(number(part)?),
                Some(("", _)) => return Err(format!("{part:?} names no layer, as conv2=4 does")),
                Some((layer, bits)) => {
                    if layers.insert(layer.to_string(), number(bits)?).is_some() {
                        return Err(format!("layer '{layer}' is named twice"));
                    }
                }
            }
        }
        Ok(Self { inner: inner.unwrap_or(USUAL_BITS), layers })
    }
}

impl Bits {
    /// `inner` bits for the layers that `layers` does not name.
    pub fn new(inner: u8, layers: LayerBits) -> Self {
        Self { inner, layers }
    }

    /// The layers of `network` whose weights do not have [`USUAL_BITS`], with those that they have.
    ///
    /// # Errors
    ///
    /// A layer that is not there, has no weights or cannot have so few; a number of bits that there
    /// is not.
    pub fn of(&self, network: &Network) -> Result<LayerBits, QuantizeError> {
        let weighted: Vec<(&str, bool)> = network
            .layers
            .iter()
            .filter(|layer| matches!(layer.op, FloatOp::Conv2d(_) | FloatOp::FullyConnected(_)))
            .map(|layer| (&layer.name[..], is_packed(&layer.op)))
            .collect();
        let inner = weighted.get(1..weighted.len().saturating_sub(1)).unwrap_or_default();
        let mut chosen: LayerBits = inner
            .iter()
            .filter(|(_, packed)| *packed)
            .map(|(name, _)| (name.to_string(), self.inner))
            .collect();
        chosen.extend(self.layers.clone());
        for (layer, &bits) in &chosen {
            let wrong = |what| QuantizeError::Layer { layer: layer.clone(), what };
            check(bits).map_err(wrong)?;
            match weighted.iter().find(|(name, _)| name == layer) {
                Some((_, packed)) if *packed || bits == USUAL_BITS => {}
                Some(_) => {
                    return Err(wrong(format!(
                        "weights of {bits} bits are asked for, but in a grouped convolution that is \
                         not depthwise they have 8; leave it out"
                    )));
                }
                None => {
                    let names: Vec<&str> = weighted.iter().map(|(name, _)| *name).collect();
                    return Err(wrong(format!(
                        "weights of {bits} bits are asked for, but no layer with weights has that \
                         name; there are {}",
                        names.join(", ")
                    )));
                }
            }
        }
        Ok(chosen.into_iter().filter(|&(_, bits)| bits != USUAL_BITS).collect())
    }
}

/// Whether there are kernels for weights of four bits.
fn is_packed(op: &FloatOp) -> bool {
    match op {
        FloatOp::Conv2d(conv) => {
            conv.groups == 1 || conv.weights.len() == conv.bias.len() * conv.window.area()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let layers = |all: &[(&str, u8)]| -> LayerBits {
            all.iter().map(|(name, bits)| (name.to_string(), *bits)).collect()
        };
        for (text, expected) in [
            ("4", Bits::new(4, layers(&[]))),
            ("a=b=4,c=8", Bits::new(8, layers(&[("a=b", 4), ("c", 8)]))),
            ("4,conv2=8", Bits::new(4, layers(&[("conv2", 8)]))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "5", "-4", "x", "4,4", "conv=5", "=4", "conv=", "conv=4,", "conv=4,conv=8"]
        {
            assert!(text.parse::<Bits>().is_err(), "{text:?}");
        }
    }
}
