//! Places every value between layers in one block of memory, reusing what is no longer read.

use std::collections::BTreeSet;

use crate::graph::ValueId;
use crate::quantized::{QuantizedLayer, QuantizedNetwork};

/// Regions start at multiples of this many bytes, so that kernels may load whole words.
const ALIGNMENT: usize = 4;

/// Where each value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaPlan {
    /// Byte offset of each value; `None` for the image, which the caller holds, and for
    /// accumulators at the end, which are returned.
    pub offsets: Vec<Option<usize>>,
    /// For each layer the input whose place its result takes, where the two share one.
    pub in_place: Vec<Option<ValueId>>,
    pub bytes: usize,
}

/// Plans the arena, with results in the place of an input where that does not take more memory.
pub fn plan(network: &QuantizedNetwork) -> ArenaPlan {
    let lives = lives(network);
    let apart = place(network, &lives, vec![None; network.layers.len()]);
    let shared = place(network, &lives, in_place(network, &lives));
    if shared.bytes <= apart.bytes { shared } else { apart }
}

/// The layers between which each value is alive: the one that writes it (value v is written by
/// layer v − 1) and the last that reads it.
fn lives(network: &QuantizedNetwork) -> Vec<(usize, usize)> {
    let last_read = |value: ValueId| {
        (0..network.layers.len()).filter(|&l| network.layers[l].inputs.contains(&value)).max()
    };
    (0..=network.layers.len())
        .map(|v| if v == 0 { (0, 0) } else { (v - 1, last_read(v).unwrap_or(v - 1)) })
        .collect()
}

fn in_arena(network: &QuantizedNetwork, value: ValueId) -> bool {
    let last = network.layers.len();
    value > 0 && (value < last || (value == last && !network.ends_in_accumulators()))
}

fn size(network: &QuantizedNetwork, value: ValueId) -> usize {
    network.shape(value).size() * network.format(value).element.bytes()
}

/// For each layer that can work in place, an input that nothing reads afterwards.
fn in_place(network: &QuantizedNetwork, lives: &[(usize, usize)]) -> Vec<Option<ValueId>> {
    let of_layer = |(index, layer): (usize, &QuantizedLayer)| {
        let fits = |&value: &ValueId| {
            let once = layer.inputs.iter().filter(|&&input| input == value).count() == 1;
            let same_type = network.format(value).element == layer.format.element;
            let same_size = network.shape(value).size() == layer.output.size();
            in_arena(network, value) && lives[value].1 == index && once && same_type && same_size
        };
        layer.op.as_dyn().in_place().iter().map(|&input| layer.inputs[input]).find(fits)
    };
    network.layers.iter().enumerate().map(of_layer).collect()
}

/// Places the largest values first, each at the lowest place that no value alive at the same time
/// has. Values that share a place count as one.
fn place(
    network: &QuantizedNetwork,
    lives: &[(usize, usize)],
    in_place: Vec<Option<ValueId>>,
) -> ArenaPlan {
    // Each value's block is the first value in its place.
    let mut block: Vec<ValueId> = (0..lives.len()).collect();
    let mut lives = lives.to_vec();
    for (layer, input) in in_place.iter().enumerate() {
        if let Some(input) = *input {
            block[layer + 1] = block[input];
            lives[block[input]].1 = lives[layer + 1].1;
        }
    }
    let mut order: Vec<ValueId> =
        (0..lives.len()).filter(|&v| in_arena(network, v) && block[v] == v).collect();
    order.sort_by_key(|&v| (std::cmp::Reverse(size(network, v)), v));
    let mut offsets = vec![None; lives.len()];
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
        let size = size(network, value);
        let mut offset = 0;
        for (start, end) in taken {
            if offset + size <= start {
                break;
            }
            offset = offset.max(end.next_multiple_of(ALIGNMENT));
        }
        offsets[value] = Some(offset);
        placed.push((value, offset, offset + size));
        bytes = bytes.max(offset + size);
    }
    for value in 0..offsets.len() {
        offsets[value] = offsets[block[value]];
    }
    ArenaPlan { offsets, in_place, bytes: bytes.next_multiple_of(ALIGNMENT) }
}

/// Bytes that a layer's inputs and output take in the arena together.
pub fn layer_bytes(network: &QuantizedNetwork, layer: usize) -> usize {
    let size = |value: ValueId| size(network, value);
    let inputs: BTreeSet<ValueId> = network.layers[layer].inputs.iter().copied().collect();
    let read: usize = inputs.into_iter().filter(|&value| value != 0).map(size).sum();
    let written = if in_arena(network, layer + 1) { size(layer + 1) } else { 0 };
    read + written
}
