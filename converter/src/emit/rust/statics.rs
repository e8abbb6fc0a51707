//! One `static` for every layer that has weights or a requantization.

use std::fmt::Write;

use super::nested;
use super::types::{layer_type, requantization};
use crate::quantized::{
    Combination, QuantizedLayer, QuantizedNetwork, QuantizedOp, Requantization, Rescale,
};
use crate::tflite::Factor;
use firmware_core::LayerKind;

pub(super) fn static_name(layer: &QuantizedLayer) -> String {
    layer.name.to_uppercase()
}

pub(super) fn static_layer(code: &mut String, network: &QuantizedNetwork, layer: &QuantizedLayer) {
    let type_name = layer_type(network, layer);
    let function = type_name.split('<').next().unwrap_or_default();
    let requantize = requantization(layer);
    let requantize = requantize.split('<').next().unwrap_or_default();
    let name = static_name(layer);
    if let QuantizedOp::AveragePool2d { shift, .. } | QuantizedOp::Add { shift, .. } = layer.op {
        let _ = writeln!(
            code,
            "#[rustfmt::skip]\nstatic {name}: {type_name} = {function}::new({requantize}::new({shift}));\n"
        );
    }
    if let Some(contents) = without_weights(network, layer) {
        let _ = writeln!(
            code,
            "#[rustfmt::skip]\nstatic {name}: {type_name} = {function}::new({contents});\n"
        );
    }
    let Some(parameters) = layer.parameters() else { return };
    let (channels, taps) = (parameters.channels(), parameters.taps(0).len());
    let kernel = match &layer.op {
        QuantizedOp::Conv2d { window, .. } => Some(window.kernel),
        _ => None,
    };
    let (weights, dims) = match kernel {
        Some([kh, kw]) if layer.kind() == LayerKind::DepthwiseConv2d => {
            (parameters.by_tap(), vec![kh, kw, channels])
        }
        Some([kh, kw]) => (parameters.weights.clone(), vec![channels, kh, kw, taps / (kh * kw)]),
        None => (parameters.weights.clone(), vec![channels, taps]),
    };
    let constructor = if parameters.requantization.is_none() { "logits_only" } else { "new" };
    let _ =
        writeln!(code, "#[rustfmt::skip]\nstatic {name}: {type_name} = {function}::{constructor}(");
    code.push_str("    ");
    nested(code, &weights, &dims);
    code.push_str(",\n    ");
    nested(code, &parameters.bias, &[channels]);
    code.push_str(",\n");
    let all: Vec<String> = match &parameters.requantization {
        Requantization::None => vec![],
        Requantization::Shifts(all) => {
            all.iter().map(|bits| format!("{requantize}::new({bits})")).collect()
        }
        Requantization::Rescales(all) => all.iter().map(multiplier).collect(),
    };
    if !all.is_empty() {
        requantizations(code, &all);
    }
    code.push_str(");\n\n");
}

/// The requantizations of all channels, in short where they are equal.
fn requantizations(code: &mut String, all: &[String]) {
    let all_equal = all.windows(2).all(|pair| pair[0] == pair[1]);
    if all_equal && all.len() > 1 {
        let _ = writeln!(code, "    [{}; {}],", all[0], all.len());
        return;
    }
    code.push_str("    [\n");
    for line in all.chunks(8) {
        let _ = writeln!(code, "        {},", line.join(", "));
    }
    code.push_str("    ],\n");
}

/// The constructor of a [`Multiplier`](firmware_core::Multiplier).
fn multiplier(rescale: &Rescale) -> String {
    let Rescale { factor: Factor { multiplier, exponent }, zero, bounds: [low, high] } = rescale;
    format!("Multiplier::new({multiplier}, {exponent}, {zero}, [{low}, {high}])")
}

/// What a layer without weights is made of, if it is anything.
fn without_weights(network: &QuantizedNetwork, layer: &QuantizedLayer) -> Option<String> {
    match &layer.op {
        QuantizedOp::Lookup { table } => {
            let mut code = String::new();
            nested(&mut code, table, &[table.len()]);
            Some(code)
        }
        QuantizedOp::Elementwise(Combination::Add { terms, rescale }) => {
            let terms = terms.map(|(factor, zero)| {
                format!("Term::new({}, {}, {zero})", factor.multiplier, factor.exponent)
            });
            Some(format!("AffineAdd::new([{}], {})", terms.join(", "), multiplier(rescale)))
        }
        QuantizedOp::Elementwise(Combination::Mul { zeros, rescale }) => {
            Some(format!("AffineMul::new({zeros:?}, {})", multiplier(rescale)))
        }
        QuantizedOp::Mean { input_zero, rescale } => {
            let input = network.shape(layer.input());
            let offset = -input_zero * (input.height * input.width) as i32;
            Some(format!("Offset::new({offset}, {})", multiplier(rescale)))
        }
        _ => None,
    }
}
