//! Mutations of bytes and of ONNX models.

use converter::pb;
use fastrand::Rng;
use prost::Message;

/// Numbers at which sizes go wrong.
const NUMBERS: [i64; 22] = [
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    16,
    64,
    65,
    127,
    128,
    255,
    256,
    1000,
    65_535,
    65_536,
    1 << 31,
    1 << 32,
    1 << 40,
    i64::MAX,
    i64::MIN,
];

/// Some changes to bytes: flipped, repeated, left out, put in, taken from elsewhere.
pub fn bytes(rng: &mut Rng, input: &[u8], other: &[u8], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 + rng.usize(..4) {
        let at = rng.usize(..=bytes.len());
        let until = (at + rng.usize(..=32)).min(bytes.len());
        match rng.u8(..9) {
            0 if !bytes.is_empty() => bytes[at.min(input.len().max(1) - 1).min(until)..]
                .iter_mut()
                .take(1)
                .for_each(|byte| *byte ^= 1 << rng.u8(..8)),
            1 => bytes[at..until].iter_mut().for_each(|byte| *byte = rng.u8(..)),
            2 => {
                bytes.drain(at..until);
            }
            3 => {
                let part = bytes[at..until].to_vec();
                let times = 1 + rng.usize(..8);
                bytes.splice(at..at, part.repeat(times));
            }
            4 if !other.is_empty() => {
                let from = rng.usize(..other.len());
                let to = (from + rng.usize(..=64)).min(other.len());
                bytes.splice(at..until, other[from..to].iter().copied());
            }
            5 => bytes.truncate(at),
            6 if !words.is_empty() => {
                let word = words[rng.usize(..words.len())];
                bytes.splice(at..until, word.iter().copied());
            }
            7 => {
                let number = NUMBERS[rng.usize(..NUMBERS.len())].to_string();
                bytes.splice(at..until, number.into_bytes());
            }
            _ => {
                let number = NUMBERS[rng.usize(..NUMBERS.len())].to_be_bytes();
                let width = [1, 2, 4, 8][rng.usize(..4)];
                bytes.splice(at..until, number[8 - width..].iter().copied());
            }
        }
    }
    bytes
}

/// Some changes to a model that leave it one: dimensions, attributes, names, nodes.
pub fn model(rng: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let (Ok(mut model), Ok(other)) = (pb::ModelProto::decode(input), pb::ModelProto::decode(other))
    else {
        return bytes(rng, input, other, &[]);
    };
    let Some(graph) = model.graph.as_mut() else { return input.to_vec() };
    for _ in 0..1 + rng.usize(..3) {
        let count = graph.node.len();
        if count == 0 {
            break;
        }
        let at = rng.usize(..count);
        match rng.u8(..12) {
            0 => {
                let ops = other.graph.iter().flat_map(|graph| &graph.node);
                let ops: Vec<&str> = ops.map(|node| node.op_type.as_str()).collect();
                if let Some(op) = rng.choice(ops) {
                    graph.node[at].op_type = op.to_string();
                }
            }
            1 => number(rng, &mut graph.node[at]),
            2 | 3 => rewire(rng, graph, at),
            4 => {
                // A node more, behind this one, on its result.
                let mut node = graph.node[rng.usize(..count)].clone();
                let Some(output) = graph.node[at].output.first().cloned() else { continue };
                node.name = format!("more{}", rng.u32(..));
                node.output = vec![node.name.clone()];
                if let Some(first) = node.input.first_mut() {
                    first.clone_from(&output);
                }
                let result = node.name.clone();
                for later in &mut graph.node[at + 1..] {
                    later.input.iter_mut().filter(|name| **name == output).for_each(|name| {
                        name.clone_from(&result);
                    });
                }
                graph.node.insert(at + 1, node);
            }
            5 => {
                // A node less: whoever read it reads its input.
                let gone = graph.node.remove(at);
                if let (Some(from), Some(to)) = (gone.output.first(), gone.input.first()) {
                    let inputs = graph.node.iter_mut().flat_map(|node| &mut node.input);
                    inputs.filter(|name| *name == from).for_each(|name| name.clone_from(to));
                }
            }
            6 => {
                if let Some(set) = model.opset_import.first_mut() {
                    set.version = rng.i64(5..27);
                }
            }
            7 => {
                let shape = graph.input.first_mut().and_then(|input| input.r#type.as_mut());
                let Some(pb::type_proto::Value::TensorType(tensor)) =
                    shape.and_then(|kind| kind.value.as_mut())
                else {
                    continue;
                };
                let dims = tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim);
                let mut dims: Vec<_> = dims.collect();
                if let Some(dim) = rng.choice(&mut dims) {
                    let size = NUMBERS[rng.usize(..NUMBERS.len())];
                    dim.value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(size));
                }
            }
            8 | 9 => {
                let Some(tensor) = rng.choice(&mut graph.initializer) else { continue };
                match rng.u8(..5) {
                    0 => tensor.data_type = rng.i32(0..24),
                    1 => tensor.dims.reverse(),
                    2 => tensor.dims.push(1),
                    3 => {
                        tensor.raw_data.truncate(rng.usize(..=tensor.raw_data.len()));
                    }
                    _ => {
                        if let Some(dim) = rng.choice(&mut tensor.dims) {
                            *dim = NUMBERS[rng.usize(..NUMBERS.len())];
                        }
                    }
                }
            }
            10 => {
                // Integers of a shape.
                let shapes = graph.initializer.iter_mut().filter(|tensor| tensor.data_type == 7);
                let mut shapes: Vec<_> = shapes.filter(|t| t.raw_data.len() >= 8).collect();
                if let Some(tensor) = rng.choice(&mut shapes) {
                    let at = rng.usize(..tensor.raw_data.len() / 8) * 8;
                    let number = NUMBERS[rng.usize(..NUMBERS.len())];
                    tensor.raw_data[at..at + 8].copy_from_slice(&number.to_le_bytes());
                }
            }
            _ => {
                let node = &mut graph.node[at];
                match rng.bool() {
                    true => {
                        node.attribute.pop();
                    }
                    false => {
                        node.input.pop();
                    }
                }
            }
        }
    }
    model.encode_to_vec()
}

/// Another number in an attribute.
fn number(rng: &mut Rng, node: &mut pb::NodeProto) {
    let Some(attribute) = rng.choice(&mut node.attribute) else { return };
    let small = rng.i64(-4..9);
    let number = if rng.bool() { small } else { NUMBERS[rng.usize(..NUMBERS.len())] };
    match rng.choice(&mut attribute.ints) {
        Some(one) => *one = number,
        None => {
            attribute.i = number;
            attribute.f = number as f32 / 4.0;
        }
    }
}

/// Another input for a node, of those that are known to it.
fn rewire(rng: &mut Rng, graph: &mut pb::GraphProto, at: usize) {
    let earlier = graph.node[..at].iter().flat_map(|node| &node.output);
    let given = graph.initializer.iter().map(|tensor| &tensor.name);
    let inputs = graph.input.iter().map(|input| &input.name);
    let names: Vec<String> = earlier.chain(given).chain(inputs).cloned().collect();
    let name = rng.choice(names);
    if let (Some(name), Some(input)) = (name, rng.choice(&mut graph.node[at].input)) {
        *input = name;
    }
}
