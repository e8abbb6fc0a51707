//! Places every value between layers in one block of memory, reusing what is no longer read.

use std::collections::BTreeSet;

use crate::graph::ValueId;
use crate::quantized::QuantizedNetwork;

/// Regions start at multiples of this many bytes, so that kernels may load whole words.
const ALIGNMENT: usize = 4;

/// Where each value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaPlan {
    /// Byte offset of each value; `None` for the image, which the caller holds, and for the
    /// logits, which are returned.
    pub offsets: Vec<Option<usize>>,
    pub bytes: usize,
}

/// Plans the arena: the largest values first, each at the lowest place that no value alive at
/// the same time has.
pub fn plan(network: &QuantizedNetwork) -> ArenaPlan {
    let values = network.layers.len() + 1;
    let in_arena = |value: ValueId| value > 0 && value + 1 < values;
    // Alive from the layer that writes it (value v is written by layer v − 1) to the last reader.
    let last_read = |value: ValueId| {
        let readers =
            (0..network.layers.len()).filter(|&l| network.layers[l].inputs.contains(&value));
        readers.max().unwrap_or(value - 1)
    };
    let lives: Vec<(usize, usize)> =
        (0..values).map(|v| if v == 0 { (0, 0) } else { (v - 1, last_read(v)) }).collect();
    let size = |value: ValueId| network.shape(value).size() * network.format(value).element.bytes();

    let mut order: Vec<ValueId> = (0..values).filter(|&v| in_arena(v)).collect();
    order.sort_by_key(|&v| (std::cmp::Reverse(size(v)), v));
    let mut offsets = vec![None; values];
    let mut placed: Vec<(ValueId, usize, usize)> = Vec::new();
    let mut bytes = 0;
    for value in order {
        let (born, dies) = lives[value];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&(other, ..)| lives[other].0 <= dies && born <= lives[other].1)
            .map(|&(_, start, end)| (start, end))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for (start, end) in taken {
            if offset + size(value) <= start {
                break;
            }
            offset = offset.max(end.next_multiple_of(ALIGNMENT));
        }
        offsets[value] = Some(offset);
        placed.push((value, offset, offset + size(value)));
        bytes = bytes.max(offset + size(value));
    }
    ArenaPlan { offsets, bytes: bytes.next_multiple_of(ALIGNMENT) }
}

/// Bytes that a layer's inputs and output take in the arena together.
pub fn layer_bytes(network: &QuantizedNetwork, layer: usize) -> usize {
    let size = |value: ValueId| network.shape(value).size() * network.format(value).element.bytes();
    let inputs: BTreeSet<ValueId> = network.layers[layer].inputs.iter().copied().collect();
    let read: usize = inputs.into_iter().filter(|&value| value != 0).map(size).sum();
    let written = if layer + 1 == network.layers.len() { 0 } else { size(layer + 1) };
    read + written
}
