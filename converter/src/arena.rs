//! Places every value between layers in one block of memory, reusing what is no longer read.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::graph::ValueId;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, ValueType};
use crate::stream::{self, StreamPlan};

/// Regions start at multiples of this many bytes, so that kernels may load whole words.
const ALIGNMENT: usize = 4;

/// Where each value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaPlan {
    /// Byte offset of each value; `None` for the image, which the caller holds, for accumulators,
    /// which are returned, and for values of which only some rows are there at a time.
    pub offsets: Vec<Option<usize>>,
    /// For each layer the input whose place its result takes, where the two share one.
    pub in_place: Vec<Option<ValueId>>,
    pub bytes: usize,
    /// Layers that run row by row.
    pub stream: Option<StreamPlan>,
}

impl ArenaPlan {
    /// How much memory it takes, in words: beside it what whole images would take.
    pub fn describe(&self, network: &QuantizedNetwork) -> String {
        match self.stream {
            None => format!("{} bytes of RAM", self.bytes),
            Some(_) => format!(
                "{} bytes of RAM row by row, where whole images would take {}",
                self.bytes,
                plan(network).bytes
            ),
        }
    }
}

/// What a model is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Favour {
    /// Whole images between the layers: the fewest instructions.
    #[default]
    Time,
    /// Rows between the layers where that takes less memory: a few percent more instructions.
    Memory,
}

impl Favour {
    /// As it is typed and recorded.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Memory => "memory",
        }
    }

    /// The words of a command that ask for it, with a space in front; none for the default.
    pub fn option(self) -> String {
        match self {
            Self::Time => String::new(),
            Self::Memory => format!(" --favour {}", self.name()),
        }
    }
}

/// Bytes that are taken from the first to the last of some layers, both counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub bytes: usize,
    pub lives: (usize, usize),
}

/// Plans the arena for time or memory.
pub fn plan_for(network: &QuantizedNetwork, favour: Favour) -> ArenaPlan {
    let whole = plan(network);
    match favour {
        Favour::Time => whole,
        // Rows come from one image, and what several outputs leave behind themselves is whole.
        Favour::Memory if network.first_layer() > 0 || !network.gives_logits_alone() => whole,
        Favour::Memory => stream::plan(network, whole),
    }
}

/// Plans the arena, with results in the place of an input where that does not take more memory.
pub fn plan(network: &QuantizedNetwork) -> ArenaPlan {
    let lives = lives(network);
    let none = vec![None; network.layers.len()];
    let (apart, _) = place(network, &lives, none, 0..0, &[]);
    let (shared, _) = place(network, &lives, in_place(network, &lives), 0..0, &[]);
    if shared.bytes <= apart.bytes { shared } else { apart }
}

/// Plans the arena with layers `[first, end)` running row by row: their results but the last are
/// where `blocks` are, of which the byte offsets are returned too. The last result is there from layer
/// `born` on.
pub fn place_streamed(
    network: &QuantizedNetwork,
    [first, end]: [usize; 2],
    born: usize,
    blocks: &[Block],
) -> (ArenaPlan, Vec<usize>) {
    let mut lives = lives(network);
    for layer in &network.layers[first..end] {
        for &input in layer.inputs.iter().filter(|&&input| input <= first) {
            lives[input].1 = lives[input].1.max(end - 1);
        }
    }
    lives[end].0 = born;
    lives[end].1 = lives[end].1.max(born);
    let mut in_place = in_place(network, &lives);
    in_place[first..end].fill(None);
    let none = vec![None; network.layers.len()];
    let apart = place(network, &lives, none, first + 1..end, blocks);
    let shared = place(network, &lives, in_place, first + 1..end, blocks);
    if shared.0.bytes <= apart.0.bytes { shared } else { apart }
}

/// The layers between which each value is alive: the one that writes it (value v is written by
/// layer v − 1) and the last that reads it; outputs are read behind all layers.
fn lives(network: &QuantizedNetwork) -> Vec<(usize, usize)> {
    let last_read = |value: ValueId| {
        (0..network.layers.len()).filter(|&l| network.layers[l].inputs.contains(&value)).max()
    };
    (0..=network.layers.len())
        .map(|v| match v {
            0 => (0, 0),
            v if network.is_output(v) => (v - 1, network.layers.len()),
            v => (v - 1, last_read(v).unwrap_or(v - 1)),
        })
        .collect()
}

fn in_arena(network: &QuantizedNetwork, value: ValueId) -> bool {
    !network.is_input(value) && network.format(value).element != ValueType::I32
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
/// has. Values that share a place count as one; those of `streamed` have none. The same for
/// `blocks`, whose byte offsets are returned too.
fn place(
    network: &QuantizedNetwork,
    lives: &[(usize, usize)],
    in_place: Vec<Option<ValueId>>,
    streamed: Range<ValueId>,
    blocks: &[Block],
) -> (ArenaPlan, Vec<usize>) {
    // Each value's block is the first value in its place.
    let mut block: Vec<ValueId> = (0..lives.len()).collect();
    let mut lives = lives.to_vec();
    for (layer, input) in in_place.iter().enumerate() {
        if let Some(input) = *input {
            block[layer + 1] = block[input];
            lives[block[input]].1 = lives[layer + 1].1;
        }
    }
    let values = lives.len();
    let mut order: Vec<usize> = (0..values)
        .filter(|&v| in_arena(network, v) && block[v] == v && !streamed.contains(&v))
        .chain(values..values + blocks.len())
        .collect();
    lives.extend(blocks.iter().map(|block| block.lives));
    let size = |item: usize| match item.checked_sub(values) {
        Some(index) => blocks[index].bytes,
        None => size(network, item),
    };
    order.sort_by_key(|&item| (std::cmp::Reverse(size(item)), item));
    let mut offsets = vec![None; lives.len()];
    let mut placed: Vec<(usize, usize, usize)> = Vec::new();
    let mut bytes = 0;
    for item in order {
        let (born, dies) = lives[item];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&(other, ..)| lives[other].0 <= dies && born <= lives[other].1)
            .map(|&(_, start, end)| (start, end))
            .collect();
        taken.sort_unstable();
        let size = size(item);
        let mut offset = 0;
        for (start, end) in taken {
            if offset + size <= start {
                break;
            }
            offset = offset.max(end.next_multiple_of(ALIGNMENT));
        }
        offsets[item] = Some(offset);
        placed.push((item, offset, offset + size));
        bytes = bytes.max(offset + size);
    }
    let places = offsets.split_off(values).into_iter().flatten().collect();
    for value in 0..values {
        offsets[value] = offsets[block[value]];
    }
    let bytes = bytes.next_multiple_of(ALIGNMENT);
    (ArenaPlan { offsets, in_place, bytes, stream: None }, places)
}

/// Bytes that a layer's inputs and output take in the arena together.
pub fn layer_bytes(network: &QuantizedNetwork, layer: usize) -> usize {
    let size = |value: ValueId| size(network, value);
    let inputs: BTreeSet<ValueId> = network.layers[layer].inputs.iter().copied().collect();
    let read: usize = inputs.into_iter().filter(|&value| !network.is_input(value)).map(size).sum();
    let written = if in_arena(network, layer + 1) { size(layer + 1) } else { 0 };
    read + written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Output, Shape};
    use crate::operators::IntegerOp;
    use crate::operators::add::QuantizedAdd;
    use crate::operators::leaky_relu::QuantizedLeakyRelu;
    use crate::operators::max_pool2d::MaxPool2d;
    use crate::quantized::ValueFormat;
    use firmware_core::Window;

    /// Copies its input, to another place.
    fn copy() -> IntegerOp {
        MaxPool2d { window: Window::new([1, 1]) }.into()
    }

    fn leaky() -> IntegerOp {
        QuantizedLeakyRelu { slope: 1, bits: 3 }.into()
    }

    fn add() -> IntegerOp {
        QuantizedAdd { align: [0, 0], shift: 1 }.into()
    }

    /// Layers with their inputs and the bytes of their results; the last gives the logits.
    fn network(layers: &[(IntegerOp, &[ValueId], usize)]) -> QuantizedNetwork {
        let format = |element| ValueFormat::power_of_two(element, 0);
        let last = layers.len() - 1;
        let layer = |(index, (op, inputs, size)): (usize, &(IntegerOp, &[ValueId], usize))| {
            QuantizedLayer {
                source_name: String::new(),
                name: String::new(),
                op: op.clone(),
                inputs: inputs.to_vec(),
                output: Shape::flat(*size),
                format: format(if index == last { ValueType::I32 } else { ValueType::I8 }),
                clip: None,
            }
        };
        QuantizedNetwork {
            input: Shape::flat(100),
            input_format: format(ValueType::U8),
            layers: layers.iter().enumerate().map(layer).collect(),
            outputs: vec![Output::plain("logits", layers.len(), layers[last].2)],
        }
    }

    /// No two values that are alive at the same time share a byte, unless one takes the other's
    /// place; all lie inside, at whole words.
    fn check(network: &QuantizedNetwork) -> ArenaPlan {
        let plan = plan(network);
        let lives = lives(network);
        let range = |value: ValueId| {
            plan.offsets[value].map(|offset| (offset, offset + size(network, value)))
        };
        for a in 0..=network.layers.len() {
            let Some((start, end)) = range(a) else { continue };
            assert!(start % ALIGNMENT == 0 && end <= plan.bytes, "value {a}");
            for b in a + 1..=network.layers.len() {
                let Some((other, other_end)) = range(b) else { continue };
                let meet = lives[a].0 <= lives[b].1 && lives[b].0 <= lives[a].1;
                let place = plan.in_place[b - 1] == Some(a);
                assert!(!meet || place || end <= other || other_end <= start, "values {a} and {b}");
                assert!(!place || (start, end) == (other, other_end), "{b} in the place of {a}");
            }
        }
        plan
    }

    #[test]
    fn a_chain_needs_two_values_at_once() {
        let network = network(&[
            (copy(), &[0], 40),
            (copy(), &[1], 20),
            (copy(), &[2], 30),
            (copy(), &[3], 4),
        ]);
        let plan = check(&network);
        assert_eq!(plan.bytes, 60);
        // The image is the caller's, the logits are returned.
        assert_eq!((plan.offsets[0], plan.offsets[4]), (None, None));
        assert_eq!(layer_bytes(&network, 0), 40);
        assert_eq!(layer_bytes(&network, 1), 60);
        assert_eq!(layer_bytes(&network, 3), 30);
    }

    #[test]
    fn a_value_that_is_read_again_keeps_its_place() {
        let network = network(&[
            (copy(), &[0], 40),
            (copy(), &[1], 20),
            (copy(), &[2], 40),
            (add(), &[3, 1], 40),
            (copy(), &[4], 4),
        ]);
        let plan = check(&network);
        // The sum takes the place of what nothing reads any more.
        assert_eq!(plan.in_place[3], Some(3));
        assert_eq!(plan.bytes, 100);
    }

    #[test]
    fn nothing_takes_the_place_of_what_others_read() {
        let network = network(&[
            (copy(), &[0], 40),
            (leaky(), &[1], 40),
            (add(), &[2, 1], 40),
            (leaky(), &[3], 40),
            (copy(), &[4], 4),
        ]);
        let plan = check(&network);
        assert_eq!(plan.in_place, [None, None, Some(2), Some(3), None]);
        assert_eq!(plan.bytes, 80);
        // Nor of the image, which is the caller's, nor of a value that is both terms.
        let image =
            self::network(&[(leaky(), &[0], 100), (add(), &[1, 1], 100), (copy(), &[2], 4)]);
        assert_eq!(check(&image).in_place, [None, None, None]);
    }

    #[test]
    fn random_networks_keep_their_values_apart() {
        let mut random = 1_u32;
        let mut below = |limit: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) as usize % limit
        };
        for _ in 0..200 {
            let mut inputs = Vec::new();
            let mut sizes = vec![100];
            for index in 0..12 {
                let a = index - below(index.min(4) + 1);
                let same: Vec<ValueId> = (1..=index).filter(|&b| sizes[b] == sizes[a]).collect();
                let sum = a > 0 && below(2) == 0;
                inputs.push(if sum { vec![a, same[below(same.len())]] } else { vec![a] });
                sizes.push(if sum || below(3) == 0 { sizes[a] } else { 1 + below(60) });
            }
            let op = |index: usize| match (&inputs[index][..], sizes[index + 1]) {
                ([_, _], _) => add(),
                (&[a], size) if sizes[a] == size => leaky(),
                _ => copy(),
            };
            let layers: Vec<(IntegerOp, &[ValueId], usize)> =
                (0..12).map(|index| (op(index), &inputs[index][..], sizes[index + 1])).collect();
            check(&network(&layers));
        }
    }
}
