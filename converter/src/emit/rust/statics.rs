//! One `static` for every layer that has weights or a requantization.

use std::fmt::Write;

use super::nested;
use super::types::{layer_type, requantization};
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp, Requantization};
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
    {
        if let Requantization::Shifts(bits) = &parameters.requantization {
            shifts(code, bits, requantize);
        }
    }
    code.push_str(");\n\n");
}

/// The requantizations of all channels, in short where they are equal.
fn shifts(code: &mut String, shifts: &[u8], requantize: &str) {
    let all_equal = shifts.windows(2).all(|pair| pair[0] == pair[1]);
    if all_equal && shifts.len() > 1 {
        let _ = writeln!(code, "    [{requantize}::new({}); {}],", shifts[0], shifts.len());
        return;
    }
    code.push_str("    [\n");
    for line in shifts.chunks(8) {
        let items: Vec<_> = line.iter().map(|bits| format!("{requantize}::new({bits})")).collect();
        let _ = writeln!(code, "        {},", items.join(", "));
    }
    code.push_str("    ],\n");
}
