//! Instructions of a layer, estimated from what is counted on emulated cores.

use std::collections::BTreeMap;

use firmware_core::LayerKind;
use serde::{Deserialize, Serialize};

use crate::operators::IntegerOp;
use crate::operators::conv2d::QuantizedConv2d;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, Requantization};

/// What the instructions of a layer are a sum of, each times a factor of its kind and core.
pub const FEATURES: usize = 5;

/// Factors of [`work`].
pub type Factors = [f64; FEATURES];

/// What was counted on a core: written by `tools/mcu-report costs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoreCosts {
    /// Factors of each kind of layer.
    pub layers: BTreeMap<String, Factors>,
    /// Bytes of code that computes, the most of all networks that were counted.
    pub code: usize,
    /// Bytes of stack, likewise.
    pub stack: usize,
}

/// The costs of every core that was counted, by its name.
pub fn counted() -> BTreeMap<String, CoreCosts> {
    serde_json::from_str(include_str!("costs.json")).expect("the file is tested")
}

/// The file that [`counted`] reads.
pub fn to_json(costs: &BTreeMap<String, CoreCosts>) -> String {
    let mut json = serde_json::to_string_pretty(costs).expect("numbers and names");
    json.push('\n');
    json
}

/// The kind of a layer, as far as its cost goes: its kernel; apart from the others convolutions with
/// windows of one pixel, which gather nothing, convolutions of one channel, for which cores have kernels of
/// their own, layers that multiply where others shift, and weights of four bits.
pub fn kind(layer: &QuantizedLayer) -> String {
    let one_channel = |conv: &QuantizedConv2d| {
        conv.groups == 1 && conv.parameters.taps(0).len() == conv.window.area()
    };
    let kernel = match (&layer.op, layer.kind()) {
        (IntegerOp::Conv2d(conv), LayerKind::Conv2d) if conv.window.kernel == [1, 1] => {
            "pointwise".into()
        }
        (IntegerOp::Conv2d(conv), kind) if one_channel(conv) => {
            format!("{} of one channel", kind.name())
        }
        (_, kind) => kind.name().to_string(),
    };
    let Some(parameters) = layer.parameters() else { return kernel };
    match parameters.requantization {
        Requantization::Rescales(_) | Requantization::FloatScales(_) => {
            format!("{kernel}, rescaled")
        }
        _ if parameters.bits == 4 => format!("{kernel}{FOUR_BITS}"),
        _ => kernel,
    }
}

/// What a kind's name ends in where weights have four bits.
const FOUR_BITS: &str = ", four bits";

/// Multiply-accumulates, bytes of input that all windows cover together, outputs, multiply-accumulates of
/// the channels that are left when kernels have taken [`BLOCK`] at a time, and one for the call.
pub fn work(network: &QuantizedNetwork, layer: &QuantizedLayer) -> [f64; FEATURES] {
    let macs = layer.macs();
    let outputs = match &layer.op {
        IntegerOp::Conv2d(conv) => conv.convolved.size(),
        _ => layer.output.size(),
    };
    let covered = match &layer.op {
        // Each window is read once for all output channels.
        IntegerOp::Conv2d(conv) if conv.groups == 1 => macs / conv.convolved.channels.max(1),
        _ => layer.inputs.iter().map(|&value| network.shape(value).size()).sum(),
    };
    let channels = match &layer.op {
        IntegerOp::Conv2d(conv) => conv.convolved.channels,
        _ => layer.output.channels,
    };
    let left = macs * (channels % BLOCK) / channels.max(1);
    [macs as f64, covered as f64, outputs as f64, left as f64, 1.0]
}

/// Output channels that most kernels compute side by side.
const BLOCK: usize = 4;

/// The estimate for one layer on a core.
pub fn instructions(
    costs: &CoreCosts,
    network: &QuantizedNetwork,
    layer: &QuantizedLayer,
) -> Option<f64> {
    let kind = kind(layer);
    // Kinds that were not counted with four bits cost about what they do with eight.
    let usual = || costs.layers.get(kind.trim_end_matches(FOUR_BITS));
    let factors = costs.layers.get(&kind).or_else(usual)?;
    Some(work(network, layer).iter().zip(factors).map(|(work, factor)| work * factor).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::BOARDS;

    #[test]
    fn every_board_has_a_counted_core() {
        let counted = counted();
        for board in BOARDS {
            let costs = &counted[board.core];
            assert!(costs.code > 1000 && costs.stack > 100, "{}: {costs:?}", board.core);
            for (kind, factors) in &costs.layers {
                assert!(factors.iter().all(|f| *f >= 0.0 && f.is_finite()), "{kind}: {factors:?}");
            }
        }
    }
}
