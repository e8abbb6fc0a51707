//! `model.rs`: one `static` per layer and one `infer`.

mod infer;
mod info;
mod statics;
mod types;

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use super::Origin;
use crate::arena::ArenaPlan;
use crate::quantized::{Combination, QuantizedNetwork, QuantizedOp};
use types::{layer_type, requantization};

/// What a generated layer may name.
const IMPORTED: &[&str] = &[
    "Add",
    "AffineAdd",
    "AffineMul",
    "AveragePool2d",
    "Clip",
    "Concat",
    "Conv2d",
    "DepthwiseConv2d",
    "Elementwise",
    "Dilated",
    "FullyConnected",
    "GroupedConv2d",
    "LeakyRelu",
    "Lookup",
    "MaxPool2d",
    "MeanPool2d",
    "Multiplier",
    "Offset",
    "Pad2d",
    "PaddedWith",
    "Shift",
    "Strided",
    "Term",
];

/// Elements per line of a generated array.
const PER_LINE: usize = 24;

/// The generated module.
pub fn emit(network: &QuantizedNetwork, arena: &ArenaPlan, origin: &Origin) -> String {
    let network = &with_places_last(network, arena);
    let mut code = origin.header(&format!("The network '{}' in integers:", origin.name));
    code.push_str("//\n");
    super::report::layer_table(network).lines().for_each(|line| {
        let _ = writeln!(code, "// {line}");
    });
    code.push('\n');
    imports(&mut code, network);
    info::info(&mut code, network, arena, origin);
    for layer in &network.layers {
        statics::static_layer(&mut code, network, layer);
    }
    infer::infer(&mut code, network, arena);
    code
}

/// The network with the inputs of every addition in such an order that the one whose place the
/// sum takes is the second, as the kernel wants it.
fn with_places_last(network: &QuantizedNetwork, arena: &ArenaPlan) -> QuantizedNetwork {
    let mut network = network.clone();
    for (layer, place) in network.layers.iter_mut().zip(&arena.in_place) {
        match &mut layer.op {
            QuantizedOp::Add { align, .. } if *place == Some(layer.inputs[0]) => {
                align.reverse();
                layer.inputs.reverse();
            }
            // This kernel wants it first.
            QuantizedOp::Elementwise(function) if *place == Some(layer.inputs[1]) => {
                function.swap();
                layer.inputs.reverse();
            }
            _ => {}
        }
    }
    network
}

fn imports(code: &mut String, network: &QuantizedNetwork) {
    let mut names = BTreeSet::from(["Arena", "LayerInfo", "LayerKind", "ModelInfo", "Observer"]);
    for layer in &network.layers {
        let mut types = layer_type(network, layer);
        match &layer.op {
            QuantizedOp::Elementwise(Combination::Add { .. }) => types += " Term Multiplier",
            QuantizedOp::Elementwise(Combination::Mul { .. }) => types += " Multiplier",
            _ => {}
        }
        if layer.parameters().is_some()
            || matches!(layer.op, QuantizedOp::AveragePool2d { .. } | QuantizedOp::Add { .. })
        {
            types += &format!(" {}", requantization(layer));
        }
        if let QuantizedOp::Conv2d { pool: Some(pool), .. } = &layer.op {
            types += &format!(" {}", types::pool_type(pool));
        }
        let words = types.split(|c: char| !c.is_alphanumeric());
        names.extend(words.filter_map(|word| IMPORTED.iter().find(|name| **name == word)));
    }
    let names: Vec<&str> = names.into_iter().collect();
    let _ = writeln!(code, "use firmware_core::{{{}}};\n", names.join(", "));
}

/// A nested array literal of the given dimensions.
pub fn nested<T: Display>(code: &mut String, values: &[T], dims: &[usize]) {
    match dims {
        [] | [_] if values.len() <= PER_LINE => {
            let items: Vec<_> = values.iter().map(T::to_string).collect();
            let _ = write!(code, "[{}]", items.join(","));
        }
        [] | [_] => {
            code.push('[');
            for line in values.chunks(PER_LINE) {
                let items: Vec<_> = line.iter().map(T::to_string).collect();
                let _ = write!(code, "\n{},", items.join(","));
            }
            code.push(']');
        }
        [_, inner @ ..] => {
            let size: usize = inner.iter().product();
            code.push('[');
            for part in values.chunks(size.max(1)) {
                nested(code, part, inner);
                code.push(',');
                if inner.len() > 1 || size > PER_LINE {
                    code.push('\n');
                }
            }
            code.push(']');
        }
    }
}
